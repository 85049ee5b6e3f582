"""The generic SMS service: checks the signature as the real-name service does, then delivers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify, request

from wechat_integration.sandbox.realname_routes import refusal_code, refused
from wechat_integration.sms import SEND_PATH

if TYPE_CHECKING:
    from wechat_integration.sandbox.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class SentPin:
    """A message as the phone shows it."""

    message_id: str
    phone: str
    pin: str


def sms_routes(world: World) -> Blueprint:
    """Return the one route of the SMS service."""
    routes = Blueprint("sms", __name__)

    @routes.post(SEND_PATH)
    def send() -> tuple[Response, int]:
        with world.lock:
            refusal = refusal_code(world)
            return refused(refusal, 401) if refusal else _delivered(world)

    return routes


def _delivered(world: World) -> tuple[Response, int]:
    asked = request.get_json(force=True, silent=True)
    texts = asked if isinstance(asked, dict) else {}
    if set(texts) != {"message_id", "phone", "pin"} or not all(
        isinstance(text, str) for text in texts.values()
    ):
        return refused("request_invalid", 400)
    if texts["phone"] in world.blocked:
        return refused("number_blocked", 400)
    if all(one.message_id != texts["message_id"] for one in world.pins):
        world.pins.append(SentPin(**texts))
    return jsonify({"code": "ok"}), 200
