"""Why somebody may not scan here; `merchant_scan_permit` decides the first three."""

from __future__ import annotations

from typing import ClassVar

from app.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, Unauthenticated


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


class CommitmentStale(Conflict):
    """The commitment that was signed is not the one in force."""

    code: ClassVar[str] = "commitment_stale"
    title: ClassVar[str] = "Another text of the commitment is in force"
    advice: ClassVar[str] = "承诺书已更新，请阅读最新版本后重新提交。"


class ApplicationUnknown(NotFound):
    """There is no such application, or the secret is not its own."""

    code: ClassVar[str] = "application_unknown"
    title: ClassVar[str] = "There is no such application"
    advice: ClassVar[str] = "没有找到该申请，请核对申请编号和查询密码。"


class ApplicationDecided(Conflict):
    """The application was approved or refused before."""

    code: ClassVar[str] = "application_decided"
    title: ClassVar[str] = "The application has been decided"
    advice: ClassVar[str] = "该申请已有处理结果，请刷新后查看。"


class ApplicationNotProposed(Conflict):
    """Nobody has proposed to approve the application."""

    code: ClassVar[str] = "application_not_proposed"
    title: ClassVar[str] = "No operator has proposed to approve the application"
    advice: ClassVar[str] = "须先由一名工作人员提出通过意见，再由另一名确认。"


class ApplicationNotApproved(Conflict):
    """The application has opened no merchant."""

    code: ClassVar[str] = "application_not_approved"
    title: ClassVar[str] = "The application has not been approved"
    advice: ClassVar[str] = "申请尚未通过，暂不能开通账号。"


class ContactForgotten(NotFound):
    """The contact's data were deleted: nobody needs them any more."""

    code: ClassVar[str] = "contact_forgotten"
    title: ClassVar[str] = "The contact's data have been deleted"
    advice: ClassVar[str] = "联系人信息已按期限删除。"


class StaffInvitationUnknown(NotFound):
    """The code opens no account: wrong, over, or used."""

    code: ClassVar[str] = "staff_invitation_unknown"
    title: ClassVar[str] = "The code opens no account"
    advice: ClassVar[str] = "邀请码无效、已使用或已过期，请重新获取。"


class StaffUnknown(NotFound):
    """The merchant has no such staff, or not any more."""

    code: ClassVar[str] = "merchant_staff_unknown"
    title: ClassVar[str] = "The merchant has no such staff"
    advice: ClassVar[str] = "本商户没有此员工，请刷新后重试。"


class OwnAccount(Conflict):
    """Nobody ends the account that they are signed in with."""

    code: ClassVar[str] = "own_account"
    title: ClassVar[str] = "An owner cannot end the own account"
    advice: ClassVar[str] = "不能停用自己的账号，请由另一名店长操作。"


class SuspensionUnknown(NotFound):
    """There is no such suspension."""

    code: ClassVar[str] = "suspension_unknown"
    title: ClassVar[str] = "There is no such suspension"
    advice: ClassVar[str] = "没有找到该暂停记录，请刷新后重试。"


class SuspensionEnded(Conflict):
    """The suspension is over."""

    code: ClassVar[str] = "suspension_ended"
    title: ClassVar[str] = "The suspension has ended"
    advice: ClassVar[str] = "该暂停已解除，无需重复操作。"


class EntryUnknown(NotFound):
    """There is no such entry about a merchant."""

    code: ClassVar[str] = "entry_unknown"
    title: ClassVar[str] = "There is no such entry"
    advice: ClassVar[str] = "没有找到该公示信息，请刷新后重试。"


class EntryEnded(Conflict):
    """The entry is shown no longer."""

    code: ClassVar[str] = "entry_ended"
    title: ClassVar[str] = "The entry is shown no longer"
    advice: ClassVar[str] = "该公示信息已终止，如需公示请重新录入。"


class EntryUnfit(Invalid):
    """The grade does not fit the kind, or the days are out of order."""

    code: ClassVar[str] = "entry_unfit"
    title: ClassVar[str] = "The entry does not fit together"
    advice: ClassVar[str] = "处罚须选等级、其他不选；文书日期、公示起止日期须依次排列。"


class PublicationTooLong(Invalid):
    """The entry would be shown longer than the law allows."""

    code: ClassVar[str] = "publication_too_long"
    title: ClassVar[str] = "The entry would be shown for too long"
    advice: ClassVar[str] = "公示期超过该等级的最长期限，请调整截止日期。"


class EntryNamesPerson(Invalid):
    """The entry holds somebody's identity number."""

    code: ClassVar[str] = "entry_names_person"
    title: ClassVar[str] = "The entry holds an identity number"
    advice: ClassVar[str] = "公示信息中不得出现身份证号，请删除后重试。"
