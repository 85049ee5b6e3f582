"""What is published: exact bytes, signatures anybody can check, figures without small groups."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.kernel.database import db, transaction
from app.kernel.detached import sign_detached, verification_keys
from app.kernel.ids import new_id
from app.kernel.keys import KeyPurpose, KeyRing, new_key_document
from app.records.queries import current_day
from app.scoring.protection import LEAST
from app.scoring.publications import list_publications, protected_figures, publish_due
from app.trail.assessments import register_assessment
from demo.servers import Database
from tests.records.programme import Programme, build_programme
from tests.scoring.drafts import NOTICE, TEXT, Draft, finish_dry_run, later_text
from tests.trail.assessed import REASON, assessed, new_assessment

ADDRESS = "/api/v1/publications"
MEMBERS = 24
TIERS = ["-", "A", "AA", "AAA"]


@pytest.fixture
def city(committing_app: Flask, job_app: Flask) -> Iterator[Programme]:
    """A few members of whom five have a record; published by the worker's role."""
    with committing_app.app_context():
        programme = build_programme(committing_app, people=MEMBERS)
        programme.deliver(
            "volunteer_hours",
            *(
                programme.hours(f"ZY-{at}", "9", person=one.id_number)
                for at, one in enumerate(programme.people[:5])
            ),
            on=current_day(),
        )
        db.session.remove()
    publish(job_app)
    yield programme
    with committing_app.app_context():
        db.session.remove()


def publish(job_app: Flask) -> int:
    with job_app.app_context():
        made = publish_due()
        db.session.remove()
    return made


@pytest.fixture
def anybody(city: Programme, committing_app: Flask) -> FlaskClient:
    return committing_app.test_client()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def check(content: bytes, jws: str, key_set: list[dict[str, str]]) -> None:
    """As docs/publication.md tells: with the public keys and nothing of ours."""
    head, nothing, signature = jws.split(".")
    said = json.loads(decoded(head))
    assert nothing == ""
    assert (said["alg"], said["b64"], said["crit"]) == ("EdDSA", False, ["b64"])
    key = next(one for one in key_set if one["kid"] == said["kid"])
    public = Ed25519PublicKey.from_public_bytes(decoded(key["x"]))
    public.verify(decoded(signature), head.encode() + b"." + content)


def listed(anybody: FlaskClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = anybody.get(ADDRESS).get_json()["publications"]
    return found


def test_r28_everything_published_can_be_checked_by_anybody(anybody: FlaskClient) -> None:
    answer = anybody.get("/.well-known/jwks.json")
    assert answer.mimetype == "application/jwk-set+json"
    key_set = json.loads(answer.data)["keys"]
    assert {frozenset(one) for one in key_set} == {
        frozenset({"kty", "crv", "alg", "use", "kid", "x"})  # and no private "d"
    }
    found = listed(anybody)
    assert {one["kind"] for one in found} == {"schemes", "catalogues", "figures"}
    for one in found:
        content = anybody.get(one["address"]).data
        jws = anybody.get(one["signature_address"])
        assert jws.mimetype == "application/jose"
        check(content, jws.text, key_set)
        assert hashlib.sha256(content).hexdigest() == one["sha256"]
        said = json.loads(content)
        assert said["published_on"] == one["published_on"]
        for at in range(0, len(content), 97):
            changed = bytearray(content)
            changed[at] ^= 1
            with pytest.raises(InvalidSignature):
                check(bytes(changed), jws.text, key_set)


def test_rules_and_catalogue_hold_the_text_that_their_hash_is_of(anybody: FlaskClient) -> None:
    for one in listed(anybody):
        said = json.loads(anybody.get(one["address"]).data)
        if one["kind"] != "figures":
            assert hashlib.sha256(said["document"].encode()).hexdigest() == said["content_hash"]
        if one["kind"] == "schemes":
            assert (said["document"], said["effective_on"]) == (TEXT, "2026-01-01")


def test_the_bytes_stay_whatever_comes_later(
    anybody: FlaskClient, city: Programme, committing_app: Flask, job_app: Flask
) -> None:
    before = {one["address"]: anybody.get(one["address"]).data for one in listed(anybody)}
    assert publish(job_app) == 0  # the same day again
    with committing_app.app_context():
        draft = Draft(later_text())
        draft.propose()
        draft.tell()
        db.session.remove()
    assert publish(job_app) == 2  # the proposal that people are told of, and its assessment
    with committing_app.app_context():
        draft.confirm(finish_dry_run(draft.name))
        db.session.remove()
    assert publish(job_app) == 1
    after = {one["address"]: anybody.get(one["address"]).data for one in listed(anybody)}
    assert len(after) == len(before) + 3
    assert before.items() <= after.items()


def test_r28_a_proposal_is_published_and_signed_while_people_are_told_of_it(
    anybody: FlaskClient, committing_app: Flask, job_app: Flask
) -> None:
    with committing_app.app_context():
        draft = Draft(later_text())
        draft.propose()
        db.session.remove()
    publish(job_app)
    assert "proposals" not in {one["kind"] for one in listed(anybody)}  # nobody is told yet
    with committing_app.app_context():
        told = draft.tell()
        db.session.remove()
    publish(job_app)
    (one,) = [one for one in listed(anybody) if one["kind"] == "proposals"]
    assert one["published_on"] == current_day_of(committing_app).isoformat()
    content = anybody.get(one["address"]).data
    key_set = json.loads(anybody.get("/.well-known/jwks.json").data)["keys"]
    check(content, anybody.get(one["signature_address"]).text, key_set)
    said = json.loads(content)
    assert (said["version"], said["document"]) == (draft.name.version, draft.document)
    assert (said["notice"], said["notice_published_on"]) == (NOTICE, one["published_on"])
    assert said["content_hash"] == told.content_hash.hex()


def current_day_of(app: Flask) -> date:
    with app.app_context():
        return current_day()


def test_r21_assessments_that_two_people_stand_for_are_public_and_signed(
    anybody: FlaskClient, committing_app: Flask, job_app: Flask
) -> None:
    with committing_app.app_context():
        alone = new_assessment()
        made = assessed("sharing", "loan")
        register_assessment(assessment=alone, operator_id=new_id(), reason=REASON)
        db.session.remove()
    assert publish(job_app) == 1
    [one] = [one for one in listed(anybody) if one["kind"] == "assessments"]
    assert one["name"] == str(made)
    content = anybody.get(one["address"]).data
    key_set = anybody.get("/.well-known/jwks.json").get_json()["keys"]
    check(content, anybody.get(one["signature_address"]).text, key_set)
    said = json.loads(content)
    assert (said["assessment_kind"], said["covers"]) == ("sharing", ["loan"])
    assert (said["summary"], said["document_hash"]) == (alone.summary, alone.document_hash.hex())
    assert said["concluded_on"] == said["confirmed_on"] == said["published_on"]
    assert said["in_force_until_on"] > said["confirmed_on"]
    assert not {"registered_by", "confirmed_by"} & said.keys()


def test_the_worker_itself_cannot_change_them(city: Programme, test_database: Database) -> None:
    for role in ("card_web", "card_job"):
        with psycopg.connect(test_database.url(role)) as connection:
            for sql in ("UPDATE publications SET content = ''", "DELETE FROM publications"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(sql)
                connection.rollback()


def test_no_person_and_no_small_group_appears(
    anybody: FlaskClient, city: Programme, committing_app: Flask
) -> None:
    address = next(one["address"] for one in listed(anybody) if one["kind"] == "figures")
    said = json.loads(anybody.get(address).data)
    assert said["members"] == MEMBERS
    assert said["record_types"] == [{"record_type": "volunteer_hours", "people": None}]
    assert sum(one["people"] for one in said["tiers"]) == MEMBERS
    with committing_app.app_context():
        texts = b"".join(one.content for one in list_publications()).decode()
    for person, citizen_id in zip(city.people, city.citizens, strict=True):
        for private in (person.id_number, person.name, str(person.phone), str(citizen_id)):
            assert private not in texts


@given(
    sizes=st.lists(st.one_of(st.integers(0, 12), st.integers(0, 90)), min_size=4, max_size=4),
    held=st.data(),
)
def test_no_group_below_ten_can_be_read(sizes: list[int], held: st.DataObject) -> None:
    members = sum(sizes)
    by_type = {"hours": held.draw(st.integers(0, members))}
    said = protected_figures(
        by_tier=dict(zip(TIERS, sizes, strict=True)), order=TIERS, by_type=by_type
    )
    shown = [one["people"] for one in said["tiers"]]
    assert all(one == 0 or one >= LEAST for one in shown)
    if members >= LEAST:
        assert sum(shown) == said["members"] == members
    else:
        assert (shown, said["members"]) == ([], None)
    people = said["record_types"][0]["people"]
    if people is not None:
        assert people == by_type["hours"] >= LEAST
        assert members - people == 0 or members - people >= LEAST


def test_a_copy_that_is_there_is_not_sent_again(anybody: FlaskClient) -> None:
    for address in (listed(anybody)[0]["address"], listed(anybody)[0]["signature_address"]):
        first = anybody.get(address)
        assert first.headers["Cache-Control"].startswith("public, max-age=")
        again = anybody.get(address, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")


def test_months_are_told_once_each_a_week_after_they_ended(
    city: Programme, job_app: Flask
) -> None:
    """From the month of the first publication on; another room counts."""
    asked: list[tuple[date, date]] = []

    def count(first_on: date, next_on: date) -> dict[str, Any]:
        asked.append((first_on, next_on))
        return {"from": first_on}

    with job_app.app_context():
        today = current_day()
        since = today - timedelta(days=100)
        with transaction() as session:
            session.execute(FIRST_PUBLICATION, {"on": since})
        publish_due(monthly={"visits": count})
        publish_due(monthly={"visits": count})
        named = [one.name for one in list_publications() if one.kind == "visits"]
        db.session.remove()
    firsts = [first_on for first_on, _ in asked]
    assert firsts[0] == since.replace(day=1)
    assert [next_on for _, next_on in asked][:-1] == firsts[1:]
    last = asked[-1][1]
    assert last <= today - timedelta(days=7) < (last + timedelta(days=31)).replace(day=1)
    assert named == [f"{first_on:%Y-%m}" for first_on in firsts]


FIRST_PUBLICATION = text("""
    INSERT INTO publications (kind, name, published_on, content) VALUES ('figures', 'x', :on, '{}')
""")


@pytest.mark.parametrize("address", ["figures/1999-01-01.json", "people/all.jws"])
def test_nothing_else_is_there(anybody: FlaskClient, address: str) -> None:
    answer = anybody.get(f"{ADDRESS}/{address}")
    assert (answer.status_code, answer.get_json()["code"]) == (404, "publication_unknown")


def test_old_signatures_hold_after_the_key_is_changed() -> None:
    old = new_key_document()
    before = sign_detached(keys=KeyRing.from_document(old), payload=b"{}")
    assert before == sign_detached(keys=KeyRing.from_document(old), payload=b"{}")
    name = KeyPurpose.PUBLICATION.value
    fresh = {**new_key_document()[name][0], "id": 2}
    rotated = KeyRing.from_document({**old, name: [fresh, *old[name]]})
    key_set = verification_keys(keys=rotated)
    assert [one["kid"] for one in key_set] == ["publication-2", "publication-1"]
    after = sign_detached(keys=rotated, payload=b"{}")
    assert after != before
    check(b"{}", before, key_set)
    check(b"{}", after, key_set)
