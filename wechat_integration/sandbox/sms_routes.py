"""The generic SMS service: checks the signature as the real-name service does, then delivers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypeVar

from flask import Blueprint, Response, jsonify, request

from wechat_integration.sandbox.realname_routes import refusal_code, refused
from wechat_integration.sms import NOTICE_PATH, SEND_PATH

if TYPE_CHECKING:
    from wechat_integration.sandbox.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class SentPin:
    """A message as the phone shows it."""

    message_id: str
    phone: str
    pin: str


Sent = TypeVar("Sent", "SentPin", "SentNotice")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentNotice:
    """A notice as the phone shows it."""

    message_id: str
    phone: str
    what: str


def sms_routes(world: World) -> Blueprint:
    """Return the two routes of the SMS service."""
    routes = Blueprint("sms", __name__)

    @routes.post(SEND_PATH)
    def send_pin() -> tuple[Response, int]:
        with world.lock:
            refusal = refusal_code(world)
            return refused(refusal, 401) if refusal else _delivered(world, SentPin, world.pins)

    @routes.post(NOTICE_PATH)
    def send_notice() -> tuple[Response, int]:
        with world.lock:
            refusal = refusal_code(world)
            return refused(refusal, 401) if refusal else _delivered(
                world, SentNotice, world.notices
            )

    return routes


def _delivered(
    world: World, kind: type[Sent], delivered: list[Sent]
) -> tuple[Response, int]:
    asked = request.get_json(force=True, silent=True)
    texts = asked if isinstance(asked, dict) else {}
    if set(texts) != {one.name for one in fields(kind)} or not all(
        isinstance(text, str) for text in texts.values()
    ):
        return refused("request_invalid", 400)
    if texts["phone"] in world.blocked:
        return refused("number_blocked", 400)
    if all(one.message_id != texts["message_id"] for one in delivered):
        delivered.append(kind(**texts))
    return jsonify({"code": "ok"}), 200
