"""The four WeChat interfaces, with their checks in WeChat's order and HTTP 200 throughout."""

from __future__ import annotations

import hmac
import json
import secrets
from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from wechat_integration.sandbox.access_tokens import AccessToken
from wechat_integration.sandbox.codes import LoginUser, PhoneOwner, Refusal
from wechat_integration.sandbox.inbox import ERRCODE_DATA, SentMessage, message_data

if TYPE_CHECKING:
    from wechat_integration.sandbox.world import World

_ERRMSG = {
    -1: "system error",
    0: "ok",
    40001: "invalid credential, access_token is invalid or not latest",
    40002: "invalid grant_type",
    40003: "invalid openid",
    40013: "invalid appid",
    40014: "invalid access_token",
    40029: "invalid code",
    40037: "invalid template_id",
    40125: "invalid appsecret",
    40163: "code been used",
    40226: "code blocked",
    41001: "access_token missing",
    41008: "missing code",
    42001: "access_token expired",
    43101: "user refuse to accept the msg",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit, must slower, retry next minute",
    47001: "data format error",
    47003: "argument invalid!",
}
_JSON = "application/json; encoding=utf-8"
_TEXT = "text/plain"


def wechat_routes(world: World) -> Blueprint:
    """Return the routes that stand for api.weixin.qq.com."""
    routes = Blueprint("wechat", __name__)

    @routes.get("/sns/jscode2session")
    def exchange_code() -> Response:
        with world.lock:
            return _session(world)

    @routes.post("/cgi-bin/stable_token")
    def stable_token() -> Response:
        with world.lock:
            return _token(world)

    @routes.post("/wxa/business/getuserphonenumber")
    def phone_number() -> Response:
        with world.lock:
            return _phone(world)

    @routes.post("/cgi-bin/message/subscribe/send")
    def send_message() -> Response:
        with world.lock:
            return _message(world)

    return routes


def _session(world: World) -> Response:
    asked = request.args
    errcode = _credentials_errcode(
        world,
        asked.get("appid"),
        asked.get("secret"),
        asked.get("grant_type"),
        "authorization_code",
    )
    code = asked.get("js_code", "")
    if errcode == 0 and not code:
        errcode = 41008
    if errcode:
        return _refusal(errcode, _TEXT)
    user = world.login_codes.holder_of(code)
    if isinstance(user, Refusal):
        return _refusal(40163 if user is Refusal.USED else 40029, _TEXT)
    return _signed_in(world, code, user)


def _signed_in(world: World, code: str, user: LoginUser) -> Response:
    if not world.login_rate.allows(user.openid):
        return _refusal(45011, _TEXT)
    world.login_codes.use(code)
    if user.openid in world.blocked:
        return _refusal(40226, _TEXT)
    session: dict[str, object] = {
        "session_key": secrets.token_urlsafe(18),
        "openid": user.openid,
    }
    if user.unionid is not None:
        session["unionid"] = user.unionid
    return _answer(session, _TEXT)


def _token(world: World) -> Response:
    asked = _json_object()
    errcode = _credentials_errcode(
        world,
        asked.get("appid"),
        asked.get("secret"),
        asked.get("grant_type"),
        "client_credential",
    )
    if errcode:
        return _refusal(errcode)
    token = world.tokens.forced() if asked.get("force_refresh") is True else world.tokens.normal()
    return _refusal(45009) if token is None else _token_answer(world, token)


def _token_answer(world: World, token: AccessToken) -> Response:
    return _answer(
        {"access_token": token.text, "expires_in": world.tokens.left_seconds(token)}, _JSON
    )


def _phone(world: World) -> Response:
    errcode = world.tokens.errcode_of(request.args.get("access_token", ""))
    if errcode:
        return _refusal(errcode)
    code = _json_object().get("code")
    owner = world.phone_codes.holder_of(code if isinstance(code, str) else "")
    if isinstance(owner, Refusal) or not isinstance(code, str):
        return _refusal(40029)  # WeChat gives the same number for unknown, expired and used
    world.phone_codes.use(code)
    return _answer({"errcode": 0, "errmsg": "ok", "phone_info": _phone_info(world, owner)}, _JSON)


def _phone_info(world: World, owner: PhoneOwner) -> dict[str, object]:
    abroad = "" if owner.country_code == "86" else f"+{owner.country_code}"
    stamp = {"timestamp": int(world.clock.now_seconds()), "appid": world.settings.app_id}
    return {
        "phoneNumber": f"{abroad}{owner.number}",
        "purePhoneNumber": owner.number,
        "countryCode": owner.country_code,
        "watermark": stamp,
    }


def _message(world: World) -> Response:
    errcode = world.tokens.errcode_of(request.args.get("access_token", ""))
    if errcode:
        return _refusal(errcode)
    asked = _json_object()
    data = message_data(asked.get("data"))
    if data is None:
        return _refusal(ERRCODE_DATA)
    errcode = world.inbox.send(_sent_message(world, asked, data))
    return _refusal(errcode) if errcode else _answer({"errcode": 0, "errmsg": "ok"}, _JSON)


def _sent_message(world: World, asked: dict[str, object], data: dict[str, str]) -> SentMessage:
    page = asked.get("page")
    return SentMessage(
        openid=str(asked.get("touser", "")),
        template_id=str(asked.get("template_id", "")),
        page=page if isinstance(page, str) else None,
        data=data,
        sent_at_seconds=world.clock.now_seconds(),
    )


def _credentials_errcode(
    world: World, app_id: object, app_secret: object, grant: object, expected_grant: str
) -> int:
    if grant != expected_grant:
        return 40002
    if app_id != world.settings.app_id:
        return 40013
    return 0 if _same_text(app_secret, world.settings.app_secret) else 40125


def _same_text(shown: object, kept: str) -> bool:
    return isinstance(shown, str) and hmac.compare_digest(shown.encode(), kept.encode())


def _json_object() -> dict[str, object]:
    document = request.get_json(force=True, silent=True)
    return document if isinstance(document, dict) else {}


def _refusal(errcode: int, content_type: str = _JSON) -> Response:
    request_id = secrets.token_hex(8)
    text = f"{_ERRMSG.get(errcode, 'refused')} rid: {request_id}"
    return _answer({"errcode": errcode, "errmsg": text}, content_type)


def _answer(document: dict[str, object], content_type: str) -> Response:
    return Response(json.dumps(document, ensure_ascii=False), content_type=content_type)
