"""A library: its desk asks, a self-service machine asks over SIP2, a waiver comes and goes."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from app.kernel.ids import new_id
from app.library.sip2_messages import checksum
from demo.api import Api
from demo.setting import Shop
from demo.telling import tell

if TYPE_CHECKING:
    from demo.journey import Scene

READY_SECONDS_MAX = 60
SHOWN_CHARS = 24  # of a pass code
Ask = Callable[[str], str]


def ask_for_books(scene: Scene, *, library: Shop, holder: Api, name: str) -> None:
    """Walk through what a library does with somebody who stands before it."""
    scene.operator.post(
        "/benefit-merchants",
        {"benefit_code": "library_children", "merchant_id": library.merchant_id}, expect=204,
    )
    learned = ask_at_desk(library, holder)
    tell(f"{name} at the desk: {_figures(learned)}")
    register_and_return(library, holder, learned)

    machine = library.owner.post(
        "/library/machines",
        {"machine_id": str(new_id()), "shop_id": library.shop_id, "name": "自助借还机 1 号"},
        expect=201,
    )
    with machine_at(scene.library_bind) as ask:
        visit(ask, machine, holder)


def ask_at_desk(library: Shop, holder: Api) -> dict[str, Any]:
    """Show a pass code at the desk; what the desk learns."""
    code = holder.post("/me/pass-code")["code"]
    learned: dict[str, Any] = library.clerk.post(
        "/library/standing", {"shop_id": library.shop_id, "code": code}
    )
    return learned


def register_and_return(library: Shop, holder: Api, learned: dict[str, Any]) -> None:
    """A deposit is waived, seen by its holder, and the waiver is returned."""
    kind = "reader" if learned["deposit_waived"] else "children"
    if kind == "children" and not learned["childrens_books_deposit_free"]:
        tell("no deposit is waived for this tier: the desk goes on as for everybody")
        return
    waiver = library.clerk.post(
        "/library/waivers",
        {
            "waiver_id": str(new_id()), "shop_id": library.shop_id, "kind": kind,
            "reference": learned["reference"], "reader_reference": "DZ-2026-0001",
        },
        expect=201,
    )
    [own] = holder.get("/me/library-waivers")["waivers"]
    tell(f"waived without a deposit ({own['kind']}) at {own['shop_name']}, as the holder sees it")
    ended = library.clerk.post(
        "/library/waivers/return", {"shop_id": library.shop_id, "receipt": waiver["receipt"]}
    )
    tell(f"returned at {ended['returned_at']}")


def visit(ask: Ask, machine: dict[str, Any], holder: Api) -> None:
    """What a machine says and hears: login, status, a holder, the end."""
    login = ask(f"9300CN{machine['machine']['machine_id']}|CO{machine['secret']}|")
    tell(f"a self-service machine logs in over SIP2: {login[:3]}; its status: "
         f"{ask('9900802.00')}")  # fmt: skip
    code = holder.post("/me/pass-code")["code"]
    asked = ask(f"6300020261129    120000          AO|AA{code}|")
    tell(f"it scans the pass code and hears: {asked.replace(code, code[:SHOWN_CHARS] + '…')}")
    ask(f"3520261129    120000AO|AA{code}|")
    again = ask(f"6300020261129    120000          AO|AA{code}|")
    tell(f"the same code after the visit: {again[again.index('|AF') + 3:].partition('|')[0]}")


@contextmanager
def machine_at(bind: str) -> Iterator[Ask]:
    """A connection of a machine: a message out, its answer in, with checksums."""
    host, _, port = bind.rpartition(":")
    with _connected(host, int(port)) as stream, stream.makefile("rb") as answers:
        numbers = iter(range(10))

        def ask(message: str) -> str:
            body = f"{message}AY{next(numbers)}AZ".encode()
            stream.sendall(body + checksum(body).encode() + b"\r")
            line = bytearray()
            while not line.endswith(b"\r"):
                line += answers.read(1)
            return line.decode().rstrip("\r")

        yield ask


def _connected(host: str, port: int) -> socket.socket:
    """The endpoint may still be starting."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while True:
        try:
            return socket.create_connection((host, port), timeout=10)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _figures(learned: dict[str, Any]) -> str:
    return (
        f"eligible {learned['eligible']}, tier {learned['tier']}, {learned['books']} books, "
        f"{learned['childrens_books_deposit_free']} children's books without a deposit, "
        f"deposit waived {learned['deposit_waived']}; nothing else"
    )
