"""A citizen complains, the merchant answers in time, else an operator decides."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from datetime import date
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.complaints.queries import complaint_state
from app.kernel.clock import city_today
from app.kernel.database import reading
from app.kernel.ids import new_id
from app.kernel.working_days import add_working_days
from app.web.auth import Role
from tests.races.threads import at_once
from tests.redemptions.answers import outcome
from tests.redemptions.builders import (
    API,
    Citizen,
    make_citizen,
    make_clerk,
    publish_benefit,
    staff_headers,
)
from tests.redemptions.offline_town import (
    chained,
    code_of,
    database_now,
    enrolled,
    owner_headers,
    publish_keys,
    signed,
)

REASON = {"reason": "超过期限，商户未答复"}
WORDS = "店员说今天不收，请核实 <b>&"


class Case:
    """A citizen with redemptions at one merchant, its owner, and an operator."""

    def __init__(self, app: Flask, **facts: Any) -> None:
        self.app, self.client = app, app.test_client()
        self.code = publish_benefit(app, **facts)
        self.clerk = make_clerk(app, takes=(self.code,))
        self.owner = owner_headers(app, self.clerk)
        self.operator = staff_headers(app, Role.OPERATOR)
        self.citizen: Citizen = make_citizen(app)

    def redeemed(self) -> str:
        voucher_id = self.citizen.claimed(self.client, self.code)
        shown = self.citizen.voucher_code(self.client, voucher_id)
        assert self.clerk.redeem(self.client, code=shown).status_code == 200
        return str(voucher_id)

    def body(self, **changes: Any) -> dict[str, Any]:
        return {
            "complaint_id": str(new_id()), "category": "refused", "text": WORDS,
            "text_shared": False, **changes,
        }

    def complain(self, **changes: Any) -> Any:
        return self.post("/me/complaints", self.citizen.headers, self.body(**changes))

    def complained(self, **changes: Any) -> str:
        answer = self.complain(voucher_id=self.redeemed(), **changes)
        assert answer.status_code == 201, answer.get_json()
        return str(answer.get_json()["complaint"]["complaint_id"])

    def answer(self, complaint_id: str) -> Any:
        path = f"/merchant/complaints/{complaint_id}/answer"
        return self.post(path, self.owner, {"text": "已向您致歉，并培训店员。"})

    def decide(self, complaint_id: str) -> Any:
        path = f"/complaints/{complaint_id}/decision"
        return self.post(path, self.operator, {"outcome": "upheld", **REASON})

    def own(self) -> list[dict[str, Any]]:
        answer = self.client.get(f"{API}/me/complaints", headers=self.citizen.headers)
        found: list[dict[str, Any]] = answer.get_json()["complaints"]
        return found

    def post(self, path: str, headers: Mapping[str, str], body: Any = None) -> Any:
        return self.client.post(f"{API}{path}", json=body, headers=headers)

    def figures(self) -> dict[str, Any]:
        page = self.client.get(f"{API}/public/merchants/{self.clerk.merchant_id}").get_json()
        found: dict[str, Any] = page["complaints"]
        return found


@pytest.fixture
def case(app: Flask) -> Case:
    return Case(app)


def test_a_complaint_is_answered_and_followed(case: Case) -> None:
    complaint_id = case.complained()
    (own,) = case.own()
    with reading() as session:
        due = add_working_days(city_today(session), 5)
    assert (own["text"], own["complaint"]["state"]) == (WORDS, "open")
    assert own["complaint"]["due_on"] == due.isoformat()
    assert own["complaint"]["decide_due_on"] == add_working_days(due, 5).isoformat()
    assert case.answer(complaint_id).get_json()["state"] == "answered"
    (own,) = case.own()
    assert own["answer"] == "已向您致歉，并培训店员。"
    for late in (case.answer(complaint_id), case.decide(complaint_id)):
        assert outcome(late) == (409, "complaint_closed")
    assert case.figures() == {"received_count": 1, "answered_count": 1, "in_time_percent": 100}


def test_r23_the_merchant_never_learns_who_complains(case: Case) -> None:
    silent, shared = case.complained(), case.complained(text_shared=True)
    answer = case.client.get(f"{API}/merchant/complaints", headers=case.owner)
    listed = answer.get_json()["complaints"]
    assert [one["complaint_id"] for one in listed] == [shared, silent]
    assert str(case.citizen.citizen_id) not in answer.get_data(as_text=True)
    assert WORDS not in answer.get_data(as_text=True)
    redeemed = {one["redemption_id"] for one in case.clerk.today(case.client)}
    assert {one["redemption_id"] for one in listed} == redeemed
    assert not {"citizen_id", "voucher_id", "text"} & set(listed[0])
    told = case.post(f"/merchant/complaints/{silent}/text", case.owner)
    assert outcome(told) == (404, "complaint_text_missing")
    told = case.post(f"/merchant/complaints/{shared}/text", case.owner)
    assert told.get_json() == {"text": WORDS}
    trail = case.client.get(f"{API}/me/trail", headers=case.citizen.headers).get_json()["lines"]
    assert [one["action"] for one in trail][:1] == ["complaint_read"]


def test_words_are_sealed(case: Case) -> None:
    case.complained()
    with reading() as session:
        sealed = session.connection().exec_driver_sql("SELECT text_sealed FROM complaints")
        assert WORDS.encode() not in bytes(sealed.scalar_one())


def test_what_cannot_be_complained_about(case: Case, app: Flask) -> None:
    voucher_id, unused = case.redeemed(), case.citizen.claimed(case.client, case.code)
    body = case.body(voucher_id=voucher_id)
    first = case.post("/me/complaints", case.citizen.headers, body)
    again = case.post("/me/complaints", case.citizen.headers, body)
    assert (first.status_code, again.get_json()) == (201, first.get_json())
    changed = case.post("/me/complaints", case.citizen.headers, {**body, "category": "other"})
    assert outcome(changed) == (422, "id_reused")
    assert outcome(case.complain(voucher_id=voucher_id)) == (409, "complaint_exists")
    assert outcome(case.complain(voucher_id=str(unused))) == (404, "redemption_unknown")
    stranger = make_citizen(app)
    foreign = case.post("/me/complaints", stranger.headers, case.body(voucher_id=voucher_id))
    assert outcome(foreign) == (404, "redemption_unknown")
    assert outcome(case.complain(voucher_id=voucher_id, category="x")) == (422, "invalid_request")
    long = case.complain(voucher_id=voucher_id, text="长" * 501)
    assert outcome(long) == (422, "invalid_request")


def test_another_merchant_has_no_such_complaint(case: Case, app: Flask) -> None:
    complaint_id = case.complained(text_shared=True)
    stranger = owner_headers(app, make_clerk(app))
    for act, body in (("text", None), ("answer", {"text": "x"})):
        told = case.post(f"/merchant/complaints/{complaint_id}/{act}", stranger, body)
        assert outcome(told) == (404, "complaint_unknown")
    listed = case.client.get(f"{API}/merchant/complaints", headers=stranger).get_json()
    assert listed["complaints"] == []


def test_what_is_not_answered_in_time_goes_to_an_operator(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    case = Case(committing_app)
    complaint_id = case.complained()
    assert outcome(case.decide(complaint_id)) == (409, "complaint_not_escalated")
    text = f"/complaints/{complaint_id}/text"
    assert outcome(case.post(text, case.operator, REASON)) == (409, "complaint_not_escalated")
    today: date = admin.execute("SELECT (now() AT TIME ZONE 'Asia/Shanghai')::date").fetchone()[0]  # type: ignore[index]
    admin.execute("UPDATE complaints SET due_on = %s", (today,))
    assert case.own()[0]["complaint"]["state"] == "open"  # until the end of the day
    admin.execute("UPDATE complaints SET due_on = %s::date - 1", (today,))
    assert outcome(case.answer(complaint_id)) == (409, "complaint_escalated")
    listed = case.client.get(f"{API}/complaints", headers=case.operator).get_json()["complaints"]
    assert [one["complaint_id"] for one in listed] == [complaint_id]
    for days, late in ((0, 0), (1, 1)):  # until the end of the operator's day
        admin.execute("UPDATE complaints SET decide_due_on = %s::date - %s", (today, days))
        assert gauges(case) == {"complaints_escalated": 1, "complaints_late": late}
    assert case.post(text, case.operator, REASON).get_json() == {"text": WORDS}
    decided = case.decide(complaint_id).get_json()
    assert (decided["state"], decided["outcome"]) == ("decided", "upheld")
    assert gauges(case) == {"complaints_escalated": 0, "complaints_late": 0}
    assert case.own()[0]["decision_reason"] == REASON["reason"]
    assert case.figures() == {"received_count": 1, "answered_count": 0, "in_time_percent": 0}
    admin.execute("UPDATE redemptions SET redeemed_at = now() - interval '91 days'")
    late = case.complain(voucher_id=case.redeemed())
    assert late.status_code == 201
    admin.execute("DELETE FROM complaints WHERE complaint_id <> %s", (complaint_id,))
    admin.execute("UPDATE redemptions SET redeemed_at = now() - interval '91 days'")
    (other,) = admin.execute(
        "SELECT voucher_id::text FROM redemptions WHERE voucher_id NOT IN"
        " (SELECT voucher_id FROM complaints)"
    ).fetchone()  # type: ignore[misc]
    assert outcome(case.complain(voucher_id=other)) == (409, "complaint_too_late")


def gauges(case: Case) -> dict[str, float]:
    with case.app.app_context():
        return complaint_state()


def test_what_was_used_off_line_goes_to_an_operator_at_once(app: Flask) -> None:
    case = Case(app, offline_allowed=True)
    publish_keys(app)
    device_id, key = enrolled(app, case.clerk)
    voucher_id = case.citizen.claimed(case.client, case.code)
    scan = (code_of(case.client, case.citizen, voucher_id), database_now(app))
    assert outcome(case.complain(voucher_id=str(voucher_id))) == (404, "redemption_unknown")
    upload = signed(device_id, key, chained(device_id, [scan]), 1)
    body = {"device_id": str(device_id), "upload": b64encode(upload).decode()}
    assert case.post("/offline/uploads", {}, body).get_json()["answers"][0]["fault"] is None
    answer = case.complain(voucher_id=str(voucher_id), text_shared=True)
    assert answer.status_code == 201, answer.get_json()
    held = answer.get_json()["complaint"]
    complaint_id = held["complaint_id"]
    with reading() as session:
        due = add_working_days(city_today(session), 5)
    assert held["state"] == "escalated"
    assert (held["redemption_id"], held["due_on"]) == (None, None)
    assert held["decide_due_on"] == due.isoformat()
    assert held["shop_id"] == str(case.clerk.shop_id)
    assert gauges(case) == {"complaints_escalated": 1, "complaints_late": 0}
    assert outcome(case.complain(voucher_id=str(voucher_id))) == (409, "complaint_exists")
    assert outcome(case.answer(complaint_id)) == (409, "complaint_escalated")
    listed = case.client.get(f"{API}/complaints", headers=case.operator).get_json()["complaints"]
    assert [one["complaint_id"] for one in listed] == [complaint_id]
    assert case.decide(complaint_id).get_json()["state"] == "decided"
    # The merchant was never asked, so it has not been late.
    assert case.figures() == {"received_count": 1, "answered_count": 0, "in_time_percent": None}


def test_a_complaint_is_answered_once(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    case = Case(committing_app)

    def answered_at_once() -> list[int]:
        complaint_id = case.complained()
        path = f"{API}/merchant/complaints/{complaint_id}/answer"
        body = {"text": "已处理"}

        def answer() -> int:
            client = committing_app.test_client()
            return client.post(path, json=body, headers=case.owner).status_code

        return sorted(at_once([answer] * 4))

    assert answered_at_once() == [200, 409, 409, 409]
    admin.execute("ALTER TABLE complaint_answers DROP CONSTRAINT pk_complaint_answers")
    try:
        told = [answered_at_once() for _ in range(4)]
        assert told != [[200, 409, 409, 409]] * 4
    finally:
        admin.execute("TRUNCATE complaint_answers")
        admin.execute(
            "ALTER TABLE complaint_answers ADD CONSTRAINT pk_complaint_answers"
            " PRIMARY KEY (citizen_id, complaint_id)"
        )


def test_few_benefits_served_are_not_counted_in_public(case: Case, client: FlaskClient) -> None:
    path = f"{API}/public/merchants/{case.clerk.merchant_id}"
    for _ in range(9):
        case.redeemed()
    assert client.get(path).get_json()["served_count"] is None
    case.redeemed()
    assert client.get(path).get_json()["served_count"] == 10
