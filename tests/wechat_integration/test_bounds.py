from __future__ import annotations

import datetime as dt
import gzip
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.wechat_integration.conftest import QUICK
from tests.wechat_integration.raw_server import json_answer, plain_answer, raw_server
from wechat_integration.client import MiniProgramClient
from wechat_integration.errors import WeChatAnswerInvalid, WeChatUnavailable
from wechat_integration.sandbox.control import FaultKind, SandboxControl
from wechat_integration.transport import BoundedHttp, CallLimits

PROMISED_SECONDS = 3.0
CODE = "0a1b2c3d4e5f"
IDENTITY = {"session_key": "k", "openid": "oA1b2C3"}
MakeClient = Callable[..., MiniProgramClient]


def test_a_hanging_service_costs_at_most_three_seconds(
    client: MiniProgramClient, control: SandboxControl
) -> None:
    control.add_fault(kind=FaultKind.HANG, seconds=30)
    started = time.monotonic()
    with pytest.raises(WeChatUnavailable) as caught:
        client.exchange_code(code=CODE)
    assert time.monotonic() - started <= PROMISED_SECONDS
    assert caught.value.reason == "timeout"


def test_a_head_that_drips_costs_at_most_three_seconds(make_client: MakeClient) -> None:
    def drip(_path: str) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        for _ in range(60):
            yield b"x-more: 1\r\n"
            time.sleep(0.1)

    with raw_server(drip) as server:
        started = time.monotonic()
        with pytest.raises(WeChatUnavailable):
            make_client(base_url=server.base_url).exchange_code(code=CODE)
        assert time.monotonic() - started <= PROMISED_SECONDS


def test_the_budget_covers_the_token_and_the_call_together(
    make_client: MakeClient, control: SandboxControl
) -> None:
    limits = CallLimits(read_seconds=0.5, total_seconds=0.6)
    control.add_fault(kind=FaultKind.HANG, path="/cgi-bin/stable_token", seconds=0.4)
    control.add_fault(kind=FaultKind.HANG, path="/wxa/business/getuserphonenumber", seconds=5)
    started = time.monotonic()
    with pytest.raises(WeChatUnavailable):
        make_client(limits=limits).phone_number(code=CODE)
    assert 0.4 <= time.monotonic() - started <= 0.8


@pytest.mark.parametrize("kind", [FaultKind.HUGE, FaultKind.GARBAGE, FaultKind.REDIRECT])
@pytest.mark.parametrize("spoilt", ["sign_in", "token", "phone", "message"])
def test_spoilt_answers_end_soon_and_typed(
    quick_client: MiniProgramClient,
    control: SandboxControl,
    kind: FaultKind,
    spoilt: str,
) -> None:
    path, call = _CALLS[spoilt]
    control.add_fault(kind=kind, path=path)
    started = time.monotonic()
    with pytest.raises(WeChatAnswerInvalid):
        call(quick_client)
    assert time.monotonic() - started <= QUICK.total_seconds + 0.3
    assert control.count_calls(path=path) == 1


def test_a_body_that_drips_is_cut(quick_client: MiniProgramClient, control: SandboxControl) -> None:
    control.add_fault(kind=FaultKind.DRIP)
    started = time.monotonic()
    with pytest.raises(WeChatUnavailable):
        quick_client.exchange_code(code=CODE)
    assert time.monotonic() - started <= QUICK.total_seconds + 0.3


def test_a_spoilt_token_answer_leaves_no_doubt_about_the_message(
    quick_client: MiniProgramClient, control: SandboxControl
) -> None:
    control.add_fault(kind=FaultKind.GARBAGE, path="/cgi-bin/stable_token")
    with pytest.raises(WeChatAnswerInvalid) as caught:
        _send(quick_client)
    assert not caught.value.outcome_unknown


def test_one_megabyte_is_read_and_one_byte_more_is_not(make_client: MakeClient) -> None:
    def padded(size: int) -> Callable[[str], list[bytes]]:
        body = json_answer(IDENTITY)[1]
        return lambda _path: plain_answer(body + b" " * (size - len(body)))

    with raw_server(padded(1_000_000)) as server:
        identity = make_client(base_url=server.base_url).exchange_code(code=CODE)
        assert identity.openid == "oA1b2C3"
    with raw_server(padded(1_000_001)) as server:
        with pytest.raises(WeChatAnswerInvalid) as caught:
            make_client(base_url=server.base_url).exchange_code(code=CODE)
        assert caught.value.reason == "too_large"


def test_an_announced_size_is_believed_before_anything_is_read(make_client: MakeClient) -> None:
    answer = plain_answer(b"", headers="content-length: 99999999999999999999\r\n")
    with raw_server(lambda _path: answer) as server, pytest.raises(WeChatAnswerInvalid):
        make_client(base_url=server.base_url).exchange_code(code=CODE)


def test_a_stream_without_end_is_cut(make_client: MakeClient) -> None:
    def endless(_path: str) -> Iterator[bytes]:
        yield plain_answer(b"")[0]
        for _ in range(2_000):
            yield b"x" * 65_536

    with raw_server(endless) as server:
        with pytest.raises(WeChatAnswerInvalid):
            make_client(base_url=server.base_url).exchange_code(code=CODE)
        time.sleep(0.1)
        assert server.sent_bytes < 30_000_000  # what fits into the sockets' own buffers


def test_a_compressed_answer_is_not_unpacked(make_client: MakeClient) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    answer = plain_answer(bomb, headers="content-encoding: gzip\r\n")
    with raw_server(lambda _path: answer) as server:
        with pytest.raises(WeChatAnswerInvalid) as caught:
            make_client(base_url=server.base_url).exchange_code(code=CODE)
        assert caught.value.reason == "encoded"


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 900_000,
        b'{"openid":' * 90_000,
        b'{"errcode": ' + b"9" * 10_000 + b"}",
        b'{"errcode": "0", "openid": "oA1b2C3"}',
        b'{"errcode": true}',
        b"[]",
        b"",
        b'{"openid": 5}',
        b'{"openid": ""}',
        b'{"openid": "o A"}',
        b'{"openid": "oA1b2C3", "unionid": {}}',
        b'{"openid": "oA1b2C3", "unionid": "a b"}',
        b"\xff\xfe{}",
    ],
)
def test_wrong_content_is_refused(make_client: MakeClient, body: bytes) -> None:
    with raw_server(lambda _path: plain_answer(body)) as server:
        with pytest.raises(WeChatAnswerInvalid):
            make_client(base_url=server.base_url).exchange_code(code=CODE)
        assert len(server.paths) == 1


def test_a_look_up_that_hangs_is_bounded(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def slow(host: str, *rest: object, **named: object) -> object:
        if host == "wechat.invalid":
            time.sleep(1.5)
        return real(host, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    lost = make_client(base_url="https://wechat.invalid", limits=QUICK)
    started = time.monotonic()
    with pytest.raises(WeChatUnavailable) as caught:
        lost.exchange_code(code=CODE)
    assert time.monotonic() - started <= QUICK.total_seconds + 0.3
    assert not caught.value.outcome_unknown


def test_a_name_that_does_not_exist_is_an_outage(make_client: MakeClient) -> None:
    with pytest.raises(WeChatUnavailable):
        make_client(base_url="https://wechat.invalid", limits=QUICK).exchange_code(code=CODE)


def test_a_cookie_is_not_kept(make_client: MakeClient) -> None:
    answer = plain_answer(json_answer(IDENTITY)[1], headers="set-cookie: a=b; path=/\r\n")
    with raw_server(lambda _path: answer) as server:
        caller = make_client(base_url=server.base_url)
        caller.exchange_code(code=CODE)
        caller.exchange_code(code=CODE)
        assert [b"cookie" in head.lower() for head in server.heads] == [False, False]


@pytest.mark.parametrize(
    "url", ["http://api.weixin.qq.com", "ftp://127.0.0.1", "127.0.0.1:80", "", "http://10.0.0.1"]
)
def test_an_unsafe_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        BoundedHttp(base_url=url)


def test_plain_http_may_be_allowed_for_a_trusted_network() -> None:
    BoundedHttp(base_url="http://sandbox:8801", allow_plain_http=True).close()


def test_tls_is_spoken_and_the_authority_checked(make_client: MakeClient, tmp_path: Path) -> None:
    served, trusted = _private_authority(tmp_path)
    with raw_server(lambda _path: json_answer(IDENTITY), tls=served) as server:
        by_name = f"https://localhost:{server.port}"
        for url in (server.base_url, by_name):
            trusting = make_client(base_url=url, ssl_context=trusted)
            assert trusting.exchange_code(code=CODE).openid == "oA1b2C3"
        with pytest.raises(WeChatUnavailable) as caught:
            make_client(base_url=server.base_url).exchange_code(code=CODE)
        assert not caught.value.outcome_unknown


def _send(caller: MiniProgramClient) -> None:
    caller.send_subscribe_message(
        openid="oA1b2C3", template_id="T1", page=None, data={"thing1": "好"}
    )


_CALLS: dict[str, tuple[str, Callable[[MiniProgramClient], object]]] = {
    "sign_in": ("/sns/jscode2session", lambda caller: caller.exchange_code(code=CODE)),
    "token": ("/cgi-bin/stable_token", lambda caller: caller.phone_number(code=CODE)),
    "phone": ("/wxa/business/getuserphonenumber", lambda caller: caller.phone_number(code=CODE)),
    "message": ("/cgi-bin/message/subscribe/send", _send),
}


def _private_authority(directory: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox")])
    now = dt.datetime.now(tz=dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (directory / "both.pem").write_bytes(key_pem + pem)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(directory / "both.pem")
    return served, ssl.create_default_context(cadata=pem.decode())
