"""What time does to service orders: the end of a hold, reminders, the automatic debit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute

from app.kernel import outbox
from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.service_orders.acts import (
    ASKED_EVERY,
    Act,
    announce,
    clock,
    free_hold,
    next_reminder,
    require_event,
    step,
    take_order,
    tell_merchant,
)
from app.service_orders.models import ServiceOrder
from app.service_orders.transitions import HOLDING, OWING, Event, State
from app.trail.operations import SYSTEM

DUE_TOPIC: Final = "service_order_due"
OVER_TOPIC: Final = "service_order_over"
USE_OVER: Final = "use_over"  # what merchants are told: no step, the order stays in use
# A lost notice is found within ten minutes, later within a day.
ASKED_OFTEN_FOR: Final = timedelta(days=3)
ASKED_LATER_EVERY: Final = timedelta(days=1)


def expire_due_orders(*, limit: int) -> int:
    """For the job: end up to `limit` orders whose time is over; how many it looked at.

    Nobody waits for it: an order past its deadline is refused before it was swept.
    """
    due = _due(ServiceOrder.deadline_at, limit)
    for citizen_id, order_id in due:
        _expire(citizen_id, order_id)
    return len(due)


def remind_due_orders(*, limit: int) -> int:
    """For the job: send the reminders that are due; how many it looked at."""
    due = _due(ServiceOrder.remind_at, limit)
    for citizen_id, order_id in due:
        _remind(citizen_id, order_id)
    return len(due)


def debit_due_orders(*, limit: int) -> int:
    """For the job: let what was not paid in time be debited, and be asked for until it is paid."""
    due = _due(ServiceOrder.debit_at, limit)
    for citizen_id, order_id in due:
        _debit(citizen_id, order_id)
    return len(due)


def ask_due_orders(*, limit: int) -> int:
    """For the job: ask WeChat how orders stand whose notice may be lost; how many it looked at."""
    due = _due(ServiceOrder.ask_at, limit)
    for citizen_id, order_id in due:
        _ask(citizen_id, order_id)
    return len(due)


def _due(
    column: InstrumentedAttribute[object], limit: int
) -> list[tuple[UUID, UUID]]:
    query = (
        select(ServiceOrder.citizen_id, ServiceOrder.order_id)
        .where(column <= func.clock_timestamp())
        .order_by(column)
        .limit(limit)
    )
    with reading() as session:
        return [(row.citizen_id, row.order_id) for row in session.execute(query)]


def _expire(citizen_id: UUID, order_id: UUID) -> None:
    with transaction() as session:
        order = take_order(citizen_id=citizen_id, order_id=order_id)
        is_over = order.deadline_at is not None and order.deadline_at <= clock(session)
        if State(order.state) not in HOLDING or not is_over:
            return  # somebody was first
        moment = require_event(order, Event.EXPIRE)
        act = Act(new_id(), SYSTEM, "expire")
        step(order, Event.EXPIRE, act, moment=moment, transfer_id=free_hold(order))


def _remind(citizen_id: UUID, order_id: UUID) -> None:
    with transaction() as session:
        order = take_order(citizen_id=citizen_id, order_id=order_id)
        moment = clock(session)
        if order.remind_at is None or order.remind_at > moment:
            return
        if State(order.state) is State.IN_USE:
            _tell_use_over(order, moment)
            return
        if State(order.state) not in OWING or order.due_at is None:
            return
        order.remind_at = next_reminder(order.due_at, moment)
        outbox.put(
            citizen_id=citizen_id, topic=DUE_TOPIC,
            payload={
                "order_id": str(order_id), "owed_fen": order.owed_fen,
                "due_at": order.due_at.isoformat(),
            },
        )


def _tell_use_over(order: ServiceOrder, moment: datetime) -> None:
    """Both sides hear once that it is not back; until the hold ends it can be billed or claimed."""
    order.remind_at = None
    outbox.put(
        citizen_id=order.citizen_id, topic=OVER_TOPIC, payload={"order_id": str(order.order_id)}
    )
    tell_merchant(order, USE_OVER, moment)


def _ask(citizen_id: UUID, order_id: UUID) -> None:
    with transaction() as session:
        order = take_order(citizen_id=citizen_id, order_id=order_id)
        moment = clock(session)
        if order.ask_at is None or order.ask_at > moment:
            return  # somebody was first
        asked_since = order.due_at or order.created_at
        is_fresh = moment < asked_since + ASKED_OFTEN_FOR
        order.ask_at = moment + (ASKED_EVERY if is_fresh else ASKED_LATER_EVERY)
        announce(order)


def _debit(citizen_id: UUID, order_id: UUID) -> None:
    with transaction() as session:
        order = take_order(citizen_id=citizen_id, order_id=order_id)
        if State(order.state) not in OWING or order.debit_at is None:
            return
        order.debit_at = None
        order.ask_at = clock(session) + ASKED_EVERY
        announce(order)  # what is due is debited by whichever message comes through
