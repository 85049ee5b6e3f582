"""From a delivery's row to what it fed, and from a score line back to the row."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.ids import new_id
from app.records.operations import DeliveryNotFound
from app.records.queries import current_day
from app.scoring.tracing import RowNotKept, trace_row
from app.trail.queries import list_trail
from app.web.auth import Role, issue_tokens
from tests.members.api import bearer
from tests.members.people import made_up_member
from tests.records.programme import HOURS, Programme, build_programme
from tests.redemptions.builders import make_staff
from tests.scoring.people import signed_in

REASON = "核对报送单位的更正申请"


@pytest.fixture
def programme(app: Flask) -> Programme:
    return build_programme(app)


@pytest.fixture
def operator(app: Flask) -> dict[str, str]:
    staff_id, opened = make_staff(app, Role.OPERATOR)
    pair = issue_tokens(
        role=Role.OPERATOR, subject_id=staff_id, session_id=opened.session_id,
        refresh_id=opened.refresh_id, refresh_life=opened.life,
    )
    return bearer(pair.access_token)


def delivered(programme: Programme) -> str:
    """Row 2 is kept, row 3 refused, row 4 about a stranger."""
    today = current_day()
    delivery_id = new_id()
    programme.deliver(
        HOURS,
        programme.hours("ZY-1", "3", day=today.isoformat()),
        programme.hours("ZY-2", "a lot"),
        programme.hours("ZY-3", "3", person=made_up_member().id_number),
        on=today, delivery_id=delivery_id,
    )
    return str(delivery_id)


def traced(programme: Programme) -> list[tuple[str, tuple[str, ...]]]:
    lines = list_trail(citizen_id=programme.citizens[0], limit=9)
    return [(line.reason, line.fields) for line in lines if line.action == "record_traced"]


def test_a_score_line_leads_to_its_row_and_the_row_to_the_indicator(
    programme: Programme, client: FlaskClient, operator: dict[str, str]
) -> None:
    delivered(programme)
    mine = signed_in(programme.citizens[0])
    explained = client.get("/api/v1/me/score/explanation", headers=mine).get_json()
    lines: list[dict[str, Any]] = [
        line for one in explained["indicators"] for line in one["lines"]
    ]
    origin = lines[0]["origin"]
    url = f"/api/v1/deliveries/{origin['delivery_id']}/rows/{origin['row_number']}"
    answer = client.get(url, headers=operator)
    found = answer.get_json()
    assert (found["outcome"], found["record_number"], found["version"]) == ("kept", "ZY-1", 1)
    (fed,) = found["fed"]
    assert (fed["code"], fed["ends_on"], fed["counts_today"]) == (
        "301", lines[0]["ends_on"], True,
    )  # fmt: skip
    person = programme.people[0]
    assert person.name not in answer.text
    assert person.id_number not in answer.text
    assert str(programme.citizens[0]) not in answer.text


def test_the_person_is_shown_masked_for_a_reason_that_the_citizen_reads(
    programme: Programme, client: FlaskClient, operator: dict[str, str]
) -> None:
    url = f"/api/v1/deliveries/{delivered(programme)}/rows/2/reveal"
    assert client.post(url, headers=operator, json={"reason": "x"}).status_code == 422
    assert traced(programme) == []
    answer = client.post(url, headers=operator, json={"reason": REASON})
    found = answer.get_json()
    person = programme.people[0]
    assert found["granted_points"] == 30
    assert found["id_number"].startswith(person.id_number[:6])
    assert "*" in found["id_number"]
    assert person.id_number not in answer.text
    assert traced(programme) == [(REASON, (HOURS,))]


def test_other_rows_and_other_sources(programme: Programme) -> None:
    delivered(programme)
    delivery_id = programme.sent[-1].delivery_id
    refused = trace_row(delivery_id=delivery_id, row_number=3, source_id=programme.source_id)
    assert (refused.outcome, refused.reason, refused.fed) == ("refused", "bad_number", ())
    for row_number in (1, 4, 99):
        with pytest.raises(RowNotKept):
            trace_row(delivery_id=delivery_id, row_number=row_number, source_id=None)
    with pytest.raises(DeliveryNotFound):
        trace_row(delivery_id=delivery_id, row_number=2, source_id=new_id())


def test_a_replaced_version_counts_no_longer(programme: Programme) -> None:
    delivered(programme)
    first = programme.sent[-1].delivery_id
    today = current_day()
    correction = programme.hours("ZY-1", "2", version="2", day=today.isoformat())
    programme.deliver(HOURS, correction, on=today)
    old = trace_row(delivery_id=first, row_number=2, source_id=None)
    new = trace_row(delivery_id=programme.sent[-1].delivery_id, row_number=2, source_id=None)
    assert old.kept is not None
    assert old.kept.replaced_on == today
    assert [one.counts_today for trace in (old, new) for one in trace.fed] == [False, True]
