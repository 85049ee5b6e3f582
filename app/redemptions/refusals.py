"""Why a scan, a claim or an annulment is refused; most are decided by the SQL functions."""

from __future__ import annotations

from typing import ClassVar

from app.kernel.errors import Conflict, NotAllowed, NotFound, TooMany, Unreadable


class AlreadyRedeemed(Conflict):
    """The voucher was redeemed before, with another id; the details say when and where."""

    code: ClassVar[str] = "already_redeemed"
    title: ClassVar[str] = "The voucher was redeemed before"
    advice: ClassVar[str] = "此券已核销，请按所示时间和门店核对，勿重复核销。"


class VoucherAnnulled(Conflict):
    """The voucher's redemption was taken back; it is finished all the same."""

    code: ClassVar[str] = "voucher_annulled"
    title: ClassVar[str] = "The voucher's redemption was annulled"
    advice: ClassVar[str] = "此券已撤销核销，不能再用，请持卡人重新领取。"


class CodeBurnt(Conflict):
    """The pass code or reference was shown before."""

    code: ClassVar[str] = "code_burnt"
    title: ClassVar[str] = "The code was used before"
    advice: ClassVar[str] = "此码已出示过，请持卡人刷新后再扫。"


class CodeExpired(Conflict):
    """The time of the pass code or reference is over by the database's clock."""

    code: ClassVar[str] = "code_expired"
    title: ClassVar[str] = "The code has expired"
    advice: ClassVar[str] = "此码已过期，请持卡人刷新后再扫。"


class ReferenceForeign(NotAllowed):
    """The reference of a preview belongs to another clerk or shop."""

    code: ClassVar[str] = "reference_foreign"
    title: ClassVar[str] = "The reference belongs to another clerk"
    advice: ClassVar[str] = "此查验结果属于其他店员或门店，请重新扫码。"


class HolderSignedOut(Conflict):
    """The session that showed the pass code has ended."""

    code: ClassVar[str] = "holder_signed_out"
    title: ClassVar[str] = "The holder has signed out"
    advice: ClassVar[str] = "持卡人已退出登录，请其重新登录后再出示。"


class CardInactive(Conflict):
    """The card is restricted or its holder has left."""

    code: ClassVar[str] = "card_inactive"
    title: ClassVar[str] = "The card is not active"
    advice: ClassVar[str] = "此卡当前不可用，请按基础标准提供服务。"


class NoVoucher(NotFound):
    """The person has claimed nothing that this merchant takes."""

    code: ClassVar[str] = "no_voucher"
    title: ClassVar[str] = "There is no voucher for this"
    advice: ClassVar[str] = "此人没有可在本店使用的券，请其先领取。"


class BenefitCodeNeeded(Conflict):
    """The person has vouchers of several benefits; `benefit_code` must say which."""

    code: ClassVar[str] = "benefit_code_needed"
    title: ClassVar[str] = "Say which benefit is to be redeemed"
    advice: ClassVar[str] = "此人有多种可用的券，请选择权益后重新扫码。"


class WrongBenefit(Conflict):
    """The voucher is for another benefit than the request says."""

    code: ClassVar[str] = "wrong_benefit"
    title: ClassVar[str] = "The voucher is for another benefit"
    advice: ClassVar[str] = "此券不是所选权益，请更换权益或出示对应的券。"


class VoucherExpired(Conflict):
    """The voucher's time is over by the database's clock."""

    code: ClassVar[str] = "voucher_expired"
    title: ClassVar[str] = "The voucher has expired"
    advice: ClassVar[str] = "此券已过期，请持卡人重新领取。"


class VoucherGivenBack(Conflict):
    """The citizen gave the voucher back."""

    code: ClassVar[str] = "voucher_given_back"
    title: ClassVar[str] = "The voucher was given back"
    advice: ClassVar[str] = "此券已退回，请持卡人重新领取。"


class OutsideSlot(Conflict):
    """The slot that the voucher was claimed for has not begun."""

    code: ClassVar[str] = "outside_slot"
    title: ClassVar[str] = "The voucher's slot has not begun"
    advice: ClassVar[str] = "未到预约时段，请持卡人在预约的时段内再来核销。"


class GiveBackTooLate(Conflict):
    """The voucher's slot is too near, or has begun."""

    code: ClassVar[str] = "give_back_too_late"
    title: ClassVar[str] = "It is too late to give the voucher back"
    advice: ClassVar[str] = "已过可退时间，此预约不能再退回。"


class ManualCodeUnreadable(Unreadable):
    """What was typed has not the form of a code: twelve of the letters and digits that are used."""

    code: ClassVar[str] = "manual_code_unreadable"
    title: ClassVar[str] = "The typed code has another form"
    advice: ClassVar[str] = "券码应为12位，请检查是否漏输、多输或输错字符后重新输入。"


class ManualCodeUnknown(NotFound):
    """No voucher has the typed code."""

    code: ClassVar[str] = "manual_code_unknown"
    title: ClassVar[str] = "No voucher has this code"
    advice: ClassVar[str] = "没有此券码，请与持卡人逐位核对后重新输入。"


class ManualCodeDead(Conflict):
    """The typed code failed five times; the voucher can still be scanned."""

    code: ClassVar[str] = "manual_code_dead"
    title: ClassVar[str] = "The typed code is blocked"
    advice: ClassVar[str] = "此券码多次核验失败已停用，请扫描二维码核销。"


class TooManyBadCodes(TooMany):
    """The clerk presented too many codes that stand for nothing."""

    code: ClassVar[str] = "too_many_bad_codes"
    title: ClassVar[str] = "Too many codes that cannot be read"
    advice: ClassVar[str] = "无效券码次数过多，请稍后再试。"


class ClaimLimitReached(Conflict):
    """The citizen has claimed as many as the period allows."""

    code: ClassVar[str] = "claim_limit_reached"
    title: ClassVar[str] = "The limit of claims is reached"
    advice: ClassVar[str] = "本期领取次数已达上限，请下期再领。"


class OtherVoucherHeld(Conflict):
    """The citizen holds a voucher of this benefit's stacking group."""

    code: ClassVar[str] = "other_voucher_held"
    title: ClassVar[str] = "A voucher that cannot be combined with this one is held"
    advice: ClassVar[str] = "您已持有不可叠加的同类券，请先使用或退回后再领。"


class VoucherUnknown(NotFound):
    """The citizen has no such voucher."""

    code: ClassVar[str] = "voucher_unknown"
    title: ClassVar[str] = "There is no such voucher"
    advice: ClassVar[str] = "没有找到这张券，请刷新券包后重试。"


class ReceiptUnreadable(Unreadable):
    """The text is no receipt of ours: cut, changed, of another kind or an old key."""

    code: ClassVar[str] = "receipt_unreadable"
    title: ClassVar[str] = "The receipt cannot be read"
    advice: ClassVar[str] = "无法识别此凭证，请在今日核销记录中重新选择这笔核销。"


class RedemptionUnknown(NotFound):
    """The receipt names no redemption of this merchant."""

    code: ClassVar[str] = "redemption_unknown"
    title: ClassVar[str] = "There is no such redemption at this merchant"
    advice: ClassVar[str] = "本商户没有这笔核销，请核对凭证。"


class AnnulmentTooLate(Conflict):
    """The window for taking the redemption back is over."""

    code: ClassVar[str] = "annulment_too_late"
    title: ClassVar[str] = "It is too late to annul"
    advice: ClassVar[str] = "已超过可撤销时间，请联系平台处理。"


class AlreadyAnnulled(Conflict):
    """The redemption was taken back before, with another id."""

    code: ClassVar[str] = "already_annulled"
    title: ClassVar[str] = "The redemption was annulled before"
    advice: ClassVar[str] = "这笔核销已撤销，无需再次操作。"


class OfflineNotAllowed(Conflict):
    """The benefit does not work off line, or costs points or stock."""

    code: ClassVar[str] = "offline_not_allowed"
    title: ClassVar[str] = "The benefit does not work off line"
    advice: ClassVar[str] = "该权益不支持离线核销，请在联网时出示券码。"


class VoucherUsedOffline(Conflict):
    """A scanner took the voucher off line and has told since."""

    code: ClassVar[str] = "voucher_used_offline"
    title: ClassVar[str] = "The voucher was used off line"
    advice: ClassVar[str] = "此券已离线核销，请持卡人重新领取。"


class OfflineUnavailable(Conflict):
    """No key that scanners know can sign offline codes now."""

    code: ClassVar[str] = "offline_unavailable"
    title: ClassVar[str] = "Offline codes cannot be signed now"
    advice: ClassVar[str] = "暂时无法生成离线码，请在联网时出示券码。"


class OfflineListUnknown(NotFound):
    """The list was not published yet."""

    code: ClassVar[str] = "offline_list_unknown"
    title: ClassVar[str] = "The list is not published yet"
    advice: ClassVar[str] = "离线名单尚未发布，请稍后再试或联系平台管理员。"


class OfflineScanUnknown(NotFound):
    """The device has uploaded no such scan."""

    code: ClassVar[str] = "offline_scan_unknown"
    title: ClassVar[str] = "There is no such offline scan"
    advice: ClassVar[str] = "没有找到这条离线核销记录，请刷新争议列表后重试。"


class OfflineScanCounts(Conflict):
    """The scan counts by itself; there is nothing to decide."""

    code: ClassVar[str] = "offline_scan_counts"
    title: ClassVar[str] = "The scan counts already"
    advice: ClassVar[str] = "该离线核销已计入商户，无需裁定。"


class OfflineScanDecided(Conflict):
    """Somebody decided otherwise before; a decision stands for good."""

    code: ClassVar[str] = "offline_scan_decided"
    title: ClassVar[str] = "The scan was decided before"
    advice: ClassVar[str] = "该离线核销已有裁定结果，不能再更改。"


class OfflineUploadUnreadable(Unreadable):
    """The upload is not what this device signed, or has another shape; `reason` says which."""

    code: ClassVar[str] = "offline_upload_unreadable"
    title: ClassVar[str] = "The upload cannot be read"
    advice: ClassVar[str] = "离线记录无法读取，请检查设备登记后重新上传。"
