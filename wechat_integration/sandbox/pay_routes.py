"""WeChat Pay's interfaces of Pay Score: signed both ways, refusals in its own words."""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from flask import Blueprint, Response, request

from wechat_integration.sandbox.pay_notices import notice_body, signed_headers
from wechat_integration.sandbox.pay_orders import PayOrder, PayRefusal

if TYPE_CHECKING:
    from wechat_integration.sandbox.world import World

SIGNED_WITHIN_SECONDS = 300
_AUTHORIZATION = re.compile(
    r'WECHATPAY2-SHA256-RSA2048 mchid="(?P<mchid>[^"]*)",nonce_str="(?P<nonce>[^"]*)",'
    r'signature="(?P<signature>[^"]*)",timestamp="(?P<stamp>[0-9]+)",serial_no="(?P<serial>[^"]*)"'
)
Answer = Callable[[], dict[str, Any] | None]


def pay_routes(world: World) -> Blueprint:
    """Return the routes that stand for api.mch.weixin.qq.com, and the remote control of users."""
    routes = Blueprint("pay", __name__)
    _add_orders(routes, world)
    _add_permissions(routes, world)
    _add_users(routes, world)
    return routes


def _add_orders(routes: Blueprint, world: World) -> None:
    base = "/v3/payscore/serviceorder"

    @routes.post(base)
    def create() -> Response:
        return answered(world, lambda: world.pay_orders.create(_asked()).made())

    @routes.get(base)
    def query() -> Response:
        number = request.args.get("out_order_no", "")
        return answered(world, lambda: world.pay_orders.find(number).document())

    @routes.post(f"{base}/<number>/<act>")
    def do(number: str, act: str) -> Response:
        orders, asked = world.pay_orders, _asked()
        acts: dict[str, Callable[[], PayOrder]] = {
            "cancel": lambda: orders.cancel(number),
            "complete": lambda: orders.complete(number, asked),
            "modify": lambda: orders.modify(number, asked),
            "pay": lambda: orders.require_payable(number),
            "sync": lambda: orders.take_payment(number),
        }
        return answered(world, lambda: acts[act]().document())


def _add_permissions(routes: Blueprint, world: World) -> None:
    base = "/v3/payscore/permissions"

    @routes.post(base)
    def apply() -> Response:
        token = {"apply_permissions_token": secrets.token_urlsafe(16)}
        return answered(world, lambda: token)

    @routes.get(f"{base}/openid/<openid>")
    def show(openid: str) -> Response:
        def state() -> dict[str, Any]:
            given = openid in world.pay_orders.permissions
            return {"authorization_state": "AVAILABLE" if given else "UNAVAILABLE"}

        return answered(world, state)

    @routes.post(f"{base}/authorization-code/<user>/terminate")
    @routes.post(f"{base}/openid/<user>/terminate")
    def end(user: str) -> Response:
        return answered(world, lambda: world.pay_orders.permissions.discard(user))


def _add_users(routes: Blueprint, world: World) -> None:
    """What users do in WeChat."""

    @routes.post("/sandbox/pay-score/permit")
    def permit() -> Response:
        with world.lock:
            world.pay_orders.permissions.add(_asked()["openid"])
        return Response("{}", content_type="application/json")

    @routes.post("/sandbox/pay-score/confirm")
    def confirm() -> Response:
        asked = _asked()
        with world.lock:
            order = world.pay_orders.confirm(asked["out_order_no"], asked["openid"])
        return _noticed(world, order, "PAYSCORE.USER_CONFIRM")

    @routes.post("/sandbox/pay-score/pay")
    def pay() -> Response:
        with world.lock:
            order = world.pay_orders.take_payment(_asked()["out_order_no"])
            world.pay_bills.book_payment(order)
        return _noticed(world, order, "PAYSCORE.USER_PAID")

    @routes.get("/sandbox/pay-score/orders")
    def orders() -> Response:
        with world.lock:
            told = {"orders": world.pay_orders.documents()}
        return Response(json.dumps(told), content_type="application/json")

    @routes.get("/sandbox/pay-score/notices")
    def notices() -> Response:
        world.pay_notices.wait()
        return Response(json.dumps(world.pay_notices.answers))


def _noticed(world: World, order: PayOrder, event_type: str) -> Response:
    keys = world.settings.pay_keys
    resource = order.document() | {"mchid": keys.merchant_id}
    body = notice_body(keys, event_type, resource)
    world.pay_notices.send(url=order.asked["notify_url"], body=body)
    return Response("{}", content_type="application/json")


def answered(world: World, answer: Answer) -> Response:
    """What the lock guards, signed by WeChat; refusals are not signed."""
    with world.lock:
        try:
            require_merchant(world)
            document = answer()
        except PayRefusal as refusal:
            return refused(refusal)
        body = "" if document is None else json.dumps(document, ensure_ascii=False)
        headers = signed_headers(world.settings.pay_keys, body, at_seconds=time.time())
    return Response(body, 200 if body else 204, headers, content_type="application/json")


def refused(refusal: PayRefusal) -> Response:
    """What Pay answers instead; nothing signs it."""
    told = {"code": refusal.code, "message": refusal.message}
    return Response(
        json.dumps(told, ensure_ascii=False), refusal.status, content_type="application/json"
    )


def require_merchant(world: World) -> None:
    """Refuse what the merchant has not signed, a while ago or twice."""
    keys = world.settings.pay_keys
    found = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
    if found is None or (found["mchid"], found["serial"]) != (
        keys.merchant_id, keys.certificate_serial,
    ):  # fmt: skip
        raise PayRefusal(401, "SIGN_ERROR", "签名信息有误")
    target = request.full_path.rstrip("?")
    text = "\n".join([
        request.method, target, found["stamp"], found["nonce"], request.get_data(as_text=True), "",
    ])  # fmt: skip
    age_seconds = abs(time.time() - int(found["stamp"]))  # callers go by the machine's clock
    try:
        keys.merchant_key.public_key().verify(
            base64.b64decode(found["signature"]), text.encode(), PKCS1v15(), SHA256()
        )
    except (InvalidSignature, ValueError):
        raise PayRefusal(401, "SIGN_ERROR", "签名错误") from None
    if age_seconds > SIGNED_WITHIN_SECONDS or found["nonce"] in world.pay_nonces:
        raise PayRefusal(401, "SIGN_ERROR", "签名已过期或重复")
    world.pay_nonces.add(found["nonce"])


def _asked() -> dict[str, Any]:
    document = request.get_json(force=True, silent=True)
    return document if isinstance(document, dict) else {}
