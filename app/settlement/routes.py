"""Settlement over HTTP: papers for owners and operators, the closing of months, what is decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Any, Final
from uuid import UUID

from flask import Response

from app.kernel.tables import write_csv, write_xlsx
from app.settlement import closing, operations, papers, proof, queries, reconciling, schemas
from app.web import limits
from app.web.auth import Role, allow, caller
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, ApiSchema, Blueprint
from app.web.requests import PAGE_MAX_ROWS

CSV = "text/csv; charset=utf-8"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FILE = {"type": "string", "format": "binary"}
AS_CSV: Final = {"content_type": "text/csv", "description": "A row for each line."}

blueprint = Blueprint("settlement", __name__, url_prefix=API_PREFIX)


def _paper(
    path: str, query: type[ApiSchema], *shown: Any, **told: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A route by which owners and operators get a paper; `shown` and `told` say in which form."""
    marks = (
        blueprint.route(path, methods=["GET"]),
        allow(Role.MERCHANT_OWNER, Role.OPERATOR),
        limits.per_caller("30/minute"),
        blueprint.arguments(query, location="query"),
        blueprint.response(200, *shown, **told),
        blueprint.refuses(404),
    )
    return lambda view: reduce(lambda marked, mark: mark(marked), reversed(marks), view)


@_paper("/settlement/statement", schemas.StatementQuery, schemas.Statement)
def show_statement(query: dict[str, Any]) -> dict[str, Any]:
    """The statement of a day: an owner's own, an operator's of one merchant or of all."""
    return _shown(_day(query))


@_paper("/settlement/statement.csv", schemas.StatementQuery, **AS_CSV)
def download_statement_csv(query: dict[str, Any]) -> Response:
    """The same as CSV in UTF-8 with a byte order mark."""
    return _csv(_day(query).rows())


@_paper("/settlement/statement.xlsx", schemas.StatementQuery, FILE, content_type=XLSX)
def download_statement_xlsx(query: dict[str, Any]) -> Response:
    """The same as an Excel file."""
    return _xlsx(_day(query).rows(), "日对账单")


@_paper("/settlement/sheet", schemas.SheetQuery, schemas.Statement)
def show_sheet(query: dict[str, Any]) -> dict[str, Any]:
    """The settlement of a month, or its draft until the month is closed."""
    return _shown(_month(query))


@_paper("/settlement/sheet.csv", schemas.SheetQuery, **AS_CSV)
def download_sheet_csv(query: dict[str, Any]) -> Response:
    """The same as CSV in UTF-8 with a byte order mark."""
    return _csv(_month(query).rows())


@_paper("/settlement/sheet.xlsx", schemas.SheetQuery, FILE, content_type=XLSX)
def download_sheet_xlsx(query: dict[str, Any]) -> Response:
    """The same as an Excel file."""
    return _xlsx(_month(query).rows(), "月结算单")


@blueprint.route("/settlement/sheets", methods=["GET"])
@allow(Role.MERCHANT_OWNER, Role.OPERATOR)
@blueprint.arguments(schemas.Page, location="query")
@blueprint.response(200, schemas.Seals)
@blueprint.refuses(404)
def list_sheets(query: dict[str, Any]) -> dict[str, Any]:
    """The frozen sheets, each with its digest, its signature and what the merchant said."""
    reader = _reader(query["merchant_id"])
    found = papers.list_own_sheets(reader=reader, limit=query["limit"])
    return {"sheets": [_seal(sheet) for sheet in found]}


@blueprint.route("/merchant/settlement-answers", methods=["POST"])
@allow(Role.MERCHANT_OWNER)
@limits.per_caller("30/hour")
@blueprint.arguments(schemas.SheetAnswer)
@blueprint.response(201, schemas.Seal)
@blueprint.refuses(404, 409)
def answer_sheet(body: dict[str, Any]) -> dict[str, Any]:
    """Accept the sheet of a month, or object to it for a reason; once."""
    month_on = queries.first_day(body.pop("month"))
    return _seal(operations.answer_sheet(owner_id=caller().subject_id, month_on=month_on, **body))


@blueprint.route("/settlement/months", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, schemas.Months)
def list_months() -> dict[str, Any]:
    """How far the months are."""
    return {"months": queries.list_months()}


@blueprint.route("/settlement/closings", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("30/hour")
@blueprint.arguments(schemas.NewClosing)
@blueprint.response(201, schemas.ProposedClosing)
@blueprint.refuses(409)
def propose_closing(body: dict[str, Any]) -> closing.ProposedClosing:
    """Propose to close a month; another operator confirms it."""
    month_on = queries.first_day(body.pop("month"))
    return closing.propose_closing(operator_id=caller().subject_id, month_on=month_on, **body)


@blueprint.route("/settlement/closings/<uuid:closing_id>/confirmation", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("30/hour")
@blueprint.arguments(schemas.Reason)
@blueprint.response(200, schemas.ProposedClosing)
@blueprint.refuses(404, 409)
def confirm_closing(body: dict[str, Any], closing_id: UUID) -> closing.ProposedClosing:
    """Confirm what another operator proposed; the worker then freezes the sheets."""
    return closing.confirm_closing(
        operator_id=caller().subject_id, closing_id=closing_id, **body
    )


@blueprint.route("/settlement/undecided-scans", methods=["GET"])
@allow(Role.OPERATOR)
@limits.per_caller("30/minute")
@blueprint.arguments(schemas.MonthQuery, location="query")
@blueprint.response(200, schemas.UndecidedScans)
def list_undecided(query: dict[str, Any]) -> dict[str, Any]:
    """Scans that came in a month, do not count by themselves, and nobody has decided."""
    month_on = queries.first_day(query["month"])
    found = queries.list_undecided(month_on=month_on, limit=PAGE_MAX_ROWS)
    return {"scans": [one | {"scan_id": one["scan_id"].hex()} for one in found]}


@blueprint.route("/settlement/corrections", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("30/hour")
@blueprint.arguments(schemas.NewCorrection)
@blueprint.response(201, schemas.Correction)
@blueprint.refuses(404)
def correct_sheet(body: dict[str, Any]) -> operations.MadeCorrection:
    """Owe a merchant more, or less, for a closed month: a line of this month."""
    month_on = queries.first_day(body.pop("month"))
    return operations.correct_sheet(
        operator_id=caller().subject_id, origin_month_on=month_on, **body
    )


@blueprint.route("/settlement/reconciliation", methods=["GET"])
@allow(Role.OPERATOR)
@limits.per_caller("30/minute")
@blueprint.arguments(schemas.DayQuery, location="query")
@blueprint.response(200, schemas.ReconciledDay)
@blueprint.refuses(404)
def show_reconciliation(query: dict[str, Any]) -> dict[str, Any]:
    """A day's counts by class, and what of it matches nothing; at most a thousand are shown."""
    found = reconciling.find_day(on=query["on"])
    return vars(found) | {
        "unmatched_count": found.unmatched_count,
        "unmatched": found.unmatched[: schemas.LINES_SHOWN_MAX],
    }


@blueprint.route("/settlement/reconciliation.csv", methods=["GET"])
@allow(Role.OPERATOR)
@limits.per_caller("30/minute")
@blueprint.arguments(schemas.DayQuery, location="query")
@blueprint.response(200, content_type="text/csv", description="Classes, then what matches nothing.")
@blueprint.refuses(404)
def download_reconciliation_csv(query: dict[str, Any]) -> Response:
    """The same as CSV in UTF-8 with a byte order mark."""
    return _csv(reconciling.find_day(on=query["on"]).rows())


@blueprint.route("/settlement/budgets", methods=["GET"])
@allow(Role.OPERATOR)
@limits.per_caller("30/minute")
@blueprint.response(200, schemas.Budgets)
def list_budgets() -> dict[str, Any]:
    """Every budget of subsidies: what is left, held by open vouchers, spent and returned."""
    return {"budgets": proof.list_budgets()}


def _reader(merchant_id: UUID | None) -> papers.Reader:
    """The object rule: an owner reads its own merchant, an operator one or all."""
    who = caller()
    return papers.Reader(None if who.role is Role.OPERATOR else who.subject_id, merchant_id)


def _day(query: dict[str, Any]) -> papers.Paper:
    return papers.open_day(reader=_reader(query["merchant_id"]), on=query["on"])


def _month(query: dict[str, Any]) -> papers.Paper:
    return papers.open_month(
        reader=_reader(query["merchant_id"]), month_on=queries.first_day(query["month"])
    )


def _csv(rows: Iterable[Sequence[Any]]) -> Response:
    return Response(write_csv(rows), content_type=CSV)


def _xlsx(rows: Iterable[Sequence[Any]], sheet_name: str) -> Response:
    return Response(write_xlsx(rows, sheet_name=sheet_name), content_type=XLSX)


def _shown(paper: papers.Paper) -> dict[str, Any]:
    found = paper.statement
    return vars(found) | {
        "line_count": len(found.lines),
        "lines": found.lines[: schemas.LINES_SHOWN_MAX],
        "apart": found.apart[: schemas.LINES_SHOWN_MAX],
        "totals": found.totals,
        "seals": [_seal(sheet) for sheet in paper.seals[: schemas.LINES_SHOWN_MAX]],
    }


def _seal(sheet: queries.SealedSheet) -> dict[str, Any]:
    return vars(sheet) | {
        "digest": sheet.digest.hex(),
        "sealed_text": papers.seal_text(sheet),
        "signature": papers.sign_seal(keys=key_provider(), sheet=sheet),
    }
