"""The routes of oversight: how groups of members fare, the figures of the city."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response

from app.oversight import operations, schemas
from app.oversight.indicators import INDICATORS, read_figures
from app.oversight.operations import Report
from app.oversight.papers import fairness_csv, fairness_page, indicators_csv
from app.scoring.charts import PAGE_POLICY
from app.web import limits
from app.web.auth import Role, allow, caller
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("oversight", __name__, url_prefix=API_PREFIX)


@blueprint.route("/fairness-reports", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("20/hour")
@blueprint.arguments(schemas.NewReport)
@blueprint.response(202, schemas.Report)
@blueprint.refuses(409)
def request_fairness_report(body: dict[str, Any]) -> Report:
    """Ask how groups of members fare by tier and benefit; a worker computes it."""
    reason = body.pop("reason")
    return operations.request_report(
        report=operations.NewReport(**body), operator_id=caller().subject_id, reason=reason
    )


@blueprint.route("/fairness-reports", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, schemas.Reports)
def list_fairness_reports() -> dict[str, Any]:
    """The newest fairness reports."""
    return {"reports": operations.list_reports()}


@blueprint.route("/fairness-reports/<uuid:report_id>", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, schemas.Report)
@blueprint.refuses(404)
def show_fairness_report(report_id: UUID) -> Report:
    """How far a fairness report is, and its figures when it is done."""
    return operations.show_report(report_id=report_id)


@blueprint.route("/fairness-reports/<uuid:report_id>/page", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, content_type="text/html", description="A page with charts.")
@blueprint.refuses(404)
def show_fairness_page(report_id: UUID) -> Response:
    """A fairness report as a page with charts, whole in itself."""
    page = fairness_page(operations.show_report(report_id=report_id))
    return Response(
        page, content_type="text/html", headers={"Content-Security-Policy": PAGE_POLICY}
    )


@blueprint.route("/fairness-reports/<uuid:report_id>/figures.csv", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, content_type="text/csv", description="The figures, for spreadsheets.")
@blueprint.refuses(404)
def read_fairness_csv(report_id: UUID) -> Response:
    """The figures of a fairness report as CSV; a hidden cell is an asterisk."""
    return csv_answer(fairness_csv(operations.show_report(report_id=report_id)), "fairness.csv")


@blueprint.route("/city-indicators", methods=["GET"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.Days, location="query")
@blueprint.response(200, schemas.Indicators)
def show_city_indicators(days: dict[str, Any]) -> dict[str, Any]:
    """What the national monitor of city credit work asks, straight from the data."""
    return days | {"indicators": INDICATORS, "figures": read_figures(**days)}


@blueprint.route("/city-indicators.csv", methods=["GET"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.Days, location="query")
@blueprint.response(200, content_type="text/csv", description="The figures, for spreadsheets.")
def read_city_indicators(days: dict[str, Any]) -> Response:
    """The same as CSV, each line with its definition."""
    return csv_answer(indicators_csv(read_figures(**days)), "indicators.csv")


def csv_answer(text: str, name: str) -> Response:
    """A CSV file to be saved under this name."""
    return Response(
        text, content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
