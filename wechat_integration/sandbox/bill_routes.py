"""WeChat Pay's bills: announced in a signed answer, fetched as a file that nothing signs."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request

from wechat_integration.sandbox.pay_orders import PayRefusal
from wechat_integration.sandbox.pay_routes import answered, refused, require_merchant

if TYPE_CHECKING:
    from wechat_integration.sandbox.world import World


def bill_routes(world: World) -> Blueprint:
    """Return the routes of bills, and the one by which a test gives money back."""
    routes = Blueprint("bills", __name__)

    @routes.get("/v3/bill/tradebill")
    def announce() -> Response:
        return answered(world, lambda: _announced(world))

    @routes.get("/v3/billdownload/file")
    def download() -> Response:
        with world.lock:
            try:
                require_merchant(world)
                content = world.pay_bills.open(request.args.get("token", ""))
            except PayRefusal as refusal:
                return refused(refusal)
        return Response(content, content_type="application/octet-stream")

    @routes.post("/sandbox/pay-score/refund")
    def refund() -> Response:
        asked = request.get_json()
        with world.lock:
            order = world.pay_orders.find(asked["out_order_no"])
            world.pay_bills.book_refund(order, asked["amount_fen"])
        return Response("{}", content_type="application/json")

    return routes


def _announced(world: World) -> dict[str, Any]:
    try:
        on = date.fromisoformat(request.args.get("bill_date", ""))
    except ValueError:
        raise PayRefusal(400, "PARAM_ERROR", "账单日期格式错误") from None
    made = world.pay_bills.make(on=on, packed=request.args.get("tar_type") == "GZIP")
    return {
        "hash_type": "SHA1", "hash_value": made.sha1,
        "download_url": f"{request.host_url}v3/billdownload/file?token={made.token}",
    }
