"""What a SIP2 endpoint meets beside machines: noise, haste, sloth and strangers."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from limits import parse

from app.library import sip2_answers
from app.library.sip2_messages import checksum
from tests.library.conftest import Served
from tests.library.self_service import QUICK, connected, info_text, read_line, say, serving

RESEND = b"96AZFEF6"


def checked(text: str, sequence: str = "1") -> str:
    """A message with a right checksum."""
    body = f"{text}AY{sequence}AZ"
    return body + checksum(body.encode())


def logged_in(served: Served, stream: socket.socket) -> None:
    assert say(stream, served.login).startswith(b"941")


def ended(stream: socket.socket) -> bool:
    """Whether the server has closed the connection."""
    stream.settimeout(5)
    try:
        return read_line(stream) == b""
    except ConnectionError:
        return True


def test_a_wrong_checksum_is_asked_for_again_and_five_end_the_connection(served: Served) -> None:
    with connected(served.port) as stream:
        logged_in(served, stream)
        wrong = checked("9900802.00")[:-1] + "?"
        assert say(stream, checked("9900802.00").replace("9900", "9910")) == RESEND
        assert say(stream, checked("9900802.00")).startswith(b"98Y")  # a good one in between
        assert say(stream, wrong.replace("?", "G")).startswith(b"96")  # no checksum at all
        for _ in range(3):
            assert say(stream, "9900802.00AY1AZ0000") == RESEND
        assert say(stream, "9900802.00AY1AZ0000") == RESEND
        assert ended(stream)


def test_sequence_numbers_come_back_as_they_came(served: Served) -> None:
    """The machine counts; a number that jumps or repeats is the machine's own affair."""
    with connected(served.port) as stream:
        logged_in(served, stream)
        for sequence in ("1", "7", "7", "0"):
            answer = say(stream, checked("9900802.00", sequence)).decode()
            assert f"AY{sequence}AZ" in answer
            assert answer[-4:] == checksum(answer[:-4].encode())
        assert say(stream, "6300020261129    120000          AO|AAx|AY?AZ0000") == RESEND


def test_a_line_of_a_megabyte_ends_its_connection_alone(served: Served) -> None:
    with connected(served.port) as loud, connected(served.port) as other:
        logged_in(served, loud)
        logged_in(served, other)
        with suppress(ConnectionError):  # it is ended while it speaks
            loud.sendall(b"63" + b"x" * 1_000_000)
        assert ended(loud)
        assert say(other, "9900802.00").startswith(b"98Y")


@pytest.mark.parametrize("said", [b"", b"9900", b"\r\n\r\n", b"63" + b" " * 100])
def test_half_a_line_or_none_is_not_waited_for(served: Served, said: bytes) -> None:
    with connected(served.port) as stream:
        stream.sendall(said)
        assert ended(stream)  # within the half second that this endpoint gives


def test_a_slow_line_is_not_waited_for_though_it_goes_on(served: Served) -> None:
    with connected(served.port) as stream:
        logged_in(served, stream)
        stream.settimeout(0.1)
        answered = b""
        for letter in b"9900802.00" * 20:
            try:
                stream.sendall(bytes([letter]))
                answered = stream.recv(1)
                break  # the end
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert answered == b""


def test_a_machine_that_says_nothing_for_long_is_let_go(served: Served) -> None:
    with connected(served.port) as stream:
        logged_in(served, stream)
        assert ended(stream)


@pytest.mark.parametrize("login", [
    "9300CNnobody|COx|", "9300CN01a2294f-ec8a-759c-ad84-4cffffffffff|COx|", "9311CNx|COx|",
])  # fmt: skip
def test_unknown_machines_have_three_tries(served: Served, login: str) -> None:
    with connected(served.port) as stream:
        assert [say(stream, login) for _ in range(3)] == [b"940"] * 3
        assert ended(stream)


def test_nobody_asks_before_the_login(served: Served) -> None:
    code = served.code_of(served.holder())
    with connected(served.port) as stream:
        status = say(stream, "9900802.00").decode()
        assert status.startswith("98Y")
        assert "AM|" in status  # not whose endpoint it is
        stream.sendall(f"{info_text(code)}\r".encode())
        assert ended(stream)
    with connected(served.port) as stream:  # and the code was not burnt
        logged_in(served, stream)
        assert "BLY" in say(stream, info_text(code)).decode()


@pytest.mark.parametrize("said", [
    "63", "6300020261129    120000", "23001", "35", "63" + " " * 40 + "AA1|", "9300CNx|", "zz", "",
    "6300020261129    120000          AO|AA" + "x" * 300 + "|",
])  # fmt: skip
def test_what_cannot_be_read_is_asked_for_again(served: Served, said: str) -> None:
    with connected(served.port) as stream:
        logged_in(served, stream)
        if said:
            assert say(stream, said) == RESEND
        assert say(stream, "9900802.00").startswith(b"98Y")


def test_unknown_kinds_are_passed_over_and_codings_are_held_to(served: Served) -> None:
    with connected(served.port) as stream:
        logged_in(served, stream)
        stream.sendall(b"8700|\r9900802.00\r")
        assert read_line(stream).startswith(b"98Y")  # nothing for the unknown one
        assert say(stream, info_text("持卡人"), encoding="gb18030") == RESEND


def test_fields_cannot_be_smuggled_into_an_answer(served: Served) -> None:
    with connected(served.port) as stream:
        logged_in(served, stream)
        scanned = "x\x1b[2J\tBLY"
        answer = say(stream, info_text(scanned)).decode()
        assert "\x1b" not in answer
        assert "BLN|" in answer


def test_a_machine_has_so_many_questions_a_minute(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sip2_answers, "ASKS", parse("3/minute"))
    machine = served.library.make_machine()
    login = f"9300CN{machine['machine']['machine_id']}|CO{machine['secret']}|"
    with connected(served.port) as stream:
        assert say(stream, login) == b"941"
        told = [say(stream, info_text("LIB-1")).decode() for _ in range(12)]
    assert "AF请出示" in told[0]
    assert "AF操作过于频繁，请稍后再试。|" in told[-1]


def test_connections_are_limited_and_their_places_come_back(served: Served) -> None:
    with serving(served.app, limits=QUICK) as port:
        held = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(8)]
        with connected(port) as late:
            assert ended(late)
        for stream in held:
            stream.close()
        for _ in range(50):
            with connected(port) as again:
                if say_or_end(again):
                    break
        else:
            pytest.fail("no place came back")


def say_or_end(stream: socket.socket) -> bool:
    try:
        return say(stream, "9900802.00").startswith(b"98")
    except ConnectionError:
        return False


def test_a_database_that_is_away_is_said_in_words(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: Any) -> None:
        raise psycopg.OperationalError

    with connected(served.port) as stream:
        logged_in(served, stream)
        monkeypatch.setattr(sip2_answers, "present", away)
        monkeypatch.setattr(sip2_answers, "require_machine", away)
        answer = say(stream, info_text("LIB-1")).decode()
        assert "BLN|" in answer
        assert "AF系统繁忙" in answer
        assert say(stream, "9900802.00").startswith(b"98N")
