"""What must not leak: session keys anywhere at all; secrets and personal data in texts and logs."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable, Iterator

import pytest

from tests.wechat_integration.conftest import QUICK
from tests.wechat_integration.raw_server import json_answer, plain_answer, raw_server
from wechat_integration.client import MiniProgramClient
from wechat_integration.errors import RealNameError, WeChatError
from wechat_integration.realname import HttpRealNameProvider
from wechat_integration.sandbox.control import FaultKind, SandboxControl
from wechat_integration.sandbox.settings import DEMO_APP_ID

SESSION_KEY = "tiihtNczf5v6AKRyjwEUhQ=="
APP_SECRET = "canary-app-secret"
ACCESS_TOKEN = "canary-access-token"
CODE = "canary0code0a1b2c3d4e5f"
OPENID = "oCanaryOpenid"
PHONE = "13912345678"
NAME = "欧阳金丝雀"
ID_NUMBER = "110101199003077758"
TEXT = "canary-text-of-a-message"
CANARIES = [SESSION_KEY, APP_SECRET, ACCESS_TOKEN, CODE, OPENID, PHONE, NAME, ID_NUMBER, TEXT]
MakeClient = Callable[..., MiniProgramClient]


def session(openid: object) -> list[bytes]:
    return json_answer({"session_key": SESSION_KEY, "openid": openid})


@pytest.mark.parametrize(
    "answer",
    [
        session(5),
        session("bad openid"),
        plain_answer(b'{"session_key": "' + SESSION_KEY.encode() + b'", "openid": '),
        plain_answer(b'["' + SESSION_KEY.encode() + b'"]'),
        json_answer({"session_key": SESSION_KEY, "errcode": 40029}),
        json_answer({"session_key": SESSION_KEY, "errcode": "x"}),
        [b"HTTP/1.1 500 Oops\r\ncontent-length: 24\r\n\r\n" + SESSION_KEY.encode()],
    ],
)
def test_the_session_key_is_in_no_exception_with_all_its_frames_and_locals(
    make_client: MakeClient, answer: list[bytes]
) -> None:
    with raw_server(lambda _path: answer) as server, pytest.raises(WeChatError) as caught:
        make_client(base_url=server.base_url).exchange_code(code=CODE)
    assert caught.value.__context__ is None
    assert caught.tb.tb_next is not None  # the first frame is this test, which knows the key
    trace = traceback.StackSummary.extract(
        traceback.walk_tb(caught.tb.tb_next), capture_locals=True
    )
    shown = "".join(trace.format())
    assert "exchange_code" in shown
    assert CODE in shown  # locals are shown
    assert SESSION_KEY not in shown


def test_the_session_key_is_not_in_the_identity_nor_kept_in_the_client(
    make_client: MakeClient,
) -> None:
    with raw_server(lambda _path: session(OPENID)) as server:
        caller = make_client(base_url=server.base_url)
        identity = caller.exchange_code(code=CODE)
    assert identity.openid == OPENID
    assert set(identity.__slots__) == {"openid", "unionid"}
    assert repr(identity) == "WeChatIdentity()"
    assert SESSION_KEY not in _everything_in(caller)


def test_no_log_at_any_level_and_no_error_shows_a_secret_or_a_person(
    make_client: MakeClient,
    make_provider: Callable[..., HttpRealNameProvider],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    for answer in _ANSWERS:
        with raw_server(answer) as server:
            caller = make_client(
                base_url=server.base_url, app_secret=APP_SECRET, token_store=_Talkative()
            )
            shown += _texts_of_errors(caller)
            shown += _text_of_error(
                make_provider(base_url=server.base_url, limits=QUICK).check,
                name=NAME,
                id_number=ID_NUMBER,
            )
    text = "\n".join([*shown, caplog.text])
    assert "/sns/jscode2session" in caplog.text  # the HTTP client did log its calls
    assert [canary for canary in CANARIES if canary in text] == []


def test_the_whole_sandbox_round_shows_no_secret_either(
    client: MiniProgramClient, control: SandboxControl, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    code = control.issue_login_code(openid=OPENID)
    phone_code = control.issue_phone_code(phone=PHONE)
    client.exchange_code(code=code)
    client.phone_number(code=phone_code)
    control.add_fault(kind=FaultKind.DOWN)
    shown = _texts_of_errors(client)
    token = client._tokens._token  # noqa: SLF001
    assert token is not None
    text = "\n".join([*shown, repr(token), repr(client), caplog.text])
    secrets = [code, phone_code, token.text, client._app_secret, OPENID, PHONE]  # noqa: SLF001
    assert [secret for secret in secrets if secret in text] == []


class _Talkative:
    def get(self, key: str, /) -> str | None:
        raise RuntimeError(f"{key} {ACCESS_TOKEN}")

    def set(self, key: str, value: str, /, *, ttl_seconds: int) -> None:
        raise RuntimeError(f"{key} {value} {ttl_seconds}")


def _texts_of_errors(caller: MiniProgramClient) -> list[str]:
    message = {"openid": OPENID, "template_id": "T1", "page": None, "data": {"thing1": TEXT}}
    return [
        *_text_of_error(caller.exchange_code, code=CODE),
        *_text_of_error(caller.phone_number, code=CODE),
        *_text_of_error(caller.send_subscribe_message, **message),
    ]


def _text_of_error(call: Callable[..., object], **arguments: object) -> list[str]:
    try:
        call(**arguments)
    except (WeChatError, RealNameError) as failure:
        trace = "".join(traceback.format_exception(failure))
        return [repr(failure), repr(vars(failure)), repr(failure.__context__), trace]
    return []


def _everything_in(thing: object, seen: set[int] | None = None) -> str:
    """Return the texts of every attribute that can be reached inside the package's objects."""
    seen = set() if seen is None else seen
    if id(thing) in seen or not hasattr(thing, "__dict__"):
        return repr(thing)
    seen.add(id(thing))
    return " ".join(_everything_in(part, seen) for part in vars(thing).values())


def _token_then(body: object) -> Callable[[str], list[bytes]]:
    def answer(path: str) -> list[bytes]:
        if path == "/cgi-bin/stable_token":
            return json_answer({"access_token": ACCESS_TOKEN, "expires_in": 7200})
        return json_answer(body)

    return answer


def _cut_off(_path: str) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n" + SESSION_KEY.encode()


_PHONE_INFO = {"purePhoneNumber": PHONE, "countryCode": "1", "watermark": {"appid": DEMO_APP_ID}}
_QUOTED = f"{CODE} {APP_SECRET} {ACCESS_TOKEN} {OPENID} {PHONE} {NAME} {ID_NUMBER} {TEXT}"
_ANSWERS: list[Callable[[str], Iterable[bytes]]] = [
    _cut_off,
    lambda _path: plain_answer(_QUOTED.encode()),
    lambda _path: json_answer({"errcode": 40029, "errmsg": _QUOTED, "code": _QUOTED}),
    lambda _path: [b"HTTP/1.1 401 No\r\nconnection: close\r\n\r\n" + _QUOTED.encode()],
    _token_then({"errcode": 0, "session_key": SESSION_KEY, "phone_info": _PHONE_INFO}),
    _token_then({"errcode": 42001, "errmsg": _QUOTED}),
    _token_then({"errcode": 99999, "errmsg": _QUOTED, "result": _QUOTED}),
]
