"""Why a request about transit is refused; everybody rides at everybody's fare all the same."""

from __future__ import annotations

from typing import ClassVar

from app.kernel.errors import Conflict, Invalid, NotAllowed, NotFound


class NotTransitOperator(NotAllowed):
    """The machine belongs to no transit operator."""

    code: ClassVar[str] = "not_transit_operator"
    title: ClassVar[str] = "The machine belongs to no transit operator"
    advice: ClassVar[str] = "该接口账号不属于任何公交或地铁运营单位，请联系平台管理员。"


class TransitOperatorUnknown(NotFound):
    """There is no such transit operator."""

    code: ClassVar[str] = "transit_operator_unknown"
    title: ClassVar[str] = "There is no such transit operator"
    advice: ClassVar[str] = "没有找到该公交或地铁运营单位，请返回后重新选择。"


class TransitOperatorExists(Conflict):
    """The merchant is a transit operator already."""

    code: ClassVar[str] = "transit_operator_exists"
    title: ClassVar[str] = "The merchant is a transit operator already"
    advice: ClassVar[str] = "该单位已登记为公交或地铁运营单位。"


class TransitBenefitUnfit(Invalid):
    """A fare is a share of the ordinary price: the benefit says nothing else."""

    code: ClassVar[str] = "transit_benefit_unfit"
    title: ClassVar[str] = "The benefit is no discount of a fare"
    advice: ClassVar[str] = "该权益不是票价折扣，不能用于公交地铁。"


class TransitTermsTooLate(Conflict):
    """Terms begin on a day that has not begun, after all others."""

    code: ClassVar[str] = "transit_terms_too_late"
    title: ClassVar[str] = "Terms begin tomorrow at the earliest, after those that are agreed"
    advice: ClassVar[str] = "新的结算约定最早从明天起生效，且须晚于已有约定的生效日。"


class TransitAccountUnknown(NotFound):
    """The operator has no such account."""

    code: ClassVar[str] = "transit_account_unknown"
    title: ClassVar[str] = "There is no such account"
    advice: ClassVar[str] = "没有找到该乘车账号，请按普通票价乘车。"


class TransitFileUnknown(NotFound):
    """There is no such file of this operator, or it was kept long enough."""

    code: ClassVar[str] = "transit_file_unknown"
    title: ClassVar[str] = "There is no such file"
    advice: ClassVar[str] = "没有找到该文件，请从文件清单中选择。"
