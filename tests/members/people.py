"""Made-up people with well-formed identity numbers."""

from __future__ import annotations

import itertools
from datetime import date

from app.members.id_numbers import check_character
from app.members.operations import NewMember

_serial = itertools.count(1)


def made_up_id_number(born_on: date = date(1985, 3, 12), serial: int | None = None) -> str:
    """A well-formed number that nobody else in the test run has (999 per birthday)."""
    number = next(_serial) if serial is None else serial
    area = 330702 + number // 1000
    first = f"{area}{born_on:%Y%m%d}{number % 1000:03d}"
    return first + check_character(first)


def made_up_member(joined_on: date = date(2026, 1, 5)) -> NewMember:
    number = next(_serial)
    return NewMember(
        name=f"方志{chr(0x4E00 + number % 20000)}",
        id_number=made_up_id_number(serial=number),
        phone=f"138{number:08d}",
        joined_on=joined_on,
    )
