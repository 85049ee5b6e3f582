"""What the catalogue refuses; `benefit_redeem_check` decides the middle ones."""

from __future__ import annotations

from typing import ClassVar

from app.kernel.errors import Conflict, NotFound


class BenefitUnknown(NotFound):
    """No benefit of this code is in force."""

    code: ClassVar[str] = "benefit_unknown"
    title: ClassVar[str] = "There is no such benefit now"
    advice: ClassVar[str] = "没有此项权益或尚未开始，请核对权益名称。"


class BenefitEnded(Conflict):
    """The benefit's last day is over."""

    code: ClassVar[str] = "benefit_ended"
    title: ClassVar[str] = "The benefit has ended"
    advice: ClassVar[str] = "此项权益已结束，无法核销。"


class WrongMerchant(Conflict):
    """The benefit is not taken at this merchant."""

    code: ClassVar[str] = "wrong_merchant"
    title: ClassVar[str] = "The benefit is not taken here"
    advice: ClassVar[str] = "此券不能在本店使用，请持卡人到适用商户核销。"


class OutsideHours(Conflict):
    """The benefit is not taken at this hour or on this weekday."""

    code: ClassVar[str] = "outside_hours"
    title: ClassVar[str] = "The benefit is not taken at this time"
    advice: ClassVar[str] = "现在不在此权益的使用时段，请在适用时间再来。"


class OutOfStock(Conflict):
    """Nothing is left to claim."""

    code: ClassVar[str] = "out_of_stock"
    title: ClassVar[str] = "The benefit is out of stock"
    advice: ClassVar[str] = "此项权益已领完，请等待补充或选择其他权益。"


class SlotNeeded(Conflict):
    """The benefit has slots, and none was chosen."""

    code: ClassVar[str] = "slot_needed"
    title: ClassVar[str] = "Choose a slot of the benefit"
    advice: ClassVar[str] = "此项权益需预约时段，请先选择日期和时段再领取。"


class SlotUnknown(NotFound):
    """The benefit has no such slot, or it is over, or too far away."""

    code: ClassVar[str] = "slot_unknown"
    title: ClassVar[str] = "The benefit has no such slot now"
    advice: ClassVar[str] = "没有此时段或已结束，请重新查询可预约的时段。"


class SlotFull(Conflict):
    """Every place of the slot is taken."""

    code: ClassVar[str] = "slot_full"
    title: ClassVar[str] = "The slot is full"
    advice: ClassVar[str] = "该时段已约满，请选择其他时段。"


class NotClaimable(Conflict):
    """A guarantee or a statement: it is used without a voucher."""

    code: ClassVar[str] = "not_claimable"
    title: ClassVar[str] = "The benefit is not claimed as a voucher"
    advice: ClassVar[str] = "此项权益无需领券，请直接到服务点办理。"


class BenefitMerchantUnknown(NotFound):
    """The merchant that should take a benefit does not exist."""

    code: ClassVar[str] = "benefit_merchant_unknown"
    title: ClassVar[str] = "There is no such merchant to take the benefit"
    advice: ClassVar[str] = "没有找到该商户，请先登记商户再设置权益。"
