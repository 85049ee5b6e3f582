"""What a self-service machine is answered, message by message; docs/library.md tells with examples.

A conversation is one connection.  It keeps the holder whom the machine has before it, for as long
as a desk's reference lives at most, because a machine asks 23 and 63 about one scan; a pass code is
burnt by the first.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final
from uuid import UUID

import psycopg
import sqlalchemy.exc
from flask import Flask
from limits import parse

from app.kernel.clock import now
from app.kernel.errors import DomainError, NotAllowed, NotFound, domain_errors
from app.kernel.keys import KeyProvider
from app.library.machines import (
    ENCODINGS,
    MachineAnswer,
    ask_again,
    present,
    require_machine,
    sign_in_machine,
)
from app.library.references import REFERENCE_LIFE
from app.library.refusals import LibraryMachineRefused
from app.library.sip2_messages import (
    RESEND,
    BadMessageError,
    Request,
    moment_text,
    read_message,
    value,
    write_message,
)
from app.library.standing import Standing
from app.web.limits import LocalWindows, TooManyRequests

log = logging.getLogger(__name__)

ASKS: Final = parse("120/minute")  # of one machine
BAD_IN_A_ROW_MAX: Final = 5
LOGINS_MAX: Final = 3
NAME: Final = "持卡人"  # the field is required; nobody's name is told
BUSY: Final = "系统繁忙，请稍后重试，或到服务台办理。"
NOT_HERE: Final = "此接口只查询借阅额度，不办理该业务。"
FIGURE_MAX: Final = 9_999  # four characters
PASSED: Final = " " * 14  # nothing is denied: whoever has no card is served like everybody
UNTOLD: Final = " " * 24  # six counts of items: not known here
# 16 letters, a message each: patron status, status, resend, login, patron information, end.
SUPPORTED: Final = "YNNNYYYYYNNNNNNN"
# What is not done here, answered as its machine expects: not done, nothing of the item repeated.
_REFUSALS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "01": ("24" + PASSED + "000{at}", ("AO", "AA", "AE")),
    "09": ("100NUN{at}", ("AO", "AB", "AQ")),
    "11": ("120NUN{at}", ("AO", "AA", "AB", "AJ", "AH")),
    "15": ("160N{at}", ("AO", "AA")),
    "17": ("18010001{at}", ("AB", "AJ")),
    "19": ("200{at}", ("AB",)),
    "25": ("26" + PASSED + "000{at}", ("AO", "AA", "AE")),
    "29": ("300NUN{at}", ("AO", "AA", "AB", "AJ", "AH")),
    "37": ("38N{at}", ("AO", "AA")),
    "65": ("66000000000{at}", ("AO",)),
}
_ANY: Final = "latin-1"  # until the login, which is ASCII, says how the machine writes
_BUSY_ERRORS: Final = (
    sqlalchemy.exc.OperationalError, sqlalchemy.exc.TimeoutError, psycopg.OperationalError
)


@dataclass(frozen=True)
class Reply:
    """What goes back, if anything, and whether the connection ends after it."""

    content: bytes | None = None
    ends: bool = False


@dataclass(frozen=True)
class _Before:
    """Whom the machine has before it, by the hash of what it scanned."""

    scanned: bytes
    citizen_id: UUID
    until: float  # of the monotonic clock


class Conversation:
    """One connection of a machine: from its login to its end."""

    def __init__(self, app: Flask, *, keys: KeyProvider, windows: LocalWindows) -> None:
        self._app = app
        self._keys = keys
        self._windows = windows
        self._encoding = ENCODINGS[0]
        self._machine_id: UUID | None = None
        self._logins = 0
        self._bad = 0
        self._before: _Before | None = None
        self._last: tuple[bytes, bytes] | None = None  # the last request and its answer

    @property
    def is_logged_in(self) -> bool:
        """Whether a machine stands behind the connection."""
        return self._machine_id is not None

    def answer(self, line: bytes) -> Reply:
        """The reply to a message without its end of line."""
        encoding = self._encoding if self.is_logged_in else _ANY
        try:
            request = read_message(line, encoding=encoding)
        except BadMessageError:
            return self._unread(resend=True)
        if request.kind == "97":
            last = self._again() if self._last is None else self._last[1]
            return Reply(last)
        if request.sequence is not None and self._last is not None and self._last[0] == line:
            return Reply(self._last[1])  # sent again: done once
        if not self.is_logged_in and request.kind not in {"93", "99"}:
            self._tell("sip2 message before login", request)
            return Reply(ends=True)
        handle = self._handler(request.kind)
        if handle is None:
            self._tell("sip2 message of an unknown kind", request)
            return self._unread(resend=False)
        self._bad = 0
        text, ends = self._handled(handle, request)
        content = write_message(text, encoding=self._encoding, request=request)
        self._last = line, content
        return Reply(content, ends)

    def _handler(self, kind: str) -> Callable[[Request], tuple[str, bool]] | None:
        if kind in _REFUSALS:
            return self._refuse
        return {
            "93": self._login, "99": self._status, "23": self._patron, "63": self._patron,
            "35": self._end,
        }.get(kind)  # fmt: skip

    def _handled(
        self, handle: Callable[[Request], tuple[str, bool]], request: Request
    ) -> tuple[str, bool]:
        try:
            with self._app.app_context():
                return handle(request)
        except _BUSY_ERRORS as error:
            log.warning("database unavailable", extra={"error_class": type(error).__name__})
            return _when_busy(request), False

    def _login(self, request: Request) -> tuple[str, bool]:
        """93 → 94.  The password comes as it is: TLS or the machine itself keeps it."""
        self._logins += 1
        self._machine_id = self._before = None
        if request.fixed == "00":
            try:
                machine = sign_in_machine(
                    keys=self._keys, login=request.fields["CN"], secret=request.fields["CO"]
                )
            except (LibraryMachineRefused, NotAllowed, NotFound) as error:
                self._tell("sip2 login refused", request, code=error.code)
            else:
                self._machine_id, self._encoding = machine.machine_id, machine.encoding
                return "941", False
        return "940", self._logins >= LOGINS_MAX

    def _status(self, _: Request) -> tuple[str, bool]:
        """99 → 98.  Suspended machines are told that nobody is here."""
        shop_name = ""
        if self._machine_id is not None:
            try:
                shop_name = require_machine(machine_id=self._machine_id)[1]
            except (NotAllowed, NotFound) as error:
                return _status(shop_name, error), True
        return _status(shop_name, None), False

    def _patron(self, request: Request) -> tuple[str, bool]:
        """23 → 24, 63 → 64: what is due to whoever was scanned.  Items are never told."""
        try:
            found = self._asked(request.fields["AA"].strip())
        except TooManyRequests as error:
            return _patron(request, None, error), False
        except (NotAllowed, NotFound) as error:  # of the machine, or of its shop
            self._tell("sip2 machine refused", request, code=error.code)
            return _patron(request, None, error), True
        refused = None if found.refused is None else domain_errors()[found.refused]
        return _patron(request, found.standing, refused), False

    def _asked(self, scanned: str) -> MachineAnswer:
        assert self._machine_id is not None
        wait = self._windows.hit(name="sip2", item=ASKS, key=str(self._machine_id))
        if wait:
            raise TooManyRequests(retry_after_seconds=wait)
        hashed, moment = hashlib.sha256(scanned.encode()).digest(), time.monotonic()
        before = self._before
        if before is not None and compare_digest(before.scanned, hashed) and moment < before.until:
            return ask_again(machine_id=self._machine_id, citizen_id=before.citizen_id)
        self._before = None
        found = present(keys=self._keys, machine_id=self._machine_id, text=scanned)
        if found.citizen_id is not None:
            until = moment + REFERENCE_LIFE.total_seconds()
            self._before = _Before(hashed, found.citizen_id, until)
        return found

    def _end(self, request: Request) -> tuple[str, bool]:
        """35 → 36: nobody stands before the machine any more."""
        self._before = None
        return f"36Y{_at()}" + value("AO", request.fields["AO"]) + _patron_id(request), False

    def _refuse(self, request: Request) -> tuple[str, bool]:
        """Lending, items, fees and blocks are the library's own system's."""
        text, names = _REFUSALS[request.kind]
        empty = "".join(value(name, "") for name in names)
        return text.format(at=_at()) + empty + value("AF", NOT_HERE), False

    def _unread(self, *, resend: bool) -> Reply:
        self._bad += 1
        return Reply(self._again() if resend else None, ends=self._bad >= BAD_IN_A_ROW_MAX)

    def _again(self) -> bytes:
        return write_message(RESEND, encoding=self._encoding)

    def _tell(self, what: str, request: Request, **more: str) -> None:
        log.warning(what, extra={
            "machine_id": None if self._machine_id is None else str(self._machine_id),
            "kind": request.kind, **more,
        })


def _status(shop_name: str, refused: DomainError | None) -> str:
    online = "N" if refused else "Y"
    return (
        f"98{online}NNNNN100003{_at()}2.00"
        + value("AO", "") + value("AM", shop_name) + value("BX", SUPPORTED)
        + ("" if refused is None else value("AF", refused.advice))
    )


def _patron(
    request: Request, standing: Standing | None, refused: DomainError | type[DomainError] | None
) -> str:
    """24 or 64; refused ones have the figures of everybody, where those could be read."""
    advice = BUSY if standing is None else _in_words(standing)
    if refused is not None:
        advice = refused.advice
    head = "24" if request.kind == "23" else "64"
    is_valid = "N" if refused is not None or standing is None else "Y"
    proven = is_valid == "Y" and request.fields["AA"].lstrip().startswith("IC1")
    parts = [
        head, PASSED, request.fixed[:3], _at(), UNTOLD if head == "64" else "",
        value("AO", request.fields["AO"]), _patron_id(request), value("AE", NAME),
    ]
    if head == "64" and standing is not None:
        parts.append(value("CB", f"{min(standing.books, FIGURE_MAX):04}"))
    parts += [value("BL", is_valid), value("CQ", "Y" if proven else "N")]
    if head == "64" and standing is not None and standing.tier is not None:
        parts.append(value("PC", standing.tier))
    return "".join([*parts, value("AF", advice)])


def _in_words(standing: Standing) -> str:
    words = f"可借图书{standing.books}册"
    if standing.deposit_waived:
        words += "，免押金"
    if standing.childrens_books_deposit_free:
        words += f"；少儿图书{standing.childrens_books_deposit_free}册免押金"
    return words + "。"


def _when_busy(request: Request) -> str:
    if request.kind == "93":
        return "940"
    if request.kind == "99":
        return _status("", None).replace("98Y", "98N", 1) + value("AF", BUSY)
    return _patron(request, None, None)


def _patron_id(request: Request) -> str:
    return value("AA", request.fields["AA"])


def _at() -> str:
    return moment_text(now())
