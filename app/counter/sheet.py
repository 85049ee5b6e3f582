"""The sheet that goes home with a paper card: one A4 page in large type, whole in itself."""

from __future__ import annotations

from html import escape
from typing import Final

from app.counter.cards import PrintedCard
from app.redemptions.qr import qr_svg

SHEET_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
BENEFITS_MAX: Final = 6  # what fits on the page
_STYLE: Final = (
    "@page{size:A4;margin:14mm}body{font:17pt/1.4 sans-serif;color:#000;margin:0}"
    "h1{font-size:30pt;margin:0 0 4mm}h2{font-size:21pt;margin:4mm 0 1mm}"
    ".card{border:1mm solid #000;border-radius:4mm;padding:3mm;display:flex;gap:7mm;"
    "align-items:center;break-inside:avoid}.card svg{width:56mm;height:56mm;flex:none}"
    ".number{font:bold 20pt/1.3 monospace;white-space:nowrap}ul,ol{margin:0;padding-left:9mm}"
    "p{margin:0 0 2mm}.hotline{font-size:22pt;font-weight:bold;margin:4mm 0 0}"
)


def draw_sheet(sheet: PrintedCard, *, hotline: str) -> str:
    """The page, HTML; every text on it is escaped."""
    gives = "".join(f"<li>{escape(name)}</li>" for name in sheet.benefits[:BENEFITS_MAX])
    return (
        '<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8">'
        f"<title>市民诚信卡（纸质）</title><style>{_STYLE}</style></head><body>"
        "<h1>市民诚信卡（纸质）</h1>"
        f'<div class="card">{qr_svg(sheet.card.code)}<div><p>持卡人：{escape(sheet.name)}</p>'
        f"<p>卡号：</p>{_number(sheet.card.number)}</div></div>"
        f"<h2>这张卡有什么用</h2><p>不用手机，享受同样的权益：</p><ul>{gives}</ul>"
        "<h2>怎么用</h2><ol><li>把卡给店员扫一下。</li>"
        "<li>把手机短信里的 6 位数字念给店员；没有手机，就出示身份证。</li></ol>"
        "<h2>丢了或不想用了</h2><p>带身份证到服务窗口：补一张新卡，旧卡马上作废；"
        "也可以当场退出，不影响您享受任何基本公共服务。</p>"
        f'<p class="hotline">服务热线：{escape(hotline)}</p></body></html>'
    )


def _number(number: str) -> str:
    """Two lines of two groups, so that it stays large."""
    first, second = number[:9], number[10:]
    return f'<p class="number">{escape(first)}<br>{escape(second)}</p>'
