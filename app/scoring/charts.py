"""Figures about groups as a page with charts, and as CSV; those of a dry run, and what others need.

Pure; no outside address, no script.

Whatever comes from a scheme (codes of tiers) is escaped on the page, and kept from being a formula
in a spreadsheet.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from app.kernel.tables import write_csv
from app.scoring.version_queries import DryRun

HIDDEN = "*"
_STYLE = """
body { font: 15px/1.6 "Noto Sans SC", "PingFang SC", "Microsoft YaHei", sans-serif;
       color: #1d2733; max-width: 880px; margin: 24px auto; padding: 0 16px; }
h1 { font-size: 22px; } h2 { font-size: 17px; margin-top: 28px; }
table { border-collapse: collapse; } td, th { border: 1px solid #c5ced8; padding: 3px 10px; }
th { background: #eef2f6; text-align: left; font-weight: 600; } td { text-align: right; }
.note { color: #566270; } svg text { font-size: 12px; fill: #1d2733; }
.before { fill: #9aa7b5; } .after { fill: #1f6fb2; }
.gains { fill: #2e8b57; } .same { fill: #c5ced8; } .loses { fill: #c9722b; }
.tone0 { fill: #d5dde6; } .tone1 { fill: #a9c4de; } .tone2 { fill: #6ea3d0; }
.tone3 { fill: #1f6fb2; } .tone4 { fill: #124a7a; }
"""
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
PAGE_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_WORDS = {
    "-": "无等级", "gains": "升分", "same": "不变", "loses": "降分", "age_band": "年龄段",
    "gender": "性别", "district": "地区（身份证前六位）", "join_year": "加入年份",
    "female": "女", "male": "男", "unknown": "未知", "used": "使用过", "not_used": "未使用",
}  # fmt: skip
_LEGEND = '<p class="note">绿：升分；灰：不变；橙：降分。有隐藏数字的分组不画图。</p>'
_CHANGES = {"gains": "gains", "same": "same", "loses": "loses"}
_TONES = 5
_BAR_LEFT, _BAR_WIDTH, _BAR_HEIGHT = 170, 560, 11


def figures_page(run: DryRun) -> str:
    """The page; before the run has ended it says how far it is."""
    title = f"{run.name.code} {run.name.version} 试算结果"
    body = [f"<h1>{escape(title)}</h1>", f'<p class="note">{escape(_about(run))}</p>']
    if run.figures is not None:
        body += _sections(run.figures)
    return page(title, body)


def page(title: str, body: Iterable[str]) -> str:
    """A page that is whole in itself; `body` is HTML, escaped already."""
    return (
        f'<!doctype html>\n<html lang="zh"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(body)}</body></html>\n"
    )


def figures_csv(run: DryRun) -> str:
    """The figures as CSV with a byte order mark, one count a line: section, row, column, count."""
    return write_csv([("section", "row", "column", "people"), *_lines(run.figures or {})])


def _about(run: DryRun) -> str:
    base = f"{run.base.code} {run.base.version}" if run.base else "（无）"
    where = f"对照版本 {base}；按 {run.as_of_on.isoformat()} 计算"
    if run.figures is None:
        return f"{where}；试算中 {run.slices_done}/{run.slice_count}"
    population = run.figures["population"]
    people = "不足 10 人，不展示" if population is None else f"共 {population} 人"
    return f"{where}；{people}。不足 10 人的分组已合并或隐藏（{HIDDEN}）。"


def _sections(figures: dict[str, Any]) -> Iterable[str]:
    for side, name in (("before", "调整前"), ("after", "调整后")):
        yield f"<h2>分数分布：{name}</h2>" + _bars(figures[side], side)
    yield "<h2>等级变动（行：调整前，列：调整后）</h2>" + table_of(figures["moves"])
    for grouping, table in figures["changes"].items():
        yield (
            f"<h2>升分与降分：按{word(grouping)}</h2>{_LEGEND}{shares_of(table, _CHANGES)}"
            + table_of(table)
        )


def _bars(bands: Sequence[dict[str, Any]], kind: str) -> str:
    most = max((band["count"] for band in bands), default=1)
    rows = [
        _text(f"{word(band['tier'])} {band['from_points']}–{band['to_points']}", at)
        + _bar(kind, 0, _part(band["count"], most), at)
        + _text(str(band["count"]), at, left=_BAR_LEFT + _part(band["count"], most) + 6)
        for at, band in enumerate(bands)
    ]
    return _svg(rows)


def shares_of(table: Mapping[str, Any], kinds: Mapping[str, str] | None = None) -> str:
    """One bar a group, its parts by column; a group with a hidden cell has no bar.

    `kinds` says how columns are coloured; without it they go from light to dark.
    """
    rows = []
    if kinds is None:
        kinds = {one: f"tone{at % _TONES}" for at, one in enumerate(table["columns"])}
    for at, (label, counts) in enumerate(zip(table["rows"], table["counts"], strict=True)):
        bar, left, total = "", 0, sum(count or 0 for count in counts)
        whole = total > 0 and None not in counts
        for column, count in zip(table["columns"], counts, strict=True):
            if whole:
                part = _part(count, total)
                bar += _bar(kinds.get(column, "same"), left, part, at)
                left += part
        rows.append(_text(word(label), at) + (bar or _text(HIDDEN, at, left=_BAR_LEFT)))
    return _svg(rows)


def table_of(table: Mapping[str, Any]) -> str:
    """A protected table in HTML, with its totals."""
    head = "".join(f"<th>{escape(word(one))}</th>" for one in (*table["columns"], "合计"))
    lines = [
        f"<tr><th>{escape(word(label))}</th>"
        + "".join(f"<td>{_count(one)}</td>" for one in (*counts, total)) + "</tr>"
        for label, counts, total in zip(
            table["rows"], table["counts"], table["row_totals"], strict=True
        )
    ]
    return f"<table><tr><th></th>{head}</tr>{''.join(lines)}</table>"


def _lines(figures: dict[str, Any]) -> Iterable[Sequence[object]]:
    for side in ("before", "after"):
        for band in figures.get(side, []):
            points = f"{band['from_points']}..{band['to_points']}"
            yield side, band["tier"], points, band["count"]
    tables = {"moves": figures.get("moves"), **figures.get("changes", {})}
    for section, table in tables.items():
        if table is not None:
            yield from ((section, *cell) for cell in cells_of(table))


def cells_of(table: Mapping[str, Any]) -> Iterable[tuple[str, str, object]]:
    """Row, column and count of each cell of a protected table; a hidden one is an asterisk."""
    for label, counts in zip(table["rows"], table["counts"], strict=True):
        for column, count in zip(table["columns"], counts, strict=True):
            yield label, column, HIDDEN if count is None else count


def _svg(rows: Sequence[str]) -> str:
    height = len(rows) * 18 + 4
    return f'<svg role="img" width="840" height="{height}">{"".join(rows)}</svg>'


def _bar(kind: str, left: int, width: int, at: int) -> str:
    return (
        f'<rect class="{kind}" x="{_BAR_LEFT + left}" y="{at * 18 + 3}" width="{width}"'
        f' height="{_BAR_HEIGHT}"/>'
    )


def _text(text: str, at: int, *, left: int = 0) -> str:
    return f'<text x="{left}" y="{at * 18 + 13}">{escape(text)}</text>'


def _part(count: int, of: int) -> int:
    return count * _BAR_WIDTH // of if of else 0


def word(code: str) -> str:
    """A code in Chinese, where there is a word for it."""
    return " … ".join(_WORDS.get(part, part) for part in code.split(" … "))


def _count(count: int | None) -> str:
    return HIDDEN if count is None else str(count)
