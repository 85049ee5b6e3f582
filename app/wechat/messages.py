"""Telling citizens by subscribe message; called by the worker, at least once per message.

What was settled is never sent again.  After a lost answer the message is sent again, because WeChat
has no key to tell a repetition: each send uses up one accept of the user, so that a message which
did arrive is refused the second time unless the user had accepted several.
"""

from __future__ import annotations

from datetime import datetime
from typing import cast
from uuid import UUID

from flask import current_app
from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.benefits.queries import find_name
from app.config import running_settings
from app.kernel.amounts import in_yuan
from app.kernel.clock import CITY_ZONE, now
from app.kernel.database import transaction
from app.kernel.jobs import Message
from app.members.queries import find_openid
from app.rights.leaving import is_erased
from app.service_orders.queries import Order, find_order
from app.service_orders.transitions import State
from app.web.keys import key_provider
from app.wechat.gateway import MessageRefused, WeChatGateway
from app.wechat.models import WeChatMessage

REDEEMED_TOPIC = "voucher_redeemed"
SHOWN_AGAIN_TOPIC = "code_shown_again"
REDEEMED_PAGE = "pages/vouchers/index"
TRAIL_PAGE = "pages/trail/index"
NOTICES_PAGE = "pages/notices/index"
ORDERS_PAGE = "pages/orders/index"
THING_MAX_CHARS = 20  # what WeChat takes in a `thing` parameter


def send_redeemed(message: Message) -> None:
    """Tell a citizen that a voucher was redeemed; any other error than a refusal means: again."""
    name = find_name(code=str(message.payload["benefit_code"]))
    _send(
        message, template_id=running_settings().wechat_redeemed_template_id,
        page=REDEEMED_PAGE, data=redeemed_data(message.payload, benefit_name=name),
    )


def _send(message: Message, *, template_id: str, page: str, data: dict[str, str]) -> None:
    gateway = cast("WeChatGateway", current_app.extensions["card_wechat"])
    if not _begin(message):
        return
    openid = find_openid(keys=key_provider(), citizen_id=message.citizen_id)
    if openid is None:
        _settle(message.citizen_id, message.message_id, "unreachable")
        return
    try:
        gateway.send_message(openid=openid, template_id=template_id, page=page, data=data)
    except MessageRefused:
        _settle(message.citizen_id, message.message_id, "refused")
    else:
        _settle(message.citizen_id, message.message_id, "sent")


def send_due(message: Message) -> None:
    """Remind a citizen of what is due, if it still is; the words do not tell for what."""
    template_id = running_settings().wechat_order_due_template_id
    order = find_order(
        citizen_id=message.citizen_id, order_id=UUID(str(message.payload["order_id"]))
    )
    if template_id is None or order is None or order.due_at is None:
        return
    _send(message, template_id=template_id, page=ORDERS_PAGE, data=due_data(order))


def send_over(message: Message) -> None:
    """Tell a citizen that the time of use is over, if it is still in use; not of what."""
    template_id = running_settings().wechat_order_over_template_id
    order = find_order(
        citizen_id=message.citizen_id, order_id=UUID(str(message.payload["order_id"]))
    )
    if template_id is None or order is None or order.state != State.IN_USE:
        return
    _send(message, template_id=template_id, page=ORDERS_PAGE, data=over_data(order))


def send_shown_again(message: Message) -> None:
    """Tell a citizen that a pass code of theirs was shown a second time, and refused."""
    template_id = running_settings().wechat_shown_again_template_id
    if template_id is not None:
        _send(
            message, template_id=template_id, page=TRAIL_PAGE,
            data=shown_again_data(message.payload),
        )


def send_incident(message: Message) -> None:
    """Tell a citizen that there is a notice of an incident; what it says stands in the program."""
    template_id = running_settings().wechat_incident_template_id
    if template_id is not None:
        _send(message, template_id=template_id, page=NOTICES_PAGE, data=incident_data())


def incident_data() -> dict[str, str]:
    """The parameters of the template 安全提醒: 事项, 地点, 时间."""
    return {
        "thing1": "个人信息安全事件告知",
        "thing2": "请在小程序内查看详情",
        "time3": f"{now().astimezone(CITY_ZONE):%Y-%m-%d %H:%M}",
    }


def shown_again_data(payload: dict[str, object]) -> dict[str, str]:
    """The parameters of the template 安全提醒: 事项, 地点, 时间."""
    shown_at = datetime.fromisoformat(str(payload["shown_at"])).astimezone(CITY_ZONE)
    return {
        "thing1": "您的动态码再次被出示，已拒绝",
        "thing2": str(payload["shop_name"] or "闸机或自助设备")[:THING_MAX_CHARS],
        "time3": f"{shown_at:%Y-%m-%d %H:%M}",
    }


def due_data(order: Order) -> dict[str, str]:
    """The parameters of the template 订单待支付提醒: 订单, 待付金额, 付款期限."""
    assert order.due_at is not None, "it owes"
    return {
        "thing1": "信易订单",
        "amount2": f"{in_yuan(order.owed_fen)}元",
        "time3": f"{order.due_at.astimezone(CITY_ZONE):%Y-%m-%d %H:%M}",
    }


def over_data(order: Order) -> dict[str, str]:
    """The parameters of the template 使用到期提醒: 订单, 提示, 到期时间."""
    return {
        "thing1": "信易订单",
        "thing2": "使用时间已到，请归还或到柜台结清",
        "time3": f"{order.use_ends_at.astimezone(CITY_ZONE):%Y-%m-%d %H:%M}",
    }


def redeemed_data(payload: dict[str, object], *, benefit_name: str) -> dict[str, str]:
    """The parameters of the template 权益核销通知: 权益, 商户, 核销时间, 使用积分."""
    redeemed_at = datetime.fromisoformat(str(payload["redeemed_at"])).astimezone(CITY_ZONE)
    return {
        "thing1": benefit_name[:THING_MAX_CHARS],
        "thing2": str(payload["shop_name"])[:THING_MAX_CHARS],
        "time3": f"{redeemed_at:%Y-%m-%d %H:%M}",
        "number4": str(payload["price_points"]),
    }


def _begin(message: Message) -> bool:
    """Note that the message is on its way; False when it was settled before, or comes too late."""
    with transaction() as session:
        if is_erased(citizen_id=message.citizen_id):
            return False  # what is late finds nobody, and leaves no row behind
        session.execute(
            upsert(WeChatMessage)
            .values(
                citizen_id=message.citizen_id, message_id=message.message_id, topic=message.topic
            )
            .on_conflict_do_nothing()
        )
        row = session.get_one(WeChatMessage, (message.citizen_id, message.message_id))
        return row.settled_at is None


def _settle(citizen_id: UUID, message_id: UUID, state: str) -> None:
    with transaction() as session:
        session.execute(
            update(WeChatMessage)
            .where(WeChatMessage.citizen_id == citizen_id, WeChatMessage.message_id == message_id)
            .values(state=state, settled_at=func.clock_timestamp())
            .execution_options(synchronize_session=False)
        )
