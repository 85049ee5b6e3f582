from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.wechat_integration.raw_server import json_answer, raw_server
from wechat_integration.calls import WeChatCaller
from wechat_integration.client import MiniProgramClient
from wechat_integration.errors import (
    WeChatError,
    WeChatRefused,
    WeChatTokenInvalid,
    WeChatUnavailable,
)
from wechat_integration.network import Deadline
from wechat_integration.sandbox.control import FaultKind, SandboxControl
from wechat_integration.sandbox.settings import SandboxSettings
from wechat_integration.tokens import StableTokenSource, TokenStore
from wechat_integration.transport import BoundedHttp

TOKEN_PATH = "/cgi-bin/stable_token"
SEND_PATH = "/cgi-bin/message/subscribe/send"
OPENID = "oA1b2C3"
MakeSource = Callable[..., StableTokenSource]


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


class DictStore:
    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.ttl_seconds = 0

    def get(self, key: str, /) -> str | None:
        return self.kept.get(key)

    def set(self, key: str, value: str, /, *, ttl_seconds: int) -> None:
        self.kept[key] = value
        self.ttl_seconds = ttl_seconds


class BrokenStore:
    def get(self, key: str, /) -> str | None:
        raise RuntimeError(f"cannot read {key}")

    def set(self, key: str, value: str, /, *, ttl_seconds: int) -> None:
        raise RuntimeError(f"cannot write {value} under {key} for {ttl_seconds} s")


@pytest.fixture
def make_source(
    base_url: str, settings: SandboxSettings, control: SandboxControl
) -> Iterator[MakeSource]:
    to_sandbox = BoundedHttp(base_url=base_url)

    def make(
        *,
        monotonic: Callable[[], float] = time.monotonic,
        store: TokenStore | None = None,
        http: BoundedHttp = to_sandbox,
    ) -> StableTokenSource:
        return StableTokenSource(
            app_id=settings.app_id,
            app_secret=settings.app_secret,
            caller=WeChatCaller(http=http),
            store=store,
            monotonic=monotonic,
        )

    yield make
    to_sandbox.close()


def test_a_token_of_512_characters_is_fetched_once(
    make_source: MakeSource, control: SandboxControl
) -> None:
    source = make_source()
    tokens = {source.current(deadline=_soon()) for _ in range(3)}
    assert [len(token) for token in tokens] == [512]
    assert control.count_calls(path=TOKEN_PATH) == 1


def test_twenty_threads_make_one_request(make_source: MakeSource, control: SandboxControl) -> None:
    control.add_fault(kind=FaultKind.HANG, path=TOKEN_PATH, seconds=0.2)
    tokens = _at_once(20, make_source())
    assert len(set(tokens)) == 1
    assert control.count_calls(path=TOKEN_PATH) == 1


def test_without_a_shared_source_twenty_threads_would_make_twenty_requests(
    make_source: MakeSource, control: SandboxControl
) -> None:
    sources = [make_source() for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda source: source.current(deadline=_soon()), sources))
    assert control.count_calls(path=TOKEN_PATH) == 20


def test_twenty_threads_share_one_failure(make_source: MakeSource) -> None:
    with raw_server(_slow_outage) as server:
        http = BoundedHttp(base_url=server.base_url)
        assert _at_once(20, make_source(http=http)) == ["http_503"] * 20
        assert server.paths == [TOKEN_PATH]
        http.close()


def test_a_failure_is_not_remembered(make_source: MakeSource, control: SandboxControl) -> None:
    source = make_source()
    control.add_fault(kind=FaultKind.UNAVAILABLE, path=TOKEN_PATH, requests=1)
    with pytest.raises(WeChatUnavailable):
        source.current(deadline=_soon())
    assert source.current(deadline=_soon())


def test_who_waits_for_another_threads_token_keeps_an_own_deadline(
    make_source: MakeSource, control: SandboxControl
) -> None:
    control.add_fault(kind=FaultKind.HANG, path=TOKEN_PATH, seconds=0.4, requests=1)
    source = make_source()
    leader = threading.Thread(target=source.current, kwargs={"deadline": _soon()})
    leader.start()
    time.sleep(0.1)
    with pytest.raises(WeChatUnavailable) as caught:
        source.current(deadline=Deadline.after(seconds=0.1))
    assert caught.value.reason == "token_wait"
    leader.join()


def test_a_busy_service_is_asked_again(make_source: MakeSource, control: SandboxControl) -> None:
    control.add_fault(kind=FaultKind.BUSY, path=TOKEN_PATH, requests=2)
    assert make_source().current(deadline=_soon())
    assert control.count_calls(path=TOKEN_PATH) == 3


def test_a_token_is_renewed_five_minutes_early_while_the_old_one_lives(
    make_source: MakeSource, control: SandboxControl
) -> None:
    clock = Clock()
    source = make_source(monotonic=clock)
    old = source.current(deadline=_soon())
    _pass(6_890, clock, control)
    assert source.current(deadline=_soon()) == old
    _pass(20, clock, control)
    new = source.current(deadline=_soon())
    assert new != old
    assert source.current(deadline=_soon()) == new
    assert control.count_calls(path=TOKEN_PATH) == 2


def test_a_failed_early_renewal_goes_on_with_the_old_token_and_pauses(
    make_source: MakeSource, control: SandboxControl, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    source = make_source(monotonic=clock)
    old = source.current(deadline=_soon())
    _pass(6_910, clock, control)
    control.add_fault(kind=FaultKind.UNAVAILABLE, path=TOKEN_PATH)
    with caplog.at_level(logging.WARNING):
        assert [source.current(deadline=_soon()) for _ in range(5)] == [old] * 5
    assert control.count_calls(path=TOKEN_PATH) == 2
    assert "early token renewal failed" in caplog.text
    control.clear_faults()
    _pass(11, clock, control)
    assert source.current(deadline=_soon()) != old


def test_nobody_waits_for_an_early_renewal_but_the_one_who_makes_it(
    make_source: MakeSource, control: SandboxControl
) -> None:
    clock = Clock()
    source = make_source(monotonic=clock)
    old = source.current(deadline=_soon())
    _pass(6_910, clock, control)
    control.add_fault(kind=FaultKind.HANG, path=TOKEN_PATH, seconds=0.5, requests=1)
    leader = threading.Thread(target=source.current, kwargs={"deadline": _soon()})
    leader.start()
    time.sleep(0.1)
    started = time.monotonic()
    assert source.current(deadline=_soon()) == old
    assert time.monotonic() - started < 0.35, "the leader hangs for 0.4 seconds more"
    leader.join()
    assert source.current(deadline=_soon()) != old


def test_an_ended_token_is_not_used_when_renewal_fails(
    make_source: MakeSource, control: SandboxControl
) -> None:
    clock = Clock()
    source = make_source(monotonic=clock)
    source.current(deadline=_soon())
    _pass(7_200, clock, control)
    control.add_fault(kind=FaultKind.UNAVAILABLE, path=TOKEN_PATH)
    with pytest.raises(WeChatUnavailable):
        source.current(deadline=_soon())


@pytest.mark.parametrize("how", ["expired", "revoked"])
def test_a_refused_token_is_replaced_once_and_the_call_succeeds(
    client: MiniProgramClient, control: SandboxControl, how: str
) -> None:
    control.grant_accepts(openid=OPENID, template_id="T1", count=2)
    _send(client)
    if how == "expired":
        control.advance_clock(seconds=7_300)
    else:
        control.revoke_tokens()
    _send(client)
    assert len(control.sent_messages()) == 2
    assert control.count_calls(path=TOKEN_PATH) == 2
    assert control.count_calls(path=SEND_PATH) == 3


def test_many_threads_with_a_refused_token_replace_it_once(
    client: MiniProgramClient, control: SandboxControl
) -> None:
    control.grant_accepts(openid=OPENID, template_id="T1", count=9)
    _send(client)
    control.revoke_tokens()
    control.add_fault(kind=FaultKind.HANG, path=TOKEN_PATH, seconds=0.3)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: _send(client), range(6)))
    assert len(control.sent_messages()) == 7
    assert control.count_calls(path=TOKEN_PATH) == 2


@pytest.mark.parametrize(
    ("tokens", "sends"), [(["first", "second", "third"], 2), (["same", "same", "same"], 1)]
)
def test_a_token_that_is_always_refused_ends_without_a_loop(
    make_client: Callable[..., MiniProgramClient], tokens: list[str], sends: int
) -> None:
    given = iter(tokens)

    def answer(path: str) -> list[bytes]:
        if path == TOKEN_PATH:
            return json_answer({"access_token": next(given), "expires_in": 7200})
        return json_answer({"errcode": 42001, "errmsg": "access_token expired"})

    with raw_server(answer) as server:
        with pytest.raises(WeChatTokenInvalid) as caught:
            _send(make_client(base_url=server.base_url))
        assert caught.value.errcode == 42001
        assert [server.paths.count(path) for path in (TOKEN_PATH, SEND_PATH)] == [2, sends]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"access_token": "", "expires_in": 7200}, WeChatError),
        ({"access_token": "a b", "expires_in": 7200}, WeChatError),
        ({"access_token": "x" * 4097, "expires_in": 7200}, WeChatError),
        ({"access_token": "x", "expires_in": "7200"}, WeChatError),
        ({"access_token": "x", "expires_in": 0}, WeChatError),
        ({"expires_in": 7200}, WeChatError),
        ({"errcode": 40001, "errmsg": "invalid credential"}, WeChatRefused),
    ],
)
def test_an_unusable_token_answer_is_an_error(
    make_client: Callable[..., MiniProgramClient],
    document: dict[str, object],
    expected: type[Exception],
) -> None:
    with raw_server(lambda _path: json_answer(document)) as server:
        with pytest.raises(expected):
            _send(make_client(base_url=server.base_url))
        assert server.paths == [TOKEN_PATH]


def test_two_processes_share_a_token_through_the_store(
    make_source: MakeSource, control: SandboxControl
) -> None:
    store = DictStore()
    first = make_source(store=store).current(deadline=_soon())
    assert make_source(store=store).current(deadline=_soon()) == first
    assert control.count_calls(path=TOKEN_PATH) == 1
    assert 7_190 <= store.ttl_seconds <= 7_200


def test_a_broken_store_costs_requests_and_nothing_else(
    make_source: MakeSource, control: SandboxControl, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        token = make_source(store=BrokenStore()).current(deadline=_soon())
        assert make_source(store=BrokenStore()).current(deadline=_soon()) == token
    assert control.count_calls(path=TOKEN_PATH) == 2
    assert "cannot be read" in caplog.text
    assert "cannot be written" in caplog.text
    assert token not in caplog.text


@pytest.mark.parametrize(
    "kept",
    [
        "not json",
        "[]",
        "{}",
        '{"access_token": 5, "ends_at_seconds": 9e9}',
        '{"access_token": "x", "ends_at_seconds": "soon"}',
        '{"access_token": "x", "ends_at_seconds": 1}',
        '{"access_token": "x", "ends_at_seconds": 9e99}',
        '{"access_token": "x", "ends_at_seconds": NaN}',
        "[" * 100_000,
    ],
)
def test_what_else_stands_in_the_store_is_ignored(
    make_source: MakeSource, control: SandboxControl, settings: SandboxSettings, kept: str
) -> None:
    store = DictStore()
    store.kept[f"wechat:stable_token:{settings.app_id}"] = kept
    assert len(make_source(store=store).current(deadline=_soon())) == 512
    assert control.count_calls(path=TOKEN_PATH) == 1


def test_a_refused_token_is_not_taken_from_the_store_again(
    make_client: Callable[..., MiniProgramClient], control: SandboxControl
) -> None:
    store = DictStore()
    sender = make_client(token_store=store)
    control.grant_accepts(openid=OPENID, template_id="T1", count=2)
    _send(sender)
    control.revoke_tokens()
    _send(sender)
    assert len(control.sent_messages()) == 2


def test_a_shared_token_near_its_end_serves_while_wechat_is_down(
    make_source: MakeSource, control: SandboxControl, settings: SandboxSettings
) -> None:
    store = DictStore()
    kept = {"access_token": "x" * 512, "ends_at_seconds": time.time() + 200}
    store.kept[f"wechat:stable_token:{settings.app_id}"] = json.dumps(kept)
    control.add_fault(kind=FaultKind.UNAVAILABLE, path=TOKEN_PATH)
    assert make_source(store=store).current(deadline=_soon()) == "x" * 512
    control.clear_faults()
    assert make_source(store=store).current(deadline=_soon()) != "x" * 512


def _soon() -> Deadline:
    return Deadline.after(seconds=2.5)


def _pass(seconds: float, clock: Clock, control: SandboxControl) -> None:
    clock.seconds += seconds
    control.advance_clock(seconds=seconds)


def _send(sender: MiniProgramClient) -> None:
    sender.send_subscribe_message(
        openid=OPENID, template_id="T1", page=None, data={"thing1": "借书到期"}
    )


def _at_once(threads: int, source: StableTokenSource) -> list[str]:
    barrier = threading.Barrier(threads)

    def ask(_: int) -> str:
        barrier.wait()
        try:
            return source.current(deadline=_soon())
        except WeChatUnavailable as failure:
            return failure.reason

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(ask, range(threads)))


def _slow_outage(_path: str) -> Iterator[bytes]:
    time.sleep(0.3)
    yield b"HTTP/1.1 503 Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
