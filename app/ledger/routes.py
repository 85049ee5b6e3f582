"""A citizen's own points over HTTP."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from app.ledger import queries, schemas
from app.web.auth import BadToken, Role, allow, caller
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("ledger", __name__, url_prefix=API_PREFIX)


@blueprint.route("/me/balance", methods=["GET"])
@allow(Role.CITIZEN, session_checked_in_statement=True)
@blueprint.response(200, schemas.Balance)
def show_balance() -> Response:
    """The caller's points now."""
    who = caller()
    found = queries.balance_of_session(citizen_id=who.subject_id, session_id=who.session_id)
    if found is None:
        raise BadToken
    return jsonify(found)


@blueprint.route("/me/points/lots", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, schemas.Lots)
def list_lots() -> dict[str, Any]:
    """The caller's lots, in the order in which they are spent."""
    return {"lots": queries.lots(citizen_id=caller().subject_id)}


@blueprint.route("/me/points/entries", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.arguments(schemas.EntriesQuery, location="query")
@blueprint.response(200, schemas.Entries)
def list_entries(page: dict[str, Any]) -> dict[str, Any]:
    """The caller's account, newest entries first."""
    return {"entries": queries.entries(citizen_id=caller().subject_id, **page)}
