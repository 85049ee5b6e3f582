"""What rules of before granted is taken back by what comes later, whatever rules apply then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from flask import Flask
from sqlalchemy import text

from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.ledger.queries import balance, verify
from app.scoring.voiding import void_record
from tests.records.programme import Programme, build_programme
from tests.scoring.drafts import activate, later_text

KIND, NUMBER = "community_service", "SQ-1"
GRANT = """[[points.grant]]
indicator = "302"
unit = "record"
points = 20
illustrative = ["points"]

"""
LATER = date(2026, 7, 1)


@pytest.fixture
def programme(app: Flask) -> Programme:
    """Somebody with 20 points for a record of a kind that the rules in force grant nothing for."""
    made = build_programme(app, people=1)
    made.deliver(KIND, row(made, version=1))
    activate(later_text(effective_on=LATER, changes={GRANT: ""}))
    assert (points(made), in_force()) == (20, [1])
    return made


def row(programme: Programme, *, version: int, status: str = "有效") -> list[str]:
    person = programme.people[0].id_number
    return [NUMBER, str(version), status, person, "2026-05-02", "城东社区", "敬老"]


def void(programme: Programme) -> None:
    programme.deliver(KIND, row(programme, version=2, status="作废"), on=LATER)


def correct(programme: Programme) -> None:
    programme.deliver(KIND, row(programme, version=2), on=LATER)


def void_by_office(programme: Programme) -> None:
    with transaction():
        void_record(
            keys=programme.keys, citizen_id=programme.citizens[0], record_type=KIND,
            record_number=NUMBER, act_id=new_id(),
        )


@pytest.mark.parametrize("change", [void, correct, void_by_office])
def test_points_of_earlier_rules_are_taken_back(
    programme: Programme, change: Callable[[Programme], None]
) -> None:
    change(programme)
    assert (points(programme), in_force()) == (0, [])
    assert verify() == []


def test_points_of_earlier_rules_stay_while_their_record_does(programme: Programme) -> None:
    other = ["SQ-2", *row(programme, version=1)[1:]]
    programme.deliver(KIND, other, on=LATER)
    assert (points(programme), in_force()) == (20, [1])


def test_a_record_from_before_is_granted_for_once_rules_grant_again(programme: Programme) -> None:
    correct(programme)
    activate(later_text(effective_on=date(2026, 8, 1)))
    programme.deliver(KIND, row(programme, version=3), on=date(2026, 8, 1))
    assert (points(programme), in_force()) == (20, [3])


def points(programme: Programme) -> int:
    return balance(citizen_id=programme.citizens[0]).available_points


def in_force() -> list[int]:
    with reading() as session:
        found = session.scalars(text(
            "SELECT version FROM record_grants WHERE record_number = :number AND in_force"
        ), {"number": NUMBER})
        return [*found]
