"""Objections of the caller, and what is attached to them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from werkzeug.datastructures import FileStorage

from app.config import running_settings
from app.objections import attachments, operations, queries, schemas
from app.objections.clocks import Clocks
from app.objections.items import Statement, Subject
from app.records.routes import FILE, scanner
from app.web import limits
from app.web.auth import Role, allow, caller
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint
from app.web.requests import takes_files

FORM_MAX_BYTES = 10_000  # what a form holds beside its file
BYTES = "application/octet-stream"  # no browser opens it by itself

blueprint = Blueprint("objections", __name__, url_prefix=API_PREFIX)


def clocks() -> Clocks:
    """The terms as they are configured."""
    settings = running_settings()
    return Clocks(
        decide_days=settings.objection_decide_days,
        source_days=settings.objection_source_days,
        source_extra_days=settings.objection_source_extra_days,
        second_look_days=settings.second_look_days,
    )


def answer_file(opened: attachments.OpenedAttachment) -> Response:
    """A file to be saved, never to be shown by the browser by itself."""
    answer = Response(opened.content, content_type=BYTES)
    answer.headers["Content-Disposition"] = f'attachment; filename="{opened.file_name}"'
    return answer


@blueprint.route("/me/objections", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("30/hour")
@blueprint.arguments(schemas.NewObjection)
@blueprint.response(201, schemas.Objection)
@blueprint.refuses(404, 409)
def file_objection(body: dict[str, Any]) -> queries.WholeObjection:
    """Object to a record, a score line, a redemption or a decision; it is marked at once."""
    named = {name: body.pop(name) for name in vars(Subject("")) if name in body}
    return operations.file_objection(
        keys=key_provider(), clocks=clocks(), citizen_id=caller().subject_id,
        objection_id=body.pop("objection_id"),
        statement=Statement(Subject(**named), **body),
    )


@blueprint.route("/me/objections", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.arguments(schemas.ObjectionPage, location="query")
@blueprint.response(200, schemas.ObjectionLines)
def list_objections(page: dict[str, Any]) -> dict[str, Any]:
    """The caller's objections, the latest first."""
    return {"objections": queries.list_own(citizen_id=caller().subject_id, **page)}


@blueprint.route("/me/objections/<uuid:objection_id>", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, schemas.Objection)
@blueprint.refuses(404)
def show_objection(objection_id: UUID) -> queries.WholeObjection:
    """How far an objection is, until when, and who decided what."""
    return operations.show_own(
        keys=key_provider(), citizen_id=caller().subject_id, objection_id=objection_id
    )


@blueprint.route("/me/objections/<uuid:objection_id>/second-look", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("30/hour")
@blueprint.response(200, schemas.Objection)
@blueprint.refuses(404, 409)
def ask_second_look(objection_id: UUID) -> queries.WholeObjection:
    """Have a rejected objection decided again, by somebody else."""
    return operations.ask_second_look(
        keys=key_provider(), clocks=clocks(), citizen_id=caller().subject_id,
        objection_id=objection_id,
    )


@blueprint.route("/me/objections/<uuid:objection_id>/attachments", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("60/hour")
@takes_files(max_bytes=lambda: attachments.MAX_BYTES + FORM_MAX_BYTES)
@blueprint.arguments(schemas.AttachmentForm, location="form")
@blueprint.arguments(schemas.AttachmentFile, location="files")
@blueprint.response(201, schemas.ObjectionAttachment)
@blueprint.refuses(404, 409)
def attach_file(
    form: dict[str, Any], files: dict[str, FileStorage], objection_id: UUID
) -> queries.Attachment:
    """Add a JPEG, PNG or PDF to an open objection."""
    return attachments.attach(
        keys=key_provider(), scanner=scanner(), citizen_id=caller().subject_id,
        objection_id=objection_id, content=files["file"].read(), **form,
    )


@blueprint.route(
    "/me/objections/<uuid:objection_id>/attachments/<uuid:attachment_id>", methods=["GET"]
)
@allow(Role.CITIZEN)
@limits.per_caller("60/hour")
@blueprint.response(200, FILE, content_type=BYTES)
@blueprint.refuses(404)
def download_attachment(objection_id: UUID, attachment_id: UUID) -> Response:
    """A file of the caller's own objection."""
    return answer_file(attachments.open_own(
        keys=key_provider(), citizen_id=caller().subject_id, objection_id=objection_id,
        attachment_id=attachment_id,
    ))
