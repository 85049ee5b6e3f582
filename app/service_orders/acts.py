"""What every act on a service order shares: the order's lock, its state, the hold, one step a line.

The order is locked first and then the ledger's account, in every act; the moment is read from the
database's clock after the lock, so that of a late act and the end of the time one wins.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.kernel import outbox
from app.kernel.database import transaction_required
from app.kernel.errors import IdReused
from app.kernel.ids import new_id
from app.ledger import operations as ledger
from app.ledger.queries import guarantee_balance
from app.service_orders.models import ServiceOrder, ServiceOrderStep
from app.service_orders.queries import Line, Order, find_line, find_order
from app.service_orders.refusals import (
    ServiceAmountTooLarge,
    ServiceOrderExpired,
    ServiceOrderStateRefuses,
    ServiceOrderUnknown,
)
from app.service_orders.transitions import HOLDING, OWING, TRANSITIONS, Event, State
from app.trail.operations import Actor, record_access

CHANGED_TOPIC: Final = "service_order_changed"
STEP_TOPIC: Final = "service_order_step"
PAY_SCORE: Final = "pay_score"
PAY_SCORE_CONFIRM: Final = "pay_score_confirm"  # the holder confirms each order in WeChat
BY_WECHAT: Final = frozenset({PAY_SCORE, PAY_SCORE_CONFIRM})
COLLECTIONS: Final = ("counter", PAY_SCORE, PAY_SCORE_CONFIRM)
ASKED_EVERY: Final = timedelta(minutes=5)
REMINDERS: Final = tuple(timedelta(days=days) for days in (-1, 0, 7, 30))  # from the due time


@dataclass(frozen=True)
class Act:
    """Who asks for what; the id is made by the caller and kept for retries."""

    act_id: UUID
    actor: Actor
    verb: str
    values: tuple[object, ...] = ()

    @property
    def digest(self) -> bytes:
        """What tells this request from another one under the same id."""
        return hashlib.sha256(orjson.dumps([self.verb, *map(str, self.values)])).digest()


def take_order(*, citizen_id: UUID, order_id: UUID) -> ServiceOrder:
    """The order, locked until the end of the transaction.  ServiceOrderUnknown."""
    query = select(ServiceOrder).where(
        ServiceOrder.citizen_id == citizen_id, ServiceOrder.order_id == order_id
    )
    locked = query.with_for_update().execution_options(populate_existing=True)
    found = transaction_required().scalars(locked).one_or_none()
    if found is None:
        raise ServiceOrderUnknown
    return found


def was_done(order: ServiceOrder, act: Act) -> bool:
    """Whether this very act was done before; IdReused when its id stands for another one."""
    query = select(ServiceOrderStep).where(
        ServiceOrderStep.citizen_id == order.citizen_id, ServiceOrderStep.act_id == act.act_id
    )
    step = transaction_required().scalars(query).one_or_none()
    if step is None:
        return False
    if step.order_id != order.order_id or not compare_digest(step.request_digest, act.digest):
        raise IdReused
    return True


def require_event(order: ServiceOrder, event: Event) -> datetime:
    """The moment, when the event may follow now.

    Refuses `service_order_state`, `service_order_expired`.
    """
    moment = clock(transaction_required())
    if (State(order.state), event) not in TRANSITIONS:
        raise ServiceOrderStateRefuses(state=order.state, event=event.value)
    is_over = order.deadline_at is not None and order.deadline_at <= moment
    if is_over != (event is Event.EXPIRE):
        if is_over:
            raise ServiceOrderExpired
        raise ServiceOrderStateRefuses(state=order.state, event=event.value)
    return moment


def step(
    order: ServiceOrder,
    event: Event,
    act: Act,
    *,
    moment: datetime,
    amount_fen: int = 0,
    owed_fen: int = 0,
    transfer_id: UUID | None = None,
) -> None:
    """Bring the order into its next state and write the step, in the open transaction.

    `owed_fen` is what the holder owes from now on.
    """
    session = transaction_required()
    line = line_of(order)  # first: what is changed below is flushed as one
    order.state = TRANSITIONS[State(order.state), event].value
    order.step_count += 1
    order.owed_fen = owed_fen
    _set_times(order, line, moment)
    written = session.scalar(
        insert(ServiceOrderStep)
        .values(
            citizen_id=order.citizen_id, order_id=order.order_id, number=order.step_count,
            act_id=act.act_id, request_digest=act.digest, event=event.value, state=order.state,
            actor_kind=act.actor.kind, actor_id=act.actor.id, amount_fen=amount_fen,
            transfer_id=transfer_id, happened_at=moment,
        )
        .on_conflict_do_nothing(index_elements=["citizen_id", "act_id"])
        .returning(ServiceOrderStep.number)
    )
    if written is None:  # by another order's act, a moment ago
        raise IdReused
    record_access(
        citizen_id=order.citizen_id, actor=act.actor, action=f"service_order_{event}",
        fields=["service_order"], basis=order.kind,
    )
    announce(order)
    tell_merchant(order, event.value, moment)


def announce(order: ServiceOrder) -> None:
    """Tell whoever collects for the line, after the commit."""
    if line_of(order).collection in BY_WECHAT:
        outbox.put(
            citizen_id=order.citizen_id, topic=CHANGED_TOPIC,
            payload={"order_id": str(order.order_id)},
        )


def tell_merchant(order: ServiceOrder, event: str, moment: datetime) -> None:
    """Tell the merchant that serves the order, if one does, what happened, after the commit."""
    if order.merchant_id is None:
        return
    outbox.put(
        citizen_id=order.citizen_id, topic=STEP_TOPIC,
        payload={
            "order_id": str(order.order_id), "merchant_id": str(order.merchant_id),
            "kind": order.kind, "event": event, "state": order.state,
            "held_fen": order.held_fen, "billed_fen": order.billed_fen,
            "owed_fen": order.owed_fen, "happened_at": moment.isoformat(),
        },
    )


def post_part(order: ServiceOrder, amount_fen: int) -> UUID:
    """Take a part of the hold; the rest is free.  Refuses `service_amount_too_large`."""
    if amount_fen > order.held_fen:
        raise ServiceAmountTooLarge(at_most_fen=order.held_fen)
    posted = ledger.post_hold(
        citizen_id=order.citizen_id, transfer_id=new_id(), hold_id=order.hold_id,
        amount_units=amount_fen,
    )
    return posted.require_accepted().transfer_id


def free_hold(order: ServiceOrder) -> UUID | None:
    """Let the whole hold go; None when the ledger's own sweep was first."""
    ends = ledger.void_hold, ledger.expire_hold  # whichever its time allows
    for end in ends:
        ended = end(
            citizen_id=order.citizen_id, transfer_id=new_id(), hold_id=order.hold_id
        )
        if ended.is_accepted:
            return ended.transfer_id
    return None


def give_back(order: ServiceOrder, amount_fen: int, *, account: str, reason: str) -> UUID:
    """Move fen to the holder's account: `repaid`, or less `claimed`; what is owed shrinks."""
    own = guarantee_balance(citizen_id=order.citizen_id, purpose=line_of(order).purpose)
    assert own is not None, "the hold opened it"
    moved = ledger.transfer_fen(
        citizen_id=order.citizen_id, transfer_id=new_id(),
        from_account_id=_programme_account(account), to_account_id=own.account_id,
        amount_fen=amount_fen, reason=reason,
    )
    return moved.require_accepted().transfer_id


def line_of(order: ServiceOrder) -> Line:
    """The line of an order."""
    found = find_line(line_id=order.line_id)
    assert found is not None, "a foreign key holds it"
    return found


def as_it_stands(order: ServiceOrder) -> Order:
    """The order for its caller."""
    transaction_required().flush()
    found = find_order(citizen_id=order.citizen_id, order_id=order.order_id)
    assert found is not None, "it is locked"
    return found


def clock(session: Session) -> datetime:
    """The database's clock now, not as the transaction began."""
    moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment


def next_reminder(due_at: datetime, after: datetime) -> datetime | None:
    """When to remind again."""
    return next((due_at + wait for wait in REMINDERS if due_at + wait > after), None)


def _set_times(order: ServiceOrder, line: Line, moment: datetime) -> None:
    """Deadlines belong to states that hold, due times to those that owe.

    Of what is in use, one reminder when its time is over.
    """
    if State(order.state) not in HOLDING:
        order.deadline_at = None
    order.due_at = order.remind_at = order.debit_at = order.ask_at = None
    if State(order.state) is State.IN_USE:
        order.remind_at = order.use_ends_at
    elif State(order.state) in OWING:
        order.due_at = moment + timedelta(days=line.pay_within_days)
        order.remind_at = next_reminder(order.due_at, moment)
        order.debit_at = order.due_at if line.collection in BY_WECHAT else None


def _programme_account(name: str) -> UUID:
    account = select(func.ledger_programme_account("fen", name))
    found: UUID = transaction_required().execute(account).scalar_one()
    return found
