"""How groups of members fare: counted right, told without small groups, by operators alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.clock import city_date, now
from app.kernel.database import db, transaction
from app.kernel.ids import new_id
from app.kernel.jobs import Message
from app.members.classes import CoarseClass
from app.members.operations import NewMember, register_members
from app.members.queries import find_citizen_id
from app.oversight.operations import (
    NewReport,
    Report,
    ReportDaysUnfit,
    request_report,
    resume_reports,
    show_report,
)
from app.oversight.papers import fairness_csv, fairness_page
from app.oversight.shares import Shares
from app.oversight.working import carry_out_fairness_report
from app.trail.assessments import AssessmentMissing
from demo.load import prepare_programme
from tests.members.api import bearer, keys_of, staff_tokens
from tests.members.people import made_up_id_number
from tests.redemptions.builders import set_tier
from tests.scoring.drafts import make_assessment

YOUNG, OLD = date(2000, 3, 3), date(1950, 3, 3)
REASON = "按季度核对公平性"
TODAY = city_date(now())


def people(count: int, born_on: date, offset: int) -> list[NewMember]:
    return [
        NewMember(
            name="王芳", id_number=made_up_id_number(born_on, serial=offset + at), phone=None,
            joined_on=date(2026, 1, 5),
        )
        for at in range(count)
    ]


@pytest.fixture
def city(committing_app: Flask, job_app: Flask) -> Iterator[Flask]:
    """Forty young members, half of them at AA, and twelve old ones without a score."""
    with committing_app.app_context():
        prepare_programme()
        with transaction():
            register_members(
                keys=keys_of(committing_app),
                people=[*people(40, YOUNG, 100), *people(12, OLD, 300)],
            )
        for citizen_id in oldest_first(committing_app)[:20]:
            set_tier(committing_app, citizen_id, "AA")
        db.session.remove()
    with job_app.app_context():
        yield committing_app
        db.session.remove()


def oldest_first(app: Flask) -> list[UUID]:
    """The young members in the order of their list, then the old ones."""
    found = [
        find_citizen_id(keys=keys_of(app), purpose="id_number", value=one.id_number)
        for one in [*people(40, YOUNG, 100), *people(12, OLD, 300)]
    ]
    return [one for one in found if one is not None]


def asked_for(city: Flask) -> Report:
    with city.app_context():
        report = NewReport(new_id(), date(2026, 1, 1), TODAY, make_assessment())
        made = request_report(report=report, operator_id=new_id(), reason=REASON)
        assert request_report(report=report, operator_id=new_id(), reason=REASON) == made
        db.session.remove()
    return made


def test_r13_a_report_counts_tiers_by_group_and_joins_small_groups(city: Flask) -> None:
    asked = asked_for(city)
    assert asked.figures is None
    assert "计算中 0/64" in fairness_page(asked)
    carry_out_fairness_report(
        Message(message_id=new_id(), topic="", citizen_id=asked.report_id, payload={})
    )
    done = show_report(report_id=asked.report_id)
    assert done.slices_done == done.slice_count
    assert done.figures is not None
    assert done.figures["population"] == 52
    ages = done.figures["tiers"]["age_band"]
    assert ages["rows"] == ["25-34", "65+"]
    assert ages["row_totals"] == [40, 12]
    assert sum(ages["column_totals"]) == 52
    assert max(ages["column_totals"]) == 32  # without a score, at the lowest tier
    assert 'class="tone' in fairness_page(done)
    assert "tier,age_band,65+" in fairness_csv(done)
    resume_reports(keys=keys_of(city))
    assert show_report(report_id=asked.report_id) == done


def test_r13_no_small_group_of_users_can_be_read_or_computed() -> None:
    shares = Shares(tiers=["-", "A"])
    crowd = [CoarseClass(new_id(), "25-34", "female", "330702", 2026) for _ in range(30)]
    few = [CoarseClass(new_id(), "65+", "male", "330702", 2026) for _ in range(14)]
    users = {one.citizen_id for one in (*crowd[:20], *few[:3])}
    shares.add([*crowd, *few], tiers={}, served={"library": users})
    table = shares.protected()["benefits"]["library"]["age_band"]
    assert table["row_totals"] == [30, 14]
    assert table["column_totals"] == [23, 21]
    assert table["counts"] == [[None, None], [None, None]]  # each would tell the three


def test_r21_a_report_needs_an_assessment_and_days_that_were(app: Flask) -> None:
    other_kind = NewReport(new_id(), TODAY, TODAY, make_assessment("sharing"))
    with pytest.raises(AssessmentMissing):
        request_report(report=other_kind, operator_id=new_id(), reason=REASON)
    reversed_days = NewReport(new_id(), TODAY, date(2026, 1, 1), make_assessment())
    with pytest.raises(ReportDaysUnfit):
        request_report(report=reversed_days, operator_id=new_id(), reason=REASON)


def test_operators_alone_ask_and_read(app: Flask, client: FlaskClient) -> None:
    body = {
        "report_id": str(new_id()), "from_on": "2026-01-01", "to_on": TODAY.isoformat(),
        "assessment_id": str(make_assessment()), "reason": REASON,
    }
    path = "/api/v1/fairness-reports"
    clerk, operator = (
        bearer(staff_tokens(app, client, role)["access_token"]) for role in ("clerk", "operator")
    )
    assert client.post(path, json=body, headers=clerk).status_code == 403
    assert client.post(path, json=body, headers=operator).status_code == 202
    listed = client.get(path, headers=operator).get_json()["reports"]
    assert [one["report_id"] for one in listed] == [body["report_id"]]
    page = client.get(f"{path}/{body['report_id']}/page", headers=operator)
    assert "公平性报告" in page.text
    assert "script" not in page.text
    unknown = client.get(f"{path}/{new_id()}", headers=operator)
    assert unknown.get_json()["code"] == "fairness_report_unknown"
