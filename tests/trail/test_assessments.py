"""The register of impact assessments, and the lines about acts of office."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.database import transaction
from app.kernel.errors import IdReused
from app.kernel.ids import new_id
from app.members.operations import publish_text
from app.records.queries import current_day
from app.trail.assessments import (
    AssessmentMissing,
    AssessmentNotConcluded,
    AssessmentTermUnfit,
    AssessmentUnknown,
    NewAssessment,
    confirm_assessment,
    register_assessment,
    require_assessment,
    require_covered,
)
from app.trail.operations import Actor, ReasonNeeded, SecondPersonNeeded, record_act
from app.trail.queries import list_acts
from tests.members.api import bearer, staff_tokens
from tests.trail.assessed import REASON, assessed, new_assessment


def test_r21_an_assessment_is_registered_once_and_kept_three_years(app: Flask) -> None:
    assessment, operator = new_assessment(), new_id()
    made = register_assessment(assessment=assessment, operator_id=operator, reason=REASON)
    again = register_assessment(assessment=assessment, operator_id=operator, reason=REASON)
    assert made == again
    assert made.kept_until_on >= made.concluded_on.replace(year=made.concluded_on.year + 3)
    (line,) = list_acts(subject=str(assessment.assessment_id))
    assert (line.action, line.actor_id, line.reason) == (
        "assessment_registered", operator, REASON,
    )
    other = NewAssessment(**(vars(assessment) | {"title": "另一份"}))
    with pytest.raises(IdReused):
        register_assessment(assessment=other, operator_id=operator, reason=REASON)


def test_what_is_not_concluded_or_has_no_reason_is_refused(app: Flask) -> None:
    later = new_assessment(concluded_on=current_day() + timedelta(days=1))
    with pytest.raises(AssessmentNotConcluded):
        register_assessment(assessment=later, operator_id=new_id(), reason=REASON)
    with pytest.raises(ReasonNeeded):
        register_assessment(assessment=new_assessment(), operator_id=new_id(), reason="")


def test_r21_only_what_a_second_person_confirmed_counts(app: Flask) -> None:
    made, first, second = new_assessment(), new_id(), new_id()
    register_assessment(assessment=made, operator_id=first, reason=REASON)
    with pytest.raises(AssessmentMissing):
        require_assessment(assessment_id=made.assessment_id, kind="scoring")
    with pytest.raises(SecondPersonNeeded):
        confirm_assessment(assessment_id=made.assessment_id, operator_id=first, reason=REASON)
    done = confirm_assessment(assessment_id=made.assessment_id, operator_id=second, reason=REASON)
    again = confirm_assessment(
        assessment_id=made.assessment_id, operator_id=new_id(), reason=REASON
    )
    assert done == again == require_assessment(assessment_id=made.assessment_id, kind="scoring")
    assert (done.registered_by, done.confirmed_by) == (first, second)
    lines = list_acts(subject=str(made.assessment_id))
    assert [line.action for line in lines] == ["assessment_registered", "assessment_confirmed"]
    with pytest.raises(AssessmentUnknown):
        confirm_assessment(assessment_id=new_id(), operator_id=second, reason=REASON)


def test_r21_the_kind_must_fit_and_what_is_covered(app: Flask) -> None:
    made = assessed("sharing", "loan")
    assert require_assessment(assessment_id=made, kind="sharing").title
    assert require_covered(kind="sharing", what="loan").assessment_id == made
    for missing in (made, new_id()):
        with pytest.raises(AssessmentMissing):
            require_assessment(assessment_id=missing, kind="scoring")
    for kind, what in (("sensitive", "loan"), ("sharing", "clinic")):
        with pytest.raises(AssessmentMissing):
            require_covered(kind=kind, what=what)


def test_r21_an_assessment_ends(app: Flask) -> None:
    today = current_day()
    for until_on in (today - timedelta(days=1), today + timedelta(days=732)):
        with pytest.raises(AssessmentTermUnfit):
            register_assessment(
                assessment=new_assessment(in_force_until_on=until_on), operator_id=new_id(),
                reason=REASON,
            )
    last_day = {"concluded_on": today - timedelta(days=9), "in_force_until_on": today}
    over = {name: day - timedelta(days=1) for name, day in last_day.items()}
    for days, is_good in ((last_day, True), (over, False)):
        made = new_assessment(kind="sensitive", covers=("clinic",), **days)
        register_assessment(assessment=made, operator_id=new_id(), reason=REASON)
        confirm_assessment(
            assessment_id=made.assessment_id, operator_id=new_id(), reason=REASON
        )
        good = nullcontext() if is_good else pytest.raises(AssessmentMissing)
        with good:
            require_assessment(assessment_id=made.assessment_id, kind="sensitive")
    assert require_covered(kind="sensitive", what="clinic").in_force_until_on == today


def test_r21_a_text_that_asks_for_more_needs_an_assessment(app: Flask) -> None:
    facts: dict[str, Any] = {"required": False, "title": "新的授权", "body": "条款"}
    unchanged: dict[str, Any] = {"purpose": "library", "receiver": "公共图书馆", "sensitive": False}
    assert publish_text(**facts, **unchanged) == 2
    changed: tuple[tuple[dict[str, Any], str], ...] = (
        ({"receiver": "另一图书馆"}, "sharing"), ({"sensitive": True}, "sensitive"),
        ({"purpose": "swimming"}, "collecting"),
    )
    for changes, kind in changed:
        text = {**facts, **unchanged, **changes}
        with pytest.raises(AssessmentMissing):
            publish_text(**text)
        assessed(kind, text["purpose"])
        assert publish_text(**text) > 0


def test_acts_are_listed_in_their_order(app: Flask) -> None:
    subject = f"thing {new_id()}"
    with transaction():
        for action in ("first", "second"):
            record_act(actor=Actor("system", None), action=action, subject=subject)
    assert [line.action for line in list_acts(subject=subject)] == ["first", "second"]


def test_operators_read_and_write_the_register(app: Flask, client: FlaskClient) -> None:
    operator = bearer(staff_tokens(app, client)["access_token"])
    body = {
        "assessment_id": str(new_id()), "kind": "sensitive", "title": "批量使用身份证号码",
        "concluded_on": "2026-10-01", "document_hash": "0f" * 32, "reason": REASON,
        "summary": "仅用于核对，不向他人提供。",
    }
    made = client.post("/api/v1/impact-assessments", json=body, headers=operator)
    assert (made.status_code, made.get_json()["document_hash"]) == (201, "0f" * 32)
    listed = client.get("/api/v1/impact-assessments", headers=operator).get_json()["assessments"]
    assert [one["assessment_id"] for one in listed] == [body["assessment_id"]]
    assert listed[0]["confirmed_at"] is None
    path = f"/api/v1/impact-assessments/{body['assessment_id']}/confirmation"
    assert client.post(path, json={"reason": REASON}, headers=operator).status_code == 403
    another = bearer(staff_tokens(app, client)["access_token"])
    done = client.post(path, json={"reason": REASON}, headers=another)
    assert (done.status_code, done.get_json()["in_force_until_on"]) == (200, "2028-10-01")
    assert client.get("/api/v1/impact-assessments").status_code == 401
