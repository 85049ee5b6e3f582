"""S34: more than forty ways to point a webhook inside, and none connects; unguarded they do."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import partial

import pytest

from app.webhooks.addresses import AddressRefused, Guard, Place, Resolve, look_up
from app.webhooks.sending import Parcel, Sender
from tests.webhooks.receiver import Received, Receiver, receiving

PUBLIC = "93.184.215.14"
NAME = "hooks.example.com"
# By the reason for which each is refused; the trap listens on the port.
SPELLINGS = {
    "host": [
        "https://127.0.0.1:{port}/", "https://127.1:{port}/", "https://2130706433:{port}/",
        "https://0x7f000001:{port}/", "https://0x7f.0x0.0x0.0x1:{port}/",
        "https://017700000001:{port}/", "https://0177.0.0.1:{port}/", "https://0:{port}/",
        "https://0.0.0.0:{port}/", "https://localhost:{port}/", "https://LocalHost:{port}/",
        "https://localhost.:{port}/", "https://hooks..example.com:{port}/",
        "https://-hooks.example.com:{port}/",
    ],
    "form": [
        "https://[::1]:{port}/", "https://[::ffff:127.0.0.1]:{port}/",
        "https://user:password@localhost:{port}/", "https://hooks.example.com@127.0.0.1:{port}/",
        "https://hooks.example.com:{port}#@localhost/", "https://hooks.example.com:{port}\\@127.1/",
        "https://127.0.0.1%2f@hooks.example.com:{port}/", "https://１２７.０.０.１:{port}/",
        "https://127。0。0。1:{port}/", "https://ⓛocalhost:{port}/", "https://例如.cn:{port}/",
        "https://localhost:{port}/\r\nx: y", " https://localhost:{port}/", "ftp://localhost:{port}/",
        "file:///etc/passwd", "//localhost:{port}/", "https://a.example.com:{port}/" + "a" * 500,
    ],
    "scheme": ["http://localhost:{port}/", "http://hooks.example.com:{port}/"],
    "port": ["https://hooks.example.com:22/", "https://hooks.example.com:0/"],
}  # fmt: skip
ADDRESSES = [
    ["10.0.0.8"], ["172.16.3.4"], ["192.168.1.1"], ["127.0.0.1"], ["127.99.0.1"],
    ["169.254.169.254"], ["100.100.100.200"], ["168.63.129.16"], ["224.0.0.1"],
    ["255.255.255.255"], ["0.0.0.0"],  # noqa: S104 -- not bound to
    ["192.0.0.192"], ["198.18.0.1"], ["::1"], ["::"],
    ["::ffff:10.0.0.8"], ["::ffff:169.254.169.254"], ["::127.0.0.1"], ["fd00:ec2::254"],
    ["fe80::1"], ["fe80::1%1"], ["2600::1%1"], ["ff02::1"], ["fec0::1"], ["64:ff9b::7f00:1"],
    ["64:ff9b:1::a00:1"], ["2002:7f00:1::1"], ["2001:0:7f00:1::1"], ["2001:db8::1"],
    [PUBLIC, "10.0.0.8"], ["2600::1", "::1"], [], [PUBLIC] * 17, ["not an address"],
]  # fmt: skip
CASES = [
    *((reason, url, [PUBLIC]) for reason, urls in SPELLINGS.items() for url in urls),
    *(("address", f"https://{NAME}:{{port}}/", found) for found in ADDRESSES),
]
# What leads to this machine once nobody checks.
REACHING = [
    "http://127.0.0.1:{port}/", "http://127.1:{port}/", "http://2130706433:{port}/",
    "http://0x7f000001:{port}/", "http://017700000001:{port}/", "http://0177.0.0.1:{port}/",
    "http://localhost:{port}/", f"http://{NAME}:{{port}}/",
]  # fmt: skip


class Unguarded(Guard):
    """The guard taken away: where a URL leads, there it goes."""

    def read(self, url: str) -> Place:
        scheme, _, rest = url.partition("://")
        host, _, last = rest.partition(":")
        port, _, target = last.partition("/")
        return Place(scheme, host, int(port), f"/{target}")

    def is_allowed(self, address: str) -> bool:  # noqa: ARG002 -- the guard's interface
        return True


@pytest.fixture
def trap() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def parcel(url: str) -> Parcel:
    return Parcel(url, {"content-type": "application/json"}, b"{}")


def always(status: int, _: Received) -> int:
    return status


def answering(found: list[str]) -> Resolve:
    return lambda *_: found


def test_s34_nothing_inside_is_connected_to(
    trap: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(CASES) > 40
    connected: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _self, to: connected.append(to))
    for reason, url, found in CASES:
        guard = Guard(ports={trap.port}, resolve=answering(found))
        address = url.format(port=trap.port)
        with pytest.raises(AddressRefused) as refused:
            guard.locate(address, seconds=5)
        assert refused.value.reason == reason, url
        assert Sender(guard).send(parcel(address)).error == "address_refused", url
    assert connected == []
    assert trap.connections == 0


@pytest.mark.parametrize("url", REACHING)
def test_without_the_guard_the_trap_is_reached(trap: Receiver, url: str) -> None:
    def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host == NAME else look_up(host, port)

    sent = Sender(Unguarded(resolve=resolve)).send(parcel(url.format(port=trap.port)))
    assert (sent.status, trap.connections) == (204, 1)


def test_public_names_and_addresses_pass() -> None:
    guard = Guard(resolve=lambda *_: [PUBLIC, "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
    for url in (
        "https://hooks.example.com", "https://Hooks.Example.com:8443/a/b?c=d&e=%20",
        "https://xn--fsqu6v.cn/", "https://a.b-c.1d.example/",
    ):
        place = guard.locate(url, seconds=5)
        assert place.host == place.host.lower()
        assert place.addresses[0] == PUBLIC


def test_s34_a_name_that_changes_is_refused_at_the_next_send(trap: Receiver) -> None:
    """DNS rebinding: public when it was registered, inside when it is used."""
    answers = iter([[PUBLIC], ["127.0.0.1"], ["10.0.0.8"]])
    guard = Guard(ports={trap.port}, resolve=lambda *_: next(answers))
    url = f"https://{NAME}:{trap.port}/"
    assert guard.locate(url, seconds=5).addresses == (PUBLIC,)
    for _ in range(2):
        assert Sender(guard).send(parcel(url)).error == "address_refused"
    assert trap.connections == 0


def test_s34_the_checked_address_is_the_one_connected_to(
    trap: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One look-up a send; whatever else the name means by then is never asked."""
    looked_up, connected = [], []

    def resolve(host: str, _port: int) -> list[str]:
        looked_up.append(host)
        return [PUBLIC] if len(looked_up) == 1 else ["127.0.0.1"]

    def connect(to: tuple[str, int], *_: object, **__: object) -> socket.socket:
        connected.append(to)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    guard = Guard(ports={trap.port}, resolve=resolve)
    assert Sender(guard).send(parcel(f"https://{NAME}:{trap.port}/")).error == "connect_failed"
    assert (looked_up, connected) == ([NAME], [(PUBLIC, trap.port)])


def test_s34_redirects_are_not_followed(trap: Receiver) -> None:
    guard = Guard(loopback_allowed=True)
    for status in (301, 302, 303, 307, 308):
        with receiving(partial(always, status)) as server:
            server.extra_headers["location"] = trap.url
            assert Sender(guard).send(parcel(server.url)).status == status
    assert trap.connections == 0


def test_plain_http_and_this_machine_are_for_development_alone(trap: Receiver) -> None:
    assert Sender(Guard()).send(parcel(trap.url)).error == "address_refused"
    assert trap.connections == 0
    development = Guard(loopback_allowed=True)
    assert Sender(development).send(parcel(trap.url)).status == 204
    for url in ("http://hooks.example.com/", "https://10.0.0.8/"):
        with pytest.raises(AddressRefused):
            development.read(url)
