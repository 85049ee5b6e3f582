"""Claiming a benefit, and the two ways a voucher ends without being redeemed.

Everything about one citizen's vouchers locks that citizen's wallet first, then ledger accounts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.benefits import operations as benefits
from app.benefits import refusals as benefit_refusals
from app.benefits.queries import (
    PublishedBenefit,
    Slot,
    find_current,
    find_slot,
    find_version,
    value_for_citizen,
)
from app.kernel.database import reading, savepoint, transaction, transaction_required
from app.kernel.errors import IdReused, refusal
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.ledger import operations as ledger
from app.redemptions import codes, queries, refusals
from app.redemptions.eligibility import claim_refusals
from app.redemptions.models import Voucher, VoucherClaim, VoucherEnding, VoucherManualCode
from app.redemptions.queries import HeldVoucher
from app.trail.operations import Actor, record_access

MANUAL_CODE_TRIES: Final = 5
CLAIM_REFUSALS: Final = (
    benefit_refusals.OutOfStock, benefit_refusals.SlotUnknown, benefit_refusals.SlotFull,
    ledger.refusals.InsufficientPoints,
)  # fmt: skip
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
SWEEP_BACK: Final = timedelta(days=1)
_LOCK_WALLET: Final = text("SELECT redemption_lock_wallet(:citizen)")


@dataclass(frozen=True)
class StoredAnswer:
    """The answer to a caller's id, the first time and every time after."""

    refusal_code: str | None
    details: dict[str, Any] | None
    answer: str | None

    def require_accepted(self) -> str:
        """The answer's text; raises the refusal, if it is one.  For after the commit."""
        if self.refusal_code is not None:
            raise refusal(self.refusal_code, **(self.details or {}))
        assert self.answer is not None
        return self.answer


def claim_voucher(
    *,
    citizen_id: UUID,
    voucher_id: UUID,
    benefit_code: str,
    slot_begins_at: datetime | None = None,
    beside: Callable[[], None] | None = None,
) -> str:
    """Claim a benefit and hold its price; the answer as JSON text, the same for the same id.

    `slot_begins_at` chooses the slot of a benefit that has slots; `beside` stands in the
    transaction of the claim, for who claims in somebody's name.  A refusal sticks to its
    `voucher_id`: `benefit_unknown`, `not_claimable`, `card_inactive`, `other_voucher_held`,
    `claim_limit_reached`, `slot_needed`, `slot_unknown`, `insufficient_points`, `out_of_stock`,
    `slot_full`; other requests under one id are `id_reused`.
    """
    digest = _digest(benefit_code, slot_begins_at)
    with transaction() as session:
        session.execute(_LOCK_WALLET, {"citizen": citizen_id})
        if beside is not None:
            beside()
        first = session.get(VoucherClaim, (citizen_id, voucher_id))
        if first is not None:
            if not compare_digest(first.request_digest, digest):
                raise IdReused
            stored = StoredAnswer(first.refusal_code, first.details, first.answer)
        else:
            stored = _claim(session, citizen_id, voucher_id, benefit_code, slot_begins_at)
            session.add(
                VoucherClaim(
                    citizen_id=citizen_id, voucher_id=voucher_id, request_digest=digest,
                    **vars(stored),
                )
            )
    return stored.require_accepted()


def give_back_voucher(
    *, citizen_id: UUID, voucher_id: UUID, beside: Callable[[], None] | None = None
) -> HeldVoucher:
    """Give a voucher back and free its points; doing it again changes nothing.

    `beside` is as in `claim_voucher`.

    Refuses `voucher_unknown`, `already_redeemed`, `voucher_annulled`, `voucher_expired`; of a slot
    that is too near `give_back_too_late`.
    """
    with transaction() as session:
        session.execute(_LOCK_WALLET, {"citizen": citizen_id})
        voucher = session.get(Voucher, (citizen_id, voucher_id))
        if voucher is None:
            raise refusals.VoucherUnknown
        if beside is not None:
            beside()
        ending = session.get(VoucherEnding, (citizen_id, voucher_id))
        moment = _clock(session)
        if ending is None and voucher.expires_at > moment:
            _require_time_to_give_back(voucher, moment)
            _end(session, voucher, "given_back", moment)
    held = queries.find_voucher(citizen_id=citizen_id, voucher_id=voucher_id)
    assert held is not None
    if held.status != "given_back":
        code = {
            "redeemed": "already_redeemed", "annulled": "voucher_annulled",
            "used_offline": "voucher_used_offline",
        }  # fmt: skip
        raise refusal(code.get(held.status, "voucher_expired"))
    return held


def end_all_vouchers(*, citizen_id: UUID) -> None:
    """Give back everything that a citizen who leaves still holds, in the open transaction.

    The wallet's lock comes first: a redemption that had it is done, a later one finds nobody.
    """
    session = transaction_required()
    session.execute(_LOCK_WALLET, {"citizen": citizen_id})
    moment = _clock(session)
    for voucher in session.scalars(
        queries.select_open(citizen_id=citizen_id, moment=moment)
    ).all():
        _end(session, voucher, "given_back", moment)


def expire_due_vouchers(*, limit: int, back: timedelta | None = SWEEP_BACK) -> int:
    """For the job: end up to `limit` vouchers whose time is over; how many it ended.

    It looks at vouchers that expired within `back`, so that a sweep each minute stays cheap; None
    looks at all, and so finds what a longer outage left behind.  Nobody waits for it: an expired
    voucher is refused before it was swept.
    """
    due = queries.due_vouchers(limit=limit, back=back)
    return sum(_expire(citizen_id, voucher_id) for citizen_id, voucher_id in due)


def show_voucher_code(*, keys: KeyProvider, citizen_id: UUID, voucher_id: UUID) -> str:
    """The text to show for a claimed voucher.  Refuses as `require_usable_voucher` says."""
    require_usable_voucher(citizen_id=citizen_id, voucher_id=voucher_id)
    return codes.make_voucher_code(keys, citizen_id=citizen_id, voucher_id=voucher_id)


def show_manual_code(*, keys: KeyProvider, citizen_id: UUID, voucher_id: UUID) -> str:
    """The code to type for a claimed voucher, in groups of four."""
    held = require_usable_voucher(citizen_id=citizen_id, voucher_id=voucher_id)
    code = codes.manual_code(keys, citizen_id=citizen_id, voucher_id=voucher_id)
    line = {
        "code_hash": codes.manual_code_hashes(keys, code)[0],
        "citizen_id": citizen_id,
        "voucher_id": voucher_id,
        "tries_left": MANUAL_CODE_TRIES,
        "expires_at": held.expires_at,
    }
    with transaction() as session:
        session.execute(insert(VoucherManualCode).values(line).on_conflict_do_nothing())
    return codes.spell_manual_code(code)


def require_usable_voucher(*, citizen_id: UUID, voucher_id: UUID) -> HeldVoucher:
    """A claimed voucher whose time is not over.

    Refuses `voucher_unknown`, `already_redeemed`, `voucher_annulled`, `voucher_given_back`,
    `voucher_used_offline`, `voucher_expired`.
    """
    with reading() as session:
        held = queries.find_voucher(citizen_id=citizen_id, voucher_id=voucher_id)
        moment = _clock(session)
    if held is None:
        raise refusals.VoucherUnknown
    by_status = {
        "redeemed": "already_redeemed", "annulled": "voucher_annulled",
        "given_back": "voucher_given_back", "expired": "voucher_expired",
        "used_offline": "voucher_used_offline",
    }
    if held.status in by_status:
        raise refusal(by_status[held.status])
    if held.expires_at <= moment:
        raise refusals.VoucherExpired
    return held


def _digest(benefit_code: str, slot_begins_at: datetime | None) -> bytes:
    slot = "" if slot_begins_at is None else f"@{(slot_begins_at - _EPOCH) // _MICROSECOND}"
    return hashlib.sha256(f"{benefit_code}{slot}".encode()).digest()


def _require_time_to_give_back(voucher: Voucher, moment: datetime) -> None:
    benefit = find_version(benefit_id=voucher.benefit_id)
    if benefit.slot_seconds is None or benefit.slot_give_back_seconds is None:
        return
    ahead = timedelta(seconds=benefit.slot_seconds + benefit.slot_give_back_seconds)
    if moment > voucher.expires_at - ahead:
        raise refusals.GiveBackTooLate


def _claim(
    session: Session,
    citizen_id: UUID,
    voucher_id: UUID,
    benefit_code: str,
    slot_begins_at: datetime | None,
) -> StoredAnswer:
    benefit = find_current(code=benefit_code)
    if benefit is None:
        return StoredAnswer("benefit_unknown", None, None)
    against = next(claim_refusals(citizen_id=citizen_id, benefit=benefit), None)
    if against is not None:
        return StoredAnswer(against, None, None)
    slot = None
    if slot_begins_at is not None:
        slot = find_slot(benefit_id=benefit.benefit_id, begins_at=slot_begins_at)
        if slot is None:
            return StoredAnswer("slot_unknown", None, None)
    elif benefit.slot_seconds is not None:
        return StoredAnswer("slot_needed", None, None)
    return _take(session, citizen_id, voucher_id, benefit, slot)


def _take(
    session: Session,
    citizen_id: UUID,
    voucher_id: UUID,
    benefit: PublishedBenefit,
    slot: Slot | None,
) -> StoredAnswer:
    """Hold the price, then take stock and place: what many wait for is locked last."""
    granted = value_for_citizen(citizen_id=citizen_id, benefit_id=benefit.benefit_id)
    moment = _clock(session)
    life = timedelta(seconds=benefit.voucher_life_seconds)
    expires_at = moment + life if slot is None else slot.ends_at
    hold_id = new_id() if benefit.price_points else None
    try:
        with savepoint():
            if hold_id is not None:
                held = ledger.hold(
                    citizen_id=citizen_id, transfer_id=hold_id, reason="voucher",
                    amount_points=benefit.price_points, expires_at=expires_at,
                )
                held.require_accepted()
            benefits.take_stock(benefit=benefit)
            if slot is not None:
                benefits.take_slot(benefit=benefit, begins_at=slot.begins_at)
    except CLAIM_REFUSALS as error:
        return StoredAnswer(error.code, None, None)
    voucher = Voucher(
        citizen_id=citizen_id, voucher_id=voucher_id, benefit_id=benefit.benefit_id,
        benefit_code=benefit.code, benefit_version=benefit.version, value=dict(granted.value),
        price_points=benefit.price_points, hold_id=hold_id, stock_taken=benefit.stock_limited,
        claimed_at=moment, expires_at=expires_at,
    )
    session.add(voucher)
    _write_trail(voucher, "voucher_claimed")
    return StoredAnswer(None, None, _claim_answer(voucher, benefit, slot))


def _claim_answer(voucher: Voucher, benefit: PublishedBenefit, slot: Slot | None) -> str:
    answer = {
        "voucher_id": voucher.voucher_id,
        "benefit_code": benefit.code,
        "name": benefit.name,
        "value": voucher.value,
        "price_points": voucher.price_points,
        "claimed_at": voucher.claimed_at,
        "usable_from_at": None if slot is None else slot.begins_at,
        "expires_at": voucher.expires_at,
    }
    return orjson.dumps(answer, option=orjson.OPT_UTC_Z).decode()


def _expire(citizen_id: UUID, voucher_id: UUID) -> bool:
    with transaction() as session:
        session.execute(_LOCK_WALLET, {"citizen": citizen_id})
        voucher = session.get_one(Voucher, (citizen_id, voucher_id))
        if session.get(VoucherEnding, (citizen_id, voucher_id)) is not None:
            return False
        _end(session, voucher, "expired", _clock(session))
    return True


def _end(session: Session, voucher: Voucher, kind: str, moment: datetime) -> None:
    """Write the one ending and let the hold go; the ledger's own sweep may have ended it before."""
    session.add(
        VoucherEnding(
            citizen_id=voucher.citizen_id, voucher_id=voucher.voucher_id, kind=kind, ended_at=moment
        )
    )
    session.flush()
    if voucher.hold_id is not None and kind == "given_back":
        ledger.void_hold(
            citizen_id=voucher.citizen_id, transfer_id=new_id(), hold_id=voucher.hold_id
        ).require_accepted()
    elif voucher.hold_id is not None:
        ledger.expire_hold(
            citizen_id=voucher.citizen_id, transfer_id=new_id(), hold_id=voucher.hold_id
        )
    if voucher.stock_taken:
        benefits.return_stock(benefit_id=voucher.benefit_id)
    benefits.return_slot(benefit_id=voucher.benefit_id, expires_at=voucher.expires_at)
    if kind == "given_back":
        _write_trail(voucher, "voucher_given_back")


def _write_trail(voucher: Voucher, action: str) -> None:
    record_access(
        citizen_id=voucher.citizen_id, actor=Actor("citizen", voucher.citizen_id), action=action,
        fields=["voucher"], basis="membership",
    )


def _clock(session: Session) -> datetime:
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment
