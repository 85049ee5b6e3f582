"""New rules in the open: every gate by itself, two persons, the trail, what the public sees."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.ids import new_id
from app.records.queries import current_day
from app.scoring.dry_runs import request_dry_run
from app.scoring.operations import SchemeVersionTaken, open_current_scheme, publish_scheme
from app.scoring.queries import scheme_in_force
from app.scoring.version_queries import VersionName, list_versions
from app.scoring.versions import (
    DryRunMissing,
    NoticeMissing,
    NoticePublished,
    NoticeTooShort,
    NoticeUnfit,
    SchemeDecided,
    SchemeNotLater,
    SchemeUnknown,
    SchemeUnsound,
    show_version,
    withdraw_scheme,
)
from app.trail.assessments import AssessmentMissing
from app.trail.operations import ReasonNeeded, SecondPersonNeeded
from app.trail.queries import list_acts
from demo.load import publish_catalogue
from tests.members.api import bearer, staff_tokens
from tests.scoring.drafts import (
    NOTICE,
    NOTICE_DAYS,
    REASON,
    TEXT,
    Draft,
    activate,
    finish_dry_run,
    later_text,
    make_assessment,
)


@pytest.fixture(autouse=True)
def catalogue(app: Flask) -> None:
    """What schemes are checked against."""
    publish_catalogue()


@pytest.fixture
def draft(app: Flask) -> Draft:
    """A proposal beside the scheme in force."""
    publish_scheme(document=TEXT)
    made = Draft(later_text())
    made.propose()
    return made


def test_a_version_goes_from_draft_to_announced(draft: Draft) -> None:
    assert show_version(name=draft.name).state == "draft"
    told = draft.tell()
    assert (told.state, told.notice) == ("proposed", NOTICE)
    assert told.notice_published_on == current_day()
    confirmed = draft.confirm(finish_dry_run(draft.name))
    assert (confirmed.state, confirmed.decided_by) == ("announced", draft.confirmer)
    lines = list_acts(subject=f"scheme {draft.name.code} {draft.name.version}")
    assert [(line.action, line.actor_id) for line in lines] == [
        ("scheme_proposed", draft.proposer),
        ("scheme_noticed", draft.proposer),
        ("scheme_confirmed", draft.confirmer),
    ]
    assert {line.reason for line in lines} == {REASON}


def test_it_comes_into_force_by_its_date_and_the_past_stays(draft: Draft) -> None:
    draft.tell()
    draft.confirm(finish_dry_run(draft.name))
    effective_on = show_version(name=draft.name).effective_on
    found = [scheme_in_force(on=on) for on in (effective_on - timedelta(days=1), effective_on)]
    assert [one.version if one else None for one in found] == ["2026.1", draft.name.version]
    assert open_current_scheme().version == "2026.1"


def test_a_draft_is_in_force_on_no_day(draft: Draft) -> None:
    draft.tell()
    assert scheme_in_force(on=date(2099, 1, 1)) == scheme_in_force(on=current_day())


def test_the_proposer_cannot_confirm(draft: Draft) -> None:
    draft.tell()
    dry_run_id = finish_dry_run(draft.name)
    with pytest.raises(SecondPersonNeeded):
        draft.confirm(dry_run_id, by=draft.proposer)
    assert show_version(name=draft.name).state == "proposed"


def test_r28_without_a_published_notice_there_is_no_confirmation(draft: Draft) -> None:
    with pytest.raises(NoticeMissing):
        draft.confirm(finish_dry_run(draft.name))


def test_a_dry_run_must_be_finished_and_of_this_text_and_base(draft: Draft) -> None:
    draft.tell()
    other = Draft(later_text())
    other.propose()
    waiting = new_id()
    request_dry_run(
        name=draft.name, dry_run_id=waiting, operator_id=draft.proposer, reason=REASON
    )
    wrong = [
        new_id(),
        waiting,
        finish_dry_run(other.name),
        finish_dry_run(draft.name, content_hash=b"another text"),
        finish_dry_run(draft.name, base=other.name),
    ]
    for dry_run_id in wrong:
        with pytest.raises(DryRunMissing):
            draft.confirm(dry_run_id)
    assert draft.confirm(finish_dry_run(draft.name)).state == "announced"


def test_a_dry_run_against_rules_that_are_no_longer_the_last_is_not_enough(draft: Draft) -> None:
    later = Draft(later_text(effective_on=date(2031, 1, 1)))
    later.propose()
    for one in (draft, later):
        one.tell()
    old = finish_dry_run(later.name)
    draft.confirm(finish_dry_run(draft.name))
    with pytest.raises(DryRunMissing):
        later.confirm(old)
    assert later.confirm(finish_dry_run(later.name)).state == "announced"


def test_r21_an_assessment_of_scoring_is_needed(app: Flask) -> None:
    publish_scheme(document=TEXT)
    for assessment_id in (new_id(), make_assessment("sharing")):
        with pytest.raises(AssessmentMissing):
            Draft(later_text()).propose(assessment_id=assessment_id)
    assert len(list_versions()) == 1


def test_r28_the_notice_period_is_kept(app: Flask) -> None:
    publish_scheme(document=TEXT)
    soon = current_day() + timedelta(days=NOTICE_DAYS)
    with pytest.raises(NoticeTooShort):
        Draft(later_text(effective_on=soon - timedelta(days=1))).propose()
    just = Draft(later_text(effective_on=soon))
    just.propose()
    with pytest.raises(NoticeTooShort):  # told a day too late
        just.tell(notice_days=NOTICE_DAYS + 1)
    assert just.tell().state == "proposed"


def test_the_first_version_needs_no_notice_period(app: Flask) -> None:
    first = Draft(later_text(effective_on=current_day()))
    first.propose()
    first.tell()
    assert first.confirm(finish_dry_run(first.name)).state == "in_force"


def test_a_version_begins_after_those_before(draft: Draft) -> None:
    activate(later_text(effective_on=date(2030, 1, 1)))
    with pytest.raises(SchemeNotLater):
        Draft(later_text(effective_on=date(2030, 1, 1))).propose()
    draft.tell()
    with pytest.raises(SchemeNotLater):
        draft.confirm(finish_dry_run(draft.name))


def test_a_text_is_linted_and_never_changes(draft: Draft) -> None:
    draft.propose()  # the same again
    with pytest.raises(SchemeVersionTaken):
        Draft(draft.document.replace("cap = 80", "cap = 81")).propose()
    with pytest.raises(SchemeUnsound) as refused:
        propose_text(later_text(changes={"total_cap": "total"}))
    assert "scheme.total_cap" in str(refused.value.details["finding"])
    with pytest.raises(SchemeUnsound):
        propose_text(later_text(version="2027/../x"))


def propose_text(document: str) -> None:
    Draft(document).propose()


def test_a_notice_says_something_and_is_published_once(draft: Draft) -> None:
    with pytest.raises(NoticeUnfit):
        draft.tell("太短")
    assert draft.tell() == draft.tell()
    with pytest.raises(NoticePublished):
        draft.tell(f"{NOTICE}更正")


def test_a_withdrawn_version_is_not_confirmed_and_the_reverse(draft: Draft) -> None:
    draft.tell()
    dry_run_id = finish_dry_run(draft.name)
    with pytest.raises(ReasonNeeded):
        withdraw_scheme(name=draft.name, operator_id=draft.proposer, reason="")
    withdrawn = withdraw_scheme(name=draft.name, operator_id=draft.proposer, reason=REASON)
    assert withdrawn.state == "withdrawn"
    with pytest.raises(SchemeDecided):
        draft.confirm(dry_run_id)
    other = Draft(later_text())
    other.propose()
    other.tell()
    other.confirm(finish_dry_run(other.name))
    with pytest.raises(SchemeDecided):
        withdraw_scheme(name=other.name, operator_id=other.confirmer, reason=REASON)
    with pytest.raises(SchemeUnknown):
        withdraw_scheme(
            name=VersionName("no", "such"), operator_id=new_id(), reason=REASON
        )


def test_the_public_sees_versions_from_their_notice_on(draft: Draft, client: FlaskClient) -> None:
    address = f"/api/v1/schemes/{draft.name.code}/{draft.name.version}"
    assert [one["version"] for one in public_list(client)] == ["2026.1"]
    assert client.get(address).get_json()["code"] == "scheme_unknown"
    draft.tell()
    assert [(one["version"], one["state"]) for one in public_list(client)] == [
        ("2026.1", "in_force"), (draft.name.version, "proposed"),
    ]
    shown = client.get(address).get_json()
    assert (shown["notice"], shown["document"]) == (NOTICE, draft.document)
    assert not {"proposed_by", "assessment_id"} & set(shown)
    activate(later_text(version="2026.2", effective_on=date(2026, 7, 1)))
    assert [(one["version"], one["state"]) for one in public_list(client)] == [
        ("2026.1", "past"), ("2026.2", "in_force"), (draft.name.version, "proposed"),
    ]


def public_list(client: FlaskClient) -> list[dict[str, str]]:
    found: list[dict[str, str]] = client.get("/api/v1/schemes").get_json()["schemes"]
    return found


def test_two_operators_change_the_rules_over_http(app: Flask, client: FlaskClient) -> None:
    publish_scheme(document=TEXT)
    one, two = (bearer(staff_tokens(app, client)["access_token"]) for _ in range(2))
    body = {
        "document": later_text(), "assessment_id": str(make_assessment()), "reason": REASON,
    }
    made = client.post("/api/v1/schemes", json=body, headers=one)
    assert (made.status_code, made.get_json()["state"]) == (201, "draft")
    version = made.get_json()["version"]
    address = f"/api/v1/schemes/jinhua-xinyijin/{version}"
    notice = {"notice": NOTICE, "reason": REASON}
    assert client.post(f"{address}/notice", json=notice, headers=one).status_code == 200
    run = {"dry_run_id": str(new_id()), "reason": REASON}
    asked = client.post(f"{address}/dry-runs", json=run, headers=one)
    assert (asked.status_code, asked.get_json()["figures"]) == (202, None)
    early = client.post(f"{address}/confirmation", json=run, headers=two)
    assert (early.status_code, early.get_json()["code"]) == (409, "dry_run_missing")
    run["dry_run_id"] = str(finish_dry_run(VersionName("jinhua-xinyijin", version)))
    alone = client.post(f"{address}/confirmation", json=run, headers=one)
    assert (alone.status_code, alone.get_json()["code"]) == (403, "second_person_needed")
    done = client.post(f"{address}/confirmation", json=run, headers=two)
    assert (done.status_code, done.get_json()["state"]) == (200, "announced")
    seen = client.get(f"/api/v1/scheme-proposals/jinhua-xinyijin/{version}", headers=one)
    assert len(seen.get_json()["dry_runs"]) == 2
    assert client.get("/api/v1/scheme-proposals").status_code == 401
