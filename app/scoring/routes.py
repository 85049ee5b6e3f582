"""The routes of deliveries, scores, and published rules."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, cast

from flask import current_app
from werkzeug.datastructures import FileStorage

from app.kernel.keys import KeyProvider
from app.records.operations import DeliveryRequest
from app.records.queries import DeliveryReport
from app.records.routes import UPLOAD_MAX_BYTES
from app.records.schemas import DeliveryFile, DeliveryForm
from app.records.schemas import DeliveryReport as DeliveryReportSchema
from app.scoring import operations, schemas
from app.scoring.queries import ExplainedScore, IndicatorScore, ScoreLine
from app.scoring.scheme import Scheme
from app.web.auth import Role, allow, caller, public
from app.web.openapi import API_PREFIX, Blueprint
from app.web.requests import takes_files

blueprint = Blueprint("scoring", __name__, url_prefix=API_PREFIX)


def key_provider() -> KeyProvider:
    """The keys of the running application."""
    return cast("KeyProvider", current_app.extensions["card_keys"])


@blueprint.route("/deliveries", methods=["POST"])
@allow(Role.SOURCE)
@takes_files(UPLOAD_MAX_BYTES)
@blueprint.arguments(DeliveryForm, location="form")
@blueprint.arguments(DeliveryFile, location="files")
@blueprint.response(200, DeliveryReportSchema)
@blueprint.refuses(409)
def take_delivery(form: dict[str, Any], files: dict[str, FileStorage]) -> DeliveryReport:
    """Take a department's file and answer with its report; the same id again changes nothing."""
    upload = files["file"]
    request = DeliveryRequest(
        file_name=upload.filename or "", source_id=caller().subject_id, **form
    )
    return operations.take_delivery(keys=key_provider(), request=request, file=upload.stream)


@blueprint.route("/me/score", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, schemas.Score)
@blueprint.refuses(404, 409)
def show_score() -> dict[str, Any]:
    """The citizen's own score as it is now."""
    return _score(operations.open_score(keys=key_provider(), citizen_id=caller().subject_id))


@blueprint.route("/me/score/explanation", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.arguments(schemas.ScoreExplanationQuery, location="query")
@blueprint.response(200, schemas.ScoreExplanation)
@blueprint.refuses(404, 409)
def explain_score(query: dict[str, date | None]) -> dict[str, Any]:
    """The citizen's own score of a day, line by line."""
    return _score(
        operations.open_score(
            keys=key_provider(), citizen_id=caller().subject_id, as_of=query["on"]
        )
    )


@blueprint.route("/schemes/current", methods=["GET"])
@public
@blueprint.response(200, schemas.PublishedScheme)
@blueprint.refuses(409)
def show_scheme() -> dict[str, Any]:
    """The published rules that apply now."""
    return _scheme(operations.open_current_scheme())


def _score(found: ExplainedScore) -> dict[str, Any]:
    next_tier = None
    if found.next_tier is not None:
        next_tier = {"code": found.next_tier, "missing_points": found.missing_to_next_tier}
    return {
        "as_of_on": found.score.as_of_on,
        "total": found.score.total,
        "total_cap": found.scheme.total_cap,
        "tier": found.score.tier,
        "next_tier": next_tier,
        "scheme": _scheme_name(found.scheme),
        "dimensions": [
            {
                "code": dimension.code,
                "name": dimension.name,
                "points": found.score.dimensions[dimension.code],
                "cap": dimension.cap,
            }
            for dimension in found.scheme.dimensions
        ],
        "indicators": [_indicator(indicator) for indicator in found.indicators],
    }


def _indicator(found: IndicatorScore) -> dict[str, Any]:
    rule = found.indicator
    return {
        "code": rule.code,
        "dimension": rule.dimension,
        "name": rule.name,
        "exact": plain(found.exact),
        "rounded": found.rounded,
        "points": found.points,
        "cap": rule.cap,
        "illustrative": rule.illustrative,
        "rule": rule.rule.value,
        "unit": rule.unit.value if rule.unit else None,
        "lines": [_line(line) for line in found.lines],
    }


def _line(line: ScoreLine) -> dict[str, Any]:
    return vars(line) | {"quantity": plain(line.quantity), "value": plain(line.value)}


def _scheme_name(scheme: Scheme) -> dict[str, Any]:
    return {
        "code": scheme.code,
        "version": scheme.version,
        "title": scheme.title,
        "content_hash": scheme.content_hash.hex(),
    }


def _scheme(scheme: Scheme) -> dict[str, Any]:
    return vars(scheme) | {
        "content_hash": scheme.content_hash.hex(),
        "indicators": [
            vars(one)
            | {
                "value": None if one.value is None else plain(one.value),
                "items": {item: plain(value) for item, value in one.items.items()},
            }
            for one in scheme.indicators
        ],
    }


def plain(number: Decimal) -> str:
    """A decimal number as the shortest text without an exponent."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
