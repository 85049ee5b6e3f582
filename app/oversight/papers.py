"""Reports as pages with charts and as CSV.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from app.kernel.tables import write_csv
from app.oversight.indicators import INDICATORS, Figure
from app.oversight.operations import Report
from app.scoring.charts import HIDDEN, cells_of, page, shares_of, table_of, word

_LEGEND = '<p class="note">由浅到深为表中各列。有隐藏数字的分组不画图。</p>'


def fairness_page(report: Report) -> str:
    """The page; before the report is done it says how far it is."""
    title = f"公平性报告 {report.from_on.isoformat()} 至 {report.to_on.isoformat()}"
    body = [f"<h1>{escape(title)}</h1>", f'<p class="note">{escape(_about(report))}</p>']
    for heading, table in _tables(report):
        body.append(f"<h2>{escape(heading)}</h2>{_LEGEND}{shares_of(table)}{table_of(table)}")
    return page(title, body)


def fairness_csv(report: Report) -> str:
    """One count a line: what, grouping, group, column, people; a hidden one is an asterisk."""
    return write_csv([("figure", "grouping", "group", "column", "people"), *_lines(report)])


def indicators_csv(figures: Iterable[Figure]) -> str:
    """One value a line, with its definition; one that is not told is an asterisk."""
    named = {one.code: one for one in INDICATORS}
    return write_csv([("code", "name", "month", "item", "value", "definition"), *(
        (
            figure.code, named[figure.code].name, figure.month, figure.item,
            HIDDEN if figure.value is None else figure.value, named[figure.code].definition,
        )
        for figure in figures
    )])


def _about(report: Report) -> str:
    if report.figures is None:
        return f"计算中 {report.slices_done}/{report.slice_count}"
    population = report.figures["population"]
    people = "不足 10 人，不展示" if population is None else f"共 {population} 人"
    how = "等级为现等级；权益为期间内至少使用一次"
    return f"{people}。{how}。不足 10 人的分组已合并或隐藏（{HIDDEN}）。"


def _tables(report: Report) -> Iterable[tuple[str, dict[str, list[object]]]]:
    figures = report.figures or {"tiers": {}, "benefits": {}}
    for grouping, table in figures["tiers"].items():
        yield f"等级：按{word(grouping)}", table
    for benefit, tables in figures["benefits"].items():
        for grouping, table in tables.items():
            yield f"{benefit}：按{word(grouping)}", table


def _lines(report: Report) -> Iterable[Sequence[object]]:
    figures = report.figures or {"tiers": {}, "benefits": {}}
    for figure, tables in {"tier": figures["tiers"], **figures["benefits"]}.items():
        for grouping, table in tables.items():
            yield from ((figure, grouping, *cell) for cell in cells_of(table))
