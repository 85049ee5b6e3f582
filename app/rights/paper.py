"""The copy on paper: a PDF with every table by its Chinese name, each row a list of its values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import orjson
from fpdf import FPDF
from fpdf.fonts import TTFFont

from app.kernel.clock import CITY_ZONE
from app.rights.labels import labels

FONT_FILE: Final = Path(__file__).parent / "fonts" / "CardSansSC-Regular.otf"
FONT: Final = "CardSansSC"
ROWS_PRINTED_MAX: Final = 500  # of one table, the newest; the JSON beside has them all
TEXT_PRINTED_MAX: Final = 1_000  # characters; a file is in the JSON, in base64
TITLE: Final = "个人信息副本"
INTRODUCTION: Final = (
    "本副本列出市民诚信卡保存的您的全部个人信息，以及谁查看、使用过这些信息。"
    "同一文件中的 copy.json 内容相同，可供其他系统读取。请妥善保管。"
)
FIRST: Final = (
    "citizens", "citizen_profiles", "consents", "trail_entries", "scores", "records",
)  # fmt: skip


def print_copy(document: Mapping[str, Any]) -> bytes:
    """The PDF of a gathered copy."""
    page = _Page()
    page.add_page()
    page.line_of(TITLE, size=20, height=14)
    page.line_of(f"生成时间：{_text(document['made_at'])}")
    page.line_of(INTRODUCTION)
    tables = document["tables"]
    for name in (*FIRST, *(one for one in tables if one not in FIRST)):
        if tables.get(name):
            _print_table(page, name, tables[name])
    empty = [labels()["tables"][name] for name in tables if not tables[name]]
    page.line_of(f"以下各项没有您的信息：{'、'.join(empty)}。")
    return bytes(page.output())


class _Page(FPDF):
    """A4 with our font, whose missing characters are written by their numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.add_font(FONT, fname=FONT_FILE)
        self.set_auto_page_break(auto=True, margin=18)
        self.set_title(TITLE)
        self.set_lang("zh-CN")
        font = self.fonts[FONT.lower()]
        assert isinstance(font, TTFFont), "it was added from a file"
        self._drawable = frozenset(font.cmap)

    def footer(self) -> None:
        self.set_y(-14)
        self.set_font(FONT, size=8)
        self.cell(0, 6, f"{TITLE} · {self.page_no()} / {{nb}}", align="C")

    def line_of(self, text: str, *, size: int = 10, height: float = 6) -> None:
        """A paragraph."""
        self.set_font(FONT, size=size)
        self.multi_cell(
            0, height, self._writable(text), align="L", new_x="LMARGIN", new_y="NEXT"
        )

    def _writable(self, text: str) -> str:
        return "".join(
            sign if ord(sign) in self._drawable or sign == "\n" else f"〔U+{ord(sign):04X}〕"
            for sign in text
        )


def _print_table(page: _Page, name: str, rows: list[dict[str, Any]]) -> None:
    columns = labels()["columns"]
    shown = rows[-ROWS_PRINTED_MAX:]
    page.ln(3)
    page.line_of(f"{labels()['tables'][name]}（{len(rows)} 条）", size=13, height=9)
    if len(shown) < len(rows):
        page.line_of(f"此处列出最近 {len(shown)} 条，其余见 copy.json。", size=8)
    for row in reversed(shown):
        values = [
            f"{columns[column]}：{_text(value)}"
            for column, value in row.items()
            if value not in (None, "", [], {})
        ]
        page.line_of("；".join(values), size=8, height=4.6)
        page.ln(1)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(CITY_ZONE).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | dict):
        return orjson.dumps(value, default=str).decode()
    text = str(value)
    return text if len(text) <= TEXT_PRINTED_MAX else f"{text[:TEXT_PRINTED_MAX]}…（见 copy.json）"
