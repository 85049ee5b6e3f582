"""The calls to WeChat that the card makes: sign-in, phone number, subscribe message.

Every call is over within ``CallLimits.total_seconds`` (below 3 s), reads at most 1 MB, follows
no redirect and uses no proxy from the environment. A one-time code crosses the wire once: it is
sent again only when not a byte of it left, or when WeChat refused the access token, which it
checks before it looks at the code.
Sources: https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/ (code2Session,
getPhoneNumber, sendMessage).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

from wechat_integration.calls import Effect, WeChatAnswer, WeChatCaller
from wechat_integration.errors import (
    ERRCODES_TOKEN_INVALID,
    WeChatAnswerInvalid,
    WeChatCodeInvalid,
    WeChatPhoneNotMainland,
    raise_for_errcode,
)
from wechat_integration.network import Deadline
from wechat_integration.tokens import StableTokenSource, TokenStore
from wechat_integration.transport import DEFAULT_LIMITS, BoundedHttp, CallLimits, HttpCall

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

WECHAT_API_URL = "https://api.weixin.qq.com"
MAX_CODE_CHARS = 256
MAX_MESSAGE_BYTES = 16_384
_OPEN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAINLAND_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_MAINLAND_COUNTRY_CODE = "86"
_NO_FIELDS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class WeChatIdentity:
    """Who signed in: ``openid`` in this mini program, ``unionid`` across a platform's programs.

    WeChat gives a unionid only to programs bound to an open platform. Neither shows in ``repr``.
    """

    openid: str = field(repr=False)
    unionid: str | None = field(repr=False)


class MiniProgramClient:
    """One mini program's view of WeChat; make one per process and share it between threads."""

    def __init__(
        self,
        *,
        app_id: str,
        app_secret: str,
        base_url: str = WECHAT_API_URL,
        limits: CallLimits = DEFAULT_LIMITS,
        token_store: TokenStore | None = None,
        miniprogram_state: Literal["developer", "trial", "formal"] = "formal",
        ssl_context: ssl.SSLContext | None = None,
        allow_plain_http: bool = False,
    ) -> None:
        """Prepare the client without any request.

        ``miniprogram_state`` is the version of the program that a message opens. The last two
        are explained at BoundedHttp. Raises ValueError when ``base_url`` is not safe.
        """
        self._app_id = app_id
        self._app_secret = app_secret
        self._limits = limits
        self._miniprogram_state = miniprogram_state
        self._http = BoundedHttp(
            base_url=base_url,
            limits=limits,
            ssl_context=ssl_context,
            allow_plain_http=allow_plain_http,
        )
        self._caller = WeChatCaller(http=self._http)
        self._tokens = StableTokenSource(
            app_id=app_id, app_secret=app_secret, caller=self._caller, store=token_store
        )

    def exchange_code(self, *, code: str) -> WeChatIdentity:
        """Exchange the code of ``wx.login`` (one use, five minutes) for the user's identity.

        The session key in WeChat's answer is dropped where the answer is decoded. Raises
        WeChatCodeInvalid, WeChatCodeUsed, WeChatRateLimited, WeChatUserBlocked, WeChatRefused,
        WeChatUnavailable or WeChatAnswerInvalid. After the last two the program should call
        ``wx.login`` again: the old code may be spent.
        """
        _require_code(code)
        answer = self._caller.ask(
            call=self._session_call(code),
            effect=Effect.SPENT_CODE,
            keep=frozenset({"openid", "unionid"}),
            deadline=self._deadline(),
        )
        raise_for_errcode(answer.errcode)
        return _identity(answer.fields)

    def phone_number(self, *, code: str) -> str:
        """Exchange the code of the phone-number button for eleven digits, without ``+86``.

        Raises WeChatCodeInvalid (WeChat says 40029 for a used one too), WeChatPhoneNotMainland,
        WeChatTokenInvalid or what ``exchange_code`` raises.
        """
        _require_code(code)
        answer = self._ask_with_token(
            path="/wxa/business/getuserphonenumber",
            body=_json_bytes({"code": code}),
            effect=Effect.SPENT_CODE,
            keep=frozenset({"phone_info"}),
        )
        raise_for_errcode(answer.errcode)
        return _mainland_number(answer.fields.get("phone_info"), app_id=self._app_id)

    def send_subscribe_message(
        self, *, openid: str, template_id: str, page: str | None, data: Mapping[str, str]
    ) -> None:
        """Send one message of a template the user accepted; ``data`` maps its keys to texts.

        ``page`` is what a tap opens (no leading slash), or None. Raises WeChatRefused (43101 the
        user did not accept or the accept is spent, 40003 openid, 40037 template, 47003 data),
        WeChatTokenInvalid, WeChatRateLimited, WeChatUnavailable or WeChatAnswerInvalid; where
        the last two say ``outcome_unknown`` the message may have been delivered. Raises
        ValueError for a message above 16 KiB.
        """
        message: dict[str, object] = {
            "touser": openid,
            "template_id": template_id,
            "data": {key: {"value": text} for key, text in data.items()},
            "miniprogram_state": self._miniprogram_state,
            "lang": "zh_CN",
        }
        answer = self._ask_with_token(
            path="/cgi-bin/message/subscribe/send",
            body=_message_bytes(message if page is None else {**message, "page": page}),
            effect=Effect.MESSAGE,
            keep=_NO_FIELDS,
        )
        raise_for_errcode(answer.errcode)

    def close(self) -> None:
        """Close all connections; the client is of no use afterwards."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _deadline(self) -> Deadline:
        return Deadline.after(seconds=self._limits.total_seconds)

    def _session_call(self, code: str) -> HttpCall:
        return HttpCall(
            method="GET",
            path="/sns/jscode2session",
            sealed_query={
                "appid": self._app_id,
                "secret": self._app_secret,
                "js_code": code,
                "grant_type": "authorization_code",
            },
        )

    def _ask_with_token(
        self, *, path: str, body: bytes, effect: Effect, keep: frozenset[str]
    ) -> WeChatAnswer:
        """Ask; when the token is refused ask once more with another one, and never again."""
        deadline = self._deadline()

        def ask(token: str) -> WeChatAnswer:
            call = _authorised_call(path, token, body)
            return self._caller.ask(call=call, effect=effect, keep=keep, deadline=deadline)

        return self._ask_renewing(ask, deadline)

    def _ask_renewing(self, ask: Callable[[str], WeChatAnswer], deadline: Deadline) -> WeChatAnswer:
        token = self._tokens.current(deadline=deadline)
        answer = ask(token)
        if answer.errcode not in ERRCODES_TOKEN_INVALID:
            return answer
        other = self._tokens.replace(rejected=token, deadline=deadline)
        return answer if other == token else ask(other)


def _authorised_call(path: str, token: str, body: bytes) -> HttpCall:
    return HttpCall(
        method="POST",
        path=path,
        sealed_query={"access_token": token},
        headers={"content-type": "application/json"},
        body=body,
    )


def _require_code(code: str) -> None:
    """Refuse what cannot be a code before it costs a request."""
    plain = code.isascii() and code.isprintable() and " " not in code
    if not (plain and 0 < len(code) <= MAX_CODE_CHARS):
        raise WeChatCodeInvalid


def _identity(fields: Mapping[str, object]) -> WeChatIdentity:
    openid, unionid = fields.get("openid"), fields.get("unionid")
    if not isinstance(openid, str) or _OPEN_ID.fullmatch(openid) is None:
        raise WeChatAnswerInvalid(reason="openid")
    if unionid is None or unionid == "":
        return WeChatIdentity(openid=openid, unionid=None)
    if not isinstance(unionid, str) or _OPEN_ID.fullmatch(unionid) is None:
        raise WeChatAnswerInvalid(reason="unionid")
    return WeChatIdentity(openid=openid, unionid=unionid)


def _mainland_number(info: object, *, app_id: str) -> str:
    if not isinstance(info, dict) or not _is_ours(info.get("watermark"), app_id):
        raise WeChatAnswerInvalid(reason="phone_info")
    number, country_code = info.get("purePhoneNumber"), info.get("countryCode")
    if not isinstance(number, str) or type(country_code) not in {str, int}:
        raise WeChatAnswerInvalid(reason="phone_info")
    mainland = str(country_code) == _MAINLAND_COUNTRY_CODE
    if not mainland or _MAINLAND_MOBILE.fullmatch(number) is None:
        raise WeChatPhoneNotMainland
    return number


def _is_ours(watermark: object, app_id: str) -> bool:
    """Tell whether the answer was made for this mini program."""
    return isinstance(watermark, dict) and watermark.get("appid") == app_id


def _message_bytes(message: Mapping[str, object]) -> bytes:
    body = _json_bytes(message)
    if len(body) > MAX_MESSAGE_BYTES:
        raise ValueError("a message is at most 16 KiB")
    return body


def _json_bytes(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode(errors="replace")
