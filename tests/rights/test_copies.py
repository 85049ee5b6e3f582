"""R14, R20, D10: the copy of everything: complete, for its owner alone, once, for a day."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from base64 import b64decode
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema_rs
import psycopg
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.kernel.crypto import field_context, seal
from app.kernel.ids import new_id
from app.members.queries import find_data_key
from app.records.keeping import details_context
from app.rights.copies import make_copy, prune_copies
from app.rights.data_inventory import COPIED, About, read_inventory
from app.rights.gathering import ACTOR_NAME, TRAIL, plain_name
from app.rights.labels import labels
from app.rights.paper import FONT_FILE, print_copy
from tests.house.snapshots import COPY_SCHEMA
from tests.members.api import Person, bearer, claims_of, join, keys_of, made_up_person
from tests.redemptions.builders import API
from tests.rights.rows import add_row, count_rows
from wechat_integration.sandbox.control import SandboxControl

WORDS = "玻璃门没有开，等了二十分钟"
DETAILS = {"centre": "金华市中心血站", "certificate": "3307-001"}
OBJECTIONS = {
    "objections": {
        f"{name}_sealed": f"objections.{name}:{{objection_id}}"
        for name in ("words", "frozen", "answer", "proposal")
    },
    "objection_decisions": {"reasons_sealed": "objections.reasons:1:{objection_id}"},
    "objection_attachments": {"digest_sealed": "objections.digest:{file}:{objection_id}"},
    "objection_attachment_parts": {
        "content_sealed": "objection_attachment_parts.content_sealed:{objection_id}:{file}:1"
    },
}


class Owner:
    """Somebody who joined by WeChat and asks for copies."""

    def __init__(self, app: Flask, sandbox: SandboxControl) -> None:
        self.app, self.sandbox, self.client = app, sandbox, app.test_client()
        self.person: Person = made_up_person(sandbox)
        token = join(self.client, sandbox, self.person).get_json()["access_token"]
        self.headers, self.citizen_id = bearer(token), UUID(claims_of(token)["sub"])

    def ask(self, *, openid: str | None = None, copy_id: UUID | None = None) -> TestResponse:
        code = self.sandbox.issue_login_code(openid=openid or self.person.openid)
        return self.client.post(
            f"{API}/me/copies", headers=self.headers,
            json={"copy_id": str(copy_id or new_id()), "code": code},
        )

    def asked(self) -> tuple[str, str]:
        answer = self.ask()
        assert answer.status_code == 202, answer.get_json()
        return answer.get_json()["copy"]["copy_id"], answer.get_json()["secret"]

    def take(self, copy_id: str, secret: str) -> TestResponse:
        return self.client.post(f"{API}/copies/{copy_id}/file", json={"secret": secret})

    def state(self) -> str:
        listed = self.client.get(f"{API}/me/copies", headers=self.headers).get_json()
        return str(listed["copies"][0]["state"])


@pytest.fixture
def owner(committing_app: Flask, sandbox: SandboxControl) -> Owner:
    return Owner(committing_app, sandbox)


def make(job_app: Flask, owner: Owner, copy_id: str) -> None:
    with job_app.app_context():
        make_copy(keys=keys_of(job_app), citizen_id=owner.citizen_id, copy_id=UUID(copy_id))


def fill(admin: psycopg.Connection[Any], owner: Owner) -> None:
    """A row of the owner's wherever something is kept; what is sealed can be opened."""
    with owner.app.app_context():
        key = find_data_key(keys=keys_of(owner.app), citizen_id=owner.citizen_id)
    assert key is not None
    complaint = new_id()
    places = {
        "complaints": "text_sealed", "complaint_answers": "answer_sealed",
        "complaint_decisions": "reason_sealed",
    }  # fmt: skip
    given: dict[str, dict[str, Any]] = {
        table: {"complaint_id": complaint, column: seal(
            key, WORDS.encode(),
            context=field_context(table=table, column=column, row_id=complaint),
        )}
        for table, column in places.items()
    }
    application = new_id()
    given["repair_applications"] = {"application_id": application} | {
        column: seal(key, WORDS.encode(), context=field_context(
            table="repair_applications", column=column, row_id=application
        ))
        for column in ("evidence_sealed", "commitment_sealed", "reasons_sealed")
    }
    report = new_id()
    given["death_reports"] = {"report_id": report, "died_on_sealed": seal(
        key, b"2026-05-30",
        context=field_context(table="death_reports", column="died_on_sealed", row_id=report),
    )}
    given["death_arrangements"] = {"persons_sealed": seal(
        key, b"[]", context=field_context(
            table="death_arrangements", column="persons_sealed", row_id=owner.citizen_id
        ),
    )}
    card = new_id()
    given["paper_cards"] = {"card_id": card, "number_sealed": seal(
        key, WORDS.encode(),
        context=field_context(table="paper_cards", column="number_sealed", row_id=card),
    )}
    objection, file = new_id(), new_id()
    for table, columns in OBJECTIONS.items():
        given[table] = {"objection_id": objection, "attachment_id": file, "round": 1, "part": 1}
        given[table] |= {column: seal(
            key, WORDS.encode(), context=place.format(objection_id=objection, file=file).encode()
        ) for column, place in columns.items()}
    given["records"] = {
        "record_type": "blood_donation", "record_number": "N-1", "version": 1,
        "details_sealed": seal(key, json.dumps(DETAILS).encode(), context=details_context(
            citizen_id=owner.citizen_id, record_type="blood_donation", record_number="N-1",
            version=1,
        )),
    }
    for name, kept in read_inventory().items():
        if kept.copied and not count_rows(admin, name, owner.citizen_id):
            add_row(admin, name, owner.citizen_id, **given.get(name, {}))


def test_d10_the_copy_is_complete_against_the_inventory(
    owner: Owner, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    fill(admin, owner)
    copy_id, secret = owner.asked()
    assert owner.take(copy_id, secret).get_json()["code"] == "copy_not_ready"
    make(job_app, owner, copy_id)
    assert owner.state() == "ready"
    sealed = admin.execute("SELECT content_sealed FROM personal_copies").fetchone()
    assert sealed is not None
    assert b"PK" not in sealed[0][:4]  # no ZIP file in the clear
    archive = zipfile.ZipFile(io.BytesIO(owner.take(copy_id, secret).data))
    copy = json.loads(archive.read("copy.json"))

    jsonschema_rs.validate(json.loads(COPY_SCHEMA.read_text(encoding="utf-8")), copy)
    for name, table in read_inventory().items():
        if table.about is not About.CITIZEN or "citizen_id" not in table.columns:
            continue
        wanted = {plain_name(column) for column, known in table.columns.items() if known in COPIED}
        if table.not_copied is None:
            rows = copy["tables"][name]
            assert len(rows) == count_rows(admin, name, owner.citizen_id) > 0, name
            assert {column for row in rows for column in row} - {ACTOR_NAME} == wanted, name
    tables = copy["tables"]
    (profile,), (identity,) = tables["citizen_profiles"], tables["wechat_identities"]
    person = owner.person
    assert [profile[name] for name in ("name", "id_number", "phone")] == [
        person.name, person.id_number, person.phone,
    ]
    assert identity["openid"] == person.openid
    assert json.loads(tables["records"][0]["details"]) == DETAILS
    assert {tables[f"complaint{end}"][0][column] for end, column in (
        ("s", "text"), ("_answers", "answer"), ("_decisions", "reason"),
    )} == {WORDS}
    (part,) = tables["objection_attachment_parts"]
    assert b64decode(part["content"]).decode() == tables["objections"][0]["words"] == WORDS
    assert "copy_made" in {line["action"] for line in tables[TRAIL]}  # the log of uses, itself too
    assert archive.read("copy.pdf").startswith(b"%PDF")


def test_d10_it_opens_once_with_its_secret_and_is_gone(
    owner: Owner, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    copy_id, secret = owner.asked()
    make(job_app, owner, copy_id)
    unknown = [
        owner.take(copy_id, "another"), owner.take(str(new_id()), secret),
    ]
    assert {answer.get_json()["code"] for answer in unknown} == {"copy_unknown"}
    taken = owner.take(copy_id, secret)
    assert (taken.status_code, taken.headers["Cache-Control"]) == (200, "no-store")
    assert owner.take(copy_id, secret).get_json()["code"] == "copy_unknown"
    assert owner.state() == "taken"
    kept = admin.execute("SELECT content_sealed FROM personal_copies").fetchone()
    assert kept == (None,)
    make(job_app, owner, copy_id)  # the job once more changes nothing
    assert owner.state() == "taken"


@pytest.mark.parametrize(("minutes", "code"), [(24 * 60 - 1, 200), (24 * 60 + 1, 404)])
def test_d10_d11_the_link_and_the_file_live_for_a_day(
    owner: Owner, job_app: Flask, admin: psycopg.Connection[Any], minutes: int, code: int
) -> None:
    copy_id, secret = owner.asked()
    make(job_app, owner, copy_id)
    admin.execute(
        "UPDATE personal_copies SET asked_at = asked_at - make_interval(mins => %s),"
        " expires_at = expires_at - make_interval(mins => %s)", (minutes, minutes),
    )
    with job_app.app_context():
        assert prune_copies() == (code == 404)
    assert owner.take(copy_id, secret).status_code == code


def test_d10_only_a_fresh_code_of_the_same_person_asks(owner: Owner) -> None:
    other = made_up_person(owner.sandbox)
    refused = owner.ask(openid=other.openid)
    assert (refused.status_code, refused.get_json()["code"]) == (403, "identity_not_confirmed")
    code = owner.sandbox.issue_login_code(openid=owner.person.openid)
    told = [
        owner.client.post(
            f"{API}/me/copies", headers=owner.headers,
            json={"copy_id": str(new_id()), "code": code},
        ).status_code
        for _ in range(2)
    ]
    assert told == [202, 409]  # a code is good once


def test_a_lost_answer_is_asked_for_again(owner: Owner, job_app: Flask) -> None:
    copy_id, lost = owner.asked()
    make(job_app, owner, copy_id)
    secret = owner.ask(copy_id=UUID(copy_id)).get_json()["secret"]
    make(job_app, owner, copy_id)
    assert owner.take(copy_id, lost).status_code == 404
    assert owner.take(copy_id, secret).status_code == 200
    assert owner.ask(copy_id=UUID(copy_id)).status_code == 404


def test_r20_nothing_stands_before_the_first_two_more_are_marked(
    owner: Owner, admin: psycopg.Connection[Any]
) -> None:
    first, second = owner.ask(), owner.ask()  # at once
    assert [one.get_json()["copy"]["is_beyond_free"] for one in (first, second)] == [False, False]
    third = owner.ask()
    assert (third.status_code, third.get_json()["code"]) == (409, "copy_asked_recently")
    admin.execute("""UPDATE personal_copies SET asked_at = greatest(
        asked_at - interval '25 hours', date_trunc('year', asked_at) + interval '1 hour'),
        expires_at = expires_at - interval '25 hours'""")
    assert owner.ask().get_json()["copy"]["is_beyond_free"] is True
    admin.execute("""UPDATE personal_copies SET asked_at = asked_at - interval '1 year',
        expires_at = expires_at - interval '1 year'""")
    assert owner.ask().get_json()["copy"]["is_beyond_free"] is False


def test_r14_the_paper_can_be_read(owner: Owner, tmp_path: Path) -> None:
    """Names beyond the font are written by their numbers; whoever has poppler reads the text."""
    made = print_copy({
        "made_at": "2026-11-29", "citizen_id": owner.citizen_id,
        "tables": {
            "citizen_profiles": [{"name": "阿·张𠮷", "phone": None}], "scores": [],
            "redemptions": [{"benefit_code": f"B-{number}"} for number in range(501)],
        },
    })
    assert made.startswith(b"%PDF")
    assert FONT_FILE.with_name("OFL.txt").is_file()
    if reader := shutil.which("pdftotext"):
        (tmp_path / "copy.pdf").write_bytes(made)
        told = subprocess.run(
            [reader, str(tmp_path / "copy.pdf"), "-"], check=True, capture_output=True, text=True
        ).stdout
        for words in ("个人信息副本", "阿·张〔U+20BB7〕", "核销（501 条）", "B-500", "信用分"):
            assert words in told, words


def test_what_is_printed_has_a_name() -> None:
    copied = {name: table for name, table in read_inventory().items() if table.copied}
    columns = {plain_name(one) for table in copied.values() for one in table.copied}
    assert set(labels()["tables"]) == set(copied)
    assert set(labels()["columns"]) == columns | {ACTOR_NAME}
