"""R29: near relatives ask about the dead; two persons decide; the word of the dead stands."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.deaths.operations import end_due
from app.kernel.ids import new_id
from app.rights.copies import make_copy
from app.trail.queries import list_trail
from demo.load import prepare_programme
from tests.counter.desk import done, told
from tests.deaths.office import Office, Person, make_office, make_person, move_terms
from tests.members.people import made_up_id_number
from tests.records.api import make_source, upload
from tests.records.programme import HOURS, csv_file
from tests.redemptions.builders import API, keys_of

CHILD = {"name": "王小明", "id_number": made_up_id_number()}
FRIEND = {"name": "李大伟", "id_number": made_up_id_number()}
OTHERWISE = (403, "arranged_otherwise")


@pytest.fixture
def office(app: Flask) -> Office:
    return make_office(app)


@pytest.fixture
def person(app: Flask) -> Person:
    return make_person(app)


def arrange(office: Office, person: Person, choice: str, *persons: dict[str, str]) -> Any:
    answer = office.client.post(
        f"{API}/me/death-arrangement", json={"choice": choice, "persons": list(persons)},
        headers=person.citizen.headers,
    )
    return done(answer)


def test_r29_a_copy_is_handed_to_the_relative_and_opens_once(
    committing_app: Flask, job_app: Flask
) -> None:
    office, person = make_office(committing_app), make_person(committing_app)
    report_id = office.confirmed(person)
    application_id = office.applied(report_id, **CHILD)
    assert told(office.hand_over(application_id)) == (409, "relative_copy_not_granted")
    done(office.decide(application_id))
    assert told(office.agree(office.first, application_id)) == (403, "second_person_needed")
    done(office.agree(office.second, application_id))
    first, ticket = (done(office.hand_over(application_id), 202) for _ in range(2))
    assert first["copy"]["copy_id"] == ticket["copy"]["copy_id"]
    with job_app.app_context():
        make_copy(
            keys=keys_of(job_app), citizen_id=person.citizen_id,
            copy_id=UUID(ticket["copy"]["copy_id"]),
        )
    at = f"{API}/copies/{ticket['copy']['copy_id']}/file"
    assert told(office.client.post(at, json={"secret": first["secret"]})) == (404, "copy_unknown")
    taken = office.client.post(at, json={"secret": ticket["secret"]})
    with zipfile.ZipFile(io.BytesIO(taken.data)) as archive:
        tables = json.loads(archive.read("copy.json"))["tables"]
    assert tables["citizen_profiles"][0]["id_number"] == person.member.id_number
    assert tables["death_reports"][0]["died_on"] == "2026-05-30"
    assert CHILD["id_number"] not in json.dumps(tables, ensure_ascii=False)
    again = office.client.post(at, json={"secret": ticket["secret"]})
    assert told(again) == (404, "copy_unknown")
    assert told(office.hand_over(application_id)) == (409, "relative_copy_not_granted")
    with committing_app.app_context():
        lines = list_trail(citizen_id=person.citizen_id, limit=4)
    assert [(one.actor_kind, one.action) for one in lines] == [
        ("system", "copy_made"), *[("operator", "relative_copy_handed")] * 2,
        ("operator", "relative_decided"),
    ]


def test_r29_a_correction_voids_the_record(app: Flask, office: Office, person: Person) -> None:
    prepare_programme()
    number = f"N-{new_id()}"
    source = make_source(office.client, dict(office.first.headers), HOURS)
    row = [number, "1", "有效", person.member.id_number, "2026-05-02", "2", "清洁"]
    assert upload(
        office.client, source, csv_file(HOURS, row), record_type=HOURS
    ).status_code == 200
    report_id = office.confirmed(person)
    correction = {"wish": "correction", "record_type": HOURS}
    unknown = office.apply(report_id, record_number="N-nobodys", **correction)
    assert told(unknown) == (404, "record_not_held")
    assert told(office.apply(report_id, **correction)) == (422, "invalid_request")
    first = office.granted(report_id, record_number=number, **correction)
    again = office.applied(report_id, record_number=number, **correction)
    done(office.decide(again))
    assert told(office.agree(office.second, again)) == (404, "record_not_held")
    done(office.agree(office.second, again, word=False))
    done(office.decide(again, "rejected"))
    done(office.agree(office.second, again))
    reading = {"reason": "核对近亲属申请"}
    whole = done(office.post(office.second, f"/relative-applications/{first}/reading", reading))
    assert (whole["record_number"], whole["line"]["outcome"]) == (number, "granted")
    assert whole["confirmed_by"] is not None


def test_r29_a_deletion_waits_until_a_mistake_could_be_mended(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    office, person = make_office(committing_app), make_person(committing_app)
    report_id = office.confirmed(person)
    office.granted(report_id, wish="deletion")
    with job_app.app_context():
        assert end_due(limit=10) == 0
    days = admin.execute("SELECT final_on - reversible_until_on FROM death_reports")
    assert days.fetchall() == [(0,)]
    move_terms(committing_app, report_id, 30)
    with job_app.app_context():
        assert end_due(limit=10) == 1


def test_r29_without_a_paper_and_a_second_person_nothing_is_granted(
    office: Office, person: Person
) -> None:
    waiting = office.reported(person)
    assert told(office.apply(waiting)) == (409, "death_unconfirmed")
    done(office.confirm(office.second, waiting))
    made = done(office.apply(waiting, **CHILD), 201)
    application_id = made["application_id"]
    same = {"application_id": application_id, **CHILD}
    assert told(office.apply(waiting, **same))[1] == "id_reused"  # another phone number
    assert told(office.decide(application_id)) == (409, "death_evidence_missing")
    early = office.agree(office.second, application_id)
    assert told(early) == (409, "relative_application_unproposed")
    elsewhere = office.add(waiting, application_id=str(new_id()))
    assert told(elsewhere) == (404, "relative_application_unknown")
    done(office.add(waiting, application_id=application_id), 201)
    done(office.decide(application_id))
    assert told(office.decide(application_id)) == (409, "relative_application_decided")
    late = office.add(waiting, application_id=application_id)
    assert told(late) == (409, "relative_application_decided")
    assert done(office.agree(office.second, application_id, word=False))["state"] == "open"
    listed = office.client.get(f"{API}/relative-applications", headers=dict(office.first.headers))
    assert [one["application_id"] for one in done(listed)["applications"]] == [application_id]


def test_r29_the_word_of_the_dead_stands(app: Flask, office: Office) -> None:
    by_law, nobody, named = (make_person(app) for _ in range(3))
    assert arrange(office, nobody, "nobody")["persons"] == []
    shown = arrange(office, named, "named", FRIEND)
    assert (shown["choice"], shown["persons"][0]["name"]) == ("named", "李**")
    assert FRIEND["id_number"] not in str(shown)
    reports = {one.citizen_id: office.confirmed(one) for one in (by_law, nobody, named)}

    def outcome(who: Person, relative: dict[str, str], relation: str) -> tuple[int, str]:
        report_id = reports[who.citizen_id]
        answer = office.decide(office.applied(report_id, relation=relation, **relative))
        return (200, "") if answer.status_code == 200 else told(answer)

    assert outcome(by_law, CHILD, "child") == (200, "")
    assert outcome(by_law, FRIEND, "named") == OTHERWISE
    assert outcome(nobody, CHILD, "child") == OTHERWISE
    assert outcome(named, CHILD, "child") == OTHERWISE
    assert outcome(named, FRIEND, "named") == (200, "")


def test_r29_an_arrangement_is_the_citizens_own_and_the_last_word_counts(
    office: Office, person: Person
) -> None:
    at, headers = f"{API}/me/death-arrangement", person.citizen.headers
    assert done(office.client.get(at, headers=headers)) == {
        "choice": "law", "persons": [], "arranged_at": None
    }
    arrange(office, person, "named", FRIEND, CHILD)
    assert len(done(office.client.get(at, headers=headers))["persons"]) == 2
    arrange(office, person, "nobody")
    assert done(office.client.get(at, headers=headers))["choice"] == "nobody"
    assert arrange(office, person, "law")["arranged_at"] is None
    for wrong in ({"choice": "named"}, {"choice": "nobody", "persons": [FRIEND]}):
        refused = office.client.post(at, json=wrong, headers=headers)
        assert told(refused) == (422, "invalid_request")
    bad = {"choice": "named", "persons": [FRIEND | {"id_number": "330702198503120000"}]}
    assert told(office.client.post(at, json=bad, headers=headers)) == (422, "id_number_invalid")
    actions = [line.action for line in list_trail(citizen_id=person.citizen_id, limit=9)]
    assert actions == ["death_arranged"] * 3 + ["registered"]
