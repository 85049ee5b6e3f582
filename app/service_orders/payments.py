"""What happened outside the counter: at the collection that a line names."""

from __future__ import annotations

from uuid import UUID

from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.service_orders.acts import Act, clock, require_event, step, take_order
from app.service_orders.counter import pay
from app.service_orders.transitions import TRANSITIONS, Event, State
from app.trail.operations import SYSTEM


def record_payment(*, citizen_id: UUID, order_id: UUID, paid_fen: int | None) -> int | None:
    """Note that what is owed was paid, in fen; None when nothing is owed, or less was paid.

    What was paid beyond it is due back to the holder, who owes nothing any more: reconciling tells
    of it until it was given back.  Refuses `service_order_unknown`.
    """
    with transaction():
        order = take_order(citizen_id=citizen_id, order_id=order_id)
        payable = (State(order.state), Event.PAY) in TRANSITIONS
        owed_fen = order.owed_fen
        if not payable or paid_fen is None or paid_fen < owed_fen:
            return None
        pay(order, Act(new_id(), SYSTEM, "pay"))
        return owed_fen


def record_agreement(*, citizen_id: UUID, order_id: UUID) -> bool:
    """Note that the holder confirmed the order there; False when it does not wait for that now.

    Refuses `service_order_unknown`.
    """
    with transaction() as session:
        order = take_order(citizen_id=citizen_id, order_id=order_id)
        is_over = order.deadline_at is None or order.deadline_at <= clock(session)
        if is_over or (State(order.state), Event.AGREE) not in TRANSITIONS:
            return False
        moment = require_event(order, Event.AGREE)
        act = Act(new_id(), SYSTEM, "agree")
        step(order, Event.AGREE, act, moment=moment, amount_fen=order.held_fen)
        return True
