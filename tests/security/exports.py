"""Every export of the project, full of what a spreadsheet program would like to calculate."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import cycle
from pathlib import Path
from typing import Final

from app.kernel.ids import new_id
from app.kernel.tables import write_csv, write_xlsx
from app.merchants.names import MerchantName
from app.oversight.indicators import Figure
from app.oversight.operations import Report
from app.oversight.papers import fairness_csv, indicators_csv
from app.records.catalogue import load_catalogue
from app.records.catalogue_table import catalogue_table
from app.records.returning import Returned, returned_csv, returned_xlsx
from app.scoring.charts import figures_csv
from app.scoring.version_queries import DryRun, VersionName
from app.settlement.papers import Paper
from app.settlement.queries import Apart, Line, Statement
from app.settlement.reconciling import ClassCount, ReconciledDay, Unmatched
from app.trail.security import EventLine, events_csv

APP: Final = Path(__file__).parents[2] / "app"
TABLES: Final = APP / "kernel" / "tables.py"
WRITERS: Final = {"write_csv", "write_xlsx"}
# What a cell begins with so that Excel, WPS or LibreOffice takes it for a formula, and a call out.
HOSTILE: Final = (
    "=1+1", "+1+1", "-1+1", "@SUM(1;1)", "\t=1+1", "\r=1+1", "\n=1+1", " =1+1", "\u3000=1+1",
    "\ufeff=1+1", "\u200b=1+1", "＝1+1", "＋1+1", "－1+1", "＠SUM(1;1)", "'=1+1", "''=1+1",
    '=HYPERLINK("http://192.0.2.1/";"x")', '=WEBSERVICE("http://192.0.2.1/")',
    "=cmd|' /C calc'!A0", '=DDE("soffice";"/etc/passwd";"A1")', '","=1+1', '"\r\n=1+1,"',
    "{=1+1}", "=SUM(1;1)", "=SUM(1,1)",
)  # fmt: skip


class _Cell(ast.NodeVisitor):
    """The functions of one module that call a writer, and what goes around the writers."""

    def __init__(self) -> None:
        self.callers: set[str] = set()
        self.around: list[int] = []
        self._inside = ""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outside, self._inside = self._inside, node.name
        self.generic_visit(node)
        self._inside = outside

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in WRITERS:
            self.callers.add(self._inside)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in {"Workbook", "DictWriter", "to_csv", "to_excel", *WRITERS} or (
            node.attr == "writer" and isinstance(node.value, ast.Name) and node.value.id == "csv"
        ):
            self.around.append(node.lineno)
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        if any(one.name.startswith(("xlsxwriter", "tablib", "pandas")) for one in node.names):
            self.around.append(node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        names = {one.name for one in node.names}
        if node.module in {"csv", "xlsxwriter", "openpyxl"} and names & {
            "writer", "DictWriter", "Workbook"
        }:
            self.around.append(node.lineno)
        if any(one.asname for one in node.names if one.name in WRITERS):
            self.around.append(node.lineno)


def scanned(source: str) -> _Cell:
    """What a module's text calls."""
    found = _Cell()
    found.visit(ast.parse(source))
    return found


def scan() -> Iterator[tuple[str, _Cell]]:
    """Every module of the application but the writers' own."""
    for path in sorted(APP.rglob("*.py")):
        if path != TABLES:
            yield str(path.relative_to(APP)), scanned(path.read_text(encoding="utf-8"))


def _hostile_returned() -> Returned:
    header = ["身份证号", *HOSTILE]
    return Returned(header, [
        (row, "bad_id_format", ["=1+1", *HOSTILE]) for row in range(2, 4)
    ])


def _hostile_run() -> DryRun:
    tiers = list(HOSTILE)
    table = {"rows": tiers, "columns": tiers, "counts": [[50] * len(tiers)] * len(tiers)}
    bands = [{"tier": one, "from_points": 0, "to_points": 9, "count": 50} for one in tiers]
    figures = {
        "before": bands, "after": bands, "moves": table,
        "changes": dict.fromkeys(HOSTILE, table),
    }
    return DryRun(
        new_id(), VersionName("x", "1"), b"", None, date(2026, 6, 12), new_id(), new_id(), "",
        1, 1, figures, None, None, "done",
    )


def _hostile_report() -> Report:
    texts = list(HOSTILE)
    table = {"rows": texts, "columns": texts, "counts": [[50] * len(texts)] * len(texts)}
    figures = {
        "population": 50, "tiers": {HOSTILE[0]: table},
        "benefits": {one: {one: table} for one in texts},
    }
    on, made = date(2026, 6, 12), datetime(2026, 6, 12, tzinfo=UTC)
    return Report(
        new_id(), on, on, new_id(), new_id(), "", 1, 1, figures, ended_at=made, created_at=made
    )


def _hostile_figures() -> Iterable[Figure]:
    return [Figure("served_uses", "2026-06", text, 10) for text in HOSTILE]


def _hostile_catalogue() -> Iterable[Iterable[object]]:
    edition = _Edition()
    return catalogue_table(edition)  # type: ignore[arg-type]  # what of an edition it reads


class _Edition:
    """An edition whose every text is hostile."""

    version = HOSTILE[0]
    published_on = date(2026, 6, 12)

    def __init__(self) -> None:
        texts, shipped = cycle(HOSTILE), load_catalogue()
        self.catalogue = replace(shipped, record_types={
            code: replace(
                kind, code=next(texts), title=next(texts), unit=next(texts),
                legal_basis=next(texts), update_frequency=next(texts), directory=next(texts),
                evidence=next(texts),
                columns=tuple(replace(one, name=next(texts)) for one in kind.columns),
            )
            for code, kind in shipped.record_types.items()
        })


def _hostile_paper() -> Paper:
    merchants = {new_id(): MerchantName(text, text) for text in HOSTILE}
    shops = {new_id(): text for text in HOSTILE}
    on = date(2026, 6, 12)
    lines = tuple(
        Line(merchant_id, shop_id, "redemption", text, 1, None, on, on, 1, 1, 1, 1, 1)
        for merchant_id, shop_id, text in zip(merchants, shops, HOSTILE, strict=True)
    )
    apart = tuple(
        Apart(merchant_id, shop_id, text, "parked", 1)
        for merchant_id, shop_id, text in zip(merchants, shops, HOSTILE, strict=True)
    )
    statement = Statement(on, date(2026, 6, 13), False, lines, apart)
    return Paper(statement, merchants, shops, ())


def _settlement_csv() -> bytes:
    """Whatever this room writes: a statement, then a day that was reconciled."""
    rows = [*_hostile_paper().rows(), *_hostile_reconciliation().rows()]
    return write_csv(map(tuple, rows)).encode()


def _statement_xlsx() -> bytes:
    return write_xlsx(_hostile_paper().rows(), sheet_name="日对账单")


def _hostile_reconciliation() -> ReconciledDay:
    now = datetime(2026, 6, 12, tzinfo=UTC)
    unmatched = tuple(
        Unmatched("ledger", "amount_differs", text, None, text, 1, 2, now, 1) for text in HOSTILE
    )
    counts = (ClassCount("ledger", "amount_differs", len(unmatched)),)
    return ReconciledDay(date(2026, 6, 12), now, counts, unmatched)


def _hostile_events() -> list[EventLine]:
    now = datetime(2026, 6, 12, tzinfo=UTC)
    return [
        EventLine(new_id(), now, text, text, new_id(), text, text, text) for text in HOSTILE
    ]


# The functions that write exports: the kind, and what is written when everything is hostile.
EXPORTS: Final[dict[str, tuple[str, Callable[[], bytes]]]] = {
    "oversight/papers.py fairness_csv": ("csv", lambda: fairness_csv(_hostile_report()).encode()),
    "oversight/papers.py indicators_csv": (
        "csv", lambda: indicators_csv(_hostile_figures()).encode(),
    ),
    "records/returning.py returned_csv": ("csv", lambda: returned_csv(_hostile_returned())),
    "records/returning.py returned_xlsx": ("xlsx", lambda: returned_xlsx(_hostile_returned())),
    "records/routes.py show_catalogue_table": (
        "csv", lambda: write_csv(map(tuple, _hostile_catalogue())).encode(),
    ),
    "scoring/charts.py figures_csv": ("csv", lambda: figures_csv(_hostile_run()).encode()),
    "settlement/routes.py _csv": ("csv", _settlement_csv),
    "settlement/routes.py _xlsx": ("xlsx", _statement_xlsx),
    "trail/security.py events_csv": ("csv", lambda: events_csv(_hostile_events()).encode()),
}
