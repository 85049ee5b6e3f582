"""What a holder takes home from a visit: A4 in large type, whole in itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from app.counter.acts import Overview, Printed
from app.kernel.clock import CITY_ZONE
from app.redemptions.qr import qr_svg
from app.redemptions.queries import HeldVoucher
from app.scoring.explanations import ExplainedScore

LINES_MAX: Final = 12  # of each part; the desk reads out more
_STYLE: Final = (
    "@page{size:A4;margin:14mm}body{font:17pt/1.4 sans-serif;color:#000;margin:0}"
    "h1{font-size:30pt;margin:0 0 4mm}h2{font-size:22pt;margin:6mm 0 1mm}"
    "section{break-inside:avoid}.code{border:1mm solid #000;border-radius:4mm;padding:4mm}"
    ".code svg{width:70mm;height:70mm;display:block}.number{font:bold 34pt/1.3 monospace}"
    ".large{font-size:26pt;font-weight:bold}ul{margin:0;padding-left:9mm}p{margin:0 0 2mm}"
    ".hotline{font-size:22pt;font-weight:bold;margin:6mm 0 0}"
)
_STATES: Final = {
    "given": "已同意", "stale": "条款已更新，需重新确认", "withdrawn": "已撤回",
    "refused": "不同意", "none": "未决定",
}
_VOUCHERS: Final = {
    "claimed": "可使用", "redeemed": "已使用", "used_offline": "已使用", "annulled": "已撤销",
    "expired": "已过期", "given_back": "已退回",
}


def draw_page(printed: Printed, *, hotline: str) -> str:
    """The pages, HTML; every text on them is escaped."""
    seen = printed.overview
    return (
        '<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8">'
        f"<title>市民诚信卡（窗口打印）</title><style>{_STYLE}</style></head><body>"
        f"<h1>市民诚信卡</h1><p>持卡人：{escape(seen.name)}</p>"
        f"{_code(printed)}{_score(seen.score)}{_points(seen)}"
        f"{_part('我的权益券', map(_voucher, seen.vouchers))}"
        f"{_part('我的授权', (_consent(one.text.title, one.state) for one in seen.consents))}"
        f'<p class="hotline">服务热线：{escape(hotline)}</p></body></html>'
    )


def _code(printed: Printed) -> str:
    if printed.voucher is None or printed.code is None:
        return ""
    until = printed.voucher.expires_at.astimezone(CITY_ZONE)
    return (
        f'<section class="code"><h2>权益券：{escape(printed.voucher.benefit_code)}</h2>'
        f"{qr_svg(printed.code)}<p>扫不出来就把下面的号码念给店员：</p>"
        f'<p class="number">{escape(printed.manual_code or "")}</p>'
        f"<p>有效期至 {until:%Y-%m-%d %H:%M}</p></section>"
    )


def _score(score: ExplainedScore | None) -> str:
    if score is None:
        return "<section><h2>我的信用分</h2><p>目前还没有信用分。</p></section>"
    lines = [f"{one.indicator.name}：{one.points}" for one in score.indicators if one.points]
    tier = escape(score.score.tier or "未定级")
    return (
        f'<section><h2>我的信用分</h2><p class="large">{score.score.total}（{tier}）</p></section>'
        f"{_part('分数怎么来的', lines)}"
    )


def _points(seen: Overview) -> str:
    lines = [
        f"{entry.effective_on:%Y-%m-%d}　{entry.amount_units:+d}　余 {entry.balance_after_units}"
        for entry in seen.entries
    ]
    return (
        f'<section><h2>我的积分</h2><p class="large">可用 {seen.balance.available_points}</p>'
        f"</section>{_part('积分明细', lines)}"
    )


def _voucher(held: HeldVoucher) -> str:
    until = held.expires_at.astimezone(CITY_ZONE)
    return f"{held.benefit_code}（{_VOUCHERS[held.status]}，{until:%Y-%m-%d} 到期）"


def _consent(title: str, state: str) -> str:
    return f"{title}：{_STATES[state]}"


def _part(title: str, lines: Iterable[str]) -> str:
    shown: Sequence[str] = list(lines)
    items = "".join(f"<li>{escape(one)}</li>" for one in shown[:LINES_MAX])
    more = len(shown) - LINES_MAX
    rest = f"<p>另有 {more} 项，请工作人员念给您听。</p>" if more > 0 else ""
    return f"<section><h2>{title}</h2><ul>{items or '<li>没有</li>'}</ul>{rest}</section>"
