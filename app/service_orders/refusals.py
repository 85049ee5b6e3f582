"""Why a line or a service order is refused."""

from __future__ import annotations

from typing import ClassVar

from app.kernel.errors import Conflict, Invalid, NotAllowed, NotFound


class GuaranteeLineUnknown(NotFound):
    """There is no such line, or no second operator has confirmed it."""

    code: ClassVar[str] = "guarantee_line_unknown"
    title: ClassVar[str] = "There is no such guarantee line"
    advice: ClassVar[str] = "没有找到该担保服务，请返回后重新选择。"


class GuaranteeLineUnsound(Invalid):
    """The line's tiers are not those of the scheme, or a higher tier gets less."""

    code: ClassVar[str] = "guarantee_line_unsound"
    title: ClassVar[str] = "The line's tiers do not fit the scheme"
    advice: ClassVar[str] = "担保额度须按评分方案的等级填写，且等级越高额度不得越低。"


class GuaranteeLineContradicts(Invalid):
    """The line gives less than the benefit it names publishes, or confirms at another amount."""

    code: ClassVar[str] = "guarantee_line_contradicts"
    title: ClassVar[str] = "The line contradicts the published benefit"
    advice: ClassVar[str] = "与公示的权益不一致：额度、付款天数不得低于公示，确认金额须相同。"


class GuarantorUnfit(Invalid):
    """What a clinic lends is a bank's or a hospital's."""

    code: ClassVar[str] = "guarantor_unfit"
    title: ClassVar[str] = "This guarantor cannot carry such a line"
    advice: ClassVar[str] = "先诊疗后付费的额度只能由银行或医疗机构承担。"


class GuaranteeLineTaken(Conflict):
    """The line was confirmed before."""

    code: ClassVar[str] = "guarantee_line_taken"
    title: ClassVar[str] = "The line was confirmed before"
    advice: ClassVar[str] = "该担保服务已由他人确认，无需重复操作。"


class ServiceOrderUnknown(NotFound):
    """There is no such order for this caller: another's, or another merchant's."""

    code: ClassVar[str] = "service_order_unknown"
    title: ClassVar[str] = "There is no such service order"
    advice: ClassVar[str] = "没有找到该订单，请核对后重试。"


class ServiceOrderStateRefuses(Conflict):
    """The order's state does not allow this; the details name the state."""

    code: ClassVar[str] = "service_order_state"
    title: ClassVar[str] = "The order's state does not allow this"
    advice: ClassVar[str] = "当前订单状态不能进行此操作，请刷新后查看。"


class ServiceOrderExpired(Conflict):
    """The order's time is over by the database's clock."""

    code: ClassVar[str] = "service_order_expired"
    title: ClassVar[str] = "The order's time is over"
    advice: ClassVar[str] = "订单已过期，担保额度已释放，请重新下单。"


class ServiceOrderNotEligible(Conflict):
    """The line gives nothing to this tier; the details name the nearest tier that gets it."""

    code: ClassVar[str] = "service_order_not_eligible"
    title: ClassVar[str] = "The line is not open to this tier"
    advice: ClassVar[str] = "暂不符合免押或先用后付条件，仍可按普通方式（交押金或先付费）使用。"


class ServiceOrderOverdue(Conflict):
    """An order of this kind is overdue; other kinds and everything else stay as they are."""

    code: ClassVar[str] = "service_order_overdue"
    title: ClassVar[str] = "An order of this kind is overdue"
    advice: ClassVar[str] = "您有同类订单逾期未付，付清后即可再次使用；其他权益不受影响。"


class ServiceConsentNeeded(NotAllowed):
    """The kind's own consent is not given, or to an older text; the details say which."""

    code: ClassVar[str] = "service_consent_needed"
    title: ClassVar[str] = "The consent to this kind of service is missing"
    advice: ClassVar[str] = "请先阅读并单独同意本项服务的授权条款。"


class ServiceNonceMismatch(Conflict):
    """What the holder typed or scanned is not what the counter shows."""

    code: ClassVar[str] = "service_nonce_mismatch"
    title: ClassVar[str] = "This is not what the counter shows"
    advice: ClassVar[str] = "确认码与柜台显示的不一致，请核对后再确认。"


class ServiceAmountTooLarge(Conflict):
    """More than is held, billed or owed."""

    code: ClassVar[str] = "service_amount_too_large"
    title: ClassVar[str] = "The amount is larger than the order allows"
    advice: ClassVar[str] = "金额超过本订单担保、账单或应付金额，超出部分请按普通方式结算。"


class ServiceLineByPhone(Conflict):
    """The line is collected in WeChat, on the holder's own phone."""

    code: ClassVar[str] = "service_line_by_phone"
    title: ClassVar[str] = "Orders of this line are made on the holder's phone"
    advice: ClassVar[str] = "该服务需持卡人在手机微信上办理；没有手机请按普通方式办理。"


class ServiceConfirmationNeeded(Conflict):
    """Above the line's amount the holder confirms, by the PIN that was sent for these terms."""

    code: ClassVar[str] = "service_confirmation_needed"
    title: ClassVar[str] = "The holder must confirm this amount"
    advice: ClassVar[str] = "该金额须由持卡人凭短信验证码确认；没有手机请降低金额或按普通方式办理。"
