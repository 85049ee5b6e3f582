"""The routes of deliveries, scores, and published rules."""

from __future__ import annotations

import io
from typing import Any, cast
from uuid import UUID

import orjson
from werkzeug.datastructures import FileStorage

from app.config import running_settings
from app.records.operations import DeliveryRequest
from app.records.reading import JSON_MAX_BYTES, Encoding
from app.records.routes import (
    answer_report,
    new_upload,
    scanner,
    upload_max_bytes,
)
from app.records.schemas import DeliveryFile, DeliveryForm, DeliveryReport, DeliveryRows
from app.records.uploads import Upload
from app.scoring import operations, recomputations, schemas, tracing
from app.scoring.explanations import ExplainedScore
from app.scoring.outlook import Outlook
from app.scoring.recomputations import Recomputation
from app.scoring.scheme import Scheme
from app.scoring.tracing import RevealedRow, RowTrace
from app.scoring.wording import plain
from app.trail.operations import Actor
from app.web import limits
from app.web.auth import Role, allow, caller, public
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint
from app.web.requests import takes_files

ROWS_NAME = "rows.json"

blueprint = Blueprint("scoring", __name__, url_prefix=API_PREFIX)


@blueprint.route("/deliveries", methods=["POST"])
@allow(Role.SOURCE)
@takes_files(max_bytes=upload_max_bytes, into=new_upload)
@blueprint.arguments(DeliveryForm, location="form")
@blueprint.arguments(DeliveryFile, location="files")
@blueprint.response(200, DeliveryReport)
@blueprint.alt_response(202, schema=DeliveryReport, description="taken by the worker")
@blueprint.refuses(409)
def take_delivery(form: dict[str, Any], files: dict[str, FileStorage]) -> Any:
    """Take a department's file; the same id again changes nothing.

    A small file with nothing in line before it is answered with its report (200), any other with
    the address that tells how far it is (202).
    """
    file = files["file"]
    upload = cast("Upload", file.stream)
    form["encoding"] = form["encoding"] or upload.found_encoding()
    request = DeliveryRequest(
        file_name=file.filename or "", source_id=caller().subject_id, **form
    )
    return _received(request, upload)


@blueprint.route("/deliveries/rows", methods=["POST"])
@allow(Role.SOURCE)
@takes_files(max_bytes=lambda: JSON_MAX_BYTES)
@blueprint.arguments(DeliveryRows)
@blueprint.response(200, DeliveryReport)
@blueprint.alt_response(202, schema=DeliveryReport, description="taken by the worker")
@blueprint.refuses(409)
def take_rows(body: dict[str, Any]) -> Any:
    """Take rows as JSON; they end in the same report as a file of the same rows.

    The header is row 1 and the first object row 2, as if the rows stood in a file.
    """
    objects = body.pop("rows")
    rows = io.BytesIO(orjson.dumps(objects))
    request = DeliveryRequest(
        encoding=Encoding.JSON, file_name=ROWS_NAME, source_id=caller().subject_id,
        row_count=len(objects), **body,
    )
    return _received(request, Upload.of(key_provider(), rows, scanner=scanner()))


def _received(request: DeliveryRequest, upload: Upload) -> Any:
    return answer_report(
        operations.receive_delivery(
            keys=key_provider(),
            request=request,
            upload=upload,
            at_once_max_bytes=running_settings().at_once_max_bytes,
        )
    )


@blueprint.route("/deliveries/<uuid:delivery_id>/rows/<int:row_number>", methods=["GET"])
@allow(Role.SOURCE, Role.OPERATOR)
@blueprint.response(200, schemas.RowTrace)
@blueprint.refuses(404)
def trace_row(delivery_id: UUID, row_number: int) -> RowTrace:
    """What became of a delivery's row and which indicators it feeds; nothing of the person."""
    source_id = caller().subject_id if caller().role is Role.SOURCE else None
    return tracing.trace_row(
        delivery_id=delivery_id, row_number=row_number, source_id=source_id
    )


@blueprint.route("/deliveries/<uuid:delivery_id>/rows/<int:row_number>/reveal", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/minute")
@blueprint.arguments(schemas.RevealRow)
@blueprint.response(200, schemas.RevealedRow)
@blueprint.refuses(404)
def reveal_row(body: dict[str, str], delivery_id: UUID, row_number: int) -> RevealedRow:
    """The same with the masked person and the points, for a reason that the citizen will read."""
    return tracing.reveal_row(
        keys=key_provider(), delivery_id=delivery_id, row_number=row_number,
        actor=Actor(Role.OPERATOR, caller().subject_id), **body,
    )


@blueprint.route("/me/score", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.arguments(schemas.ScoreQuery, location="query")
@blueprint.response(200, schemas.Score)
@blueprint.refuses(404, 409)
def show_score(query: dict[str, Any]) -> ExplainedScore:
    """The citizen's own score, as it is now or on another day."""
    return operations.open_score(
        keys=key_provider(), citizen_id=caller().subject_id, limit=0, **query
    )


@blueprint.route("/me/score/explanation", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.arguments(schemas.ScoreExplanationQuery, location="query")
@blueprint.response(200, schemas.ScoreExplanation)
@blueprint.refuses(404, 409)
def explain_score(query: dict[str, Any]) -> ExplainedScore:
    """The citizen's own score of a day, line by line, each with where it came from."""
    return operations.open_score(keys=key_provider(), citizen_id=caller().subject_id, **query)


@blueprint.route("/me/score/outlook", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, schemas.ScoreOutlook)
@blueprint.refuses(404, 409)
def show_outlook() -> Outlook:
    """What of the citizen's score ends within 30 days, and lawful ways to the next tier."""
    return operations.open_outlook(keys=key_provider(), citizen_id=caller().subject_id)


@blueprint.route("/score-recomputations", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.NewRecomputation)
@blueprint.response(202, schemas.Recomputation)
@blueprint.refuses(409)
def start_recomputation(body: dict[str, Any]) -> Recomputation:
    """Have everybody's score computed again; the worker does it.  The same id changes nothing."""
    return operations.order_recomputation(staff_id=caller().subject_id, **body)


@blueprint.route("/score-recomputations", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, schemas.Recomputations)
def list_recomputations() -> dict[str, Any]:
    """The last recomputations, newest first, those of a new scheme too."""
    return {"recomputations": recomputations.list_recomputations()}


@blueprint.route("/score-recomputations/<uuid:recomputation_id>", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, schemas.Recomputation)
@blueprint.refuses(404)
def show_recomputation(recomputation_id: UUID) -> Recomputation:
    """How far a recomputation is."""
    return recomputations.open_recomputation(recomputation_id=recomputation_id)


@blueprint.route("/schemes/current", methods=["GET"])
@public
@blueprint.response(200, schemas.PublishedScheme)
@blueprint.refuses(409)
def show_scheme() -> dict[str, Any]:
    """The published rules that apply now."""
    return _scheme(operations.open_current_scheme())


def _scheme(scheme: Scheme) -> dict[str, Any]:
    return vars(scheme) | {
        "indicators": [
            vars(one)
            | {
                "value": None if one.value is None else plain(one.value),
                "items": {item: plain(value) for item, value in one.items.items()},
                "period_cap": None if one.period_cap is None else plain(one.period_cap),
                "steps": [
                    {"from_day": step.from_day, "share": plain(step.share)} for step in one.steps
                ],
                "record_type": one.record_type or None,
            }
            for one in scheme.indicators
        ],
    }
