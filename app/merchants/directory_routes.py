"""The public search for merchants, and what operators enter about them, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.merchants import directory, entries
from app.merchants import directory_schemas as schemas
from app.web import limits
from app.web.auth import Role, allow, caller, public
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("merchant_directory", __name__, url_prefix=API_PREFIX)


@blueprint.route("/public/merchants", methods=["GET"])
@public
@limits.per_address("120/minute")
@blueprint.arguments(schemas.Search, location="query")
@blueprint.response(200, schemas.FoundShops)
def search_merchants(wanted: dict[str, Any]) -> dict[str, Any]:
    """Shops of merchants by words, category and distance, the nearest first."""
    latitude, longitude = wanted.pop("latitude_e6"), wanted.pop("longitude_e6")
    near = None if latitude is None else directory.Point(latitude, longitude)
    return {"shops": directory.search(near=near, **wanted)}


@blueprint.route("/merchant-entries", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.NewEntry)
@blueprint.response(201, schemas.KeptEntry)
@blueprint.refuses(404)
def propose_entry(body: dict[str, Any]) -> entries.KeptEntry:
    """Propose to show an honour, licence or penalty of a merchant."""
    entry_id, reason = body.pop("entry_id"), body.pop("reason")
    return entries.propose_entry(
        operator_id=caller().subject_id, entry_id=entry_id, entry=entries.NewEntry(**body),
        reason=reason,
    )


@blueprint.route("/merchant-entries", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.EntryPage, location="query")
@blueprint.response(200, schemas.KeptEntries)
def list_entries(page: dict[str, Any]) -> dict[str, Any]:
    """Every entry of a merchant, shown or not."""
    return {"entries": entries.list_entries(**page)}


@blueprint.route("/merchant-entries/<uuid:entry_id>/confirmation", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.Reason)
@blueprint.response(200, schemas.KeptEntry)
@blueprint.refuses(404, 409)
def confirm_entry(body: dict[str, Any], entry_id: UUID) -> entries.KeptEntry:
    """Confirm what another operator has proposed: it is shown within its time."""
    return entries.confirm_entry(operator_id=caller().subject_id, entry_id=entry_id, **body)


@blueprint.route("/merchant-entries/<uuid:entry_id>/ending", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.Ending)
@blueprint.response(200, schemas.KeptEntry)
@blueprint.refuses(404)
def end_entry(body: dict[str, Any], entry_id: UUID) -> entries.KeptEntry:
    """Stop showing an entry at once: it was repaired, or a mistake."""
    return entries.end_entry(operator_id=caller().subject_id, entry_id=entry_id, **body)
