"""Stopping a merchant's scanning: at once by one operator, lifted by two (S61)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.kernel import outbox
from app.kernel.database import reading, transaction
from app.kernel.errors import IdReused
from app.merchants import refusals
from app.merchants.devices import merchant_of_owner
from app.merchants.models import Merchant, Suspension, SuspensionEnding
from app.trail.operations import Actor, SecondPersonNeeded, record_act, require_reason

SUSPENSION_TOPIC: Final = "merchant_suspension"


@dataclass(frozen=True)
class KeptSuspension:
    """A suspension with its reason; `ended_at` is null while it holds."""

    suspension_id: UUID
    merchant_id: UUID
    reason: str
    suspended_at: datetime
    ending_proposed: bool
    ended_at: datetime | None


def suspend(
    *, operator_id: UUID, suspension_id: UUID, merchant_id: UUID, reason: str
) -> KeptSuspension:
    """Stop a merchant; it holds from the next scan on, and its owners read why.

    Refuses `merchant_unknown`, `id_reused`, `reason_needed`.
    """
    given = require_reason(reason)
    with transaction() as session:
        if session.get(Merchant, merchant_id, with_for_update=True) is None:
            raise refusals.MerchantUnknown
        line = {"suspension_id": suspension_id, "merchant_id": merchant_id, "reason": given}
        added = session.scalar(
            insert(Suspension)
            .values(suspended_by=operator_id, **line)
            .on_conflict_do_nothing()
            .returning(Suspension.suspension_id)
        )
        held = session.get_one(Suspension, suspension_id)
        if any(getattr(held, name) != value for name, value in line.items()):
            raise IdReused
        if added is not None:
            _set_suspended(session, merchant_id, suspended=True)
            _act(operator_id, "merchant_suspended", merchant_id, given)
        return _kept(held, session.get(SuspensionEnding, suspension_id))


def lift(*, operator_id: UUID, suspension_id: UUID, reason: str) -> KeptSuspension:
    """Propose the end of a suspension; the same call by another operator ends it.

    Refuses `suspension_unknown`, `second_person_needed`, `suspension_ended`, `reason_needed`.
    """
    given = require_reason(reason)
    with transaction() as session:
        held = session.get(Suspension, suspension_id)
        if held is None:
            raise refusals.SuspensionUnknown
        session.get(Merchant, held.merchant_id, with_for_update=True)  # one lift after another
        ending = session.get(SuspensionEnding, suspension_id)
        if ending is None:
            ending = SuspensionEnding(
                suspension_id=suspension_id, proposed_by=operator_id, reason=given
            )
            session.add(ending)
            _act(operator_id, "merchant_lifting_proposed", held.merchant_id, given)
        elif ending.ended_at is not None:
            raise refusals.SuspensionEnded
        elif ending.proposed_by == operator_id:
            raise SecondPersonNeeded
        else:
            _end(session, held, ending, operator_id, given)
        session.flush()
        return _kept(held, ending)


def list_own_suspensions(*, owner_id: UUID) -> list[KeptSuspension]:
    """The suspensions of the owner's merchant, the latest first.  Refuses `not_merchant_staff`."""
    with reading() as session:
        query = (
            select(Suspension, SuspensionEnding)
            .outerjoin(
                SuspensionEnding, SuspensionEnding.suspension_id == Suspension.suspension_id
            )
            .where(Suspension.merchant_id == merchant_of_owner(session, owner_id))
            .order_by(Suspension.suspended_at.desc())
        )
        return [_kept(*row) for row in session.execute(query)]


def _end(
    session: Session, held: Suspension, ending: SuspensionEnding, operator_id: UUID, reason: str
) -> None:
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    ending.confirmed_by, ending.ended_at = operator_id, moment
    session.flush()
    others = select(Suspension.suspension_id).outerjoin(
        SuspensionEnding, SuspensionEnding.suspension_id == Suspension.suspension_id
    ).where(
        Suspension.merchant_id == held.merchant_id, SuspensionEnding.ended_at.is_(None)
    )
    if session.scalars(others.limit(1)).one_or_none() is None:
        _set_suspended(session, held.merchant_id, suspended=False)
    _act(operator_id, "merchant_lifted", held.merchant_id, reason)


def _set_suspended(session: Session, merchant_id: UUID, *, suspended: bool) -> None:
    """Set it and, if that changes anything, tell whoever wants to know, after the commit."""
    changed_at = session.scalar(
        update(Merchant)
        .where(Merchant.merchant_id == merchant_id, Merchant.suspended != suspended)
        .values(suspended=suspended)
        .returning(func.clock_timestamp())
    )
    if changed_at is not None:  # the message goes by the merchant's id
        outbox.put(
            citizen_id=merchant_id, topic=SUSPENSION_TOPIC,
            payload={
                "merchant_id": str(merchant_id), "suspended": suspended,
                "changed_at": changed_at.isoformat(),
            },
        )


def _act(operator_id: UUID, action: str, merchant_id: UUID, reason: str) -> None:
    record_act(
        actor=Actor("operator", operator_id), action=action, subject=str(merchant_id),
        reason=reason,
    )


def _kept(held: Suspension, ending: SuspensionEnding | None) -> KeptSuspension:
    return KeptSuspension(
        held.suspension_id, held.merchant_id, held.reason, held.suspended_at,
        ending is not None, None if ending is None else ending.ended_at,
    )
