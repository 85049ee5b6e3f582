"""Offline codes and what devices need to check them and to report."""

from __future__ import annotations

from uuid import UUID

from app.redemptions import offline_issuing, offline_schemas
from app.web import limits
from app.web.auth import Role, allow, caller
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("offline", __name__, url_prefix=API_PREFIX)


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
