from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import httpx
import pytest

from tests.wechat_integration.conftest import QUICK
from wechat_integration.client import MiniProgramClient
from wechat_integration.errors import (
    WeChatCodeInvalid,
    WeChatCodeUsed,
    WeChatRateLimited,
    WeChatRefused,
    WeChatUnavailable,
    WeChatUserBlocked,
)
from wechat_integration.sandbox.control import FaultKind, SandboxControl
from wechat_integration.sandbox.server import SandboxServer
from wechat_integration.sandbox.settings import SandboxSettings

PATH = "/sns/jscode2session"
OPENID = "oA1b2C3d4E5f6G7h8I9j0K1l2M3n"


def test_a_code_gives_the_users_identity(
    client: MiniProgramClient, control: SandboxControl
) -> None:
    identity = client.exchange_code(code=control.issue_login_code(openid=OPENID))
    assert (identity.openid, identity.unionid) == (OPENID, None)


def test_a_program_bound_to_a_platform_gets_the_unionid(
    client: MiniProgramClient, control: SandboxControl
) -> None:
    code = control.issue_login_code(openid=OPENID, unionid="oUnion_1")
    assert client.exchange_code(code=code).unionid == "oUnion_1"


def test_the_answer_is_read_although_it_calls_itself_plain_text(
    base_url: str, settings: SandboxSettings, control: SandboxControl
) -> None:
    query = {
        "appid": settings.app_id,
        "secret": settings.app_secret,
        "js_code": control.issue_login_code(openid=OPENID),
        "grant_type": "authorization_code",
    }
    answer = httpx.get(f"{base_url}{PATH}", params=query, trust_env=False)
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.json()["session_key"]


def test_an_unknown_code_is_invalid(client: MiniProgramClient) -> None:
    with pytest.raises(WeChatCodeInvalid) as caught:
        client.exchange_code(code="0a1b2c3d4e5f")
    assert caught.value.errcode == 40029


@pytest.mark.parametrize("code", ["", "with space", "line\nbreak", "验证码", "x" * 257])
def test_what_cannot_be_a_code_costs_no_request(
    client: MiniProgramClient, control: SandboxControl, code: str
) -> None:
    with pytest.raises(WeChatCodeInvalid):
        client.exchange_code(code=code)
    with pytest.raises(WeChatCodeInvalid):
        client.phone_number(code=code)
    assert control.count_calls(path=PATH) == 0
    assert control.count_calls(path="/cgi-bin/stable_token") == 0


def test_a_code_lives_five_minutes(client: MiniProgramClient, control: SandboxControl) -> None:
    early = control.issue_login_code(openid=OPENID)
    late = control.issue_login_code(openid=OPENID)
    control.advance_clock(seconds=295)
    assert client.exchange_code(code=early).openid == OPENID
    control.advance_clock(seconds=10)
    with pytest.raises(WeChatCodeInvalid):
        client.exchange_code(code=late)


def test_a_code_works_once(client: MiniProgramClient, control: SandboxControl) -> None:
    code = control.issue_login_code(openid=OPENID)
    client.exchange_code(code=code)
    with pytest.raises(WeChatCodeUsed) as caught:
        client.exchange_code(code=code)
    assert caught.value.errcode == 40163


def test_a_high_risk_user_is_blocked(client: MiniProgramClient, control: SandboxControl) -> None:
    control.block_user(openid=OPENID)
    with pytest.raises(WeChatUserBlocked) as caught:
        client.exchange_code(code=control.issue_login_code(openid=OPENID))
    assert caught.value.errcode == 40226


def test_the_101st_sign_in_of_a_minute_is_limited(
    client: MiniProgramClient, control: SandboxControl
) -> None:
    for _ in range(100):
        client.exchange_code(code=control.issue_login_code(openid=OPENID))
    with pytest.raises(WeChatRateLimited) as caught:
        client.exchange_code(code=control.issue_login_code(openid=OPENID))
    assert (caught.value.errcode, caught.value.retry_after_seconds) == (45011, 60)
    assert client.exchange_code(code=control.issue_login_code(openid="oSomebodyElse"))
    control.advance_clock(seconds=61)
    assert client.exchange_code(code=control.issue_login_code(openid=OPENID))


@pytest.mark.parametrize(
    ("wrong", "errcode"), [({"app_id": "wx1"}, 40013), ({"app_secret": "guess"}, 40125)]
)
def test_wrong_credentials_are_refused(
    make_client: Callable[..., MiniProgramClient],
    control: SandboxControl,
    wrong: dict[str, str],
    errcode: int,
) -> None:
    with pytest.raises(WeChatRefused) as caught:
        make_client(**wrong).exchange_code(code=control.issue_login_code(openid=OPENID))
    assert caught.value.errcode == errcode


@pytest.mark.parametrize("kind", [FaultKind.BUSY, FaultKind.DOWN, FaultKind.HANG])
def test_a_code_that_may_be_spent_is_never_sent_again(
    quick_client: MiniProgramClient, control: SandboxControl, kind: FaultKind
) -> None:
    code = control.issue_login_code(openid=OPENID)
    control.add_fault(kind=kind, path=PATH, seconds=1.5)
    with pytest.raises(WeChatUnavailable) as caught:
        quick_client.exchange_code(code=code)
    assert caught.value.outcome_unknown
    assert control.count_calls(path=PATH) == 1


def test_a_code_whose_answer_was_lost_is_spent(
    client: MiniProgramClient, control: SandboxControl
) -> None:
    code = control.issue_login_code(openid=OPENID)
    control.add_fault(kind=FaultKind.DOWN, path=PATH, requests=1, takes_effect=True)
    with pytest.raises(WeChatUnavailable):
        client.exchange_code(code=code)
    with pytest.raises(WeChatCodeUsed):
        client.exchange_code(code=code)


def test_an_outage_says_when_to_come_back(
    client: MiniProgramClient, control: SandboxControl
) -> None:
    control.add_fault(kind=FaultKind.UNAVAILABLE, path=PATH)
    with pytest.raises(WeChatUnavailable) as caught:
        client.exchange_code(code=control.issue_login_code(openid=OPENID))
    assert (caught.value.reason, caught.value.retry_after_seconds) == ("http_503", 7)


def test_a_refused_connection_is_tried_three_times_and_leaves_the_code_unused(
    make_client: Callable[..., MiniProgramClient],
) -> None:
    nobody = make_client(base_url=f"http://127.0.0.1:{_free_port()}")
    started = time.monotonic()
    with pytest.raises(WeChatUnavailable) as caught:
        nobody.exchange_code(code="0a1b2c3d4e5f")
    assert 0.4 <= time.monotonic() - started <= 1.5
    assert (caught.value.reason, caught.value.outcome_unknown) == ("connect_failed", False)
    assert caught.value.retry_after_seconds == 3


def test_a_server_that_comes_up_in_between_gets_the_code(
    make_client: Callable[..., MiniProgramClient], settings: SandboxSettings
) -> None:
    port = _free_port()
    caller = make_client(base_url=f"http://127.0.0.1:{port}")
    answers: list[type[Exception]] = []

    def call() -> None:
        try:
            caller.exchange_code(code="0a1b2c3d4e5f")
        except WeChatCodeInvalid as reached:
            answers.append(type(reached))

    waiting = threading.Thread(target=call)
    waiting.start()
    time.sleep(0.2)
    with SandboxServer(settings=settings, port=port):
        waiting.join()
    assert answers == [WeChatCodeInvalid]


def test_one_slow_service_cannot_hold_every_thread(
    make_client: Callable[..., MiniProgramClient], control: SandboxControl
) -> None:
    narrow = make_client(limits=type(QUICK)(connections=1, read_seconds=0.7, total_seconds=0.8))
    control.add_fault(kind=FaultKind.HANG, path=PATH, seconds=2.0)
    first = threading.Thread(target=_fail_to_sign_in, args=(narrow,))
    first.start()
    time.sleep(0.1)
    started = time.monotonic()
    with pytest.raises(WeChatUnavailable) as caught:
        narrow.exchange_code(code="0a1b2c3d4e5f")
    assert time.monotonic() - started < 0.6
    assert (caught.value.reason, caught.value.outcome_unknown) == ("too_many_calls", False)
    first.join()


def _fail_to_sign_in(caller: MiniProgramClient) -> None:
    with pytest.raises(WeChatUnavailable):
        caller.exchange_code(code="0a1b2c3d4e5f")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
