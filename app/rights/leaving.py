"""Leaving: one step, as easy as joining.

At once: sessions, codes and consents are dead, vouchers are given back, nothing is computed any
more.  Within 72 hours: what is personal is deleted and its key destroyed.  What was begun is
settled first: until then the key, the WeChat identity and the lookups stay and all else is gone.
They stay too until WeChat was told that the permission to debit has ended, at most those 72 hours.
The ledger keeps a pseudonym, so that its sums still prove.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import ClassVar, Final
from uuid import UUID

import orjson
from sqlalchemy import func, select, text, update

from app.households import operations as households
from app.kernel.database import savepoint, transaction, transaction_required
from app.kernel.detached import sign_detached
from app.kernel.errors import NotFound
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.members import operations as members
from app.members.queries import is_bound
from app.redemptions import vouchers
from app.rights import journal, queries
from app.rights.models import Leaving, LeavingReceipt
from app.rights.receipts import SignedReceipt
from app.scoring.ranks import forget_ranks
from app.service_orders import leaving as orders
from app.trail.operations import SYSTEM, Actor

log = logging.getLogger(__name__)

ERASE_WITHIN: Final = timedelta(hours=72)
QUIET_AFTER: Final = timedelta(hours=1)  # no delivery that knew the member takes longer
WECHAT: Final = "wechat"
COUNTER: Final = "counter"
RESTORED: Final = "restored"
RELATIVES: Final = "relatives"
_ERASURES: Final = (
    text("SELECT records_erase(:citizen)"),
    text("SELECT scoring_erase(:citizen)"),
    text("SELECT redemptions_erase(:citizen)"),
    text("SELECT wechat_erase(:citizen)"),
    text("SELECT objections_erase(:citizen)"),
    text("SELECT disputes_erase(:citizen)"),
    text("SELECT repairs_erase(:citizen)"),
    text("SELECT counter_erase(:citizen)"),
    text("SELECT complaints_erase(:citizen)"),
    text("SELECT library_erase(:citizen)"),
    text("SELECT transit_erase(:citizen)"),
    text("SELECT deaths_erase(:citizen)"),
    text("SELECT rights_erase(:citizen)"),
    text("SELECT oversight_erase(:citizen)"),
)


class LeavingUnknown(NotFound):
    """No receipt has this number."""

    code: ClassVar[str] = "leaving_unknown"
    title: ClassVar[str] = "There is no such receipt"
    advice: ClassVar[str] = "没有找到该退出回执，请核对编号。"


def leave(
    *, keys: KeyProvider, citizen_id: UUID, actor: Actor, channel: str = WECHAT, reason: str = ""
) -> SignedReceipt:
    """End a membership at once and see to the erasure; the receipt of it.

    Leaving twice gives the first receipt again.  CitizenNotFound.
    """
    with transaction():
        left_at = _end_all(citizen_id, actor, channel, reason)
        if left_at is not None:
            _note(citizen_id, channel, left_at)
    found = queries.find_leaving_of(citizen_id=citizen_id)
    assert found is not None, "it was noted in the transaction that ended the membership"
    return _receipt(keys, found)


def let_go(*, citizen_id: UUID) -> None:
    """End the membership of somebody who has died, in the open transaction, as they would have.

    The erasure follows.  CitizenNotFound.
    """
    left_at = _end_all(citizen_id, SYSTEM, COUNTER, "")
    if left_at is not None:
        _note(citizen_id, RELATIVES, left_at)


def show_leaving(*, leaving_id: UUID) -> queries.Departure:
    """How far an erasure is, for whoever holds the receipt.  LeavingUnknown."""
    found = queries.find_leaving(leaving_id=leaving_id)
    if found is None:
        raise LeavingUnknown
    return found


def erase_due(*, limit: int, is_journaled: bool = True) -> int:
    """For the job: erase up to `limit` of those who left and are in the journal; how many.

    Without a journal (`is_journaled` false) nobody waits for it.  Twice each: at once, and again
    for good when a delivery that knew the member has ended.
    """
    due = queries.list_unerased(
        limit=limit, quiet_after=QUIET_AFTER, is_journaled=is_journaled
    )
    for citizen_id in due:
        _erase(citizen_id)
    return len(due)


def is_erased(*, citizen_id: UUID) -> bool:
    """Whether nothing of somebody may be written any more.

    Until the end of the open transaction nobody is erased whom this says to be there.
    """
    query = select(Leaving.erased_at).where(Leaving.citizen_id == citizen_id)
    return transaction_required().scalar(query.with_for_update(read=True)) is not None


def note_permission_ended(*, citizen_id: UUID) -> None:
    """Note that WeChat Pay debits nothing more on trust, for somebody who has left."""
    with transaction() as session:
        session.execute(
            update(Leaving)
            .where(Leaving.citizen_id == citizen_id, Leaving.permission_ended_at.is_(None))
            .values(permission_ended_at=func.clock_timestamp())
        )


def replay(*, line: journal.Line) -> bool:
    """Let somebody leave a restored database as they left the lost one; whether there was need to.

    The erasure follows at once.  Of somebody whom the restored database does not know, only the
    leaving is noted.
    """
    if queries.find_leaving_of(citizen_id=line.citizen_id) is not None:
        return False
    with transaction():
        _note(line.citizen_id, RESTORED, line.left_at, is_journaled=True)
        try:
            with savepoint():
                _end_all(line.citizen_id, SYSTEM, COUNTER, "")
        except members.CitizenNotFound:
            log.info("the journal names somebody who is not in the database")
    _erase(line.citizen_id, quiet_after=timedelta(0))  # no delivery is under way
    return True


def _end_all(citizen_id: UUID, actor: Actor, channel: str, reason: str) -> datetime | None:
    """Everything that ends at once; the moment, or None when it had ended before."""
    vouchers.end_all_vouchers(citizen_id=citizen_id)
    left_at = members.end_membership(
        citizen_id=citizen_id, actor=actor, channel=channel, reason=reason
    )
    if left_at is not None:
        orders.cancel_unstarted(citizen_id=citizen_id)
        households.forget_citizen(citizen_id=citizen_id)
        forget_ranks(citizen_id=citizen_id)
    return left_at


def _note(
    citizen_id: UUID, channel: str, left_at: datetime, *, is_journaled: bool = False
) -> None:
    session = transaction_required()
    leaving_id = new_id()
    is_permission_possible = is_bound(citizen_id=citizen_id)
    if is_permission_possible:
        orders.end_permission(citizen_id=citizen_id)
    session.add_all([
        Leaving(
            citizen_id=citizen_id, leaving_id=leaving_id, channel=channel, left_at=left_at,
            erase_by_at=left_at + ERASE_WITHIN,
            journaled_at=func.clock_timestamp() if is_journaled else None,
            permission_ended_at=None if is_permission_possible else left_at,
        ),
        LeavingReceipt(leaving_id=leaving_id, citizen_id=citizen_id),
    ])
    session.flush()


def _erase(citizen_id: UUID, *, quiet_after: timedelta = QUIET_AFTER) -> None:
    with transaction() as session:
        held = session.get_one(Leaving, citizen_id, with_for_update=True, populate_existing=True)
        if held.erased_at is not None:
            return  # another worker was first
        moment = session.execute(select(func.clock_timestamp())).scalar_one()
        is_last = (
            held.left_at + quiet_after <= moment
            and (
                held.permission_ended_at is not None
                or held.erase_by_at <= moment + queries.GIVEN_UP_BEFORE
            )
            and orders.is_settled(citizen_id=citizen_id)
        )
        for erasure in _ERASURES:
            session.execute(erasure, {"citizen": citizen_id})
        members.erase_member(citizen_id=citizen_id, entirely=is_last)
        held.reduced_at = held.reduced_at or moment
        if is_last:
            held.erased_at = moment
            if held.permission_ended_at is None:
                log.error(
                    "erased before WeChat Pay was told",
                    extra={"leaving_id": str(held.leaving_id)},
                )


def _receipt(keys: KeyProvider, found: queries.Departure) -> SignedReceipt:
    document = orjson.dumps(
        {
            "kind": "leaving_receipt", "leaving_id": found.leaving_id, "left_at": found.left_at,
            "erased_by": found.erase_by_at,
            "stays": ["ledger entries, vouchers and redemptions under a random number",
                      "the trail of who looked, and of your consents, for as long as the law asks"],
        },
        option=orjson.OPT_UTC_Z,
    )  # fmt: skip
    return SignedReceipt(document.decode(), sign_detached(keys=keys, payload=document))
