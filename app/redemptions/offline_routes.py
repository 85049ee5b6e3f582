"""Offline codes and what devices need to check them and to report."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final
from uuid import UUID

from flask import Response

from app.redemptions import (
    offline_decisions,
    offline_issuing,
    offline_lists,
    offline_schemas,
    offline_uploads,
)
from app.redemptions.routes import counter_at
from app.web import limits
from app.web.auth import Role, allow, caller, public
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("offline", __name__, url_prefix=API_PREFIX)

COSE: Final = "application/octet-stream"  # a suite byte and a COSE_Sign1


@blueprint.route("/me/vouchers/<uuid:voucher_id>/offline-code", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("30/minute")
@blueprint.response(200, offline_schemas.OfflineCode)
@blueprint.refuses(404, 409)
def show_offline_code(voucher_id: UUID) -> offline_issuing.OfflineCode:
    """The offline code of a claimed voucher, good for 24 hours at most."""
    return offline_issuing.show_offline_code(
        keys=key_provider(), citizen_id=caller().subject_id, voucher_id=voucher_id
    )


@blueprint.route("/offline/key-list", methods=["GET"])
@public
@limits.per_address("120/minute")
@blueprint.response(200, content_type=COSE, description="An envelope, signed by the root.")
@blueprint.refuses(404)
def read_key_list() -> Response:
    """Which keys sign offline codes and lists, in the offline root's own signature."""
    return Response(offline_lists.published_lists().key_list, content_type=COSE)


@blueprint.route("/offline/deny-list", methods=["GET"])
@public
@limits.per_address("120/minute")
@blueprint.response(200, content_type=COSE, description="An envelope, signed by a listed key.")
@blueprint.refuses(404)
def read_deny_list() -> Response:
    """Which keys and vouchers scanners must not take; fresh every few minutes."""
    return Response(offline_lists.published_lists().deny_list, content_type=COSE)


@blueprint.route("/offline/uploads", methods=["POST"])
@public
@limits.per_address("600/minute")
@blueprint.arguments(offline_schemas.Upload)
@blueprint.response(200, offline_schemas.UploadAnswer)
@blueprint.refuses(400, 404)
def take_upload(body: dict[str, Any]) -> dict[str, Any]:
    """Take the scans that a device signed, in any order and any number of times."""
    done = offline_uploads.take_upload(keys=key_provider(), **body)
    return {
        "answers": [
            {"scan_id": one.scan_id.hex(), "fault": one.fault, "standing": one.standing}
            for one in done.answers
        ],
        "grant": None if done.grant is None else b64encode(done.grant).decode(),
    }


@blueprint.route("/offline/disputes", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.arguments(offline_schemas.DisputePage, location="query")
@blueprint.response(200, offline_schemas.Disputes)
def list_disputes(page: dict[str, Any]) -> dict[str, Any]:
    """Scans that do not count, each with the one that does, the oldest first."""
    return {"disputes": [
        {**one, "scan_id": one["scan_id"].hex(),
         "first_scan_id": one["first_scan_id"].hex() if one["first_scan_id"] else None}
        for one in offline_uploads.list_disputes(**page)
    ]}  # fmt: skip


@blueprint.route("/offline/decisions", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/minute")
@blueprint.arguments(offline_schemas.Decide)
@blueprint.response(200, offline_schemas.Decision)
@blueprint.refuses(404, 409)
def decide_scan(body: dict[str, Any]) -> offline_decisions.Decision:
    """Say whether a disputed or parked scan counts for its merchant, once."""
    return offline_decisions.decide_scan(operator_id=caller().subject_id, **body)


@blueprint.route("/offline/scans", methods=["GET"])
@allow(Role.CLERK)
@blueprint.arguments(offline_schemas.ShopScanPage, location="query")
@blueprint.response(200, offline_schemas.ShopScans)
def list_shop_scans(page: dict[str, Any]) -> dict[str, Any]:
    """What the devices of the clerk's shop took off line, and whether each counts."""
    counter = counter_at(page.pop("shop_id"))
    found = offline_decisions.list_shop_scans(counter=counter, **page)
    return {"scans": [{**one, "scan_id": one["scan_id"].hex()} for one in found]}


@blueprint.route("/offline/gaps", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.arguments(offline_schemas.GapPage, location="query")
@blueprint.response(200, offline_schemas.Gaps)
def list_gaps(page: dict[str, Any]) -> dict[str, Any]:
    """What is missing of the scans of each device, and where its chain does not fit."""
    return {"gaps": offline_uploads.list_gaps(**page)}
