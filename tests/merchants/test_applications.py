"""An organisation applies, two operators decide, an owner begins, a citizen is served."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.kernel.database import reading
from app.merchants.applications import forget_contacts
from app.web.auth import Role
from tests.merchants.applying import CONTACT, REASON, Applicant
from tests.redemptions.answers import outcome
from tests.redemptions.builders import API, staff_headers


@pytest.fixture
def operators(app: Flask) -> tuple[Any, Any]:
    return staff_headers(app, Role.OPERATOR), staff_headers(app, Role.OPERATOR)


def contact_of(applicant: Applicant) -> bytes | None:
    with reading() as session:
        sealed: bytes | None = session.scalar(
            text("SELECT contact_sealed FROM merchant_applications WHERE application_id = :a"),
            {"a": applicant.application_id},
        )
        return sealed


def test_an_application_is_taken_once_and_followed_by_its_ticket(
    client: FlaskClient,
) -> None:
    applicant = Applicant(client)
    first, again = applicant.apply(), applicant.apply()
    assert (first.status_code, again.get_json()) == (201, first.get_json())
    assert applicant.status()["state"] == "open"
    assert outcome(applicant.apply(name="别的名字")) == (422, "id_reused")
    assert "contact_name" not in str(applicant.status())


def test_what_nobody_may_apply_with(client: FlaskClient) -> None:
    for changes, refusal in (
        ({"credit_code": "9" * 18}, (422, "credit_code_invalid")),
        ({"credit_code": "330702198503122223"}, (422, "credit_code_invalid")),
        ({"text_version": 99}, (409, "commitment_stale")),
        ({"text_hash": "00" * 32}, (409, "commitment_stale")),
        ({"category": "bank"}, (422, "invalid_request")),
        ({"shops": []}, (422, "invalid_request")),
        ({"secret": "short"}, (422, "invalid_request")),
    ):
        assert outcome(Applicant(client).apply(**changes)) == refusal


def test_s61_one_person_alone_approves_nothing(
    client: FlaskClient, operators: tuple[Any, Any]
) -> None:
    first, second = operators
    applicant = Applicant(client)
    applicant.apply()
    assert outcome(applicant.decide("confirmation", first)) == (409, "application_not_proposed")
    for _ in range(2):
        assert applicant.decide("proposal", first).get_json()["state"] == "proposed"
    assert outcome(applicant.decide("confirmation", first)) == (403, "second_person_needed")
    ticket = applicant.post("/merchant-applications/owner-invitation", applicant.ticket)
    assert outcome(ticket) == (409, "application_not_approved")
    confirmed = applicant.decide("confirmation", second).get_json()
    assert (confirmed["state"], applicant.status()["merchant_id"]) == (
        "approved", confirmed["merchant_id"],
    )
    for act in ("proposal", "confirmation", "refusal"):
        assert outcome(applicant.decide(act, second)) == (409, "application_decided")


def test_a_refusal_has_a_reason_and_the_organisation_applies_anew(
    client: FlaskClient, operators: tuple[Any, Any]
) -> None:
    code = Applicant(client).facts["credit_code"]
    refused = Applicant(client, credit_code=code)
    refused.apply()
    assert refused.decide("refusal", operators[0]).status_code == 200
    assert refused.status()["reason"] == REASON["reason"]
    Applicant(client, credit_code=code).approved_by(*operators)
    twice = Applicant(client, credit_code=code)
    twice.apply()
    twice.decide("proposal", operators[0])
    assert outcome(twice.decide("confirmation", operators[1])) == (409, "merchant_exists")


def test_the_contact_is_sealed_read_for_a_reason_and_forgotten(
    client: FlaskClient, operators: tuple[Any, Any]
) -> None:
    applicant = Applicant(client)
    applicant.apply()
    sealed = contact_of(applicant)
    assert sealed is not None
    assert CONTACT["contact_name"].encode() not in sealed
    listed = client.get(f"{API}/merchant-applications", headers=operators[0])
    assert CONTACT["contact_phone"] not in listed.get_data(as_text=True)
    told = applicant.decide("contact", operators[0]).get_json()
    assert told == {"name": CONTACT["contact_name"], "phone": CONTACT["contact_phone"]}
    with reading() as session:
        acts = session.scalars(
            text("SELECT action FROM trail_acts WHERE subject = :a"),
            {"a": applicant.application_id},
        ).all()
    assert acts == ["application_contact_read"]


def test_contacts_are_forgotten_at_the_day(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    client = committing_app.test_client()
    first, second = (staff_headers(committing_app, Role.OPERATOR) for _ in range(2))
    waiting, old, refused, owned = (Applicant(client) for _ in range(4))
    for applicant in (waiting, old, refused):
        applicant.apply()
    refused.decide("refusal", first)
    owned.approved_by(first, second)
    owned.post("/staff-invitations/acceptance", {
        "code": owned.owner_code(), "username": "owner-one", "password": "a long pass phrase 7",
    })  # fmt: skip

    def forgotten() -> set[str]:
        with job_app.app_context():
            forget_contacts()
        rows = admin.execute(
            "SELECT application_id::text FROM merchant_applications WHERE contact_sealed IS NULL"
        )
        return {row[0] for row in rows}

    admin.execute("UPDATE merchant_application_decisions SET decided_at = now() - interval '29 d'")
    admin.execute(
        "UPDATE merchant_applications SET created_at = now() - interval '179 d'"
        " WHERE application_id = %s", (old.application_id,),
    )  # fmt: skip
    assert forgotten() == {owned.application_id}
    admin.execute("UPDATE merchant_application_decisions SET decided_at = now() - interval '31 d'")
    admin.execute(
        "UPDATE merchant_applications SET created_at = now() - interval '181 d'"
        " WHERE application_id = %s", (old.application_id,),
    )  # fmt: skip
    assert forgotten() == {owned.application_id, old.application_id, refused.application_id}
    told = old.decide("contact", first)
    assert outcome(told) == (404, "contact_forgotten")


def test_a_new_text_is_signed_from_then_on(
    client: FlaskClient, operators: tuple[Any, Any]
) -> None:
    before = Applicant(client)
    body = {"title": "诚信经营承诺书", "body": "我单位承诺诚信经营、及时答复。", **REASON}
    made = [client.post(f"{API}/commitment-texts", json=body, headers=operators[0]).get_json()
            for _ in range(2)]  # fmt: skip
    assert made[0] == made[1] == client.get(f"{API}/commitment-text").get_json()
    assert made[0]["version"] == before.facts["text_version"] + 1
    assert outcome(before.apply()) == (409, "commitment_stale")
    assert Applicant(client).apply().status_code == 201


def test_s62_payloads_are_kept_as_they_are(client: FlaskClient) -> None:
    payload = "<script>alert(1)</script>'\"--"
    applicant = Applicant(client, name=payload)
    assert applicant.apply().status_code == 201
    assert applicant.status()["name"] == payload
