"""The coarse classes of everybody: nothing finer, and a line in the trail for each use."""

from __future__ import annotations

from datetime import date

import pytest
from flask import Flask
from sqlalchemy import text

from app.kernel.database import transaction
from app.kernel.ids import id_slices, new_id
from app.members.classes import CoarseClass, age_band, open_coarse_classes
from app.members.operations import NewMember, register_members
from app.trail.assessments import AssessmentMissing
from app.trail.operations import Actor
from app.trail.queries import list_acts
from tests.members.api import keys_of
from tests.members.people import made_up_id_number
from tests.scoring.drafts import make_assessment

DAY = date(2026, 6, 30)
SUBJECT = "scheme test 1"


def opened(app: Flask, assessment_id: object = None) -> list[CoarseClass]:
    slices = open_coarse_classes(
        keys=keys_of(app), slices=id_slices(4), on=DAY, actor=Actor("operator", new_id()),
        subject=SUBJECT, reason="评估新规则的影响",
        assessment_id=assessment_id or make_assessment(),  # type: ignore[arg-type]  # made up
    )
    return [person for people in slices for person in people]


def register(app: Flask, born_on: date, serial: int, joined_on: date) -> str:
    number = made_up_id_number(born_on, serial)
    person = NewMember(name="王芳", id_number=number, phone=None, joined_on=joined_on)
    with transaction():
        (made,) = register_members(keys=keys_of(app), people=[person])
    return str(made.citizen_id)


def test_members_are_told_by_coarse_classes_alone(app: Flask) -> None:
    woman = register(app, date(1961, 7, 1), 502, date(2025, 3, 1))
    man = register(app, date(1961, 6, 30), 503, date(2026, 1, 1))
    register(app, date(1990, 1, 1), 505, date(2026, 7, 1))  # joins later
    left = register(app, date(1990, 1, 1), 507, date(2026, 1, 1))
    with transaction() as session:
        session.execute(
            text("UPDATE citizens SET status = 'restricted' WHERE citizen_id = :left"),
            {"left": left},
        )
    found = {str(one.citizen_id): tuple(vars(one).values())[1:] for one in opened(app)}
    assert found == {
        woman: ("55-64", "female", "330702", 2025), man: ("65+", "male", "330702", 2026),
    }


def test_d6_each_bulk_use_is_one_line_in_the_trail(app: Flask) -> None:
    register(app, date(1990, 1, 1), 511, date(2026, 1, 1))
    assessment_id = make_assessment()
    opened(app, assessment_id)
    (line,) = list_acts(subject=SUBJECT)
    assert (line.action, line.basis) == (
        "classes_opened", f"impact assessment {assessment_id}",
    )


def test_r21_nothing_is_opened_without_an_assessment(app: Flask) -> None:
    for assessment_id in (new_id(), make_assessment("sharing")):
        with pytest.raises(AssessmentMissing):
            opened(app, assessment_id)
    assert list_acts(subject=SUBJECT) == []


def test_bands_change_on_birthdays() -> None:
    born_on = date(2000, 2, 29)
    days = [date(2025, 2, 28), date(2025, 3, 1), date(2065, 2, 28), date(2065, 3, 1)]
    assert [age_band(born_on=born_on, on=on) for on in days] == [
        "18-24", "25-34", "55-64", "65+",
    ]
