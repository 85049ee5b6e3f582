"""Transit operators: merchants with a machine, and what is agreed with them from a day on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from app.benefits.queries import find_current
from app.kernel.clock import city_today
from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.members.consents import require_assessed_sharing
from app.members.sources import NewCredential, create_source_account
from app.merchants.queries import require_active_merchant
from app.trail.operations import SYSTEM, record_act
from app.transit import refusals
from app.transit.models import TransitOperator, TransitTerms

PRICE_WORD: Final = "price_percent"
LOCATION_PURPOSE: Final = "transit_location"  # consent to the upload of trips


@dataclass(frozen=True)
class Terms:
    """What is agreed: how much is subsidised of one person's day, and when a trip must be whole.

    `complete_within_days`: a trip without a tap-out counts when one comes within so many days.
    """

    trips_per_day: int
    subsidy_per_day_fen: int
    complete_within_days: int


@dataclass(frozen=True)
class Operator:
    """A transit operator."""

    merchant_id: UUID
    name: str
    benefit_code: str


def register_operator(
    *, keys: KeyProvider, merchant_id: UUID, benefit_code: str, terms: Terms
) -> NewCredential:
    """Make a merchant a transit operator from today on; the credential of its machine, told once.

    Refuses `merchant_unknown`, `merchant_suspended`, `transit_benefit_unfit`,
    `assessment_missing` (who pays less is shared with the operator), `transit_operator_exists`.
    """
    name = require_active_merchant(merchant_id=merchant_id)
    benefit = find_current(code=benefit_code)
    if benefit is None or set(benefit.baseline) != {PRICE_WORD} or not benefit.consent_purpose:
        raise refusals.TransitBenefitUnfit
    require_assessed_sharing(benefit.consent_purpose)
    source_id = new_id()
    line = {"merchant_id": merchant_id, "source_id": source_id, "benefit_code": benefit_code}
    with transaction() as session:
        added = insert(TransitOperator).values(line).on_conflict_do_nothing()
        if session.scalar(added.returning(TransitOperator.merchant_id)) is None:
            raise refusals.TransitOperatorExists
        session.add(TransitTerms(
            merchant_id=merchant_id, valid_from=city_today(session), **vars(terms)
        ))
        made = create_source_account(
            keys=keys, name=f"{name} 票务系统 {merchant_id}", source_id=source_id
        )
        record_act(actor=SYSTEM, action="transit_operator", subject=str(merchant_id))
    return made


def agree_terms(*, merchant_id: UUID, valid_from: date, terms: Terms) -> None:
    """Other terms from a day on, which has not begun.

    Refuses `transit_operator_unknown`, `transit_terms_too_late`.
    """
    last = select(func.max(TransitTerms.valid_from)).where(
        TransitTerms.merchant_id == merchant_id
    )
    with transaction() as session:
        if session.get(TransitOperator, merchant_id) is None:
            raise refusals.TransitOperatorUnknown
        if valid_from <= max(city_today(session), session.execute(last).scalar_one()):
            raise refusals.TransitTermsTooLate
        session.add(TransitTerms(
            merchant_id=merchant_id, valid_from=valid_from, **vars(terms)
        ))
        subject = f"{merchant_id} {valid_from}"
        record_act(actor=SYSTEM, action="transit_terms", subject=subject)


def require_operator(*, source_id: UUID) -> Operator:
    """Whose machine it is.  Refuses `not_transit_operator`, `merchant_suspended`."""
    query = select(TransitOperator).where(TransitOperator.source_id == source_id)
    with reading() as session:
        held = session.scalars(query).one_or_none()
        if held is None:
            raise refusals.NotTransitOperator
        name = require_active_merchant(merchant_id=held.merchant_id)
    return Operator(held.merchant_id, name, held.benefit_code)
