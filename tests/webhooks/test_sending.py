"""S38 for webhooks: certificates, proxies, slow and garbled answers, each within its bounds."""

from __future__ import annotations

import itertools
import ssl
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.webhooks.addresses import Guard
from app.webhooks.sending import Parcel, Sender, SendLimits
from tests.webhooks.receiver import receiving
from tests.wechat_integration.raw_server import raw_server

NAME = "hooks.example.com"
QUICK = SendLimits(read_seconds=0.4, total_seconds=0.8)
HERE = Guard(loopback_allowed=True)


def parcel(url: str) -> Parcel:
    return Parcel(url, {"content-type": "application/json"}, b"{}")


def certificate(directory: Path, *names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for these names, and the trust in it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(map(x509.DNSName, names)), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    file = directory / "receiver.pem"
    file.write_bytes(pem + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ))
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(file)
    return served, ssl.create_default_context(cadata=pem.decode())


def test_s34_the_pinned_connection_speaks_tls_for_the_name(tmp_path: Path) -> None:
    served, trust = certificate(tmp_path, NAME)
    guard = Guard(loopback_allowed=True, resolve=lambda *_: ["127.0.0.1"])
    with receiving(tls=served) as server:
        url = f"https://{NAME}:{server.port}/hooks?a=b"
        assert Sender(guard, trust=trust).send(parcel(url)).status == 204
        assert server.server_names == [NAME]
        assert server.received[0].headers["host"] == f"{NAME}:{server.port}"
        assert server.received[0].path == "/hooks?a=b"
        assert Sender(guard).send(parcel(url)).error == "tls_failed"  # an unknown authority
        other = f"https://other.example.com:{server.port}/"
        assert Sender(guard, trust=trust).send(parcel(other)).error == "tls_failed"
        assert len(server.received) == 1


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy, receiving() as server:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert Sender(HERE).send(parcel(server.url)).status == 204
        assert (proxy.connections, len(server.received)) == (0, 1)


def silent(_path: str) -> Iterable[bytes]:
    time.sleep(2)
    return []


def trickling(_path: str) -> Iterable[bytes]:
    yield b"HTTP/1.1 200 OK\r\nx: "
    for _ in range(40):
        time.sleep(0.1)
        yield b"y"


def endless_head(_path: str) -> Iterable[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    yield from itertools.repeat(b"x: " + b"y" * 1_000 + b"\r\n", 1_000)


@pytest.mark.parametrize(("answer", "error"), [
    (silent, "timeout"), (trickling, "timeout"), (endless_head, "bad_answer"),
    (lambda _: [b"garbage\r\n\r\n"], "bad_answer"), (lambda _: [], "bad_answer"),
])  # fmt: skip
def test_s38_bad_answers_cost_little(answer: object, error: str) -> None:
    started = time.monotonic()
    with raw_server(answer) as server:  # type: ignore[arg-type]
        sent = Sender(HERE, limits=QUICK).send(parcel(f"http://127.0.0.1:{server.port}/"))
        took = time.monotonic() - started
        assert (sent.status, sent.error) == (None, error)
        assert took < 1.5
        assert sent.duration_ms <= took * 1000 + 1


def test_a_body_without_end_is_not_waited_for() -> None:
    def endless(_path: str) -> Iterable[bytes]:
        yield b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        yield from itertools.repeat(b"ffff\r\n" + b"y" * 65_535 + b"\r\n")

    with raw_server(endless) as server:
        sent = Sender(HERE, limits=QUICK).send(parcel(f"http://127.0.0.1:{server.port}/"))
    assert sent.status == 200
    assert sent.duration_ms < 800


def test_nobody_at_home_is_told_apart() -> None:
    with receiving() as server:
        url = server.url
    assert Sender(HERE).send(parcel(url)).error == "connect_failed"
