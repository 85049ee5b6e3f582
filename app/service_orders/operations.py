"""What holders do with service orders; the counter's acts stand in `counter`.

Ordering places a hold on the guarantor's line, within what the holder's tier may use at a time.
Everybody else is served the ordinary way, with a deposit or by paying first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Final
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.kernel.database import reading, transaction, transaction_required
from app.kernel.errors import IdReused
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.ledger import operations as ledger
from app.ledger.queries import guarantee_balance
from app.ledger.refusals import InsufficientCredit
from app.members.queries import consent_state, is_active
from app.scoring.queries import current_tier
from app.service_orders.acts import (
    PAY_SCORE_CONFIRM,
    Act,
    announce,
    as_it_stands,
    clock,
    free_hold,
    require_event,
    step,
    take_order,
    was_done,
)
from app.service_orders.models import ServiceOrder
from app.service_orders.queries import (
    Line,
    Order,
    find_line,
    find_order,
    has_overdue,
    list_lines,
)
from app.service_orders.references import make_reference
from app.service_orders.refusals import (
    GuaranteeLineUnknown,
    ServiceConsentNeeded,
    ServiceNonceMismatch,
    ServiceOrderNotEligible,
    ServiceOrderOverdue,
    ServiceOrderUnknown,
)
from app.service_orders.transitions import Event, State
from app.trail.operations import Actor, record_access

AGREED_ASKED_EVERY: Final = timedelta(minutes=1)
CONFIRM_WITHIN: Final = timedelta(seconds=60)


@dataclass(frozen=True)
class OfferedLine:
    """A line as it stands for one citizen; `line_fen` 0: the ordinary way, like everybody."""

    line: Line
    line_fen: int
    available_fen: int
    consent_state: str
    is_overdue: bool
    is_member: bool

    @property
    def reasons(self) -> tuple[str, ...]:
        """The codes of all that stands against an order, as `create_order` would refuse it."""
        told = (
            (ServiceConsentNeeded, self.consent_state != "given" or not self.is_member),
            (ServiceOrderOverdue, self.is_overdue),
            (ServiceOrderNotEligible, self.line_fen == 0),
            (InsufficientCredit, self.line_fen > 0 and self.available_fen == 0),
        )
        return tuple(refusal.code for refusal, stands in told if stands)


def list_offered_lines(*, citizen_id: UUID, benefit_code: str | None = None) -> list[OfferedLine]:
    """Every line in use, or those of one benefit, and what the citizen may use of each."""
    with reading():
        tier = current_tier(citizen_id)
        return [
            _offered(citizen_id, line, tier) for line in list_lines()
            if benefit_code in {None, line.benefit_code}
        ]  # fmt: skip


def create_order(*, citizen_id: UUID, order_id: UUID, line_id: UUID, amount_fen: int) -> Order:
    """Order and hold the amount; the same id again gives the same order.

    Refuses `guarantee_line_unknown`, `service_consent_needed`, `service_order_overdue`,
    `service_order_not_eligible`, `insufficient_credit`, `id_reused`.
    """
    with transaction():
        return as_it_stands(place_order(
            citizen_id=citizen_id, order_id=order_id, line_id=line_id, amount_fen=amount_fen,
            actor=Actor("citizen", citizen_id),
        ))


def place_order(
    *, citizen_id: UUID, order_id: UUID, line_id: UUID, amount_fen: int, actor: Actor
) -> ServiceOrder:
    """Order and hold the amount in the open transaction; refuses as `create_order` does."""
    session = transaction_required()
    order = session.get(ServiceOrder, (citizen_id, order_id))
    if order is None:
        line = _require_open_line(citizen_id, line_id)
        is_new = _write_order(session, citizen_id, order_id, line, amount_fen)
        order = session.get_one(ServiceOrder, (citizen_id, order_id))
        if is_new:
            _hold(order, line, actor)
    if (order.line_id, order.held_fen) != (line_id, amount_fen):
        raise IdReused
    return order


def show_order(*, citizen_id: UUID, order_id: UUID) -> Order:
    """An order of the citizen.  ServiceOrderUnknown."""
    found = find_order(citizen_id=citizen_id, order_id=order_id)
    if found is None:
        raise ServiceOrderUnknown
    return found


def show_reference(*, keys: KeyProvider, citizen_id: UUID, order_id: UUID) -> str:
    """The text that stands for the order at a counter.  ServiceOrderUnknown."""
    order = show_order(citizen_id=citizen_id, order_id=order_id)
    return make_reference(keys, citizen_id=citizen_id, order_id=order.order_id)


def confirm_order(*, citizen_id: UUID, order_id: UUID, act_id: UUID, nonce: str) -> Order:
    """The holder confirms on the phone, with what the counter shows, within a minute.

    Refuses `service_order_unknown`, `service_order_state`, `service_order_expired`,
    `service_nonce_mismatch`.
    """
    act = _own(citizen_id, act_id, "confirm", nonce)
    with transaction():
        order = take_order(citizen_id=citizen_id, order_id=order_id)
        if not was_done(order, act):
            moment = require_event(order, Event.CONFIRM)
            if order.nonce is None or not compare_digest(order.nonce.encode(), nonce.encode()):
                raise ServiceNonceMismatch
            confirm(order, act, moment=moment)
        return as_it_stands(order)


def confirm(order: ServiceOrder, act: Act, *, moment: datetime) -> None:
    """The holder's word for what the counter asked, in the open transaction."""
    order.deadline_at = order.hold_expires_at
    step(order, Event.CONFIRM, act, moment=moment, amount_fen=order.held_fen)


def cancel_order(*, citizen_id: UUID, order_id: UUID, act_id: UUID) -> Order:
    """The holder gives up an order that is not in use; the hold is free.

    Refuses `service_order_unknown`, `service_order_state`, `service_order_expired`.
    """
    act = _own(citizen_id, act_id, "cancel")
    with transaction():
        order = take_order(citizen_id=citizen_id, order_id=order_id)
        if not was_done(order, act):
            moment = require_event(order, Event.CANCEL)
            step(order, Event.CANCEL, act, moment=moment, transfer_id=free_hold(order))
        return as_it_stands(order)


def dispute_order(*, citizen_id: UUID, order_id: UUID, act_id: UUID) -> Order:
    """The holder disputes what is owed: it is not due, not reminded of and blocks nothing.

    Refuses `service_order_unknown`, `service_order_state`.
    """
    act = _own(citizen_id, act_id, "dispute")
    with transaction():
        order = take_order(citizen_id=citizen_id, order_id=order_id)
        if not was_done(order, act):
            moment = require_event(order, Event.DISPUTE)
            owed_fen = order.owed_fen
            step(
                order, Event.DISPUTE, act, moment=moment, amount_fen=owed_fen, owed_fen=owed_fen
            )
        return as_it_stands(order)


def _own(citizen_id: UUID, act_id: UUID, verb: str, *values: object) -> Act:
    return Act(act_id, Actor("citizen", citizen_id), verb, values)


def _offered(citizen_id: UUID, line: Line, tier: str | None) -> OfferedLine:
    line_fen = line.tiers.get(tier, 0) if tier else 0
    account = guarantee_balance(citizen_id=citizen_id, purpose=line.purpose)
    used_fen = account.held_fen - account.balance_fen if account else 0
    return OfferedLine(
        line=line, line_fen=line_fen, available_fen=max(0, line_fen - used_fen),
        consent_state=consent_state(citizen_id=citizen_id, purpose=line.kind),
        is_overdue=has_overdue(citizen_id=citizen_id, kind=line.kind),
        is_member=is_active(citizen_id=citizen_id),
    )


def _require_open_line(citizen_id: UUID, line_id: UUID) -> Line:
    line = find_line(line_id=line_id)
    if line is None or not line.is_confirmed:
        raise GuaranteeLineUnknown
    state = consent_state(citizen_id=citizen_id, purpose=line.kind)
    if state != "given" or not is_active(citizen_id=citizen_id):
        raise ServiceConsentNeeded(purpose=line.kind, consent_state=state)
    if has_overdue(citizen_id=citizen_id, kind=line.kind):
        raise ServiceOrderOverdue
    return line


def _write_order(
    session: Session, citizen_id: UUID, order_id: UUID, line: Line, amount_fen: int
) -> bool:
    """Write the row before anything is held: a repetition at the same moment waits here."""
    moment = clock(session)
    start_by = moment + timedelta(seconds=line.start_within_seconds)
    use_ends_at = start_by + CONFIRM_WITHIN + timedelta(seconds=line.use_within_seconds)
    written = session.scalar(
        insert(ServiceOrder)
        .values(
            citizen_id=citizen_id, order_id=order_id, line_id=line.line_id, kind=line.kind,
            state=State.CREATED.value, hold_id=new_id(), held_fen=amount_fen,
            use_ends_at=use_ends_at,
            hold_expires_at=use_ends_at + timedelta(seconds=line.claim_within_seconds),
            deadline_at=start_by, created_at=moment,
            ask_at=moment + AGREED_ASKED_EVERY if line.collection == PAY_SCORE_CONFIRM else None,
        )
        .on_conflict_do_nothing()
        .returning(ServiceOrder.order_id)
    )
    return written is not None


def _hold(order: ServiceOrder, line: Line, actor: Actor) -> None:
    _open_account(order.citizen_id, line)
    ledger.hold_fen(
        citizen_id=order.citizen_id, transfer_id=order.hold_id, purpose=line.purpose,
        amount_fen=order.held_fen, expires_at=order.hold_expires_at, reason="service_order",
    ).require_accepted()
    record_access(
        citizen_id=order.citizen_id, actor=actor,
        action="service_order_created", fields=["service_order"], basis=order.kind,
    )
    announce(order)


def _open_account(citizen_id: UUID, line: Line) -> None:
    """What the guarantor allows this tier now; what is in use stays in use when it gets less."""
    line_fen = line.tiers.get(current_tier(citizen_id) or "", 0)
    if not line_fen:
        raise ServiceOrderNotEligible(tiers=sorted(code for code, fen in line.tiers.items() if fen))
    account = guarantee_balance(citizen_id=citizen_id, purpose=line.purpose)
    if account is None or account.credit_line_fen != line_fen:
        ledger.set_credit_line(
            citizen_id=citizen_id, transfer_id=new_id(), purpose=line.purpose, amount_fen=line_fen
        )
