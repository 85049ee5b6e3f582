"""S37: signed requests; replayed, edited, stale, of another or an ended key they are refused."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.members import operations
from app.members.operations import NewCredential
from app.records.operations import register_source
from app.trail.operations import SYSTEM
from demo.load import publish_catalogue
from tests.members.api import bearer, keys_of, let_show_tokens, staff_tokens
from tests.members.signing import WITH_BODY, Signed, sign
from tests.records.programme import HOURS, build_programme, csv_file

MINE = "/api/v1/source/credentials"
ROWS = "/api/v1/deliveries/rows"
FILES = "/api/v1/deliveries"


@dataclass
class Department:
    client: FlaskClient
    credential: NewCredential
    app: Flask

    def signed(self, method: str = "GET", target: str = MINE, *args: Any, **more: Any) -> Signed:
        return sign(self.credential, method, target, *args, **more)


def make_department(app: Flask, client: FlaskClient, *record_types: str) -> Department:
    publish_catalogue()
    made = register_source(
        keys=keys_of(app), source_id=new_id(), unit=f"单位 {new_id()}", record_types=record_types
    )
    return Department(client, made, app)


@pytest.fixture
def ours(app: Flask, client: FlaskClient) -> Department:
    return make_department(app, client, HOURS)


@pytest.fixture
def theirs(app: Flask, client: FlaskClient) -> Department:
    return make_department(app, client, "honours")


def rows_of(*rows: dict[str, Any], **more: str) -> bytes:
    said = {
        "delivery_id": str(new_id()), "record_type": HOURS, "delivered_on": "2026-06-12",
        "rows": list(rows), **more,
    }  # fmt: skip
    return orjson.dumps(said)


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["code"]


def deliveries() -> int:
    with reading() as session:
        return int(session.execute(text("SELECT count(*) FROM deliveries")).scalar_one())


def test_a_signature_is_enough(ours: Department) -> None:
    listed = ours.signed().send(ours.client)
    assert listed.status_code == 200, listed.get_json()
    (mine,) = listed.get_json()["credentials"]
    assert mine["credential_id"] == str(ours.credential.credential_id)
    assert (mine["can_sign"], mine["ended_at"]) == (True, None)


def test_a_file_is_delivered_and_read_with_signatures_alone(ours: Department) -> None:
    programme = build_programme(ours.app)
    content, delivery_id = csv_file(HOURS, programme.hours("ZY-1", "2")), new_id()
    boundary, body = encode_multipart({
        "delivery_id": str(delivery_id), "delivered_on": "2026-06-12", "encoding": "utf-8",
        "record_type": HOURS, "file": FileStorage(io.BytesIO(content), "file.csv"),
    })
    kind = f'multipart/form-data; boundary="{boundary}"'
    taken = ours.signed("POST", FILES, body, content_type=kind).send(ours.client)
    assert (taken.status_code, taken.get_json()["accepted_count"]) == (200, 1), taken.get_json()
    target = f"/api/v1/deliveries/{delivery_id}/refusals?after_row=3&limit=5"
    assert ours.signed("GET", target).send(ours.client).status_code == 200


def test_a_request_is_good_once(ours: Department) -> None:
    build_programme(ours.app)
    first = ours.signed("POST", ROWS, rows_of({"身份证号": "x"}))
    assert first.send(ours.client).status_code == 200
    assert refusal(first.send(ours.client)) == (401, "signature_replayed")
    again = sign(ours.credential, "POST", ROWS, first.body)
    assert again.send(ours.client).get_json()["replayed"] is True
    assert deliveries() == 1


EDITS: list[tuple[dict[str, Any], str]] = [
    ({"target": "/api/v1/deliveries"}, "signature_mismatch"),
    ({"target": f"{ROWS}?x=1"}, "signature_mismatch"),
    ({"method": "PUT"}, "signature_mismatch"),
    ({"data": rows_of({"身份证号": "y"})}, "content_digest_mismatch"),
    ({"data": b""}, "content_digest_mismatch"),
]


@pytest.mark.parametrize(("edit", "code"), EDITS, ids=[str(at) for at in range(len(EDITS))])
def test_an_edited_request_is_refused(ours: Department, edit: dict[str, Any], code: str) -> None:
    before = deliveries()
    answer = ours.signed("POST", ROWS, rows_of({"身份证号": "x"})).send(ours.client, **edit)
    expected = (405, "method_not_allowed") if edit.get("method") else (401, code)
    assert refusal(answer) == expected
    assert deliveries() == before


@pytest.mark.parametrize(("header", "value", "code"), [
    ("Content-Type", "application/json; charset=utf-8", "signature_mismatch"),
    ("Content-Digest", "sha-256=:" + "A" * 43 + "=:", "signature_mismatch"),
    ("Signature", "sig=:" + "A" * 43 + "=:", "signature_mismatch"),
    ("Signature", "other=:" + "A" * 43 + "=:", "signature_unreadable"),
    ("Signature", "no", "signature_unreadable"),
    ("Signature-Input", "(", "signature_unreadable"),
    ("Signature-Input", "x" * 5000, "signature_unreadable"),
    ("Signature-Input", "sig=1", "signature_unreadable"),
])
def test_edited_headers_are_refused(
    ours: Department, header: str, value: str, code: str
) -> None:
    request = ours.signed("POST", ROWS, rows_of({"身份证号": "x"}))
    request.headers[header] = value
    assert refusal(request.send(ours.client)) == (401, code)


@pytest.mark.parametrize("change", ["created", "nonce", "keyid"])
def test_what_is_said_about_the_signature_is_signed(ours: Department, change: str) -> None:
    request = ours.signed()
    said = request.headers["Signature-Input"]
    at = said.index(f"{change}=") + len(change) + 4
    other = "1" if said[at] != "1" else "2"
    request.headers["Signature-Input"] = said[:at] + other + said[at + 1 :]
    code = "signing_key_unknown" if change == "keyid" else "signature_mismatch"
    assert refusal(request.send(ours.client)) == (401, code)


@pytest.mark.parametrize("name", WITH_BODY)
def test_what_must_be_covered(ours: Department, name: str) -> None:
    covered = [one for one in WITH_BODY if one != name]
    answer = ours.signed("POST", ROWS, rows_of({}), covered=covered).send(ours.client)
    assert refusal(answer) == (401, "signature_unreadable")
    assert answer.get_json()["missing"] == [f'"{name}"']


@pytest.mark.parametrize("more", [
    {"nonce": ""}, {"nonce": "short"}, {"nonce": "x" * 129}, {"created": 10**15},
    {"more": ';surprise="1"'}, {"key_id": "no uuid"}, {"key_id": str(new_id())},
])  # fmt: skip
def test_what_must_be_said(ours: Department, more: dict[str, Any]) -> None:
    status, code = refusal(ours.signed(**more).send(ours.client))
    assert status == 401
    assert code in {"signature_unreadable", "signature_mismatch", "signing_key_unknown"}


@pytest.mark.parametrize(("seconds", "status"), [
    (-310, 401), (-290, 200), (0, 200), (290, 200), (310, 401), (-(10**9), 401),
])  # fmt: skip
def test_the_time_of_signing(ours: Department, seconds: int, status: int) -> None:
    answer = ours.signed(created=int(time.time()) + seconds).send(ours.client)
    assert answer.status_code == status
    if status == 401:
        assert refusal(answer) == (401, "signature_stale")


def test_an_expired_signature(ours: Department) -> None:
    answer = ours.signed(more=f";expires={int(time.time()) - 1}").send(ours.client)
    assert refusal(answer) == (401, "signature_stale")


def test_the_clock_is_the_databases(ours: Department, monkeypatch: pytest.MonkeyPatch) -> None:
    request = ours.signed()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert request.send(ours.client).status_code == 200


def test_the_key_of_another_department(ours: Department, theirs: Department) -> None:
    build_programme(ours.app)
    body = rows_of({"身份证号": "x"})
    as_ours = sign(ours.credential, "POST", ROWS, body, secret=theirs.credential.secret)
    assert refusal(as_ours.send(ours.client)) == (401, "signature_mismatch")
    as_theirs = sign(theirs.credential, "POST", ROWS, body)
    assert refusal(as_theirs.send(ours.client)) == (403, "record_type_not_allowed")
    assert sign(ours.credential, "POST", ROWS, body).send(ours.client).status_code == 200
    report = f"/api/v1/deliveries/{orjson.loads(body)['delivery_id']}"
    assert refusal(sign(theirs.credential, "GET", report).send(ours.client)) == (
        404, "delivery_not_found",
    )  # fmt: skip


def test_signing_is_for_sources_alone(ours: Department) -> None:
    answer = ours.signed("GET", "/api/v1/me").send(ours.client)
    assert refusal(answer) == (401, "unauthenticated")


def test_keys_change_over_without_a_gap(ours: Department) -> None:
    made = ours.signed("POST", MINE).send(ours.client)
    assert made.status_code == 201, made.get_json()
    said = made.get_json()
    fresh = NewCredential(ours.credential.source_id, said["credential_id"], said["secret"])
    assert sign(fresh, "GET", MINE).send(ours.client).status_code == 200
    soon = datetime.now(UTC) + timedelta(hours=1)
    old = ours.credential.credential_id
    later = orjson.dumps({"ends_at": soon.isoformat()})
    assert sign(fresh, "POST", f"{MINE}/{old}/end", later).send(ours.client).status_code == 204
    assert ours.signed().send(ours.client).status_code == 200  # both until then
    operations.end_source_credential(
        credential_id=old, ends_at=datetime.now(UTC) + timedelta(days=9)
    )
    listed = sign(fresh, "GET", MINE).send(ours.client).get_json()["credentials"]
    ends = {one["credential_id"]: one["ended_at"] for one in listed}
    assert ends == {
        str(old): soon.isoformat(),
        str(fresh.credential_id): None,
    }
    operations.end_source_credential(credential_id=old)
    assert refusal(ours.signed().send(ours.client)) == (401, "signing_key_retired")
    forged = sign(ours.credential, "GET", MINE, secret="x" * 43)
    assert refusal(forged.send(ours.client)) == (401, "signature_mismatch")  # tells no stranger
    assert sign(fresh, "GET", MINE).send(ours.client).status_code == 200


def test_operators_make_and_end_credentials(ours: Department, theirs: Department) -> None:
    operator = bearer(staff_tokens(ours.app, ours.client)["access_token"])
    url = f"/api/v1/sources/{ours.credential.source_id}/credentials"
    made = ours.client.post(url, headers=operator).get_json()
    fresh = NewCredential(ours.credential.source_id, made["credential_id"], made["secret"])
    assert sign(fresh, "GET", MINE).send(ours.client).status_code == 200
    assert len(ours.client.get(url, headers=operator).get_json()["credentials"]) == 2
    foreign = f"{url}/{theirs.credential.credential_id}/end"
    assert ours.client.post(foreign, json={}, headers=operator).status_code == 404
    ended = ours.client.post(f"{url}/{made['credential_id']}/end", json={}, headers=operator)
    assert ended.status_code == 204
    assert refusal(sign(fresh, "GET", MINE).send(ours.client)) == (401, "signing_key_retired")
    missing = f"/api/v1/sources/{new_id()}/credentials"
    assert ours.client.post(missing, headers=operator).status_code == 404
    with reading() as session:
        acts = session.execute(text("SELECT action, subject FROM trail_acts")).all()
    done = {(action, made["credential_id"]) for action in ("make_credential", "end_credential")}
    assert done <= {tuple(one) for one in acts}


def test_a_source_ends_its_own_credentials_alone(ours: Department, theirs: Department) -> None:
    target = f"{MINE}/{theirs.credential.credential_id}/end"
    assert refusal(ours.signed("POST", target, b"{}").send(ours.client)) == (
        404, "credential_not_found",
    )  # fmt: skip
    assert theirs.signed().send(ours.client).status_code == 200


def test_a_token_makes_no_credential(ours: Department) -> None:
    let_show_tokens(ours.credential.source_id)
    said = {"credential_id": str(ours.credential.credential_id), "secret": ours.credential.secret}
    token = ours.client.post("/api/v1/sources/token", json=said).get_json()["access_token"]
    answer = ours.client.post(MINE, headers=bearer(token))
    assert refusal(answer) == (403, "signature_needed")
    operations.end_source_credential(credential_id=ours.credential.credential_id)
    assert ours.client.get(MINE, headers=bearer(token)).status_code == 401


def test_a_source_has_few_live_credentials(ours: Department) -> None:
    for _ in range(4):
        assert ours.signed("POST", MINE).send(ours.client).status_code == 201
    assert refusal(ours.signed("POST", MINE).send(ours.client)) == (409, "too_many_credentials")
    operations.end_source_credential(credential_id=ours.credential.credential_id)
    operations.renew_source_credential(
        keys=keys_of(ours.app), actor=SYSTEM, source_id=ours.credential.source_id,
    )  # fmt: skip


def test_a_disabled_source_and_a_credential_that_cannot_sign(ours: Department) -> None:
    with transaction() as session:
        session.execute(text("UPDATE source_credentials SET ended_at = NULL"))
    operations.disable_source(source_id=ours.credential.source_id)
    assert refusal(ours.signed().send(ours.client)) == (401, "signing_key_retired")


def test_secrets_are_kept_sealed(ours: Department) -> None:
    with reading() as session:
        stored: bytes = session.execute(
            text("SELECT secret_sealed FROM source_credentials WHERE credential_id = :c"),
            {"c": ours.credential.credential_id},
        ).scalar_one()
    assert ours.credential.secret.encode() not in stored
