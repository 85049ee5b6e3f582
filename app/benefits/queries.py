"""Reading the catalogue, and what it means for one citizen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, exists, func, select, text
from sqlalchemy.orm import Session

from app.benefits import refusals
from app.benefits.models import Benefit, BenefitMerchant, BenefitStock
from app.kernel.clock import city_today
from app.kernel.database import reading

OFFLINE_UNSENT_MAX: Final = 100  # uses of a benefit on one device, where none is published
OFFLINE_WORTH_FEN: Final = 1_000  # of a version that was published before its worth had to be
_CURRENT = text(
    "SELECT b.benefit_id FROM benefits_on((now() AT TIME ZONE 'Asia/Shanghai')::date) b"
)
_SLOTS = text(
    "SELECT s.begins_at, s.ends_at, s.left_count"
    " FROM benefit_slots_on(:benefit, :day, clock_timestamp()) s"
)
_SLOT = text(
    "SELECT s.begins_at, s.ends_at, s.left_count FROM benefit_slots_on("
    " :benefit, (CAST(:begins_at AS timestamptz) AT TIME ZONE 'Asia/Shanghai')::date,"
    " clock_timestamp()) s WHERE s.begins_at = :begins_at"
)
_GIVEN = text(
    "SELECT o.value, o.improved"
    " FROM benefit_offers(CAST(:citizen AS uuid), :merchant, clock_timestamp()) o"
)
_VALUE = text("SELECT v.value, v.improved FROM benefit_value(:citizen, :benefit) v")


@dataclass(frozen=True)
class PublishedBenefit:
    """One version of a benefit, in force or not.

    `claim_limit_count` in `claim_limit_period` is the first of `claim_limits`.  The four of the
    slots are None together.
    """

    benefit_id: UUID
    code: str
    version: int
    name: str
    kind: str
    baseline: Mapping[str, Any]
    tiers: Mapping[str, Mapping[str, Any]]
    score_steps: tuple[Mapping[str, Any], ...]
    honours: tuple[Mapping[str, Any], ...]
    price_points: int
    consent_purpose: str | None
    valid_from: date
    valid_to: date | None
    weekdays: tuple[int, ...]
    open_from: time | None
    open_until: time | None
    claim_limit_count: int | None
    claim_limit_period: str | None
    claim_limits: tuple[Mapping[str, Any], ...]
    voucher_life_seconds: int
    annul_window_seconds: int
    slot_seconds: int | None
    slot_capacity: int | None
    slot_days_ahead: int | None
    slot_give_back_seconds: int | None
    stock_limited: bool
    subsidy_payer: str | None
    subsidy_fen: int
    budget_fen: int | None
    confirm_above_fen: int | None
    stacking_group: str | None
    offline_allowed: bool
    offline_worth_fen: int | None
    offline_unsent_max: int | None


@dataclass(frozen=True)
class GrantedValue:
    """What a citizen gets of a benefit; `improved` when it is above the baseline."""

    value: Mapping[str, Any]
    improved: bool


@dataclass(frozen=True)
class Slot:
    """A slot that is not over, and how many places it has left."""

    begins_at: datetime
    ends_at: datetime
    left_count: int


@dataclass(frozen=True)
class OfflineTerms:
    """How a version works off line; `merchant_ids` None means every merchant takes it.

    `worth_fen` is what one use costs its payer, `uses_per_day` the limit by day, if there is one;
    `unsent_max` how many uses one device may take before it uploads.
    """

    allowed: bool
    worth_fen: int
    unsent_max: int
    uses_per_day: int | None
    merchant_ids: tuple[UUID, ...] | None


def list_current() -> list[PublishedBenefit]:
    """The versions in force today, one per code."""
    with reading() as session:
        ids = session.scalars(_CURRENT).all()
        query = select(Benefit).where(Benefit.benefit_id.in_(ids)).order_by(Benefit.code)
        return [_published(row) for row in session.scalars(query)]


def find_current(*, code: str) -> PublishedBenefit | None:
    """The version of a benefit that is in force today."""
    return next((found for found in list_current() if found.code == code), None)


def find_version(*, benefit_id: UUID) -> PublishedBenefit:
    """A version by its id, in force or not."""
    with reading() as session:
        return _published(session.get_one(Benefit, benefit_id))


def find_name(*, code: str) -> str:
    """What a benefit is called in its newest version, in force or not."""
    query = select(Benefit.name).where(Benefit.code == code).order_by(Benefit.version.desc())
    with reading() as session:
        return session.scalars(query.limit(1)).one()


def value_for_citizen(*, citizen_id: UUID, benefit_id: UUID) -> GrantedValue:
    """What this citizen gets now: by honour or tier where it may be told, else the baseline."""
    with reading() as session:
        row = session.execute(_VALUE, {"citizen": citizen_id, "benefit": benefit_id}).one()
        return GrantedValue(value=row.value, improved=row.improved)


def list_values_at(*, merchant_id: UUID, citizen_id: UUID | None) -> list[GrantedValue]:
    """What a citizen gets now of each benefit that a merchant takes; None: the baselines."""
    with reading() as session:
        rows = session.execute(_GIVEN, {"citizen": citizen_id, "merchant": merchant_id})
        return [GrantedValue(value=row.value, improved=row.improved) for row in rows]


def offline_terms(*, benefit_id: UUID) -> OfflineTerms:
    """How a version works off line: only what costs no points and has no stock may."""
    with reading() as session:
        return _offline_terms(session, session.get_one(Benefit, benefit_id))


def list_offline_terms(*, merchant_id: UUID) -> dict[str, OfflineTerms]:
    """The benefits in force that work off line and that this merchant takes, by their codes."""
    takes = exists().where(
        BenefitMerchant.benefit_code == Benefit.code, BenefitMerchant.merchant_id == merchant_id
    )
    with reading() as session:
        ids = session.scalars(_CURRENT).all()
        query = select(Benefit).where(
            Benefit.benefit_id.in_(ids), Benefit.offline_allowed, Benefit.at_all_merchants | takes
        )
        return {row.code: _offline_terms(session, row) for row in session.scalars(query)}


def list_slots(*, benefit_code: str, on: date | None = None) -> list[Slot]:
    """The slots of a day in the city (None: today) that are not over; none where there are none.

    Refuses `benefit_unknown`.
    """
    benefit = find_current(code=benefit_code)
    if benefit is None:
        raise refusals.BenefitUnknown
    with reading() as session:
        day = on or city_today(session)
        rows = session.execute(_SLOTS, {"benefit": benefit.benefit_id, "day": day})
        return [Slot(*row) for row in rows]


def find_slot(*, benefit_id: UUID, begins_at: datetime) -> Slot | None:
    """The slot that begins then, if the version has one that is not over or too far away."""
    with reading() as session:
        row = session.execute(_SLOT, {"benefit": benefit_id, "begins_at": begins_at}).one_or_none()
        return None if row is None else Slot(*row)


def count_left(*, benefit: PublishedBenefit) -> int:
    """How many more of a limited benefit can be claimed, by what a claim of this version takes."""
    pieces = func.nullif(func.benefit_taken_count(benefit.benefit_id, type_=BigInteger()), 0)
    fen = func.nullif(func.benefit_taken_fen(benefit.benefit_id, type_=BigInteger()), 0)
    most = func.least(BenefitStock.left_count // pieces, BenefitStock.left_fen // fen)
    query = select(func.coalesce(func.sum(most), 0))
    with reading() as session:
        return int(session.scalar(query.where(BenefitStock.benefit_code == benefit.code)) or 0)


def list_stacking_codes(*, stacking_group: str) -> tuple[str, ...]:
    """The benefits, in any version, of which a person holds one voucher at a time."""
    query = select(Benefit.code).distinct().where(Benefit.stacking_group == stacking_group)
    with reading() as session:
        return tuple(session.scalars(query))


def _offline_terms(session: Session, benefit: Benefit) -> OfflineTerms:
    merchants = select(BenefitMerchant.merchant_id).where(
        BenefitMerchant.benefit_code == benefit.code
    )
    free = benefit.price_points == 0 and not benefit.stock_limited and not benefit.slot_seconds
    return OfflineTerms(
        allowed=benefit.offline_allowed and free,
        worth_fen=benefit.subsidy_fen or benefit.offline_worth_fen or OFFLINE_WORTH_FEN,
        unsent_max=benefit.offline_unsent_max or OFFLINE_UNSENT_MAX,
        uses_per_day=(
            benefit.claim_limit_count if benefit.claim_limit_period == "day" else None
        ),
        merchant_ids=None if benefit.at_all_merchants else tuple(session.scalars(merchants)),
    )


def _published(row: Benefit) -> PublishedBenefit:
    return PublishedBenefit(
        benefit_id=row.benefit_id,
        code=row.code,
        version=row.version,
        name=row.name,
        kind=row.kind,
        baseline=row.baseline,
        tiers=row.tiers,
        score_steps=tuple(row.score_steps),
        honours=tuple(row.honours),
        price_points=row.price_points,
        consent_purpose=row.consent_purpose,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        weekdays=tuple(row.weekdays),
        open_from=row.open_from,
        open_until=row.open_until,
        claim_limit_count=row.claim_limit_count,
        claim_limit_period=row.claim_limit_period,
        claim_limits=tuple(row.claim_limits),
        voucher_life_seconds=row.voucher_life_seconds,
        annul_window_seconds=row.annul_window_seconds,
        slot_seconds=row.slot_seconds,
        slot_capacity=row.slot_capacity,
        slot_days_ahead=row.slot_days_ahead,
        slot_give_back_seconds=row.slot_give_back_seconds,
        stock_limited=row.stock_limited,
        subsidy_payer=row.subsidy_payer,
        subsidy_fen=row.subsidy_fen,
        budget_fen=row.budget_fen,
        confirm_above_fen=row.confirm_above_fen,
        stacking_group=row.stacking_group,
        offline_allowed=row.offline_allowed,
        offline_worth_fen=row.offline_worth_fen,
        offline_unsent_max=row.offline_unsent_max,
    )
