"""Collecting for service orders through WeChat Pay Score.

Whenever an order changes, a debit is due or WeChat sends a notice, and again and again while
something is owed past its day, the worker asks Pay Score how its order stands and brings the two
in line: it creates, completes, lowers, cancels or notes the payment.  So nothing depends on what a
notice says, in which order they come, or how often; and an outage of any length only delays.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import ClassVar, Final, cast
from uuid import UUID

from flask import current_app
from sqlalchemy import ARRAY, Text, any_, delete, func, literal, select, text
from sqlalchemy.dialects.postgresql import insert

from app.kernel import outbox
from app.kernel.database import durable, reading, transaction
from app.kernel.errors import Unavailable
from app.kernel.ids import new_id
from app.kernel.jobs import Message
from app.members.profiles import WeChatNotBound
from app.members.queries import database_now, find_openid
from app.rights.leaving import note_permission_ended
from app.rights.queries import list_permitting
from app.service_orders.acts import CHANGED_TOPIC, PAY_SCORE_CONFIRM
from app.service_orders.operations import show_order
from app.service_orders.payments import record_agreement, record_payment
from app.service_orders.queries import Order, find_order
from app.service_orders.refusals import ServiceOrderStateRefuses
from app.service_orders.transitions import HOLDING, OWING, Event, State
from app.settlement.bills import ToldLine
from app.trail.operations import Actor, record_access
from app.web.keys import key_provider
from app.wechat.models import PayScoreNoticeTaken, PayScoreNumber
from wechat_integration.pay_score import (
    NoticeRefused,
    PayScoreClient,
    PayScoreError,
    PayScoreOrder,
    PayScoreRefused,
)

log = logging.getLogger(__name__)

PAY_SCORE_RETRY_SECONDS: Final = 60
NOTICES_KEPT: Final = text("interval '7 days'")  # WeChat sends one again for about a day
INTRODUCTION: Final = "信易订单"  # WeChat learns an amount, and not for what
CHARGE: Final = "服务费用"
_PAID: Final = frozenset({State.PAID, State.REPAID})
_CLOSED: Final = frozenset({State.RELEASED, State.CANCELLED, State.EXPIRED})
_NOTHING: Final = "已归还或取消，无需付款"
_TAKEN_BACK: Final = "用户主动解除授权"
_LEFT: Final = "用户已退出信易服务"


class PayScoreIsUnavailable(Unavailable):
    """WeChat Pay does not answer, or no account at WeChat Pay is configured."""

    code: ClassVar[str] = "pay_score_unavailable"
    title: ClassVar[str] = "WeChat Pay Score does not answer"
    advice: ClassVar[str] = "微信支付暂时无法使用，请稍后再试。"


def take_notice(*, headers: Mapping[str, str], body: bytes) -> bool:
    """Take a notice of WeChat; False: it is not WeChat's, not for us, or too old.

    The same notice again is taken and changes nothing.
    """
    durable()
    try:
        notice = _client().read_notice(headers=headers, body=body, now=database_now())
    except NoticeRefused as error:
        log.warning("a Pay Score notice is refused", extra={"reason": error.reason})
        return False
    with transaction() as session:
        is_new = session.scalar(
            insert(PayScoreNoticeTaken)
            .values(notice_id=notice.notice_id)
            .on_conflict_do_nothing()
            .returning(PayScoreNoticeTaken.notice_id)
        )
        number = session.get(PayScoreNumber, notice.out_order_no) if is_new else None
        if number is not None:
            outbox.put(
                citizen_id=number.citizen_id, topic=CHANGED_TOPIC,
                payload={"order_id": str(number.order_id)},
            )
    return True


def settle_order(message: Message) -> None:
    """Bring Pay Score's order and ours in line; an outage means: again."""
    order = find_order(
        citizen_id=message.citizen_id, order_id=UUID(str(message.payload["order_id"]))
    )
    if order is None:
        return
    client = _client()
    number = _number_of(order)
    with _our_errors():
        remote = client.query(out_order_no=number)
        if remote is None:
            _create(client, number, order)
        elif remote.state == "DONE":
            _note_payment(order, remote)
        elif remote.state == "CREATED" and State(order.state) in _CLOSED:
            client.cancel(out_order_no=number, reason=_NOTHING)
        elif remote.state == "DOING":
            record_agreement(citizen_id=order.citizen_id, order_id=order.order_id)
            _bring_in_line(client, order, remote)


def tell_order(citizen_id: UUID, order_id: UUID) -> tuple[str, int | None] | None:
    """How WeChat has an order and what it comes to there, in fen; None: it has none.

    Whatever goes wrong is `pay_score_unavailable`: ask again later.
    """
    durable()
    try:
        found = _client().query(out_order_no=order_number(citizen_id, order_id))
    except PayScoreError as error:
        log.warning("Pay Score does not tell of an order", extra={"reason": str(error)})
        raise PayScoreIsUnavailable(retry_after_seconds=PAY_SCORE_RETRY_SECONDS) from None
    return None if found is None else (found.state, found.total_fen)


def tell_bill(on: date) -> tuple[ToldLine, ...] | None:
    """WeChat Pay's bill of a day in the city; None: the programme has no account there.

    Refuses `pay_score_unavailable`, also while WeChat has not made it.
    """
    if current_app.extensions["card_pay_score"] is None:
        return None
    durable()
    try:
        lines = _client().download_bill(on=on)
    except PayScoreError as error:
        log.warning("Pay Score does not give a bill", extra={"reason": str(error)})
        raise PayScoreIsUnavailable(retry_after_seconds=PAY_SCORE_RETRY_SECONDS) from None
    return tuple(ToldLine(one.out_order_no, one.paid_fen, one.refunded_fen) for one in lines)


def order_number(citizen_id: UUID, order_id: UUID) -> str:
    """The order's number at WeChat: always the same, of letters and digits, nobody's."""
    ids = citizen_id.bytes + order_id.bytes
    return hashlib.sha256(b"pay_score:" + ids).hexdigest()[:32]


def find_orders(numbers: Collection[str]) -> dict[str, tuple[UUID, UUID]]:
    """Whose orders these numbers at WeChat stand for, as far as they are ours."""
    wanted = any_(literal([*numbers], ARRAY(Text())))
    query = select(PayScoreNumber).where(PayScoreNumber.out_order_no == wanted)
    with reading() as session:
        return {row.out_order_no: (row.citizen_id, row.order_id) for row in session.scalars(query)}


def open_confirmation(*, citizen_id: UUID, order_id: UUID) -> str:
    """What the mini-program opens in WeChat so that the holder confirms the order.

    Refuses `service_order_unknown`; `service_order_state` where nothing waits for that.
    """
    order = show_order(citizen_id=citizen_id, order_id=order_id)
    waits = order.collection == PAY_SCORE_CONFIRM and order.state == State.CREATED.value
    if not waits:
        raise ServiceOrderStateRefuses(state=order.state, event=Event.AGREE.value)
    openid = _openid(citizen_id)
    client, number = _client(), _number_of(order)
    with _asking_for_holder():
        package = _ask_for_order(client, number, order, openid).package
    if package is None:  # confirmed or over there, and the worker is about to see it
        raise ServiceOrderStateRefuses(state=order.state, event=Event.AGREE.value)
    return package


def ask_permission(*, citizen_id: UUID) -> str:
    """What the mini-program hands to WeChat so that the holder may permit orders once for all."""
    _openid(citizen_id)
    with _asking_for_holder():
        return _client().ask_permission(authorization_code=new_id().hex)


def has_permission(*, citizen_id: UUID) -> bool:
    """Whether the holder permits orders without confirming each."""
    openid = _openid(citizen_id)
    with _asking_for_holder():
        return _client().has_permission(openid=openid)


def end_permission(*, citizen_id: UUID) -> None:
    """The holder takes the permission back; orders in use go on and are paid at the counter."""
    openid = _openid(citizen_id)
    with _asking_for_holder():
        if _client().has_permission(openid=openid):
            _client().end_permission(openid=openid, reason=_TAKEN_BACK)
    with transaction():
        record_access(
            citizen_id=citizen_id, actor=Actor("citizen", citizen_id),
            action="pay_score_permission_ended", fields=["pay_score"], basis="membership",
        )


def end_left(message: Message) -> None:
    """Somebody has left, or died: end their permission; an outage means again."""
    _end_standing(message.citizen_id)


def end_standing(*, limit: int) -> None:
    """For the job: end what still stands of those who left; an outage means later."""
    for citizen_id in list_permitting(limit=limit):
        try:
            _end_standing(citizen_id)
        except PayScoreIsUnavailable:
            return


def _end_standing(citizen_id: UUID) -> None:
    """What WeChat refuses stays, and is tried again until the identity is erased."""
    openid = find_openid(keys=key_provider(), citizen_id=citizen_id)
    client = cast("PayScoreClient | None", current_app.extensions["card_pay_score"])
    if openid is not None and client is not None:  # else nothing can stand
        is_ended = False
        with _our_errors():
            if client.has_permission(openid=openid):
                client.end_permission(openid=openid, reason=_LEFT)
            is_ended = True
        if not is_ended:
            return
    note_permission_ended(citizen_id=citizen_id)


def prune_notices() -> None:
    """For the job: forget notices that nobody sends any more."""
    with transaction() as session:
        session.execute(
            delete(PayScoreNoticeTaken).where(
                PayScoreNoticeTaken.taken_at < func.now() - NOTICES_KEPT
            )
        )


def _create(client: PayScoreClient, number: str, order: Order) -> None:
    """Also for what is owed already, if WeChat was away all the while: it can be debited then."""
    openid = find_openid(keys=key_provider(), citizen_id=order.citizen_id)
    state, collection = State(order.state), order.collection
    is_wanted = state in HOLDING or (state in OWING and collection != PAY_SCORE_CONFIRM)
    if is_wanted and openid is not None:
        _ask_for_order(client, number, order, openid)


def _ask_for_order(
    client: PayScoreClient, number: str, order: Order, openid: str
) -> PayScoreOrder:
    """The order at WeChat, made once; where the line asks for it the user confirms it there."""
    return client.create(
        out_order_no=number, introduction=INTRODUCTION, risk_fen=order.held_fen,
        openid=None if order.collection == PAY_SCORE_CONFIRM else openid,
    )


def _bring_in_line(client: PayScoreClient, order: Order, remote: PayScoreOrder) -> None:
    """What an order that runs at WeChat needs, by how ours stands."""
    number, state = remote.out_order_no, State(order.state)
    is_billed = remote.state_description == "MCH_COMPLETE"
    if state in _CLOSED or (state in _PAID and not is_billed):
        client.cancel(out_order_no=number, reason=_NOTHING)
    elif state in _PAID:
        client.sync_paid(out_order_no=number, paid_at=database_now())
    elif state in OWING and not is_billed:
        if _is_due(order):
            client.complete(out_order_no=number, name=CHARGE, amount_fen=order.owed_fen)
    elif state in OWING and remote.total_fen is not None and remote.total_fen > order.owed_fen:
        client.modify(
            out_order_no=number, name=CHARGE, amount_fen=order.owed_fen,
            reason="按协商结果调低",
        )  # fmt: skip


def _is_due(order: Order) -> bool:
    """Whether the days to pay are over, by the database's clock."""
    return order.due_at is not None and order.due_at <= database_now()


def _note_payment(order: Order, remote: PayScoreOrder) -> None:
    if State(order.state) in _PAID:
        return
    paid_fen = remote.total_fen
    noted_fen = record_payment(
        citizen_id=order.citizen_id, order_id=order.order_id, paid_fen=paid_fen
    )
    if noted_fen != paid_fen:  # somebody must give the rest back, or collect it
        log.error(
            "Pay Score took another amount than was owed",
            extra={"state": order.state, "paid_fen": paid_fen, "noted_fen": noted_fen},
        )


def _openid(citizen_id: UUID) -> str:
    openid = find_openid(keys=key_provider(), citizen_id=citizen_id)
    if openid is None:
        raise WeChatNotBound
    return openid


def _number_of(order: Order) -> str:
    """The order's number at WeChat, which from now on is found again."""
    number = order_number(order.citizen_id, order.order_id)
    with transaction() as session:
        session.execute(
            insert(PayScoreNumber)
            .values(
                out_order_no=number, citizen_id=order.citizen_id, order_id=order.order_id
            )
            .on_conflict_do_nothing()
        )
    return number


def _client() -> PayScoreClient:
    client = cast("PayScoreClient | None", current_app.extensions["card_pay_score"])
    if client is None:
        raise PayScoreIsUnavailable(retry_after_seconds=PAY_SCORE_RETRY_SECONDS)
    return client


@contextmanager
def _our_errors() -> Iterator[None]:
    """What is refused for good is logged; everything else means: again."""
    durable()
    try:
        yield
    except PayScoreRefused as error:
        log.warning("Pay Score refuses", extra={"status": error.status, "code": error.code})
    except PayScoreError:
        raise PayScoreIsUnavailable(retry_after_seconds=PAY_SCORE_RETRY_SECONDS) from None


@contextmanager
def _asking_for_holder() -> Iterator[None]:
    """For somebody who waits: whatever goes wrong there is an outage here."""
    durable()
    try:
        yield
    except PayScoreError as error:
        log.warning("Pay Score does not do what a holder asks for", extra={"reason": str(error)})
        raise PayScoreIsUnavailable(retry_after_seconds=PAY_SCORE_RETRY_SECONDS) from None
