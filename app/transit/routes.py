"""Transit over HTTP: the machines of operators, and riders."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from flask import Response

from app.kernel.detached import sign_detached
from app.transit import files, operations, queries, reports, schemas, uploads
from app.web import limits
from app.web.auth import Role, allow, caller
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("transit", __name__, url_prefix=API_PREFIX)

JSON_LINES: Final = "application/jsonl"
JOSE: Final = "application/jose"


@blueprint.route("/me/transit/accounts", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("30/minute")
@blueprint.arguments(schemas.NewAccount)
@blueprint.response(200, schemas.Entitlement)
@blueprint.refuses(403, 404)
def open_account(body: dict[str, Any]) -> operations.Entitlement:
    """The caller's account with an operator, opened if there is none."""
    return operations.open_account(citizen_id=caller().subject_id, **body)


@blueprint.route("/me/transit/accounts", methods=["GET"])
@allow(Role.CITIZEN)
@limits.per_caller("60/minute")
@blueprint.response(200, schemas.Entitlements)
def list_accounts() -> dict[str, Any]:
    """What the caller rides for, and with whom."""
    return {"entitlements": operations.list_own(citizen_id=caller().subject_id)}


@blueprint.route("/transit/entitlement", methods=["POST"])
@allow(Role.SOURCE)
@limits.per_caller("6000/minute")
@blueprint.arguments(schemas.Question)
@blueprint.response(200, schemas.Entitlement)
@blueprint.refuses(400, 403, 404, 409)
def tell_entitlement(body: dict[str, Any]) -> operations.Entitlement:
    """What somebody rides for now: by account, or by the pass code that a gate has read."""
    source_id = caller().subject_id
    if body["code"] is not None:
        return operations.tell_by_pass_code(
            keys=key_provider(), source_id=source_id, code=body["code"]
        )
    return operations.tell_by_account(source_id=source_id, account_id=body["account_id"])


@blueprint.route("/transit/files", methods=["GET"])
@allow(Role.SOURCE)
@limits.per_caller("60/minute")
@blueprint.arguments(schemas.FilePage, location="query")
@blueprint.response(200, schemas.Files)
@blueprint.refuses(403)
def list_files(page: dict[str, Any]) -> dict[str, Any]:
    """The files of the caller's operator, the newest first."""
    return {"files": files.list_files(source_id=caller().subject_id, **page)}


@blueprint.route("/transit/files/<uuid:file_id>.jsonl", methods=["GET"])
@allow(Role.SOURCE)
@limits.per_caller("60/minute")
@blueprint.response(200, content_type=JSON_LINES, description="The bytes, always the same.")
@blueprint.refuses(403, 404)
def read_file(file_id: UUID) -> Response:
    """A part of a file: a head, then a line for each account."""
    content = files.open_file(source_id=caller().subject_id, file_id=file_id)
    return Response(content, content_type=JSON_LINES)


@blueprint.route("/transit/files/<uuid:file_id>.jws", methods=["GET"])
@allow(Role.SOURCE)
@limits.per_caller("60/minute")
@blueprint.response(200, content_type=JOSE, description="A detached JWS over the bytes.")
@blueprint.refuses(403, 404)
def read_signature(file_id: UUID) -> Response:
    """The signature of a part; its `kid` names a key of /.well-known/jwks.json."""
    content = files.open_file(source_id=caller().subject_id, file_id=file_id)
    return Response(sign_detached(keys=key_provider(), payload=content), content_type=JOSE)


@blueprint.route("/transit/batches", methods=["POST"])
@allow(Role.SOURCE)
@limits.per_caller("600/minute")
@blueprint.arguments(schemas.Batch)
@blueprint.response(200, schemas.BatchAnswer)
@blueprint.refuses(403)
def take_batch(body: dict[str, Any]) -> dict[str, Any]:
    """Take trips: each row is answered, and the same batch again gets the same answer."""
    return {
        "rows": uploads.take_batch(keys=key_provider(), source_id=caller().subject_id, **body)
    }


@blueprint.route("/transit/parked", methods=["GET"])
@allow(Role.SOURCE)
@limits.per_caller("60/minute")
@blueprint.arguments(schemas.ParkedPage, location="query")
@blueprint.response(200, schemas.ParkedRows)
@blueprint.refuses(403)
def list_parked(page: dict[str, Any]) -> dict[str, Any]:
    """Rows of the caller's operator that cannot count, each with its reason."""
    return {"rows": reports.list_own_parked(source_id=caller().subject_id, **page)}


@blueprint.route("/transit/subsidies", methods=["GET"])
@allow(Role.SOURCE)
@limits.per_caller("60/minute")
@blueprint.arguments(schemas.Days, location="query")
@blueprint.response(200, schemas.Subsidies)
@blueprint.refuses(403)
def list_subsidies(days: dict[str, Any]) -> dict[str, Any]:
    """What became final of the caller's operator, by day."""
    return {"days": reports.list_own_subsidies(source_id=caller().subject_id, **days)}


@blueprint.route("/me/transit/trips", methods=["GET"])
@allow(Role.CITIZEN)
@limits.per_caller("60/minute")
@blueprint.arguments(schemas.OwnPage, location="query")
@blueprint.response(200, schemas.OwnTrips)
def list_own_trips(page: dict[str, Any]) -> dict[str, Any]:
    """The caller's trips while they are kept, with what was taken off and subsidised."""
    return {"trips": queries.list_own_trips(citizen_id=caller().subject_id, **page)}
