"""S37: sources sign; tokens are for those from before, and for whom two operators let show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.members.operations import NewCredential
from demo.load import publish_catalogue
from tests.members.api import bearer, staff_tokens
from tests.members.signing import sign

API = "/api/v1"
REASON = {"reason": "该单位系统改造期间暂用令牌"}


@dataclass
class Desk:
    """Two operators and a source that was registered by one of them."""

    client: FlaskClient
    one: dict[str, str]
    other: dict[str, str]
    source: NewCredential

    @property
    def url(self) -> str:
        return f"{API}/sources/{self.source.source_id}"

    def ask(self, operator: dict[str, str], path: str, **body: str) -> tuple[int, Any]:
        answer = self.client.post(f"{self.url}{path}", json=REASON | body, headers=operator)
        return answer.status_code, answer.get_json()

    def propose(self) -> str:
        waiver_id = str(new_id())
        status, made = self.ask(self.one, "/token-waivers", waiver_id=waiver_id)
        assert (status, made["closed_at"]) == (201, None), made
        return waiver_id

    def confirm(self, operator: dict[str, str], waiver_id: str) -> tuple[int, str | bool]:
        status, said = self.ask(operator, f"/token-waivers/{waiver_id}/confirmation")
        return status, said.get("code", said.get("signed_only"))

    def signed_only(self) -> bool:
        said = self.client.get(f"{self.url}/signing", headers=self.one).get_json()
        return bool(said["signed_only"])

    def sign_in(self, **changes: str) -> Any:
        shown = {"credential_id": str(self.source.credential_id), "secret": self.source.secret}
        return self.client.post(f"{API}/sources/token", json=shown | changes)

    def works(self, token: str) -> int:
        return self.client.get(f"{API}/source/credentials", headers=bearer(token)).status_code


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> Desk:
    publish_catalogue()
    one, other = (bearer(staff_tokens(app, client)["access_token"]) for _ in range(2))
    body = {
        "source_id": str(new_id()), "unit": f"单位 {new_id()}", "record_types": ["honours"],
    }  # fmt: skip
    made = client.post(f"{API}/sources", json=body, headers=one)
    assert made.status_code == 201, made.get_json()
    said = made.get_json()
    source = NewCredential(UUID(said["source_id"]), UUID(said["credential_id"]), said["secret"])
    return Desk(client, one, other, source)


def test_a_new_source_signs_and_gets_no_token(desk: Desk) -> None:
    assert desk.signed_only()
    refused = desk.sign_in()
    assert (refused.status_code, refused.get_json()["code"]) == (403, "signatures_required")
    stranger = desk.sign_in(secret="x" * 43)
    assert stranger.get_json()["code"] == "credential_refused"  # learns nothing of the rule
    signed = sign(desk.source, "GET", f"{API}/source/credentials").send(desk.client)
    assert signed.status_code == 200


def test_tokens_take_two_operators_and_end_with_one(desk: Desk) -> None:
    waiver_id = desk.propose()
    assert desk.confirm(desk.one, waiver_id) == (403, "second_person_needed")
    assert desk.sign_in().status_code == 403
    assert desk.confirm(desk.other, waiver_id) == (200, False)
    tokens = desk.sign_in().get_json()
    assert desk.works(tokens["access_token"]) == 200
    assert desk.ask(desk.one, "/signing")[1]["signed_only"]
    assert desk.works(tokens["access_token"]) == 401
    refreshed = desk.client.post(
        f"{API}/tokens/refresh", headers=bearer(tokens["refresh_token"])
    )
    assert refreshed.status_code == 401
    assert desk.sign_in().status_code == 403
    assert desk.confirm(desk.other, waiver_id) == (409, "token_waiver_closed")
    with reading() as session:
        acts = session.scalars(
            text("SELECT action FROM trail_acts WHERE subject = :s ORDER BY act_id"),
            {"s": str(desk.source.source_id)},
        ).all()
    assert acts == ["propose_token_waiver", "confirm_token_waiver", "require_signatures"]


def test_a_token_is_worth_nothing_while_its_source_must_sign(desk: Desk) -> None:
    """Even one whose session nobody ended: a release from before may have opened it."""
    desk.confirm(desk.other, desk.propose())
    token = desk.sign_in().get_json()["access_token"]
    assert desk.works(token) == 200
    with transaction() as session:
        session.execute(text("UPDATE source_accounts SET signed_only = true"))
    assert desk.works(token) == 401


def test_requiring_signatures_overtakes_what_was_proposed(desk: Desk) -> None:
    waiver_id = desk.propose()
    assert desk.ask(desk.one, "/signing")[0] == 200
    assert desk.confirm(desk.other, waiver_id) == (409, "token_waiver_closed")
    assert desk.signed_only()


def test_a_proposal_lies_for_a_week(desk: Desk) -> None:
    waiver_id = str(new_id())
    with transaction() as session:
        session.execute(
            text(
                "INSERT INTO source_token_waivers (waiver_id, source_id, proposed_by, created_at)"
                " VALUES (:waiver, :source, :waiver, now() - interval '7 days 1 s')"
            ),
            {"waiver": waiver_id, "source": desk.source.source_id},
        )
    assert desk.confirm(desk.other, waiver_id) == (409, "token_waiver_closed")
    assert desk.signed_only()


def test_a_proposal_is_of_its_source_and_person(desk: Desk) -> None:
    waiver_id = desk.propose()
    again = desk.ask(desk.one, "/token-waivers", waiver_id=waiver_id)
    assert (again[0], again[1]["waiver_id"]) == (201, waiver_id)
    reused = desk.ask(desk.other, "/token-waivers", waiver_id=waiver_id)
    assert (reused[0], reused[1]["code"]) == (422, "id_reused")
    assert desk.confirm(desk.other, str(new_id())) == (404, "token_waiver_unknown")
    mine = desk.source
    desk.source = NewCredential(new_id(), mine.credential_id, mine.secret)
    for path, body in (
        ("/signing", {}), ("/token-waivers", {"waiver_id": str(new_id())}),
        (f"/token-waivers/{waiver_id}/confirmation", {}),
    ):  # fmt: skip
        status, said = desk.ask(desk.other, path, **body)
        assert (status, said["code"]) == (404, "source_account_not_found")
    desk.source = mine
    assert desk.signed_only()
