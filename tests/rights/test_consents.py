"""R2, R4, R6: consents by purpose and version, withdrawn in one step, not asked for again soon."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.kernel.clock import city_today
from app.kernel.database import transaction
from app.members.consents import Decision, current_texts, publish_text, record_decisions
from app.members.queries import consent_state, consent_states
from tests.redemptions.builders import (
    API,
    Citizen,
    Clerk,
    make_citizen,
    make_clerk,
    publish_benefit,
    publish_library,
)
from tests.rights.receipts import verified

RANKING = "ranking"
PURPOSES = ("library", "loan", RANKING)


def post(client: FlaskClient, who: Citizen, path: str, **body: Any) -> TestResponse:
    return client.post(f"{API}/me/consents{path}", json=body, headers=who.headers)


def code_of(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["code"]


def standing(client: FlaskClient, who: Citizen, purpose: str) -> dict[str, Any]:
    answer = client.get(f"{API}/me/consents", headers=who.headers).get_json()
    found: dict[str, Any] = next(
        one for one in answer["consents"] if one["text"]["purpose"] == purpose
    )
    return found


@pytest.fixture
def citizen(app: Flask) -> Citizen:
    return make_citizen(app, tier="AAA", consents=("membership",))


def test_r6_who_refused_is_not_asked_again_but_may_agree(
    client: FlaskClient, citizen: Citizen
) -> None:
    assert post(client, citizen, "/prompts", purpose="loan").get_json()["version"] == 1
    refused = post(client, citizen, "/refusals", purpose="loan", text_version=1)
    assert refused.get_json()["decision"] == "refused"
    again = post(client, citizen, "/prompts", purpose="loan")
    assert code_of(again) == (409, "consent_asked_recently")
    found = standing(client, citizen, "loan")
    assert found["state"] == "refused"
    assert found["ask_again_at"][:10] == again.get_json()["ask_again_at"][:10]
    # Of their own motion, at any time.
    assert post(client, citizen, "", purpose="loan", text_version=1).status_code == 200
    found = standing(client, citizen, "loan")
    assert (found["state"], found["ask_again_at"]) == ("given", None)
    stands = post(client, citizen, "/refusals", purpose="loan", text_version=1)
    assert code_of(stands) == (409, "consent_stands")
    assert code_of(post(client, citizen, "/prompts", purpose="loan")) == (409, "consent_stands")


@pytest.mark.parametrize(("days", "status"), [(179, 409), (180, 200)])
@pytest.mark.parametrize("decision", ["refused", "withdrawn"])
def test_r6_the_set_time_ends(
    client: FlaskClient, citizen: Citizen, days: int, status: int, decision: str
) -> None:
    with transaction() as session:
        record_decisions([Decision(
            citizen_id=citizen.citizen_id, text=current_texts()["loan"], channel="wechat",
            decision=decision, decided_on=city_today(session) - timedelta(days=days),
        )])
    assert post(client, citizen, "/prompts", purpose="loan").status_code == status


def test_r4_a_withdrawal_is_one_step_and_holds_at_once(
    app: Flask, client: FlaskClient, citizen: Citizen
) -> None:
    library = publish_library(app)
    clerk = make_clerk(app, takes=(library,))
    assert books(client, clerk, citizen) == 15
    assert post(client, citizen, "", purpose="library", text_version=1).status_code == 200
    assert books(client, clerk, citizen) == 25
    taken = post(client, citizen, "/withdrawals", purpose="library")
    assert taken.get_json()["decision"] == "withdrawn"
    assert books(client, clerk, citizen) == 15
    assert post(client, citizen, "/withdrawals", purpose="library").status_code == 200


def test_r2_another_text_needs_another_consent(
    app: Flask, client: FlaskClient, citizen: Citizen
) -> None:
    post(client, citizen, "", purpose="loan", text_version=1)
    benefit = publish_benefit(
        app, kind="statement", consent_purpose="loan", voucher_life_seconds=3600,
        values={"baseline": {"tier_statement": False}, "A": {"tier_statement": True},
                "AA": {"tier_statement": True}, "AAA": {"tier_statement": True}},
    )  # fmt: skip
    assert statement(client, citizen, benefit).status_code == 200
    publish_text(
        purpose="loan", receiver="合作银行", required=False, sensitive=True, title="新", body="新",
    )
    assert code_of(statement(client, citizen, benefit)) == (403, "consent_stale")
    assert standing(client, citizen, "loan")["state"] == "stale"
    old = post(client, citizen, "", purpose="loan", text_version=1)
    assert code_of(old) == (403, "consent_stale")
    assert post(client, citizen, "", purpose="loan", text_version=2).status_code == 200
    assert statement(client, citizen, benefit).status_code == 200


def test_all_purposes_at_once_say_what_each_says(client: FlaskClient, citizen: Citizen) -> None:
    post(client, citizen, "", purpose="library", text_version=1)
    post(client, citizen, "", purpose="loan", text_version=1)
    publish_text(
        purpose="loan", receiver="合作银行", required=False, sensitive=True, title="新", body="新",
    )
    post(client, citizen, "", purpose="transit", text_version=1)
    post(client, citizen, "/withdrawals", purpose="transit")
    post(client, citizen, "/refusals", purpose=RANKING, text_version=1)
    citizen_id = citizen.citizen_id
    states = consent_states(citizen_id=citizen_id, purposes=current_texts())
    assert set(states.values()) == {"given", "stale", "withdrawn", "refused", "none"}
    assert states == {
        purpose: consent_state(citizen_id=citizen_id, purpose=purpose)
        for purpose in current_texts()
    }
    assert consent_states(citizen_id=citizen_id, purposes=[]) == {}


def test_membership_is_taken_back_by_leaving(client: FlaskClient, citizen: Citizen) -> None:
    refused = post(client, citizen, "/withdrawals", purpose="membership")
    assert code_of(refused) == (409, "consent_is_membership")
    assert code_of(post(client, citizen, "/withdrawals", purpose="nothing")) == (
        422, "consent_unknown",
    )
    assert code_of(post(client, citizen, "/withdrawals", purpose="loan")) == (
        404, "consent_decision_unknown",
    )


def test_every_decision_has_a_receipt_to_keep(client: FlaskClient, citizen: Citizen) -> None:
    made = post(client, citizen, "", purpose="loan", text_version=1).get_json()
    post(client, citizen, "/withdrawals", purpose="loan")
    listed = client.get(f"{API}/me/consents/decisions", headers=citizen.headers).get_json()
    assert [(one["purpose"], one["decision"]) for one in listed["decisions"]][:2] == [
        ("loan", "withdrawn"), ("loan", "given"),
    ]
    path = f"{API}/me/consents/decisions/{made['consent_id']}/receipt"
    said = verified(client, client.get(path, headers=citizen.headers).get_json())
    text = current_texts()["loan"]
    assert said["text_sha256"] == text.text_hash.hex()
    assert (said["decision"], said["receiver"]) == ("given", text.receiver)
    assert str(citizen.citizen_id) not in str(said)


def test_what_is_used_is_within_the_consents_of_the_moment(
    app: Flask, client: FlaskClient
) -> None:
    """Random sequences of yes, no, withdrawal and use, beside a model that is a set."""
    library = publish_library(app)
    benefit = publish_benefit(
        app, kind="statement", consent_purpose="loan", voucher_life_seconds=3600,
        values={"baseline": {"tier_statement": False}, "A": {"tier_statement": True},
                "AA": {"tier_statement": True}, "AAA": {"tier_statement": True}},
    )  # fmt: skip
    clerk = make_clerk(app, takes=(library,))
    dice = random.Random(20260401)
    for _ in range(4):
        citizen = make_citizen(app, tier="AAA", consents=("membership",))
        active: set[str] = set()
        for _ in range(14):
            purpose, act = dice.choice(PURPOSES), dice.choice(("give", "refuse", "withdraw"))
            if act == "give":
                post(client, citizen, "", purpose=purpose, text_version=1)
                active.add(purpose)
            elif act == "refuse":  # where a consent stands, it stays
                post(client, citizen, "/refusals", purpose=purpose, text_version=1)
            else:
                post(client, citizen, "/withdrawals", purpose=purpose)
                active.discard(purpose)
            used = {
                one for one in PURPOSES
                if consent_state(citizen_id=citizen.citizen_id, purpose=one) == "given"
            }
            assert used == active
        assert (books(client, clerk, citizen) == 25) == ("library" in active)
        assert (statement(client, citizen, benefit).status_code == 200) == ("loan" in active)


def books(client: FlaskClient, clerk: Clerk, citizen: Citizen) -> int:
    """What a library is told about somebody at the desk."""
    seen = clerk.preview(client, code=citizen.pass_code(client)).get_json()
    return int(seen["benefits"][0]["value"]["books"])


def statement(client: FlaskClient, citizen: Citizen, benefit: str) -> TestResponse:
    return client.post(f"{API}/me/benefits/{benefit}/statements", headers=citizen.headers)
