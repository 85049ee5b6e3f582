"""The routes under /sandbox/ by which a demo or a test plays users, people and faults."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify, request

from wechat_integration.sandbox.codes import LoginUser, PhoneOwner
from wechat_integration.sandbox.faults import Fault, FaultKind

if TYPE_CHECKING:
    from wechat_integration.sandbox.world import World


class ControlRefused(Exception):
    """A control request does not fit; the message says which field."""


def control_routes(world: World) -> Blueprint:
    """Return all control routes."""
    routes = Blueprint("control", __name__, url_prefix="/sandbox")
    routes.register_error_handler(ControlRefused, _refused)
    _add_user_routes(routes, world)
    _add_message_routes(routes, world)
    _add_steering_routes(routes, world)
    return routes


def _add_user_routes(routes: Blueprint, world: World) -> None:
    @routes.post("/login-codes")
    def issue_login_code() -> Response:
        user = LoginUser(_text("openid"), _optional_text("unionid"))
        with world.lock:
            world.inbox.meet(user.openid)
            return jsonify(code=world.login_codes.issue(user))

    @routes.post("/phone-codes")
    def issue_phone_code() -> Response:
        owner = PhoneOwner(_text("phone"), _optional_text("country_code") or "86")
        with world.lock:
            return jsonify(code=world.phone_codes.issue(owner))

    @routes.post("/blocked-users")
    def block_user() -> Response:
        openid = _text("openid")
        with world.lock:
            world.blocked.add(openid)
        return jsonify(ok=True)

    @routes.post("/people")
    def register_person() -> Response:
        name, id_number = _text("name"), _text("id_number")
        with world.lock:
            world.people.register(name, id_number)
        return jsonify(ok=True)


def _add_message_routes(routes: Blueprint, world: World) -> None:
    @routes.post("/accepts")
    def grant_accepts() -> Response:
        openid, template_id, count = _text("openid"), _text("template_id"), _number("count", 1)
        with world.lock:
            world.inbox.accept(openid, template_id, int(count))
        return jsonify(ok=True)

    @routes.get("/messages")
    def sent_messages() -> Response:
        with world.lock:
            return jsonify(messages=[asdict(message) for message in world.inbox.sent])

    @routes.get("/pins")
    def sent_pins() -> Response:
        with world.lock:
            return jsonify(pins=[asdict(pin) for pin in world.pins])

    @routes.get("/sms-notices")
    def sent_sms_notices() -> Response:
        with world.lock:
            return jsonify(notices=[asdict(notice) for notice in world.notices])


def _add_steering_routes(routes: Blueprint, world: World) -> None:
    @routes.post("/faults")
    def add_fault() -> Response:
        world.faults.add(_fault())
        return jsonify(ok=True)

    @routes.delete("/faults")
    def clear_faults() -> Response:
        world.faults.clear()
        return jsonify(ok=True)

    @routes.post("/clock")
    def advance_clock() -> Response:
        seconds = _number("seconds", 0)
        with world.lock:
            world.clock.advance(seconds=seconds)
            return jsonify(now_seconds=world.clock.now_seconds())

    @routes.delete("/access-tokens")
    def revoke_tokens() -> Response:
        with world.lock:
            world.tokens.revoke()
        return jsonify(ok=True)

    @routes.get("/calls")
    def count_calls() -> Response:
        with world.lock:
            return jsonify(calls=dict(world.calls))

    @routes.post("/reset")
    def reset() -> Response:
        with world.lock:
            world.reset()
        return jsonify(ok=True)


def _fault() -> Fault:
    kinds = {kind.value: kind for kind in FaultKind}
    kind = kinds.get(_text("kind"))
    if kind is None:
        raise ControlRefused("kind")
    limited = "requests" in _body()
    return Fault(
        kind=kind,
        path=_optional_text("path"),
        requests=int(_number("requests", 1)) if limited else None,
        seconds=_number("seconds", 0),
        takes_effect=_body().get("takes_effect") is True,
    )


def _refused(refusal: ControlRefused) -> tuple[Response, int]:
    return jsonify(error=f"{refusal} is missing or does not fit"), 400


def _body() -> dict[str, object]:
    document = request.get_json(force=True, silent=True)
    return document if isinstance(document, dict) else {}


def _text(name: str) -> str:
    value = _body().get(name)
    if not isinstance(value, str) or not value:
        raise ControlRefused(name)
    return value


def _optional_text(name: str) -> str | None:
    return _text(name) if _body().get(name) is not None else None


def _number(name: str, default: float) -> float:
    value = _body().get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ControlRefused(name)
    return value
