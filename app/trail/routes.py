"""The routes of the register of impact assessments."""

from __future__ import annotations

from typing import Any

from app.trail import assessments, schemas
from app.trail.queries import Assessment, list_assessments
from app.web import limits
from app.web.auth import Role, allow, caller
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("trail", __name__, url_prefix=API_PREFIX)


@blueprint.route("/impact-assessments", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.NewAssessment)
@blueprint.response(201, schemas.Assessment)
def register_assessment(body: dict[str, Any]) -> dict[str, Any]:
    """Register a concluded impact assessment; the same again changes nothing."""
    reason = body.pop("reason")
    body["document_hash"] = bytes.fromhex(body["document_hash"])
    found = assessments.register_assessment(
        assessment=assessments.NewAssessment(**body), operator_id=caller().subject_id,
        reason=reason,
    )
    return _entry(found)


@blueprint.route("/impact-assessments", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, schemas.Assessments)
def show_assessments() -> dict[str, Any]:
    """The register of impact assessments."""
    return {"assessments": [_entry(found) for found in list_assessments()]}


def _entry(found: Assessment) -> dict[str, Any]:
    return vars(found) | {"document_hash": found.document_hash.hex()}
