"""The generic real-name service: checks the signature, the time and the nonce, then judges."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify, request

from wechat_integration.realname import CHECK_PATH
from wechat_integration.signed_calls import SignedParts, signature_of

if TYPE_CHECKING:
    from wechat_integration.sandbox.world import World


def realname_routes(world: World) -> Blueprint:
    """Return the one route of the real-name service."""
    routes = Blueprint("realname", __name__)

    @routes.post(CHECK_PATH)
    def check() -> tuple[Response, int]:
        with world.lock:
            refusal = refusal_code(world)
            return refused(refusal, 401) if refusal else _judged(world)

    return routes


def refusal_code(world: World) -> str:
    """Return why the request is not believed, or nothing; a nonce counts only once signed."""
    shown = request.headers
    if shown.get("x-key-id") != world.settings.realname_key_id:
        return "key_unknown"
    if not hmac.compare_digest(shown.get("x-signature", "").encode(), _expected(world).encode()):
        return "signature_invalid"
    timestamp = shown.get("x-timestamp", "")
    if not timestamp.isdecimal() or not world.nonces.in_window(int(timestamp)):
        return "timestamp_out_of_window"
    return "" if world.nonces.is_new(shown.get("x-nonce", "")) else "nonce_replayed"


def _expected(world: World) -> str:
    parts = SignedParts(
        method=request.method,
        path=request.path,
        timestamp=request.headers.get("x-timestamp", ""),
        nonce=request.headers.get("x-nonce", ""),
        body_sha256=hashlib.sha256(request.get_data()).hexdigest(),
    )
    return signature_of(key=world.settings.realname_key.encode(), parts=parts)


def _judged(world: World) -> tuple[Response, int]:
    asked = request.get_json(force=True, silent=True)
    name = asked.get("name") if isinstance(asked, dict) else None
    id_number = asked.get("id_number") if isinstance(asked, dict) else None
    if not isinstance(name, str) or not isinstance(id_number, str):
        return refused("request_invalid", 400)
    return jsonify({"code": "ok", "result": world.people.judge(name, id_number).value}), 200


def refused(code: str, status: int) -> tuple[Response, int]:
    """Return the answer that says why not."""
    return jsonify({"code": code}), status
