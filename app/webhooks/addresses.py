"""Where a webhook may go: an https name whose every address is public, looked up by us.

The address that was checked is the one that is connected to, so that a name cannot mean one place
while it is checked and another while it is used.  URLs have one strict form, read here and nowhere
else: no user, no number for a host in any notation, no letters outside of ASCII.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

URL_MAX_CHARS: Final = 500
HOST_MAX_CHARS: Final = 253
PORTS: Final = (443, 8443)
ADDRESSES_MAX: Final = 16  # more than any honest name has
RESOLVER_THREADS: Final = 8
LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1"})

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]{1,253})(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>/[!-\"$-\[\]-~]*)?"  # neither `#` nor a backslash
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PUBLIC_V6 = ipaddress.ip_network("2000::/3")
_REFUSED = tuple(map(ipaddress.ip_network, (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
    "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    "168.63.129.16/32",  # a cloud's metadata, at a public address
    "2001::/23",  # Teredo, ORCHID and other protocols' own
    "2001:db8::/32", "2002::/16", "3fff::/20",
)))  # fmt: skip

Resolve = Callable[[str, int], list[str]]


class AddressRefused(Exception):
    """No webhook goes there; `reason` is a short stable word: form, scheme, port, host, address."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Place:
    """A URL in its parts, and the checked addresses of its host, in the resolver's order."""

    scheme: str
    host: str
    port: int
    target: str
    addresses: tuple[str, ...] = ()


def look_up(host: str, port: int) -> list[str]:
    """The addresses of a name, by the system's resolver.  Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Guard:
    """Reads URLs, looks their hosts up and refuses what is not public; safe between threads.

    `loopback_allowed` is for development: https and plain http to this machine, on any port.
    """

    def __init__(
        self,
        *,
        loopback_allowed: bool = False,
        ports: Collection[int] = PORTS,
        resolve: Resolve = look_up,
    ) -> None:
        self._loopback_allowed = loopback_allowed
        self._ports = ports
        self._resolve = resolve
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="webhook-names")

    def read(self, url: str) -> Place:
        """The parts of a URL that may be used; AddressRefused.  Nothing is looked up."""
        found = _URL.fullmatch(url)
        if found is None or len(url) > URL_MAX_CHARS:
            raise AddressRefused("form")
        scheme, host = found["scheme"], found["host"].lower()
        port = int(found["port"] or (443 if scheme == "https" else 80))
        place = Place(scheme, host, port, found["target"] or "/")
        if not (self._loopback_allowed and host in LOCAL_HOSTS):
            self._require_public(place)
        return place

    def locate(self, url: str, *, seconds: float) -> Place:
        """The place with its addresses, every one of them checked; AddressRefused.

        A name that is not found, or not within the seconds, is refused for its `address` too:
        who registers URLs learns nothing about the names inside.
        """
        place = self.read(url)
        looked_up = self._threads.submit(self._resolve, place.host, place.port)
        try:
            addresses = looked_up.result(seconds)
        except (OSError, UnicodeError, TimeoutError):
            looked_up.cancel()
            raise AddressRefused("address") from None
        if not 0 < len(addresses) <= ADDRESSES_MAX or not all(map(self.is_allowed, addresses)):
            raise AddressRefused("address")
        return Place(place.scheme, place.host, place.port, place.target, tuple(addresses))

    def is_allowed(self, address: str) -> bool:
        """Whether this one address may be connected to."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if self._loopback_allowed and parsed.is_loopback:
            return True
        if isinstance(parsed, ipaddress.IPv6Address) and (
            parsed not in _PUBLIC_V6 or parsed.scope_id is not None
        ):
            return False  # loopback, mapped, NAT64, local, link, multicast: none is in 2000::/3
        return not any(parsed in network for network in _REFUSED)

    def _require_public(self, place: Place) -> None:
        if place.scheme != "https":
            raise AddressRefused("scheme")
        if place.port not in self._ports and not self._loopback_allowed:
            raise AddressRefused("port")
        labels = place.host.split(".")
        named = len(labels) > 1 and all(map(_LABEL.fullmatch, labels)) and labels[-1][0].isalpha()
        if not named:  # of a number in any notation the last label begins with a digit
            raise AddressRefused("host")
