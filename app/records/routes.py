"""The routes of deliveries, of the register, and of the information catalogue.

A department's file is posted to the scoring room, which stands above this one: its points belong to
the same transaction.
"""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from flask import current_app
from werkzeug.datastructures import FileStorage

from app.kernel.keys import KeyProvider
from app.members.operations import NewCredential
from app.records import operations, schemas
from app.records.catalogue import REGISTER, load_catalogue
from app.records.queries import DeliveryReport
from app.web.auth import Role, allow, caller, public
from app.web.openapi import API_PREFIX, Blueprint
from app.web.requests import takes_files

UPLOAD_MAX_BYTES = 20_000_000  # a file that is taken while the sender waits

blueprint = Blueprint("records", __name__, url_prefix=API_PREFIX)


def key_provider() -> KeyProvider:
    """The keys of the running application."""
    return cast("KeyProvider", current_app.extensions["card_keys"])


@blueprint.route("/register-imports", methods=["POST"])
@allow(Role.OPERATOR)
@takes_files(UPLOAD_MAX_BYTES)
@blueprint.arguments(schemas.RegisterForm, location="form")
@blueprint.arguments(schemas.DeliveryFile, location="files")
@blueprint.response(200, schemas.DeliveryReport)
def import_register(form: dict[str, Any], files: dict[str, FileStorage]) -> DeliveryReport:
    """Register people who consented elsewhere."""
    upload = files["file"]
    request = operations.DeliveryRequest(
        record_type=REGISTER,
        file_name=upload.filename or "",
        staff_id=caller().subject_id,
        **form,
    )
    return operations.import_register(keys=key_provider(), request=request, file=upload.stream)


@blueprint.route("/deliveries/<uuid:delivery_id>", methods=["GET"])
@allow(Role.SOURCE, Role.OPERATOR)
@blueprint.response(200, schemas.DeliveryReport)
@blueprint.refuses(404)
def show_delivery(delivery_id: UUID) -> DeliveryReport:
    """The report of a delivery, for the source that sent it and for operators."""
    return operations.open_report(delivery_id=delivery_id, source_id=_source_of_caller())


@blueprint.route("/deliveries/<uuid:delivery_id>/refusals", methods=["GET"])
@allow(Role.SOURCE, Role.OPERATOR)
@blueprint.arguments(schemas.RefusalsQuery, location="query")
@blueprint.response(200, schemas.Refusals)
@blueprint.refuses(404)
def list_refusals(page: dict[str, int], delivery_id: UUID) -> dict[str, Any]:
    """The refused rows of a delivery, a page at a time."""
    return {
        "refusals": operations.open_refusals(
            delivery_id=delivery_id, source_id=_source_of_caller(), **page
        )
    }


@blueprint.route("/sources", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.NewSource)
@blueprint.response(201, schemas.SourceCredential)
@blueprint.refuses(409)
def register_source(body: dict[str, Any]) -> NewCredential:
    """Make an account for a department's machine and say what it may deliver."""
    return operations.register_source(keys=key_provider(), **body)


@blueprint.route("/reopened-days", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.ReopenedDay)
@blueprint.response(204)
def reopen_day(body: dict[str, Any]) -> None:
    """Let deliveries of a past day in again, for a day."""
    operations.reopen_day(staff_id=caller().subject_id, **body)


@blueprint.route("/information-catalogue", methods=["GET"])
@public
@blueprint.response(200, schemas.PublishedCatalogue)
def show_catalogue() -> dict[str, Any]:
    """The information catalogue: which records exist, from whom, on which legal basis."""
    catalogue = load_catalogue()
    return {
        "code": catalogue.code,
        "version": catalogue.version,
        "record_types": list(catalogue.record_types.values()),
    }


def _source_of_caller() -> UUID | None:
    """The object rule: a source sees its own deliveries, an operator all."""
    return caller().subject_id if caller().role is Role.SOURCE else None
