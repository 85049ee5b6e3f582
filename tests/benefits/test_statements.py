"""A signed statement of the tier: the least a bank needs, checked with the published keys."""

from __future__ import annotations

from datetime import datetime, timedelta

import orjson
import pytest
from flask import Flask
from flask.testing import FlaskClient
from jwt import InvalidSignatureError, PyJWK
from jwt.api_jws import PyJWS
from werkzeug.test import TestResponse

from app.members import operations as members
from tests.redemptions.answers import outcome
from tests.redemptions.builders import API, Citizen, make_citizen, publish_benefit


def a_statement_benefit(app: Flask) -> str:
    return publish_benefit(
        app, kind="statement", consent_purpose="library", voucher_life_seconds=3_600,
        values={"baseline": {"tier_statement": True}},
    )


def asked(client: FlaskClient, citizen: Citizen, benefit: str) -> TestResponse:
    return client.post(f"{API}/me/benefits/{benefit}/statements", headers=citizen.headers)


def test_r23_a_statement_holds_the_tier_and_its_time_and_no_more(
    app: Flask, client: FlaskClient
) -> None:
    benefit = a_statement_benefit(app)
    citizen = make_citizen(app, tier="AA", consents=("library",))
    answer = asked(client, citizen, benefit).get_json()
    said = orjson.loads(answer["statement"])
    assert set(said) == {
        "kind", "statement_id", "benefit_code", "tier", "is_disputed", "valid_from", "valid_until"
    }
    assert (said["tier"], said["benefit_code"]) == ("AA", benefit)
    begins, ends = (datetime.fromisoformat(said[key]) for key in ("valid_from", "valid_until"))
    assert ends - begins == timedelta(hours=1)
    assert str(citizen.citizen_id) not in answer["statement"]
    again = orjson.loads(asked(client, citizen, benefit).get_json()["statement"])
    assert again["statement_id"] != said["statement_id"]


def test_anybody_can_check_it_with_the_published_keys(app: Flask, client: FlaskClient) -> None:
    citizen = make_citizen(app, tier="A", consents=("library",))
    answer = asked(client, citizen, a_statement_benefit(app)).get_json()
    published = client.get("/.well-known/jwks.json").get_json()["keys"]
    key = PyJWK(published[0])
    signature, text = answer["signature"], answer["statement"].encode()
    jws = PyJWS(algorithms=["EdDSA"])
    jws.decode_complete(signature, key, algorithms=["EdDSA"], detached_payload=text)
    forged = text.replace(b'"tier":"A"', b'"tier":"AAA"')
    with pytest.raises(InvalidSignatureError):
        jws.decode_complete(signature, key, algorithms=["EdDSA"], detached_payload=forged)


def test_r3_without_the_consent_of_today_there_is_none(app: Flask, client: FlaskClient) -> None:
    benefit = a_statement_benefit(app)
    assert outcome(asked(client, make_citizen(app, tier="A"), benefit)) == (403, "consent_missing")
    citizen = make_citizen(app, tier="A", consents=("library",))
    members.publish_text(
        purpose="library", receiver="公共图书馆", required=False, sensitive=False,
        title="新的授权", body="新的条款",
    )
    assert outcome(asked(client, citizen, benefit)) == (403, "consent_stale")


def test_only_statements_are_signed(app: Flask, client: FlaskClient) -> None:
    for benefit in (publish_benefit(app), "nothing_known"):
        refused = asked(client, make_citizen(app), benefit)
        assert outcome(refused) == (404, "benefit_unknown")
