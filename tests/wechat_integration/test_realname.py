from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable

import httpx
import pytest

from tests.wechat_integration.conftest import QUICK
from tests.wechat_integration.raw_server import RawServer, json_answer, plain_answer, raw_server
from wechat_integration.errors import (
    RealNameAnswerInvalid,
    RealNameRefused,
    RealNameUnavailable,
)
from wechat_integration.realname import (
    CHECK_PATH,
    HttpRealNameProvider,
    RealNameProvider,
    RealNameResult,
)
from wechat_integration.sandbox.control import FaultKind, SandboxControl
from wechat_integration.signed_calls import SignedParts, signature_of

NAME, ID_NUMBER = "张三", "11010119900307775X"
MakeProvider = Callable[..., HttpRealNameProvider]


@pytest.fixture(autouse=True)
def known_person(control: SandboxControl) -> None:
    control.register_person(name=NAME, id_number=ID_NUMBER)


@pytest.mark.parametrize(
    ("name", "id_number", "expected"),
    [
        (NAME, ID_NUMBER, RealNameResult.MATCH),
        ("李四", ID_NUMBER, RealNameResult.MISMATCH),
        (NAME, "110101199003070000", RealNameResult.UNKNOWN),
    ],
)
def test_the_service_judges_the_pair(
    provider: RealNameProvider, name: str, id_number: str, expected: RealNameResult
) -> None:
    assert provider.check(name=name, id_number=id_number) is expected


def test_the_signature_is_the_documented_one() -> None:
    parts = SignedParts(
        method="POST",
        path="/realname/check",
        timestamp="1700000000",
        nonce="00112233445566778899aabbccddeeff",
        body_sha256="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    )
    # openssl dgst -sha256 -hmac "$(printf 'k%.0s' $(seq 32))" over the five lines
    expected = "6de5c9994b426f5a5680984b174bd0a1e0ace286b1538db6cc93c9d79303893e"
    assert signature_of(key=b"k" * 32, parts=parts) == expected


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"key": b"another-key-of-at-least-32-bytes-length"}, "signature_invalid"),
        ({"key_id": "somebody"}, "key_unknown"),
        ({"wall_clock": lambda: time.time() - 310}, "timestamp_out_of_window"),
        ({"wall_clock": lambda: time.time() + 310}, "timestamp_out_of_window"),
    ],
)
def test_a_request_that_is_not_ours_or_not_fresh_is_refused(
    make_provider: MakeProvider, wrong: dict[str, object], code: str
) -> None:
    with pytest.raises(RealNameRefused) as caught:
        make_provider(**wrong).check(name=NAME, id_number=ID_NUMBER)
    assert caught.value.code == code


def test_a_request_inside_the_window_is_taken(make_provider: MakeProvider) -> None:
    late = make_provider(wall_clock=lambda: time.time() - 290)
    assert late.check(name=NAME, id_number=ID_NUMBER) is RealNameResult.MATCH


def test_a_nonce_works_once(
    provider: HttpRealNameProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _bytes: "0" * 32)
    provider.check(name=NAME, id_number=ID_NUMBER)
    with pytest.raises(RealNameRefused) as caught:
        provider.check(name=NAME, id_number=ID_NUMBER)
    assert caught.value.code == "nonce_replayed"


def test_a_changed_body_or_path_breaks_the_signature(
    base_url: str, make_provider: MakeProvider
) -> None:
    with raw_server(lambda _path: json_answer({"result": "match"})) as recorder:
        make_provider(base_url=recorder.base_url).check(name=NAME, id_number=ID_NUMBER)
        headers = _signed_headers(recorder)
    other = json.dumps({"name": "李四", "id_number": ID_NUMBER}, ensure_ascii=False).encode()
    right = other.replace("李四".encode(), NAME.encode())
    assert _post(base_url, headers, other) == "signature_invalid"
    assert _post(base_url, headers, right) == "ok"
    assert _post(base_url, headers, right) == "nonce_replayed"


def test_each_request_has_its_own_nonce(make_provider: MakeProvider) -> None:
    with raw_server(lambda _path: json_answer({"result": "match"})) as recorder:
        asking = make_provider(base_url=recorder.base_url)
        for _ in range(3):
            asking.check(name=NAME, id_number=ID_NUMBER)
        nonces = {_headers(head)["x-nonce"] for head in recorder.heads}
    assert len(nonces) == 3


@pytest.mark.parametrize("kind", [FaultKind.HANG, FaultKind.DRIP, FaultKind.DOWN])
def test_an_outage_is_bounded_and_typed(
    make_provider: MakeProvider, control: SandboxControl, kind: FaultKind
) -> None:
    control.add_fault(kind=kind, path=CHECK_PATH, seconds=3)
    started = time.monotonic()
    with pytest.raises(RealNameUnavailable):
        make_provider(limits=QUICK).check(name=NAME, id_number=ID_NUMBER)
    assert time.monotonic() - started <= QUICK.total_seconds + 0.3
    assert control.count_calls(path=CHECK_PATH) == 1


def test_an_outage_says_when_to_come_back(
    provider: RealNameProvider, control: SandboxControl
) -> None:
    control.add_fault(kind=FaultKind.UNAVAILABLE, path=CHECK_PATH)
    with pytest.raises(RealNameUnavailable) as caught:
        provider.check(name=NAME, id_number=ID_NUMBER)
    assert (caught.value.reason, caught.value.retry_after_seconds) == ("http_503", 7)


def test_a_refused_connection_is_an_outage(make_provider: MakeProvider) -> None:
    with raw_server(lambda _path: []) as gone:
        url = gone.base_url
    with pytest.raises(RealNameUnavailable) as caught:
        make_provider(base_url=url).check(name=NAME, id_number=ID_NUMBER)
    assert caught.value.reason == "connect_failed"


@pytest.mark.parametrize("kind", [FaultKind.GARBAGE, FaultKind.HUGE, FaultKind.REDIRECT])
def test_a_spoilt_answer_is_refused(
    provider: RealNameProvider, control: SandboxControl, kind: FaultKind
) -> None:
    control.add_fault(kind=kind, path=CHECK_PATH)
    with pytest.raises(RealNameAnswerInvalid):
        provider.check(name=NAME, id_number=ID_NUMBER)


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'{"result": 1}', b'{"result": "maybe"}', b"[" * 500_000]
)
def test_an_answer_without_a_known_result_is_refused(
    make_provider: MakeProvider, body: bytes
) -> None:
    with raw_server(lambda _path: plain_answer(body)) as server:
        with pytest.raises(RealNameAnswerInvalid) as caught:
            make_provider(base_url=server.base_url).check(name=NAME, id_number=ID_NUMBER)
        assert caught.value.reason == "result"


def test_a_refusal_word_that_is_not_known_is_not_repeated(make_provider: MakeProvider) -> None:
    answer = [b"HTTP/1.1 403 No\r\nconnection: close\r\n\r\n", '{"code": "张三"}'.encode()]
    with raw_server(lambda _path: answer) as server:
        with pytest.raises(RealNameRefused) as caught:
            make_provider(base_url=server.base_url).check(name=NAME, id_number=ID_NUMBER)
        assert caught.value.code == "other"


@pytest.mark.parametrize(
    ("name", "id_number"), [("", ID_NUMBER), (NAME, ""), ("长" * 65, ID_NUMBER), (NAME, "1" * 19)]
)
def test_what_cannot_be_a_person_costs_no_request(
    provider: RealNameProvider, control: SandboxControl, name: str, id_number: str
) -> None:
    with pytest.raises(ValueError, match="a name has"):
        provider.check(name=name, id_number=id_number)
    assert control.count_calls(path=CHECK_PATH) == 0


def test_a_short_key_is_refused(make_provider: MakeProvider) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        make_provider(key=b"short")


def _signed_headers(recorder: RawServer) -> dict[str, str]:
    headers = _headers(recorder.heads[0])
    names = ("content-type", "x-key-id", "x-timestamp", "x-nonce", "x-signature")
    return {name: headers[name] for name in names}


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def _post(base_url: str, headers: dict[str, str], body: bytes) -> str:
    answer = httpx.post(f"{base_url}{CHECK_PATH}", headers=headers, content=body, trust_env=False)
    return str(answer.json()["code"])
