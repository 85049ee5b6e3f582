"""The sandbox keeps WeChat's rules, and runs and stops as a program."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from wechat_integration.client import MiniProgramClient
from wechat_integration.sandbox.control import FaultKind, SandboxControl
from wechat_integration.sandbox.settings import SandboxSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def http(base_url: str, control: SandboxControl) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, timeout=5, trust_env=False) as caller:
        yield caller


def test_normal_mode_keeps_the_token_until_its_last_five_minutes(
    http: httpx.Client, settings: SandboxSettings, control: SandboxControl
) -> None:
    first = _token(http, settings)
    control.advance_clock(seconds=6_000)
    assert _token(http, settings) == first
    control.advance_clock(seconds=905)
    second = _token(http, settings)
    assert second != first
    assert [_errcode_with(http, token) for token in (first, second)] == [40029, 40029]
    control.advance_clock(seconds=300)
    assert [_errcode_with(http, token) for token in (first, second)] == [42001, 40029]


def test_forced_renewal_ends_the_old_token_at_most_every_30_seconds(
    http: httpx.Client, settings: SandboxSettings, control: SandboxControl
) -> None:
    first = _token(http, settings)
    second = _token(http, settings, force=True)
    assert second != first
    assert _errcode_with(http, first) == 40001
    assert _token(http, settings, force=True) == second
    control.advance_clock(seconds=31)
    assert _token(http, settings, force=True) != second


def test_forced_renewal_works_20_times_a_day(
    http: httpx.Client, settings: SandboxSettings, control: SandboxControl
) -> None:
    for _ in range(20):
        assert _token(http, settings, force=True)
        control.advance_clock(seconds=31)
    assert _ask_token(http, settings, force=True)["errcode"] == 45009
    control.advance_clock(seconds=86_400)
    assert _token(http, settings, force=True)


def test_a_missing_or_malformed_token_has_its_own_number(http: httpx.Client) -> None:
    assert _errcode_with(http, "") == 41001
    assert _errcode_with(http, "short") == 40014
    assert _errcode_with(http, "x" * 512) == 40001


def test_a_missing_code_or_grant_has_its_own_number(
    http: httpx.Client, settings: SandboxSettings
) -> None:
    right = {"appid": settings.app_id, "secret": settings.app_secret}
    grant = {"grant_type": "authorization_code"}
    answers = [http.get("/sns/jscode2session", params=query) for query in (right, right | grant)]
    assert [answer.json()["errcode"] for answer in answers] == [40002, 41008]
    assert [answer.status_code for answer in answers] == [200, 200]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/sandbox/login-codes", {}),
        ("/sandbox/login-codes", {"openid": 5}),
        ("/sandbox/faults", {"kind": "earthquake"}),
        ("/sandbox/clock", {"seconds": "1"}),
        ("/sandbox/people", {"name": "张三"}),
    ],
)
def test_a_control_request_that_does_not_fit_says_so(
    http: httpx.Client, path: str, body: dict[str, object]
) -> None:
    answer = http.post(path, json=body)
    assert answer.status_code == 400
    assert "does not fit" in answer.json()["error"]


def test_reset_forgets_everything(client: MiniProgramClient, control: SandboxControl) -> None:
    control.grant_accepts(openid="o1", template_id="T1")
    client.send_subscribe_message(openid="o1", template_id="T1", page=None, data={"thing1": "好"})
    control.add_fault(kind=FaultKind.DOWN)
    control.reset()
    assert control.sent_messages() == []
    assert control.count_calls(path="/cgi-bin/stable_token") == 0


def test_clearing_the_faults_lets_a_hanging_request_go_on(
    http: httpx.Client, settings: SandboxSettings, control: SandboxControl
) -> None:
    control.add_fault(kind=FaultKind.HANG, seconds=0.2, requests=1)
    started = time.monotonic()
    assert _token(http, settings)
    assert 0.2 <= time.monotonic() - started < 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_prints_its_address_serves_and_ends_cleanly(number: signal.Signals) -> None:
    with _program() as (process, base_url), SandboxControl(base_url=base_url) as remote:
        settings = SandboxSettings(app_id="wx-other", app_secret="other")
        code = remote.issue_login_code(openid="oA1b2C3")
        with MiniProgramClient(
            app_id=settings.app_id, app_secret=settings.app_secret, base_url=base_url
        ) as caller:
            assert caller.exchange_code(code=code).openid == "oA1b2C3"
        process.send_signal(number)
        assert process.wait(5) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


@contextmanager
def _program() -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "wechat_integration.sandbox", "--port", "0"]
    command += ["--app-id", "wx-other", "--app-secret", "other"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            found = re.fullmatch(r"sandbox listening on (\S+)\n", process.stdout.readline())
            assert found is not None
            yield process, found[1]
        finally:
            process.kill()


def _ask_token(
    http: httpx.Client, settings: SandboxSettings, *, force: bool = False
) -> dict[str, object]:
    body = {
        "grant_type": "client_credential",
        "appid": settings.app_id,
        "secret": settings.app_secret,
        "force_refresh": force,
    }
    document = http.post("/cgi-bin/stable_token", json=body).json()
    assert isinstance(document, dict)
    return document


def _token(http: httpx.Client, settings: SandboxSettings, *, force: bool = False) -> str:
    return str(_ask_token(http, settings, force=force)["access_token"])


def _errcode_with(http: httpx.Client, token: str) -> int:
    answer = http.post(
        "/wxa/business/getuserphonenumber", params={"access_token": token}, json={"code": "none"}
    )
    return int(answer.json()["errcode"])
