"""What becomes of the orders of somebody who leaves: what was begun is settled, nothing begins.

What they permitted at WeChat Pay for all orders to come ends as well.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import Select, func, select

from app.kernel import outbox
from app.kernel.database import reading, transaction_required
from app.kernel.ids import new_id
from app.service_orders.acts import Act, clock, free_hold, require_event, step, take_order
from app.service_orders.models import ServiceOrder
from app.service_orders.transitions import Event, State
from app.trail.operations import Actor

LEFT_TOPIC: Final = "service_orders_left"
# Nobody has handed over yet, whether the holder agreed in WeChat or not.
_UNSTARTED: Final = frozenset({State.CREATED, State.AGREED, State.CONFIRMING})


def cancel_unstarted(*, citizen_id: UUID) -> None:
    """Cancel the orders that no counter has handed over for, in the open transaction."""
    session = transaction_required()
    for order_id in session.scalars(_ids(citizen_id, _UNSTARTED)).all():
        order = take_order(citizen_id=citizen_id, order_id=order_id)
        is_over = order.deadline_at is not None and order.deadline_at <= clock(session)
        if State(order.state) not in _UNSTARTED or is_over:
            continue  # handed over a moment ago, or the sweep's
        moment = require_event(order, Event.CANCEL)
        act = Act(new_id(), Actor("citizen", citizen_id), "leave")
        step(order, Event.CANCEL, act, moment=moment, transfer_id=free_hold(order))


def end_permission(*, citizen_id: UUID) -> None:
    """Have WeChat told, after the commit, that nothing more may be debited on trust."""
    outbox.put(citizen_id=citizen_id, topic=LEFT_TOPIC, payload={})


def is_settled(*, citizen_id: UUID) -> bool:
    """Whether nothing is in use, owed or disputed any more."""
    with reading() as session:
        return bool(session.scalar(select(func.service_orders_settled(citizen_id))))


def _ids(citizen_id: UUID, states: frozenset[State]) -> Select[UUID]:
    return select(ServiceOrder.order_id).where(
        ServiceOrder.citizen_id == citizen_id, ServiceOrder.state.in_(states)
    )
