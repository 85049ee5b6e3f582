"""Why a complaint is not taken, shown, answered or decided."""

from __future__ import annotations

from typing import ClassVar

from app.kernel.errors import Conflict, NotFound


class ComplaintUnknown(NotFound):
    """The caller has no such complaint."""

    code: ClassVar[str] = "complaint_unknown"
    title: ClassVar[str] = "There is no such complaint"
    advice: ClassVar[str] = "没有找到该投诉，请刷新后重试。"


class ComplaintExists(Conflict):
    """The citizen has complained about this redemption before."""

    code: ClassVar[str] = "complaint_exists"
    title: ClassVar[str] = "There is a complaint about this redemption"
    advice: ClassVar[str] = "该笔核销已有投诉，请在“我的投诉”中查看进展。"


class ComplaintTooLate(Conflict):
    """The redemption is too long ago."""

    code: ClassVar[str] = "complaint_too_late"
    title: ClassVar[str] = "The redemption is too long ago for a complaint"
    advice: ClassVar[str] = "已超过投诉期限，如有疑问请联系平台客服。"


class ComplaintClosed(Conflict):
    """The complaint was answered or decided before."""

    code: ClassVar[str] = "complaint_closed"
    title: ClassVar[str] = "The complaint has been answered or decided"
    advice: ClassVar[str] = "该投诉已有答复或处理结果，无需重复操作。"


class ComplaintEscalated(Conflict):
    """The time to answer is over: an operator decides."""

    code: ClassVar[str] = "complaint_escalated"
    title: ClassVar[str] = "The time to answer is over; an operator decides"
    advice: ClassVar[str] = "已超过答复期限，由平台工作人员处理。"


class ComplaintNotEscalated(Conflict):
    """The merchant may still answer."""

    code: ClassVar[str] = "complaint_not_escalated"
    title: ClassVar[str] = "The merchant may still answer"
    advice: ClassVar[str] = "商户答复期限未到，暂不能裁定。"


class ComplaintTextMissing(NotFound):
    """There are no words that the caller may read."""

    code: ClassVar[str] = "complaint_text_missing"
    title: ClassVar[str] = "There is no text that the caller may read"
    advice: ClassVar[str] = "投诉人未填写文字说明，或者不同意提供给商户。"
