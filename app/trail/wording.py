"""The trail in plain words: one Chinese sentence for each action, for the person whose data it is.

A house test finds every action word that is written anywhere and demands its sentence here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.trail.queries import TrailLine


@dataclass(frozen=True)
class Sentence:
    """What was done, as it follows the actor, and what for; `{fields}` stands for what was read."""

    done: str
    purpose: str


_ORDER: Final = "办理先用后付订单"
_AT_SHOP: Final = "在门店使用您的权益"
_FOR_YOU: Final = "您本人到场，在窗口为您办事"
_RELATIVES: Final = "办理近亲属的申请"
SENTENCES: Final[Mapping[str, Sentence]] = {
    "incident_listed": Sentence("在个人信息安全事件的名单中看到了您的编号", "处理安全事件"),
    "joined": Sentence("加入了市民诚信卡，登记了{fields}", "开通您的诚信卡"),
    "registered": Sentence("将您登记为成员，录入了{fields}", "开通您的诚信卡"),
    "rested_unanswered": Sentence(
        "因到期未同意变更后的条款，暂停了您的诚信卡", "未经同意不再处理您的信息"
    ),
    "left": Sentence("办理了退出", "停止处理您的信息"),
    "member_found": Sentence("按身份证号找到了您的卡（信息已遮盖）", "在窗口为您办事"),
    "profile_opened": Sentence("查看了您未遮盖的{fields}", "在窗口为您办事"),
    "sessions_ended": Sentence("结束了您在所有手机上的登录", "保护您的账户"),
    "wechat_unbound": Sentence("解除了您的微信绑定", "保护您的账户"),
    "record_traced": Sentence("查到一条数据记录属于您（信息已遮盖）", "核对报送的数据"),
    "sign_statement": Sentence("开具了诚信等级证明", "供您出示"),
    "preview": Sentence("扫码查看了您可用的权益", _AT_SHOP),
    "redeem": Sentence("核销了您的一张权益券", _AT_SHOP),
    "redeem_offline": Sentence("离线核销了您的一张权益券", _AT_SHOP),
    "annul_redemption": Sentence("撤销了一次核销，权益券的积分已退回", "更正误操作"),
    "repair_read": Sentence("阅读了您的信用修复申请", "办理信用修复"),
    "repair_decided": Sentence("对您的信用修复申请作出了决定", "办理信用修复"),
    "copy_made": Sentence("生成了您的个人信息副本", "供您查阅和转移"),
    "paper_card_issued": Sentence("为您办理了纸质卡，原有纸质卡已作废", "不用手机也能使用权益"),
    "paper_card_printed": Sentence("打印了您的纸质卡", "不用手机也能使用权益"),
    "paper_card_ended": Sentence("作废了您的纸质卡", "保护您的账户"),
    "card_pin_sent": Sentence("扫描了您的纸质卡，系统向您的手机发送了验证码", _AT_SHOP),
    "visit_pin_sent": Sentence("扫描了您的纸质卡，系统向您的手机发送了验证码", _FOR_YOU),
    "visit_opened_by_pin": Sentence("凭您的短信验证码开始在窗口为您代办", _FOR_YOU),
    "visit_opened_by_document": Sentence("核对您的身份证后开始在窗口为您代办", _FOR_YOU),
    "visit_read": Sentence("当面为您查看了{fields}", _FOR_YOU),
    "visit_printed": Sentence("当面为您打印了{fields}", _FOR_YOU),
    "visit_consent_decided": Sentence("按您的意思代您办理了授权（{fields}）", _FOR_YOU),
    "visit_voucher_claimed": Sentence("按您的意思代您申领了一张权益券", _FOR_YOU),
    "visit_voucher_given_back": Sentence("按您的意思代您退回了一张权益券", _FOR_YOU),
    "visit_objection_filed": Sentence("按您的意思代您提出了异议", _FOR_YOU),
    "visit_second_look_asked": Sentence("按您的意思代您申请了异议复核", _FOR_YOU),
    "visit_repair_asked": Sentence("按您的意思代您申请了信用修复", _FOR_YOU),
    "visit_complaint_made": Sentence("按您的意思代您提交了投诉", _FOR_YOU),
    "visit_copy_handed": Sentence("代您申请了个人信息副本，领取凭证已当面交付", _FOR_YOU),
    "joined_at_counter": Sentence("在窗口为您办理了加入，登记了{fields}", "开通您的诚信卡"),
    "card_checked_by_pin": Sentence("凭您的短信验证码确认了纸质卡由您本人出示", _AT_SHOP),
    "card_checked_by_document": Sentence("核对了您的身份证，确认纸质卡由您本人出示", _AT_SHOP),
    "death_arranged": Sentence("设定了身后个人信息的安排", "由您决定身后谁可以查阅"),
    "death_reported": Sentence("登记了您的死亡，等待另一名工作人员核实", "停止使用逝者的信息"),
    "death_report_read": Sentence("查看了死亡登记（信息已遮盖）", "核实死亡登记"),
    "death_paper_added": Sentence("上传了死亡登记或近亲属申请的证明材料", "核实死亡登记"),
    "death_paper_read": Sentence("查看了死亡登记或近亲属申请的证明材料", "核实死亡登记"),
    "death_confirmed": Sentence("核实了死亡登记，诚信卡已暂停使用", "停止使用逝者的信息"),
    "death_refused": Sentence("未予认可死亡登记", "核实死亡登记"),
    "death_reversed": Sentence("更正了误登的死亡，诚信卡已恢复", "恢复您的权益"),
    "death_ended": Sentence("办结了死亡登记，开始删除个人信息", "删除逝者的信息"),
    "relative_applied": Sentence("受理了近亲属的申请", _RELATIVES),
    "relative_application_read": Sentence("查看了近亲属的申请", _RELATIVES),
    "relative_decided": Sentence("复核并办结了近亲属的申请", _RELATIVES),
    "relative_sent_back": Sentence("退回了近亲属申请的处理意见", _RELATIVES),
    "relative_copy_handed": Sentence("向获准的近亲属交付了副本的领取凭证", _RELATIVES),
    "voucher_claimed": Sentence("领取了一张权益券", "使用权益"),
    "voucher_given_back": Sentence("退回了一张权益券", "放弃使用"),
    "library_ask": Sentence("查询了您的借阅待遇（{fields}）", "办理借阅"),
    "library_waiver_registered": Sentence("为您办理了免押金", "办理借阅"),
    "library_waiver_returned": Sentence("为您结束了免押金", "办理借阅"),
    "library_waiver_found": Sentence("查询了您在本馆的免押金登记", "办理借阅"),
    "transit_entitlement": Sentence("查询了您的乘车优惠", "计算您的票价"),
    "transit_filed": Sentence("从当日的乘车优惠名单得知了您账户的票价", "计算您的票价"),
    "code_shown_again": Sentence("再次收到了您已用过的服务码，未予受理", "防止他人冒用您的服务码"),
    "complaint_read": Sentence("查看了您投诉的内容", "处理您的投诉"),
    "complaint_answered": Sentence("答复了您的投诉", "处理您的投诉"),
    "complaint_decided": Sentence("对您的投诉作出了处理决定", "处理您的投诉"),
    "objection_read": Sentence("查看了您异议申请的内容", "处理您的异议"),
    "objection_answered": Sentence("答复了您的异议申请", "处理您的异议"),
    "objection_extended": Sentence("延长了核查您异议的期限", "处理您的异议"),
    "objection_decided": Sentence("对您的异议作出了处理决定", "处理您的异议"),
    "attachment_read": Sentence("查看了您提交的附件", "处理您的异议"),
    "pay_score_permission_ended": Sentence("关闭了微信支付分授权", "停止使用微信支付分"),
    "service_order_created": Sentence("创建了一笔先用后付订单", _ORDER),
    "service_order_agree": Sentence("在微信中确认了订单", _ORDER),
    "service_order_start": Sentence("开始了您的订单", _ORDER),
    "service_order_ask": Sentence("请您在手机上确认订单", _ORDER),
    "service_order_confirm": Sentence("确认了订单", _ORDER),
    "service_order_cancel": Sentence("取消了订单", _ORDER),
    "service_order_expire": Sentence("结束了到期的订单", _ORDER),
    "service_order_release": Sentence("办结了订单，无须付款", _ORDER),
    "service_order_complete": Sentence("结束了订单并出具了账单", _ORDER),
    "service_order_claim": Sentence("对订单提出了赔付要求", _ORDER),
    "service_order_dispute": Sentence("对订单金额提出了异议", _ORDER),
    "service_order_uphold": Sentence("核定了有异议的金额", _ORDER),
    "service_order_waive": Sentence("免除了有异议的金额", _ORDER),
    "service_order_pay": Sentence("登记了订单的付款", _ORDER),
}
# For a line of a release that is not here any more.
_ANY: Final = Sentence("办理了与您信息有关的事项", "提供服务")
_FIELDS: Final = {
    "name": "姓名", "id_number": "身份证号", "phone": "手机号", "benefits": "权益",
    "tier": "等级", "voucher": "权益券", "score": "信用分", "points": "积分", "vouchers": "权益券",
    "consents": "授权", "trail": "查看记录", "objections": "异议申请", "repairs": "信用修复申请",
    "adverse_records": "不利记录", "complaints": "投诉", "copies": "副本申请",
    "orders": "先用后付订单", "given": "同意", "refused": "不同意", "withdrawn": "撤回",
    "pass_code": "服务码",
}
_ACTORS: Final = {
    "citizen": "您本人", "clerk": "店员", "machine": "自助设备", "merchant_owner": "商户负责人",
    "operator": "平台工作人员", "source": "数据来源单位", "system": "系统",
}
_BASES: Final = {
    "": "平台的服务职责", "consent": "您加入时的同意", "register of consents": "您此前的书面同意",
    "request": "您的申请", "complaint": "您的投诉", "objection": "您的异议申请",
    "relatives": "法律关于逝者个人信息的规定",
}
_CONSENT: Final = re.compile(r"(?P<purpose>[a-z_]+)(?: v(?P<version>[0-9]+))?")
_AT_COUNTERS: Final = frozenset({"clerk", "machine"})  # their reason is the name of the shop


def tell(line: TrailLine, actor_name: str | None, titles: Mapping[str, str]) -> str:
    """Who did what, what for and on what basis.

    `titles` are the titles of consents by purpose, where a consent is the basis.
    """
    sentence = SENTENCES.get(line.action, _ANY)
    fields = "、".join(_FIELDS.get(name, "有关信息") for name in line.fields)
    told = [
        _who(line, actor_name) + sentence.done.format(fields=fields),
        f"目的：{sentence.purpose}",
        f"依据：{_basis(line.basis, titles)}",
    ]
    if line.reason and line.actor_kind not in _AT_COUNTERS:
        told.append(f"说明：{line.reason}")
    return "。".join(told) + "。"


def field_name(name: str) -> str:
    """What a field is called."""
    return _FIELDS.get(name, "有关信息")


def what_was_done(action: str, fields: Sequence[str]) -> str:
    """What an act did, as it follows whoever did it; `fields` by their names."""
    named = "、".join(fields) or "有关信息"
    return SENTENCES.get(action, _ANY).done.format(fields=named)


def _who(line: TrailLine, name: str | None) -> str:
    if line.actor_kind == "source" and name is not None:
        return name
    who = _ACTORS.get(line.actor_kind, "工作人员")
    if line.actor_kind in _AT_COUNTERS and line.reason:
        who = f"“{line.reason}”的{who}"
    return who if name is None else f"{who}（{name}）"


def _basis(basis: str, titles: Mapping[str, str]) -> str:
    """`library v2`, or several of them; without a version in lines from before."""
    consents = [_CONSENT.fullmatch(one) for one in basis.split(", ")]
    named = [
        f"《{titles[one['purpose']]}》" + (f"（第{one['version']}版）" if one["version"] else "")
        for one in consents if one is not None and one["purpose"] in titles
    ]
    if len(named) == len(consents):
        return "您同意的" + "、".join(named)
    return _BASES.get(basis, "您对这项服务的同意")
