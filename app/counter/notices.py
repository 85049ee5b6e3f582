"""What a citizen is told by text message, where there is a phone: acts in their name, incidents."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from app.kernel.outbox import put

NOTICE_TOPIC: Final = "citizen_notice"
# What the SMS service has templates for; the words say nothing about anybody.
VISIT_OPENED: Final = "在服务窗口核验身份并开始办理"
CONSENT_DECIDED: Final = "在服务窗口变更授权"
VOUCHER_CLAIMED: Final = "在服务窗口领取权益券"
VOUCHER_GIVEN_BACK: Final = "在服务窗口退回权益券"
OBJECTION_FILED: Final = "在服务窗口提出异议"
SECOND_LOOK_ASKED: Final = "在服务窗口申请异议复核"
REPAIR_ASKED: Final = "在服务窗口申请信用修复"
COMPLAINT_MADE: Final = "在服务窗口提交投诉"
COPY_HANDED: Final = "在服务窗口领取个人信息副本凭证"
ORDER_OPENED: Final = "在门店凭纸质卡办理先用后付"
JOINED: Final = "在服务窗口加入市民诚信卡"
LEFT: Final = "在服务窗口退出市民诚信卡"
RESTING: Final = "诚信卡已暂停使用，如有误请到服务窗口"
UNANSWERED: Final = "新条款尚未同意，诚信卡已暂停，请在小程序或窗口确认"
INCIDENT: Final = "有个人信息安全告知，请在小程序查看或到窗口询问"


def tell(*, citizen_id: UUID, what: str) -> None:
    """Write the message in the open transaction; a worker sends it."""
    put(citizen_id=citizen_id, topic=NOTICE_TOPIC, payload={"what": what})
