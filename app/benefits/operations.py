"""Publishing the catalogue, saying who takes what, and telling citizens where they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from typing import Any, Final
from uuid import UUID

from sqlalchemy import exists, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.benefits import queries, refusals
from app.benefits.catalogue import (
    CatalogueEntry,
    changed_version,
    parse_catalogue,
    unknown_honour,
)
from app.benefits.models import Benefit, BenefitMerchant, BenefitStock
from app.benefits.queries import PublishedBenefit
from app.benefits.values import is_at_least
from app.kernel.clock import city_today
from app.kernel.database import reading, savepoint, transaction, transaction_required
from app.kernel.errors import refusal
from app.kernel.ids import new_id
from app.ledger import queries as ledger
from app.members.consents import require_assessed_sharing
from app.members.queries import list_consents
from app.records.queries import catalogue_in_force
from app.scoring import queries as scoring

STOCK_BUCKETS: Final = 16


@dataclass(frozen=True)
class LoadedCatalogue:
    """Which versions a file brought, and which were there before, as `code version`."""

    published: tuple[str, ...]
    unchanged: tuple[str, ...]


@dataclass(frozen=True)
class NextTier:
    """What gives more of a benefit next, and how many score points it is away.

    `tier` None: it begins at a score of its own.
    """

    tier: str | None
    value: Mapping[str, Any]
    missing_score: int


@dataclass(frozen=True)
class Offer:
    """A benefit as it stands for one citizen; `why_not` is a refusal's code, None: claimable."""

    benefit: PublishedBenefit
    value: Mapping[str, Any]
    improved: bool
    why_not: str | None
    missing_points: int
    consent_needed: bool
    next_tier: NextTier | None


def load_catalogue(text_of_file: str) -> LoadedCatalogue:
    """Publish the new versions of a catalogue file; a published version never changes.

    BadCatalogueError names what is wrong; then nothing is published.  With honours in it refuses
    `catalogue_not_published`: they go by the records that the information catalogue knows.  Refuses
    `assessment_missing` where a benefit begins to tell a receiver what nobody has assessed.
    """
    entries = parse_catalogue(text_of_file)
    _require_known_honours(entries)
    published: list[str] = []
    unchanged: list[str] = []
    with transaction() as session:
        for entry in entries:
            known = session.scalar(
                select(Benefit.content_digest).where(
                    Benefit.code == entry.code, Benefit.version == entry.version
                )
            )
            if known is None:
                _require_assessed(session, entry)
                _publish(session, entry)
            elif not compare_digest(known, entry.content_digest):
                raise changed_version(entry)
            (unchanged if known else published).append(f"{entry.code} {entry.version}")
    return LoadedCatalogue(tuple(published), tuple(unchanged))


def _require_known_honours(entries: Sequence[CatalogueEntry]) -> None:
    """What nobody can hold would honour nobody, and nobody would notice."""
    honours = [(entry, one) for entry in entries for one in entry.honours]
    known = catalogue_in_force().record_types if honours else {}
    for entry, one in honours:
        kind = known.get(one["record_type"])
        if kind is None or not kind.positive or not kind.items.issuperset(one.get("items", ())):
            raise unknown_honour(entry, one["record_type"])


def _require_assessed(session: Session, entry: CatalogueEntry) -> None:
    """A benefit with a consent shares; an earlier version for the same purpose has begun it."""
    purpose = entry.consent_purpose
    earlier = select(Benefit.benefit_id).where(
        Benefit.code == entry.code, Benefit.consent_purpose == purpose
    )
    if purpose is not None and session.scalars(earlier.limit(1)).first() is None:
        require_assessed_sharing(purpose)


def _publish(session: Session, entry: CatalogueEntry) -> None:
    facts = {name: value for name, value in vars(entry).items() if name != "stock"}
    facts |= {
        name: [*facts[name]]
        for name in ("weekdays", "score_steps", "honours", "claim_limits")
    }
    limited = entry.stock is not None or entry.budget_fen is not None
    session.add(Benefit(
        benefit_id=new_id(), stock_limited=limited, brings_stock=entry.stock is not None, **facts
    ))  # fmt: skip
    if limited:
        _fill_buckets(session, entry)


def _fill_buckets(session: Session, entry: CatalogueEntry) -> None:
    """Share stock and budget out; what an earlier version limited already stays as it is."""
    subsidies = None if entry.budget_fen is None else entry.budget_fen // entry.subsidy_fen
    shares = zip(_shared_out(entry.stock), _shared_out(subsidies), strict=True)
    buckets = [
        {
            "benefit_code": entry.code, "bucket": number, "left_count": count,
            "left_fen": None if paid is None else paid * entry.subsidy_fen,
        }
        for number, (count, paid) in enumerate(shares)
    ]
    statement = insert(BenefitStock).values(buckets)
    session.execute(statement.on_conflict_do_update(
        index_elements=["benefit_code", "bucket"],
        set_={
            name: func.coalesce(getattr(BenefitStock, name), statement.excluded[name])
            for name in ("left_count", "left_fen")
        },
    ))  # fmt: skip


def _shared_out(whole: int | None) -> list[int | None]:
    if whole is None:
        return [None] * STOCK_BUCKETS
    share, rest = divmod(whole, STOCK_BUCKETS)
    return [share + (number < rest) for number in range(STOCK_BUCKETS)]


def let_merchant_take(*, benefit_code: str, merchant_id: UUID) -> None:
    """Say that a merchant takes a benefit; saying it again changes nothing."""
    with transaction() as session:
        if not session.scalar(select(exists().where(Benefit.code == benefit_code))):
            raise refusals.BenefitUnknown
        line = {"benefit_code": benefit_code, "merchant_id": merchant_id}
        try:
            with savepoint():
                session.execute(insert(BenefitMerchant).values(line).on_conflict_do_nothing())
        except IntegrityError as error:
            raise refusals.BenefitMerchantUnknown from error


def take_stock(*, benefit: PublishedBenefit) -> None:
    """Take one piece and one subsidy in the open transaction.  Refuses `out_of_stock`."""
    session = transaction_required()
    if benefit.stock_limited and not session.scalar(
        text("SELECT benefit_take(:benefit)"), {"benefit": benefit.benefit_id}
    ):
        raise refusals.OutOfStock


def return_stock(*, benefit_id: UUID) -> None:
    """Put back, in the open transaction, what a claim of this version took."""
    transaction_required().execute(
        text("SELECT benefit_give_back(:benefit)"), {"benefit": benefit_id}
    )


def take_slot(*, benefit: PublishedBenefit, begins_at: datetime) -> None:
    """Take one place of a slot in the open transaction.  Refuses `slot_unknown`, `slot_full`."""
    why_not = transaction_required().scalar(
        text("SELECT benefit_take_slot(:benefit, :begins_at)"),
        {"benefit": benefit.benefit_id, "begins_at": begins_at},
    )
    if why_not is not None:
        raise refusal(why_not)


def return_slot(*, benefit_id: UUID, expires_at: datetime) -> None:
    """Put back, in the open transaction, the place of a voucher; without slots nothing happens."""
    transaction_required().execute(
        text("SELECT benefit_return_slot(:benefit, :expires_at)"),
        {"benefit": benefit_id, "expires_at": expires_at},
    )


def list_offers(*, citizen_id: UUID) -> list[Offer]:
    """Every benefit in force as it stands for this citizen."""
    with reading():
        standing = _standing(citizen_id)
        return [_offer(citizen_id, benefit, standing) for benefit in queries.list_current()]


def open_offer(*, citizen_id: UUID, benefit_code: str) -> Offer:
    """One benefit in force as it stands for this citizen.  Refuses `benefit_unknown`."""
    benefit = queries.find_current(code=benefit_code)
    if benefit is None:
        raise refusals.BenefitUnknown
    with reading():
        return _offer(citizen_id, benefit, _standing(citizen_id))


@dataclass(frozen=True)
class _Standing:
    """What offers go by: points, consents, and the rungs above the score, the nearest first."""

    available_points: int
    given: frozenset[str]
    tiers: Mapping[str, int]
    total: int | None


def _standing(citizen_id: UUID) -> _Standing:
    with reading() as session:
        today = city_today(session)
    consents = list_consents(citizen_id=citizen_id)
    scheme = scoring.scheme_in_force(on=today)
    total = None
    if scheme is not None and scheme.gives_benefits:
        [score] = scoring.list_scores(scheme=scheme, as_of=today, citizen_ids=[citizen_id])
        total = score.total
    return _Standing(
        available_points=ledger.balance(citizen_id=citizen_id).available_points,
        given=frozenset(one.purpose for one in consents if one.decision == "given"),
        tiers={} if scheme is None else {tier.code: tier.least_total for tier in scheme.tiers},
        total=total,
    )


def _offer(citizen_id: UUID, benefit: PublishedBenefit, standing: _Standing) -> Offer:
    granted = queries.value_for_citizen(citizen_id=citizen_id, benefit_id=benefit.benefit_id)
    why_not = None
    if benefit.stock_limited and queries.count_left(benefit=benefit) == 0:
        why_not = "out_of_stock"
    elif standing.available_points < benefit.price_points:
        why_not = "insufficient_points"
    purpose = benefit.consent_purpose
    return Offer(
        benefit=benefit,
        value=granted.value,
        improved=granted.improved,
        why_not=why_not,
        missing_points=max(0, benefit.price_points - standing.available_points),
        consent_needed=purpose is not None and purpose not in standing.given,
        next_tier=_next_tier(benefit, granted.value, standing),
    )


def _next_tier(
    benefit: PublishedBenefit, value: Mapping[str, Any], standing: _Standing
) -> NextTier | None:
    if standing.total is None:
        return None
    rungs: list[tuple[int, str | None, Mapping[str, Any]]] = [
        (step["least_score"], None, step["value"]) for step in benefit.score_steps
    ] or [
        (standing.tiers[tier], tier, better)
        for tier, better in benefit.tiers.items()
        if tier in standing.tiers
    ]
    for least_total, tier, better in sorted(rungs, key=lambda rung: rung[0]):
        if least_total > standing.total and better != value and is_at_least(better, value):
            return NextTier(tier, better, missing_score=least_total - standing.total)
    return None
