"""Entitlements: what somebody rides for with one operator, asked by its machine or by themselves.

`transit_refresh` (in the migration) is the one definition.  Nobody ever pays more than everybody's
fare: without a consent, an account or a tier the answer is 100 per cent, never a refusal to ride.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from typing import Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.benefits.queries import find_current
from app.benefits.values import ORDINARY_PRICE_PERCENT
from app.kernel.clock import CITY_ZONE
from app.kernel.database import transaction
from app.kernel.errors import refusal
from app.kernel.ids import random_id
from app.kernel.keys import KeyProvider
from app.members.queries import consent_basis, consent_states
from app.redemptions.passes import burn_pass_code
from app.scoring.version_queries import next_effective_on
from app.trail.operations import Actor, record_access
from app.transit import refusals
from app.transit.models import TransitAccount, TransitAccountId, TransitOperator
from app.transit.operators import LOCATION_PURPOSE, require_operator

_REFRESH: Final = text("""
    SELECT r.account_id, r.price_percent, r.valid_from, r.valid_until
    FROM transit_refresh(:citizen, :merchant, :latest) r
""")


@dataclass(frozen=True)
class Entitlement:
    """What is paid of the fare, in per cent; `account_id` None: no account, everybody's fare."""

    merchant_id: UUID
    account_id: UUID | None
    price_percent: int
    valid_from: datetime | None
    valid_until: datetime | None


def open_account(*, citizen_id: UUID, merchant_id: UUID) -> Entitlement:
    """The citizen's account with an operator, opened if there is none.

    Refuses `transit_operator_unknown`, `consent_missing`, `consent_stale`.
    """
    latest = promised_until()
    with transaction() as session:
        operator = session.get(TransitOperator, merchant_id)
        if operator is None:
            raise refusals.TransitOperatorUnknown
        state = _consent_state(citizen_id, operator.benefit_code)
        if state != "given":
            raise refusal("consent_stale" if state == "stale" else "consent_missing")
        return _entitlement(session, citizen_id, merchant_id, latest, opening=True)


def list_own(*, citizen_id: UUID) -> list[Entitlement]:
    """What the citizen rides for with each operator where there is an account."""
    mine = select(TransitAccount.merchant_id).where(TransitAccount.citizen_id == citizen_id)
    latest = promised_until()
    with transaction() as session:
        merchants = session.scalars(mine.order_by(TransitAccount.created_at)).all()
        return [_entitlement(session, citizen_id, one, latest) for one in merchants]


def tell_by_account(*, source_id: UUID, account_id: UUID) -> Entitlement:
    """What an account of this operator rides for now; the citizen sees that it was asked.

    Refuses `not_transit_operator`, `merchant_suspended`, `transit_account_unknown`.
    """
    operator = require_operator(source_id=source_id)
    latest = promised_until()
    with transaction() as session:
        held = session.get(TransitAccountId, account_id)
        if held is None or held.merchant_id != operator.merchant_id:
            raise refusals.TransitAccountUnknown
        told = _entitlement(session, held.citizen_id, operator.merchant_id, latest)
        _leave_trail(held.citizen_id, source_id, operator.benefit_code)
    return told


def tell_by_pass_code(*, keys: KeyProvider, source_id: UUID, code: str) -> Entitlement:
    """What the holder of a pass code rides for now; the code is burnt.

    With the consent an account is opened; without it everybody's fare is told.  Refuses
    `not_transit_operator`, `merchant_suspended` and what `burn_pass_code` refuses.
    """
    operator = require_operator(source_id=source_id)
    latest = promised_until()
    citizen_id = burn_pass_code(keys=keys, presenter_id=source_id, code=code)
    with transaction() as session:
        _leave_trail(citizen_id, source_id, operator.benefit_code)
        if _consent_state(citizen_id, operator.benefit_code) != "given":
            return Entitlement(operator.merchant_id, None, ORDINARY_PRICE_PERCENT, None, None)
        return _entitlement(session, citizen_id, operator.merchant_id, latest, opening=True)


def promised_until() -> datetime | None:
    """The first moment of rules that are announced: until then the present ones promise."""
    day = next_effective_on()
    return None if day is None else datetime.combine(day, time(), CITY_ZONE)


def _entitlement(
    session: Session,
    citizen_id: UUID,
    merchant_id: UUID,
    latest: datetime | None,
    *,
    opening: bool = False,
) -> Entitlement:
    if opening:
        _write_account(session, citizen_id, merchant_id)
    asked = {"citizen": citizen_id, "merchant": merchant_id, "latest": latest}
    row = session.execute(_REFRESH, asked).one()
    return Entitlement(
        merchant_id, row.account_id, row.price_percent, row.valid_from, row.valid_until
    )


def _write_account(session: Session, citizen_id: UUID, merchant_id: UUID) -> None:
    line = {"citizen_id": citizen_id, "merchant_id": merchant_id, "account_id": random_id()}
    opened = insert(TransitAccount).values(line).on_conflict_do_nothing()
    if session.scalar(opened.returning(TransitAccount.account_id)) is not None:
        session.execute(insert(TransitAccountId).values(line))


def _consent_state(citizen_id: UUID, benefit_code: str) -> str:
    """To the discount and to the trips by which it is settled: the first that is not given."""
    purposes = _consents(benefit_code)
    if not purposes:
        return "none"
    states = consent_states(citizen_id=citizen_id, purposes=purposes)
    return next((states[one] for one in purposes if states[one] != "given"), "given")


def _consents(benefit_code: str) -> tuple[str, ...]:
    """Without all of these nothing but everybody's fare is told; none: there is no benefit."""
    benefit = find_current(code=benefit_code)
    if benefit is None or benefit.consent_purpose is None:
        return ()
    return benefit.consent_purpose, LOCATION_PURPOSE


def _leave_trail(citizen_id: UUID, source_id: UUID, benefit_code: str) -> None:
    is_allowed = _consent_state(citizen_id, benefit_code) == "given"
    purposes = _consents(benefit_code) if is_allowed else ()
    record_access(
        citizen_id=citizen_id, actor=Actor("source", source_id), action="transit_entitlement",
        fields=["benefits"], basis=consent_basis(citizen_id=citizen_id, purposes=purposes),
    )
