"""Deliveries over HTTP: who may send what, and who sees whose report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.kernel.ids import new_id
from tests.members.api import Person, bearer, join, made_up_person, staff_tokens
from tests.members.people import made_up_member
from tests.records.api import make_source, upload
from tests.records.programme import HOURS, Programme, build_programme, csv_file, header
from tests.records.test_reading import workbook
from wechat_integration.sandbox.control import SandboxControl


@dataclass
class Parties:
    """Who takes part; headers of the programs."""

    client: FlaskClient
    programme: Programme
    operator: dict[str, str]
    source: dict[str, str]
    other: dict[str, str]


@pytest.fixture
def parties(app: Flask, client: FlaskClient) -> Parties:
    programme = build_programme(app)
    operator = bearer(staff_tokens(app, client)["access_token"])
    source = make_source(client, operator, HOURS)
    return Parties(client, programme, operator, source, make_source(client, operator, "honours"))


def hours_file(parties: Parties, *hours: str) -> bytes:
    programme = parties.programme
    return csv_file(HOURS, *(programme.hours(f"ZY-{at}", one) for at, one in enumerate(hours)))


def test_a_source_delivers_and_reads_its_report(parties: Parties) -> None:
    content, delivery_id = hours_file(parties, "2", "x", "25"), new_id()
    sent = upload(
        parties.client, parties.source, content, delivery_id=delivery_id, record_type=HOURS
    )
    report = sent.get_json()
    assert sent.status_code == 200, report
    assert (report["status"], report["accepted_count"], report["refused_count"]) == (
        "processed", 1, 2,
    )  # fmt: skip
    assert report["refused_by_reason"] == {"bad_number": 1, "out_of_range": 1}
    assert report["replayed"] is False
    again = upload(
        parties.client, parties.source, content, delivery_id=delivery_id, record_type=HOURS
    )
    assert again.get_json() == report | {"replayed": True}
    url = f"/api/v1/deliveries/{delivery_id}"
    shown = parties.client.get(url, headers=parties.source)
    assert shown.get_json() == report
    pages = [
        parties.client.get(f"{url}/refusals{page}", headers=parties.operator).get_json()
        for page in ("", "?limit=1", "?after_row=3&limit=100")
    ]
    first, second = ({"row_number": 3, "reason": "bad_number"},
                     {"row_number": 4, "reason": "out_of_range"})
    assert [page["refusals"] for page in pages] == [[first, second], [first], [second]]


def test_others_learn_nothing_of_a_delivery(parties: Parties) -> None:
    delivery_id = new_id()
    upload(
        parties.client, parties.source, hours_file(parties, "2"), delivery_id=delivery_id,
        record_type=HOURS,
    )
    for path in ("", "/refusals"):
        url = f"/api/v1/deliveries/{delivery_id}{path}"
        foreign = parties.client.get(url, headers=parties.other)
        missing = parties.client.get(f"/api/v1/deliveries/{new_id()}", headers=parties.other)
        assert (foreign.status_code, foreign.data) == (404, missing.data)
        assert parties.client.get(url).status_code == 401
    stolen = upload(
        parties.client, parties.other, b"", delivery_id=delivery_id, record_type="honours"
    )
    assert (stolen.status_code, stolen.get_json()["code"]) == (422, "delivery_id_reused")


@pytest.mark.parametrize(("fields", "status", "code"), [
    ({"record_type": "honours"}, 403, "record_type_not_allowed"),
    ({"record_type": "members"}, 403, "record_type_not_allowed"),
    ({"record_type": "horoscopes"}, 422, "unknown_record_type"),
    ({"record_type": None}, 422, "invalid_request"),
    ({"record_type": HOURS, "encoding": "latin-1"}, 422, "invalid_request"),
    ({"record_type": HOURS, "delivered_on": "2026-6-31"}, 422, "invalid_request"),
    ({"record_type": HOURS, "surprise": "1"}, 422, "invalid_request"),
    ({"record_type": HOURS, "file": None}, 422, "invalid_request"),
    ({"record_type": HOURS, "delivered_on": "2025-06-01"}, 409, "scheme_not_published"),
])  # fmt: skip
def test_what_is_refused_at_the_door(
    parties: Parties, fields: dict[str, Any], status: int, code: str
) -> None:
    answer = upload(parties.client, parties.source, hours_file(parties, "2"), **fields)
    assert (answer.status_code, answer.get_json()["code"]) == (status, code)


@pytest.mark.parametrize("written", ["utf-8", "utf-8-sig", "gb18030", "xlsx"])
def test_the_encoding_is_found_out_when_it_is_not_stated(parties: Parties, written: str) -> None:
    row = parties.programme.hours("ZY-1", "2", activity="𬱖㙍村")
    text = csv_file(HOURS, row).decode()
    content = workbook(header(HOURS), row) if written == "xlsx" else text.encode(written)
    found = upload(parties.client, parties.source, content, record_type=HOURS, encoding=None)
    told = found.get_json()
    assert (told["status"], told["accepted_count"], told["encoding"]) == ("processed", 1, written)
    stated = "gb18030" if written == "xlsx" else "xlsx"
    other = upload(parties.client, parties.source, content, record_type=HOURS, encoding=stated)
    told = other.get_json()
    assert (told["file_reason"], told["encoding"]) == ("bad_encoding", stated)


def test_the_encoding_of_a_register_is_found_out_too(parties: Parties) -> None:
    member = made_up_member()
    line = [member.name, member.id_number, str(member.phone), "2026-02-01"]
    answer = upload(
        parties.client, parties.operator, csv_file("members", line).decode().encode("gb18030"),
        url="/api/v1/register-imports", encoding=None,
    )
    told = answer.get_json()
    assert (told["accepted_count"], told["encoding"]) == (1, "gb18030")


def test_a_file_refused_whole_is_a_report(parties: Parties) -> None:
    content = hours_file(parties, "2").replace("活动名称".encode(), "血型".encode())
    answer = upload(parties.client, parties.source, content, record_type=HOURS)
    report = answer.get_json()
    assert (answer.status_code, report["status"]) == (200, "refused")
    assert (report["file_reason"], report["row_count"]) == ("forbidden_field", 0)


def test_somebody_of_the_register_becomes_that_citizen_by_wechat(
    parties: Parties, sandbox: SandboxControl
) -> None:
    person: Person = made_up_person(sandbox)
    line = [person.name, person.id_number, person.phone, "2026-02-01"]
    imported = upload(
        parties.client, parties.operator, csv_file("members", line),
        url="/api/v1/register-imports",
    )
    assert imported.get_json()["accepted_count"] == 1, imported.get_json()
    row = parties.programme.hours("ZY-1", "5", person=person.id_number)
    upload(parties.client, parties.source, csv_file(HOURS, row), record_type=HOURS)
    joined = join(parties.client, sandbox, person)
    assert joined.status_code in {200, 201}, joined.get_json()
    mine = bearer(joined.get_json()["access_token"])
    day = "/api/v1/me/score/explanation?as_of=2026-06-30"
    explained = parties.client.get(day, headers=mine).get_json()
    assert explained["total"] == 3
    assert parties.client.get("/api/v1/me", headers=mine).get_json()["joined_on"] == "2026-02-01"


def test_only_operators_import_make_sources_and_reopen(parties: Parties) -> None:
    for url in ("/api/v1/register-imports", "/api/v1/sources", "/api/v1/reopened-days"):
        assert parties.client.post(url, headers=parties.source).status_code == 403
    body = {"delivered_on": "2026-06-01", "reason": "补报漏报文件"}
    reopened = parties.client.post(
        "/api/v1/reopened-days", json=body, headers=parties.operator
    )
    assert reopened.status_code == 204


def test_the_catalogue_is_public(parties: Parties) -> None:
    catalogue = parties.client.get("/api/v1/information-catalogue").get_json()
    types = {one["code"]: one for one in catalogue["record_types"]}
    assert types[HOURS]["columns"][5] == {
        "name": "服务时长", "kind": "number", "optional": False,
        "least": "0.1", "most": "24", "places": 1,
    }  # fmt: skip
    assert all(one["legal_basis"] for one in types.values())
