"""The catalogue is edited by two persons, and what is in use stays what it is."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.documents import DocumentFormat
from app.kernel.errors import IdReused
from app.kernel.ids import new_id
from app.records import editing
from app.records.catalogue import CatalogueError, parse_catalogue, read_catalogue_file
from app.records.changes import check_next_version
from app.records.operations import UnknownRecordType, allow_record_types
from app.records.queries import CatalogueVersionUnknown, catalogue_in_force, open_edition
from app.trail.assessments import AssessmentMissing
from app.trail.operations import SecondPersonNeeded
from app.trail.queries import list_acts
from tests.members.api import bearer, staff_tokens
from tests.records.programme import HOURS, Programme, build_programme
from tests.records.test_catalogue import MINUS
from tests.trail.assessed import assessed

TEXT = read_catalogue_file("jinhua")
NEXT = TEXT.replace('version = "2026.1"', 'version = "2026.2"')
REASON, AGREED = "增加来源单位", "核对无误，同意发布"


@dataclass
class Office:
    """A programme and two operators."""

    programme: Programme
    first: UUID
    second: UUID

    def propose(self, document: str = NEXT, proposal_id: UUID | None = None) -> editing.Proposal:
        return editing.propose_catalogue(
            proposal_id=proposal_id or new_id(), staff_id=self.first, document=document,
            form=DocumentFormat.TOML, reason=REASON,
        )

    def publish(self, document: str) -> None:
        proposal = self.propose(document)
        editing.confirm_catalogue(
            proposal_id=proposal.proposal_id, staff_id=self.second, reason=AGREED
        )


@pytest.fixture
def office(app: Flask) -> Office:
    return Office(build_programme(app), new_id(), new_id())


def test_one_proposes_and_another_confirms(office: Office) -> None:
    changed = NEXT.replace('unit = "市民政局"', 'unit = "市社工部"')
    proposal = office.propose(changed)
    assert proposal.state == "open"
    assert catalogue_in_force().version == "2026.1"
    with pytest.raises(SecondPersonNeeded):
        editing.confirm_catalogue(
            proposal_id=proposal.proposal_id, staff_id=office.first, reason=AGREED
        )
    for _ in range(2):  # the second time is the answer of the first
        done = editing.confirm_catalogue(
            proposal_id=proposal.proposal_id, staff_id=office.second, reason=AGREED
        )
        assert (done.state, done.decided_by) == ("confirmed", office.second)
    assert catalogue_in_force().record_types["community_service"].unit == "市社工部"
    old = open_edition(version="2026.1").catalogue
    assert old.record_types["community_service"].unit == "市民政局"
    acts = list_acts(subject="information-catalogue/2026.2")
    assert {(act.action, act.actor_id, act.reason) for act in acts} == {
        ("catalogue_proposed", office.first, REASON),
        ("catalogue_confirmed", office.second, AGREED),
    }
    with pytest.raises(editing.CatalogueProposalDecided):
        editing.withdraw_catalogue(
            proposal_id=proposal.proposal_id, staff_id=office.first, reason=REASON
        )
    with pytest.raises(editing.CatalogueVersionTaken):
        office.propose(changed)


def test_the_database_itself_wants_two_persons(
    office: Office, admin: psycopg.Connection[object]
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="two_persons"):
        admin.execute(
            "INSERT INTO catalogue_proposals (proposal_id, version, document, content_hash, state,"
            " proposed_by, reason, decided_by, decided_at)"
            " VALUES (%(id)s, '9', '{}', '\\x00', 'confirmed', %(id)s, 'r', %(id)s, now())",
            {"id": new_id()},
        )
    with pytest.raises(psycopg.errors.CheckViolation, match="proposal"):
        admin.execute(
            "INSERT INTO catalogue_versions (version, place, document, content_hash)"
            " VALUES ('9', 2, '{}', '\\x00')"
        )


def test_a_proposal_is_withdrawn_and_the_next_takes_its_place(office: Office) -> None:
    proposal = office.propose()
    assert office.propose(proposal_id=proposal.proposal_id) == proposal
    with pytest.raises(IdReused):
        office.propose(NEXT.replace("2026.2", "2026.3"), proposal_id=proposal.proposal_id)
    with pytest.raises(editing.CatalogueProposalOpen):
        office.propose()
    gone = editing.withdraw_catalogue(
        proposal_id=proposal.proposal_id, staff_id=office.second, reason="名称有误，请修改"
    )
    assert gone.state == "withdrawn"
    office.publish(NEXT)
    assert catalogue_in_force().version == "2026.2"
    with pytest.raises(editing.CatalogueProposalUnknown):
        editing.open_proposal(proposal_id=new_id())


def test_the_first_version_comes_with_the_setting_up(office: Office) -> None:
    assert editing.publish_first_catalogue(document=TEXT).version == "2026.1"
    with pytest.raises(editing.CatalogueVersionTaken):
        editing.publish_first_catalogue(document=NEXT)
    with pytest.raises(CatalogueVersionUnknown):
        open_edition(version="2026.2")


def test_r21_a_new_type_needs_an_assessment(office: Office) -> None:
    proposal = office.propose(NEXT + MINUS)
    assessed("collecting", "civility")
    with pytest.raises(AssessmentMissing):
        editing.confirm_catalogue(
            proposal_id=proposal.proposal_id, staff_id=office.second, reason=AGREED
        )
    assert catalogue_in_force().version == "2026.1"


def test_a_new_type_is_delivered_from_the_next_delivery_on(office: Office) -> None:
    programme = office.programme
    with pytest.raises(UnknownRecordType):
        allow_record_types(source_id=programme.source_id, record_types=["court_arrears"])
    assessed("collecting", "court_arrears")
    office.publish(NEXT + MINUS)
    allow_record_types(source_id=programme.source_id, record_types=["court_arrears"])
    person = programme.people[0].id_number
    row = ("FY-1", "1", "有效", person, "2026-05-01", "（2026）浙0702执1号")
    content = f"记录编号,版本号,记录状态,身份证号,文书日期,案号\n{','.join(row)}\n".encode()
    assert programme.deliver("court_arrears", content=content).accepted_count == 1


def test_a_wrong_document_names_key_and_problem(office: Office) -> None:
    with pytest.raises(editing.CatalogueInvalid) as refused:
        office.propose(NEXT.replace('legal_basis = "慈善法 第九十七条"', 'legal_basis = ""'))
    assert refused.value.details == {
        "key": "record_type charity_donations.legal_basis",
        "problem": "missing: the text is empty",
    }


def without(document: str, code: str) -> str:
    head, *parts = document.split("[[record_type]]")
    kept = [part for part in parts if f'code = "{code}"' not in part]
    return "[[record_type]]".join([head, *kept])


def test_what_is_in_use_stays(office: Office) -> None:
    programme = office.programme
    programme.deliver(HOURS, programme.hours("ZY-1", "2"))
    allow_record_types(source_id=programme.source_id, record_types=[HOURS, "honours"])
    for gone in (HOURS, "honours"):  # held; deliverable
        with pytest.raises(editing.CatalogueInvalid) as refused:
            office.propose(without(NEXT, gone))
        assert refused.value.details["key"] == f"record_type {gone}"
    with pytest.raises(editing.CatalogueInvalid):
        office.propose(NEXT.replace('most = "24"', 'most = "12"'))
    office.publish(without(NEXT, "civility").replace('most = "24"', 'most = "48"'))
    assert "civility" not in catalogue_in_force().record_types
    assert programme.deliver(HOURS, programme.hours("ZY-2", "30")).accepted_count == 1


def test_what_came_in_since_the_proposal_is_looked_at_again(office: Office) -> None:
    programme = office.programme
    proposal = office.propose(NEXT.replace('most = "24"', 'most = "12"'))
    programme.deliver(HOURS, programme.hours("ZY-1", "2"))
    with pytest.raises(editing.CatalogueInvalid):
        editing.confirm_catalogue(
            proposal_id=proposal.proposal_id, staff_id=office.second, reason=AGREED
        )


@pytest.mark.parametrize(("old", "new", "key"), [
    ('code = "jinhua"', 'code = "quzhou"', "catalogue.code"),
    ('measures = { hours = "服务时长" }', "", "volunteer_hours.measures"),
    ('{ name = "活动名称", kind = "text" }', '{ name = "活动名称", kind = "code" }',
     "column 活动名称.kind"),
    ('{ name = "活动名称", kind = "text" }', '{ name = "活动", kind = "text" }',
     "volunteer_hours.columns"),
    ('least = "0.1"', 'least = "1"', "column 服务时长.least"),
    ('most = "24", places = 1', 'most = "24", places = 0', "column 服务时长.places"),
    ('"拾金不昧"]', "]", "good_deeds.items"),
    ('item = ["类别"]', 'item = ["记录编号"]', "good_deeds.item"),
    ('{ name = "备注", kind = "text", optional = true }', '{ name = "备注", kind = "text" }',
     "column 备注.optional"),
    ('pattern = "[0-9]{16}"', 'pattern = "[0-9]{15}"', "column 献血证号.pattern"),
    ("term_days = 1095", "term_days = 1096", "court_arrears.term_days"),
    ('evidence = "案号"', 'evidence = "记录编号"', "court_arrears.evidence"),
])  # fmt: skip
def test_columns_of_held_records_keep_their_meaning(old: str, new: str, key: str) -> None:
    assert old in TEXT + MINUS
    now = parse_catalogue(TEXT + MINUS)
    then = parse_catalogue((TEXT + MINUS).replace(old, new, 1))
    with pytest.raises(CatalogueError, match=key):
        check_next_version(now=now, then=then, held=set(now.record_types), needed=())
    if key != "catalogue.code":
        check_next_version(now=now, then=then, held=(), needed=())


def test_over_http(app: Flask, client: FlaskClient) -> None:
    build_programme(app)
    first, second = (bearer(staff_tokens(app, client)["access_token"]) for _ in range(2))
    body = {
        "proposal_id": str(new_id()), "document": NEXT, "format": "toml", "reason": REASON,
    }  # fmt: skip
    url = f"/api/v1/catalogue-proposals/{body['proposal_id']}"
    made = client.post("/api/v1/catalogue-proposals", json=body, headers=first)
    assert (made.status_code, made.get_json()["state"]) == (201, "open")
    shown = client.get(url, headers=second).get_json()
    assert parse_catalogue(shown["document"], form=DocumentFormat.JSON).version == "2026.2"
    alone = client.post(f"{url}/confirm", json={"reason": AGREED}, headers=first)
    assert (alone.status_code, alone.get_json()["code"]) == (403, "second_person_needed")
    done = client.post(f"{url}/confirm", json={"reason": AGREED}, headers=second)
    assert done.get_json()["state"] == "confirmed"
    listed = client.get("/api/v1/catalogue-proposals", headers=first).get_json()["proposals"]
    assert [one["version"] for one in listed] == ["2026.2"]
    wrong = {**body, "proposal_id": str(new_id()), "document": "x = 1"}
    refused = client.post("/api/v1/catalogue-proposals", json=wrong, headers=first)
    assert (refused.status_code, refused.get_json()["code"]) == (422, "catalogue_invalid")
    assert refused.get_json()["key"] == "catalogue.record_type"
    versions = client.get("/api/v1/information-catalogue/versions").get_json()["versions"]
    assert [one["version"] for one in versions] == ["2026.1", "2026.2"]
    for version, expected in ((None, "2026.2"), ("2026.1", "2026.1")):
        query = {} if version is None else {"version": version}
        found = client.get("/api/v1/information-catalogue", query_string=query)
        assert found.get_json()["version"] == expected
    unknown = client.get("/api/v1/information-catalogue?version=1")
    assert unknown.get_json()["code"] == "catalogue_version_unknown"


def test_the_table_holds_no_formula(office: Office, client: FlaskClient) -> None:
    office.publish(NEXT.replace('title = "社区服务"', 'title = "=HYPERLINK(1)"'))
    answer = client.get("/api/v1/information-catalogue/table")
    assert answer.content_type == "text/csv; charset=utf-8"
    assert "'=HYPERLINK(1)" in answer.text
    assert ",=" not in answer.text
    lines = answer.text.splitlines()
    assert lines[0].startswith("\ufeff目录版本,发布日期")
    assert sum(len(kind.columns) for kind in catalogue_in_force().record_types.values()) == (
        len(lines) - 1
    )


def test_before_the_first_version_nothing_is_in_force(client: FlaskClient) -> None:
    answer = client.get("/api/v1/information-catalogue")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "catalogue_not_published")
