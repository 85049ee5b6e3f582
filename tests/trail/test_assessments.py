"""The register of impact assessments, and the lines about acts of office."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.database import transaction
from app.kernel.errors import IdReused
from app.kernel.ids import new_id
from app.records.queries import current_day
from app.trail.assessments import (
    AssessmentMissing,
    AssessmentNotConcluded,
    NewAssessment,
    register_assessment,
    require_assessment,
)
from app.trail.operations import Actor, ReasonNeeded, record_act
from app.trail.queries import list_acts
from tests.members.api import bearer, staff_tokens

REASON = "评估报告已通过评审"


def concluded(**changes: object) -> NewAssessment:
    fields: dict[str, object] = {
        "assessment_id": new_id(), "kind": "scoring", "title": "评分规则影响评估",
        "concluded_on": current_day(), "document_hash": b"h" * 32, **changes,
    }
    return NewAssessment(**fields)  # type: ignore[arg-type]  # made-up changes


def test_r21_an_assessment_is_registered_once_and_kept_three_years(app: Flask) -> None:
    assessment, operator = concluded(), new_id()
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
    later = concluded(concluded_on=current_day() + timedelta(days=1))
    with pytest.raises(AssessmentNotConcluded):
        register_assessment(assessment=later, operator_id=new_id(), reason=REASON)
    with pytest.raises(ReasonNeeded):
        register_assessment(assessment=concluded(), operator_id=new_id(), reason="")


def test_the_kind_must_fit(app: Flask) -> None:
    made = concluded(kind="sharing")
    register_assessment(assessment=made, operator_id=new_id(), reason=REASON)
    assert require_assessment(assessment_id=made.assessment_id, kind="sharing").title
    for missing in (made.assessment_id, new_id()):
        with pytest.raises(AssessmentMissing):
            require_assessment(assessment_id=missing, kind="scoring")


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
    }
    made = client.post("/api/v1/impact-assessments", json=body, headers=operator)
    assert (made.status_code, made.get_json()["document_hash"]) == (201, "0f" * 32)
    listed = client.get("/api/v1/impact-assessments", headers=operator).get_json()["assessments"]
    assert [one["assessment_id"] for one in listed] == [body["assessment_id"]]
    assert client.get("/api/v1/impact-assessments").status_code == 401
