"""Reading vouchers and redemptions, and the hot statements: one round trip each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, and_, func, select, text

from app.disputes.queries import REDEMPTION, Item, find_disputed
from app.kernel.database import (
    hot_call,
    reading,
    reading_whole_tables,
    transaction_required,
)
from app.redemptions.models import (
    Annulment,
    Redemption,
    Voucher,
    VoucherClaim,
    VoucherEnding,
)
from app.redemptions.proof import Finding, find_faults

REDEEM: Final = """
SELECT r.refusal_code, r.details, r.answer, r.replayed FROM redemption_redeem(
    %(citizen)s, %(clerk)s, %(clerk_session)s, %(shop)s, %(redemption)s, %(request_digest)s,
    %(receipt)s, %(code_kind)s, %(code_digest)s, %(code_expires_at)s, %(holder_session)s,
    %(code_fault)s, %(voucher)s, %(wanted_benefit)s, %(transfer)s, %(trail)s, %(message)s,
    %(request_id)s) r
"""
PREVIEW: Final = """
SELECT r.refusal_code, r.details, r.answer, r.moment FROM redemption_preview(
    %(citizen)s, %(clerk)s, %(clerk_session)s, %(shop)s, %(code_digest)s, %(code_expires_at)s,
    %(holder_session)s, %(code_fault)s, %(voucher)s, %(trail)s) r
"""
KEEP_UNREADABLE: Final = """
SELECT redemption_keep_unreadable(%(clerk)s, %(clerk_session)s, %(shop)s, %(scan)s, %(digest)s,
    %(reason)s, %(limit)s, %(window)s) AS refusal_code
"""
FIND_ANSWERED: Final = """
SELECT redemption_answered_citizen(%(clerk)s, %(redemption)s, %(request_digest)s, %(hashes)s)
    AS citizen_id
"""
OPEN_MANUAL_CODE: Final = """
SELECT m.refusal_code, m.code_hash, m.citizen_id, m.voucher_id, m.dead
FROM redemption_open_manual_code(%(clerk)s, %(clerk_session)s, %(shop)s, %(scan)s, %(hashes)s,
    %(limit)s, %(window)s) m
"""
RESTORE_TRY: Final = "SELECT redemption_restore_try(%(hash)s, %(tries)s)"
_COUNTED_SCAN: Final = text("""
SELECT o.merchant_id, o.shop_id, o.scanned_at FROM offline_standing o
WHERE o.citizen_id = :citizen AND o.voucher_id = :voucher AND o.standing = 'counted'
""")
# What settlement counts: redemptions that stand and were not displaced by an earlier scan, and
# scans that count by themselves or by a decision.
_USES: Final = text("""
SELECT count(*) FROM (
    SELECT FROM redemptions r
    WHERE r.shop_id = ANY (CAST(:shops AS uuid[]))
      AND NOT EXISTS (SELECT FROM annulments a WHERE a.citizen_id = r.citizen_id
                      AND a.voucher_id = r.voucher_id)
      AND NOT EXISTS (SELECT FROM offline_scans s WHERE s.citizen_id = r.citizen_id
                      AND s.voucher_id = r.voucher_id AND s.fault IS NULL
                      AND s.scanned_at < r.redeemed_at)
    UNION ALL
    SELECT FROM offline_uses o
    WHERE o.merchant_id = :merchant AND coalesce(o.outcome, o.standing) = 'counted'
    LIMIT :at_most
) u
""")
SESSION_AND_TIME: Final = """
SELECT citizen_session_is_live(%(citizen)s, %(session)s) AS live, clock_timestamp() AS moment
"""
# By a time that stands still within the statement: the index serves no other.
_DUE_VOUCHERS: Final = text("""
    SELECT v.citizen_id, v.voucher_id FROM vouchers v
    WHERE v.expires_at <= statement_timestamp()
      AND v.expires_at > coalesce(
          statement_timestamp() - CAST(:back AS interval), CAST('-infinity' AS timestamptz))
      AND NOT EXISTS (SELECT FROM voucher_endings e
                      WHERE e.citizen_id = v.citizen_id AND e.voucher_id = v.voucher_id)
    ORDER BY v.expires_at LIMIT :limit
""")
_CLAIMS_IN_PERIODS: Final = text("""
    SELECT p.period, count(v.voucher_id) AS claimed
    FROM unnest(CAST(:periods AS text[])) AS p(period)
    LEFT JOIN (
        SELECT v.voucher_id, v.claimed_at FROM vouchers v
        LEFT JOIN voucher_endings e ON e.citizen_id = v.citizen_id AND e.voucher_id = v.voucher_id
        LEFT JOIN annulments a ON a.citizen_id = v.citizen_id AND a.voucher_id = v.voucher_id
        WHERE v.citizen_id = :citizen AND v.benefit_code = :code
          AND (e.kind IS NULL AND v.expires_at > clock_timestamp()
               OR e.kind IN ('redeemed', 'used_offline') AND a.voucher_id IS NULL)
    ) v ON p.period = 'ever' OR v.claimed_at >= date_trunc(
        CASE p.period WHEN 'ever' THEN 'day' ELSE p.period END,
        now() AT TIME ZONE 'Asia/Shanghai') AT TIME ZONE 'Asia/Shanghai'
    GROUP BY p.period
""")


@dataclass(frozen=True)
class HeldVoucher:
    """A voucher of a citizen.

    `status` is claimed, redeemed, used_offline, annulled, expired or given_back; it is good from
    `usable_from_at` on where it has a slot, else from its claim.  `is_disputed`, in lists: an
    objection to its redemption is open.
    """

    voucher_id: UUID
    benefit_code: str
    value: Mapping[str, Any]
    price_points: int
    claimed_at: datetime
    usable_from_at: datetime | None
    expires_at: datetime
    status: str
    ended_at: datetime | None
    is_disputed: bool = False


@dataclass(frozen=True)
class ShopRedemption:
    """A redemption as its shop sees it: nothing about the person."""

    citizen_id: UUID
    clerk_id: UUID
    redemption_id: UUID
    benefit_code: str
    price_points: int
    redeemed_at: datetime
    annulled_at: datetime | None
    voucher_id: UUID


@dataclass(frozen=True)
class OwnRedemption:
    """Where and when a citizen's voucher was used; without an id where that was off line."""

    redemption_id: UUID | None
    merchant_id: UUID
    shop_id: UUID
    redeemed_at: datetime


@dataclass(frozen=True)
class PassTime:
    """The database's answer to somebody who wants a pass code."""

    live: bool
    moment: datetime


def pass_code_time(*, citizen_id: UUID, session_id: UUID) -> PassTime:
    """Whether the session is live, and the database's time, in one round trip."""
    row = hot_call(SESSION_AND_TIME, {"citizen": citizen_id, "session": session_id})
    assert row is not None
    return PassTime(row["live"], row["moment"])


def list_vouchers(*, citizen_id: UUID, limit: int, before: UUID | None = None) -> list[HeldVoucher]:
    """A citizen's vouchers, the latest claimed first; `before` is the last of the page before."""
    query = _vouchers(citizen_id).order_by(Voucher.claimed_at.desc(), Voucher.voucher_id.desc())
    if before is not None:
        position = (
            select(Voucher.claimed_at)
            .where(Voucher.citizen_id == citizen_id, Voucher.voucher_id == before)
            .scalar_subquery()
        )
        query = query.where(
            func.row(Voucher.claimed_at, Voucher.voucher_id) < func.row(position, before)
        )
    with reading() as session:
        found = [_held(*row) for row in session.execute(query.limit(limit))]
    disputed = find_disputed(kind=REDEMPTION, citizen_ids=[citizen_id]) if found else frozenset()
    return [
        replace(one, is_disputed=(citizen_id, Item(REDEMPTION, str(one.voucher_id))) in disputed)
        for one in found
    ]


def find_voucher(*, citizen_id: UUID, voucher_id: UUID) -> HeldVoucher | None:
    """One voucher of a citizen."""
    query = _vouchers(citizen_id).where(Voucher.voucher_id == voucher_id)
    with reading() as session:
        row = session.execute(query).one_or_none()
        return None if row is None else _held(*row)


def find_refused_claim(
    *, citizen_id: UUID, voucher_id: UUID
) -> tuple[str, Mapping[str, Any]] | None:
    """Why a claim was refused, in the code's word and its details; None when it was not."""
    query = select(VoucherClaim.refusal_code, VoucherClaim.details).where(
        VoucherClaim.citizen_id == citizen_id, VoucherClaim.voucher_id == voucher_id
    )
    with reading() as session:
        row = session.execute(query).one_or_none()
    if row is None or row.refusal_code is None:
        return None
    return row.refusal_code, row.details or {}


def find_redemption_id(*, citizen_id: UUID, voucher_id: UUID) -> UUID | None:
    """The caller-made id under which a voucher was redeemed on line; None when it was not."""
    query = select(Redemption.redemption_id).where(
        Redemption.citizen_id == citizen_id, Redemption.voucher_id == voucher_id
    )
    with reading() as session:
        return session.scalar(query)


def count_claims_in_periods(
    *, citizen_id: UUID, benefit_code: str, periods: list[str]
) -> dict[str, int]:
    """Claims that count against limits: live or redeemed ones of these periods, in city time."""
    rows = transaction_required().execute(
        _CLAIMS_IN_PERIODS, {"citizen": citizen_id, "code": benefit_code, "periods": periods}
    )
    return {row.period: row.claimed for row in rows}


def holds_any(*, citizen_id: UUID, benefit_codes: Sequence[str]) -> bool:
    """Whether the citizen holds a voucher of one of these benefits that can still be redeemed."""
    ended = select(VoucherEnding.voucher_id).where(
        VoucherEnding.citizen_id == citizen_id, VoucherEnding.voucher_id == Voucher.voucher_id
    )
    held = select(Voucher.voucher_id).where(
        Voucher.citizen_id == citizen_id,
        Voucher.benefit_code.in_(benefit_codes),
        Voucher.expires_at > func.clock_timestamp(),
        ~ended.exists(),
    )
    return bool(transaction_required().scalar(select(held.exists())))


def due_vouchers(*, limit: int, back: timedelta | None) -> list[tuple[UUID, UUID]]:
    """Vouchers (citizen, voucher) without an ending that expired within `back`, or ever."""
    with reading() as session, ExitStack() as planned:
        if back is None:
            planned.enter_context(reading_whole_tables(session))
        rows = session.execute(_DUE_VOUCHERS, {"limit": limit, "back": back})
        return [(row.citizen_id, row.voucher_id) for row in rows]


def select_open(*, citizen_id: UUID, moment: datetime) -> Select[Voucher]:
    """The vouchers of a citizen that have no ending and whose time is not over."""
    return (
        select(Voucher)
        .outerjoin(
            VoucherEnding,
            and_(
                VoucherEnding.citizen_id == Voucher.citizen_id,
                VoucherEnding.voucher_id == Voucher.voucher_id,
            ),
        )
        .where(
            Voucher.citizen_id == citizen_id, Voucher.expires_at > moment,
            VoucherEnding.voucher_id.is_(None),
        )
        .order_by(Voucher.voucher_id)
    )


def list_shop_redemptions_of_today(
    *, shop_id: UUID, limit: int, before: datetime | None
) -> list[ShopRedemption]:
    """What a shop redeemed on this day in the city, the latest first."""
    midnight = func.timezone(
        "Asia/Shanghai", func.date_trunc("day", func.timezone("Asia/Shanghai", func.now()))
    )
    query = (
        select(Redemption, Annulment.annulled_at)
        .outerjoin(
            Annulment,
            and_(
                Annulment.citizen_id == Redemption.citizen_id,
                Annulment.voucher_id == Redemption.voucher_id,
            ),
        )
        .where(Redemption.shop_id == shop_id, Redemption.redeemed_at >= midnight)
        .order_by(Redemption.redeemed_at.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(Redemption.redeemed_at < before)
    with reading() as session:
        return [
            ShopRedemption(
                citizen_id=row.citizen_id,
                clerk_id=row.clerk_id,
                redemption_id=row.redemption_id,
                benefit_code=row.benefit_code,
                price_points=row.price_points,
                redeemed_at=row.redeemed_at,
                annulled_at=annulled_at,
                voucher_id=row.voucher_id,
            )
            for row, annulled_at in session.execute(query)
        ]


def find_redemption(*, citizen_id: UUID, voucher_id: UUID) -> OwnRedemption | None:
    """The redemption of a citizen's voucher, annulled since or not; else the scan that counts."""
    with reading() as session:
        row = session.get(Redemption, (citizen_id, voucher_id))
        if row is not None:
            return OwnRedemption(row.redemption_id, row.merchant_id, row.shop_id, row.redeemed_at)
        scan = session.execute(
            _COUNTED_SCAN, {"citizen": citizen_id, "voucher": voucher_id}
        ).one_or_none()
    if scan is None:
        return None
    return OwnRedemption(None, scan.merchant_id, scan.shop_id, scan.scanned_at)


def count_uses(*, merchant_id: UUID, shop_ids: Sequence[UUID], at_most: int) -> int:
    """How many vouchers were used at a merchant, each once, counted up to `at_most`."""
    asked = {"merchant": merchant_id, "shops": list(shop_ids), "at_most": at_most}
    with reading() as session:
        return int(session.execute(_USES, asked).scalar_one())


def verify() -> list[Finding]:
    """Every disagreement between vouchers, redemptions and the ledger; empty when there is none.

    Checks I5, I9, I10 and R13 in SQL, see `app.redemptions.proof`.
    """
    with reading() as session:
        return find_faults(session)


def _vouchers(citizen_id: UUID) -> Select[Voucher, str, datetime, UUID, datetime | None]:
    return (
        select(
            Voucher, VoucherEnding.kind, VoucherEnding.ended_at, Annulment.annulment_id,
            func.benefit_slot_begins(Voucher.benefit_id, Voucher.expires_at),
        )
        .outerjoin(
            VoucherEnding,
            and_(
                VoucherEnding.citizen_id == Voucher.citizen_id,
                VoucherEnding.voucher_id == Voucher.voucher_id,
            ),
        )
        .outerjoin(
            Annulment,
            and_(
                Annulment.citizen_id == Voucher.citizen_id,
                Annulment.voucher_id == Voucher.voucher_id,
            ),
        )
        .where(Voucher.citizen_id == citizen_id)
    )


def _held(
    voucher: Voucher, ended: str | None, ended_at: datetime | None, annulment_id: UUID | None,
    usable_from_at: datetime | None,
) -> HeldVoucher:
    return HeldVoucher(
        voucher_id=voucher.voucher_id,
        benefit_code=voucher.benefit_code,
        value=voucher.value,
        price_points=voucher.price_points,
        claimed_at=voucher.claimed_at,
        usable_from_at=usable_from_at,
        expires_at=voucher.expires_at,
        status="annulled" if annulment_id else ended or "claimed",
        ended_at=ended_at,
    )
