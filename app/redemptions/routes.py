"""Vouchers for citizens, scans for clerks."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from flask import Response, jsonify

from app.redemptions import annulments, operations, qr, queries, schemas, vouchers
from app.web import limits
from app.web.auth import Role, allow, caller
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("redemptions", __name__, url_prefix=API_PREFIX)

PASS_CODE_REFRESH_SECONDS: Final = 45
JSON: Final = "application/json"
PNG: Final = "image/png"
SVG: Final = "image/svg+xml"
PICTURE: Final = {"type": "string", "format": "binary"}


def counter_at(shop_id: UUID) -> operations.Counter:
    """The caller behind a counter of this shop."""
    who = caller()
    return operations.Counter(who.subject_id, who.session_id, shop_id)


@blueprint.route("/me/pass-code", methods=["POST"])
@allow(Role.CITIZEN, session_checked_in_statement=True)
@limits.local_per_caller("60/minute")
@blueprint.response(200, schemas.PassCode)
def mint_pass_code() -> Response:
    """A code that says who stands here: 60 seconds, one presentation."""
    minted = _minted()
    return jsonify(**vars(minted), refresh_after_seconds=PASS_CODE_REFRESH_SECONDS)


@blueprint.route("/me/pass-code.png", methods=["GET"])
@allow(Role.CITIZEN, session_checked_in_statement=True)
@limits.local_per_caller("60/minute")
@blueprint.response(200, PICTURE, content_type=PNG)
def draw_pass_code_png() -> Response:
    """A fresh pass code as PNG."""
    return Response(qr.qr_png(_minted().code), content_type=PNG)


@blueprint.route("/me/pass-code.svg", methods=["GET"])
@allow(Role.CITIZEN, session_checked_in_statement=True)
@limits.local_per_caller("60/minute")
@blueprint.response(200, PICTURE, content_type=SVG)
def draw_pass_code_svg() -> Response:
    """A fresh pass code as SVG."""
    return Response(qr.qr_svg(_minted().code), content_type=SVG)


@blueprint.route("/me/vouchers", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("30/minute")
@blueprint.arguments(schemas.Claim)
@blueprint.response(200, schemas.ClaimedVoucher)
@blueprint.refuses(404, 409)
def claim_voucher(body: dict[str, Any]) -> Response:
    """Claim a benefit; a points price is held until the voucher ends."""
    answer = vouchers.claim_voucher(citizen_id=caller().subject_id, **body)
    return Response(answer, content_type=JSON)


@blueprint.route("/me/vouchers", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.arguments(schemas.VoucherPage, location="query")
@blueprint.response(200, schemas.Vouchers)
def list_vouchers(page: dict[str, Any]) -> dict[str, Any]:
    """The caller's vouchers, the latest claimed first."""
    return {"vouchers": queries.list_vouchers(citizen_id=caller().subject_id, **page)}


@blueprint.route("/me/vouchers/<uuid:voucher_id>/code", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, schemas.Code)
@blueprint.refuses(404, 409)
def show_voucher_code(voucher_id: UUID) -> dict[str, Any]:
    """The code of a claimed voucher, as text."""
    return {"code": _voucher_code(voucher_id)}


@blueprint.route("/me/vouchers/<uuid:voucher_id>/code.png", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, PICTURE, content_type=PNG)
@blueprint.refuses(404, 409)
def draw_voucher_code_png(voucher_id: UUID) -> Response:
    """The code of a claimed voucher as PNG."""
    return Response(qr.qr_png(_voucher_code(voucher_id)), content_type=PNG)


@blueprint.route("/me/vouchers/<uuid:voucher_id>/code.svg", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, PICTURE, content_type=SVG)
@blueprint.refuses(404, 409)
def draw_voucher_code_svg(voucher_id: UUID) -> Response:
    """The code of a claimed voucher as SVG."""
    return Response(qr.qr_svg(_voucher_code(voucher_id)), content_type=SVG)


@blueprint.route("/me/vouchers/<uuid:voucher_id>/manual-code", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("30/minute")
@blueprint.response(200, schemas.Code)
@blueprint.refuses(404, 409)
def show_manual_code(voucher_id: UUID) -> dict[str, Any]:
    """The code to read out to a clerk whose camera is broken."""
    code = vouchers.show_manual_code(
        keys=key_provider(), citizen_id=caller().subject_id, voucher_id=voucher_id
    )
    return {"code": code}


@blueprint.route("/me/vouchers/<uuid:voucher_id>/give-back", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("30/minute")
@blueprint.response(200, schemas.Voucher)
@blueprint.refuses(404, 409)
def give_back_voucher(voucher_id: UUID) -> queries.HeldVoucher:
    """Give a voucher back; held points are free again."""
    return vouchers.give_back_voucher(citizen_id=caller().subject_id, voucher_id=voucher_id)


@blueprint.route("/redemptions/preview", methods=["POST"])
@allow(Role.CLERK, session_checked_in_statement=True)
@limits.local_per_caller("600/minute")
@blueprint.arguments(schemas.Preview)
@blueprint.response(200, schemas.PreviewAnswer)
@blueprint.refuses(404, 409)
def preview(body: dict[str, Any]) -> Response:
    """What a clerk may know before redeeming; it burns a pass code."""
    counter = counter_at(body.pop("shop_id"))
    return jsonify(operations.preview(keys=key_provider(), counter=counter, **body))


@blueprint.route("/redemptions", methods=["POST"])
@allow(Role.CLERK, session_checked_in_statement=True)
@limits.local_per_caller("600/minute")
@blueprint.arguments(schemas.Redeem)
@blueprint.response(200, schemas.RedeemAnswer)
@blueprint.refuses(404, 409)
def redeem(body: dict[str, Any]) -> Response:
    """Redeem a voucher, once; the same id gives the same answer."""
    counter = counter_at(body.pop("shop_id"))
    answer = operations.redeem(keys=key_provider(), counter=counter, **body)
    return Response(answer, content_type=JSON)


@blueprint.route("/redemptions", methods=["GET"])
@allow(Role.CLERK)
@blueprint.arguments(schemas.RedemptionPage, location="query")
@blueprint.response(200, schemas.ShopRedemptions)
def list_redemptions(page: dict[str, Any]) -> dict[str, Any]:
    """What the clerk's shop redeemed today, the latest first."""
    counter = counter_at(page.pop("shop_id"))
    found = operations.list_redemptions_of_today(keys=key_provider(), counter=counter, **page)
    return {"redemptions": found}


@blueprint.route("/redemptions/annulments", methods=["POST"])
@allow(Role.CLERK)
@limits.per_caller("60/minute")
@blueprint.arguments(schemas.Annul)
@blueprint.response(200, schemas.AnnulAnswer)
@blueprint.refuses(404, 409)
def annul(body: dict[str, Any]) -> Response:
    """Take back a redemption of the clerk's merchant within 15 minutes."""
    counter = counter_at(body.pop("shop_id"))
    answer = annulments.annul(keys=key_provider(), counter=counter, **body)
    return Response(answer, content_type=JSON)


def _minted() -> operations.MintedPassCode:
    who = caller()
    return operations.mint_pass_code(
        keys=key_provider(), citizen_id=who.subject_id, session_id=who.session_id
    )


def _voucher_code(voucher_id: UUID) -> str:
    return vouchers.show_voucher_code(
        keys=key_provider(), citizen_id=caller().subject_id, voucher_id=voucher_id
    )
