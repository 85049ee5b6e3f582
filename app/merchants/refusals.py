"""Why somebody may not scan here; `merchant_scan_permit` decides the first three."""

from __future__ import annotations

from typing import ClassVar

from app.kernel.errors import Conflict, NotAllowed, NotFound, Unauthenticated


class NotMerchantStaff(NotAllowed):
    """The staff account works for no merchant, or not any more."""

    code: ClassVar[str] = "not_merchant_staff"
    title: ClassVar[str] = "The account works for no merchant"
    advice: ClassVar[str] = "此账号未分配到商户，请联系店长或平台管理员。"


class MerchantSuspended(NotAllowed):
    """The merchant may not scan for the time being."""

    code: ClassVar[str] = "merchant_suspended"
    title: ClassVar[str] = "The merchant is suspended"
    advice: ClassVar[str] = "本商户已暂停核销，请联系平台管理员。"


class WrongShop(NotAllowed):
    """The clerk does not work in the shop that the request names."""

    code: ClassVar[str] = "wrong_shop"
    title: ClassVar[str] = "The clerk does not work in this shop"
    advice: ClassVar[str] = "您不在此门店工作，请选择自己的门店。"


class MerchantUnknown(NotFound):
    """There is no such merchant."""

    code: ClassVar[str] = "merchant_unknown"
    title: ClassVar[str] = "There is no such merchant"
    advice: ClassVar[str] = "没有找到该商户，请核对后重试。"


class ShopUnknown(NotFound):
    """The merchant has no such shop."""

    code: ClassVar[str] = "shop_unknown"
    title: ClassVar[str] = "The merchant has no such shop"
    advice: ClassVar[str] = "该商户没有此门店，请核对后重试。"


class MerchantExists(Conflict):
    """Another merchant id holds this unified social credit code."""

    code: ClassVar[str] = "merchant_exists"
    title: ClassVar[str] = "A merchant with this credit code exists"
    advice: ClassVar[str] = "该统一社会信用代码已登记，请使用已有商户。"


class StaffAssigned(Conflict):
    """The staff account works for another merchant."""

    code: ClassVar[str] = "staff_assigned"
    title: ClassVar[str] = "The account works for another merchant"
    advice: ClassVar[str] = "此账号已属于其他商户，请另建账号。"


class DeviceUnknown(NotFound):
    """The caller has no such device."""

    code: ClassVar[str] = "device_unknown"
    title: ClassVar[str] = "There is no such device"
    advice: ClassVar[str] = "没有找到该设备，请核对后重试。"


class DeviceInvitationUnknown(NotFound):
    """The code enrols nothing: wrong, over, or used by another device."""

    code: ClassVar[str] = "device_invitation_unknown"
    title: ClassVar[str] = "The code enrols no device"
    advice: ClassVar[str] = "设备登记码无效或已过期，请店长重新生成。"


class DeviceKeyUnproven(Unauthenticated):
    """The device did not prove that it holds its key."""

    code: ClassVar[str] = "device_key_unproven"
    title: ClassVar[str] = "The device does not prove that it holds its key"
    advice: ClassVar[str] = "设备密钥校验失败，请重新登记设备。"
