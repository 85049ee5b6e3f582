"""Offline codes: signed vouchers that a scanner checks without the platform.

Every code is written into the issuing ledger in the transaction that signs it.  All codes of one
voucher carry one reference, by which a device knows it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.benefits.queries import OfflineTerms, offline_terms
from app.kernel.crypto import keyed_digest
from app.kernel.database import transaction
from app.kernel.ids import random_id
from app.kernel.keys import KeyProvider, KeyPurpose
from app.redemptions import refusals
from app.redemptions.models import OfflineIssue, Voucher
from app.redemptions.offline_lists import voucher_key
from app.redemptions.vouchers import require_usable_voucher
from integrity_card_scanner.vouchers import (
    LIFE_MAX,
    PERSON_TAG_BYTES,
    SCOPE_MAX,
    CodeTooLargeError,
    OfflineVoucher,
    city_day,
    issue_digest,
    make_code,
    merchant_tag,
)

USES_PER_DAY: Final = 4  # of a person on one device, where no limit by day is published
RENEWED_BEFORE: Final = timedelta(hours=12)  # of its end, a code is replaced when it is asked for
_LOCK_WALLET: Final = text("SELECT redemption_lock_wallet(:citizen)")
_NEXT_SLOT: Final = text("SELECT nextval('offline_slots')")


@dataclass(frozen=True)
class OfflineCode:
    """An offline code to show, and when it ends."""

    code: str
    expires_at: datetime


def show_offline_code(
    *, keys: KeyProvider, citizen_id: UUID, voucher_id: UUID
) -> OfflineCode:
    """The offline code of a claimed voucher: the same for hours, good for 24 at most.

    Refuses `offline_not_allowed`, `offline_unavailable` and what `require_usable_voucher` refuses.
    """
    key = voucher_key(keys)
    with transaction() as session:
        session.execute(_LOCK_WALLET, {"citizen": citizen_id})
        require_usable_voucher(citizen_id=citizen_id, voucher_id=voucher_id)
        issue = _live_issue(session, keys, key.public.kid, citizen_id, voucher_id)
        try:
            code = make_code(key, issue.payload)
        except CodeTooLargeError as error:
            raise refusals.OfflineNotAllowed from error
    return OfflineCode(code, issue.expires_at)


def file_issue(session: Session, issue: OfflineIssue, *, kid: bytes) -> OfflineIssue:
    """Write that the key signed what an issue says; doing it again changes nothing."""
    line = {
        "code_digest": issue_digest(kid, issue.payload), "kid": kid, "payload": issue.payload,
        "reference": issue.reference, "citizen_id": issue.citizen_id,
        "voucher_id": issue.voucher_id, "benefit_code": issue.benefit_code, "slot": issue.slot,
        "not_before_at": issue.not_before_at, "expires_at": issue.expires_at,
    }
    session.execute(insert(OfflineIssue).values(line).on_conflict_do_nothing())
    return session.get_one(OfflineIssue, line["code_digest"])


def _live_issue(
    session: Session, keys: KeyProvider, kid: bytes, citizen_id: UUID, voucher_id: UUID
) -> OfflineIssue:
    """The newest code of a voucher, or a new one where that is not good for long enough."""
    voucher = session.get_one(Voucher, (citizen_id, voucher_id))
    last = session.scalars(
        select(OfflineIssue)
        .where(OfflineIssue.citizen_id == citizen_id, OfflineIssue.voucher_id == voucher_id)
        .order_by(OfflineIssue.issued_at.desc())
        .limit(1)
    ).one_or_none()
    moment = _clock(session).replace(microsecond=0)
    wanted_until = min(moment + RENEWED_BEFORE, voucher.expires_at.replace(microsecond=0))
    if last is not None and moment < last.expires_at and wanted_until <= last.expires_at:
        return last if last.kid == kid else file_issue(session, last, kid=kid)
    reference = random_id() if last is None else last.reference
    said = _say(session, keys, voucher, reference=reference, moment=moment)
    issue = OfflineIssue(
        reference=reference, citizen_id=citizen_id, voucher_id=voucher_id,
        benefit_code=voucher.benefit_code, slot=said.slot, payload=said.payload(),
        not_before_at=said.not_before_at, expires_at=said.expires_at,
    )
    return file_issue(session, issue, kid=kid)


def _say(
    session: Session, keys: KeyProvider, voucher: Voucher, *, reference: UUID, moment: datetime
) -> OfflineVoucher:
    """What a code of this voucher says from now on.  Refuses `offline_not_allowed`."""
    terms = offline_terms(benefit_id=voucher.benefit_id)
    expires_at = min(moment + LIFE_MAX, voucher.expires_at.replace(microsecond=0))
    if not terms.allowed or expires_at <= moment:
        raise refusals.OfflineNotAllowed
    return OfflineVoucher(
        reference=reference,
        slot=session.execute(_NEXT_SLOT).scalar_one(),
        person_tag=_person_tags(keys, voucher.citizen_id, moment, expires_at),
        benefit_code=voucher.benefit_code,
        value=voucher.value,
        not_before_at=moment,
        expires_at=expires_at,
        scope=_scope(terms),
        uses_per_day=terms.uses_per_day or USES_PER_DAY,
        worth_fen=terms.worth_fen,
    )


def _person_tags(
    keys: KeyProvider, citizen_id: UUID, begins_at: datetime, expires_at: datetime
) -> bytes:
    """A tag for each day on which the code can be used; tags of different days join nothing."""
    days = sorted({city_day(begins_at), city_day(expires_at - timedelta(seconds=1))})
    key = keys.active(KeyPurpose.CODE)
    tags = (
        keyed_digest(key, b"offline person:" + citizen_id.bytes + day.isoformat().encode())
        for day in days
    )
    return b"".join(tag[:PERSON_TAG_BYTES] for tag in tags)


def _scope(terms: OfflineTerms) -> tuple[bytes, ...]:
    """The merchants, where they are few; the others are told which benefits they take."""
    if terms.merchant_ids is None or len(terms.merchant_ids) > SCOPE_MAX:
        return ()
    return tuple(sorted(merchant_tag(merchant) for merchant in terms.merchant_ids))


def _clock(session: Session) -> datetime:
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment
