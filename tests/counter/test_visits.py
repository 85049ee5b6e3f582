"""R4, R27: at a counter an operator does for a holder what the holder could do alone, no more."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask, current_app
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.counter import checks, visits
from app.counter.notices import NOTICE_TOPIC
from app.households import operations as households
from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.kernel.jobs import Message
from app.ledger.queries import balance
from app.members.consents import current_texts
from app.members.queries import consent_state, find_citizen_id
from app.scoring import ranks
from app.trail.queries import list_trail
from app.web.auth import Role
from app.wechat.sms import send_notice
from tests.counter.desk import (
    REMEDIES,
    VISITING,
    Desk,
    Holder,
    actions_of,
    another,
    done,
    fresh_code,
    make_desk,
    make_holder,
    opened,
    post,
    start,
    told,
)
from tests.members.api import keys_of, made_up_person
from tests.members.people import made_up_id_number
from tests.redemptions.builders import (
    grant_points,
    make_clerk,
    make_staff,
    publish_benefit,
    set_tier,
    staff_tokens,
)
from tests.redemptions.checks import assert_redemptions_agree
from tests.trail.full import trail_full
from wechat_integration.sandbox.control import SandboxControl

OPTIONAL = (
    "clinic", "household", "library", "loan", "parking", "ranking", "rental", "sports", "transit",
    "transit_location",
)
BORN_LATE = date(2015, 3, 12)
UNKNOWN = (404, "visit_unknown")
OVER = (409, "visit_over")
ACTS: dict[str, dict[str, Any] | None] = {
    "overview": None, "sheet": {},
    "consents": {
        "purpose": "library", "text_version": 1, "decision": "given", "was_read_aloud": True,
    },
    "vouchers": {"voucher_id": str(new_id()), "benefit_code": "none"},
    "vouchers/give-back": {"voucher_id": str(new_id())}, "leaving": {"confirmed": True},
    **REMEDIES,
}  # fmt: skip


@pytest.fixture
def desk(app: Flask) -> Desk:
    return make_desk(app)


@pytest.fixture
def holder(app: Flask) -> Holder:
    return make_holder(app)


def started(desk: Desk, holder: Holder) -> str:
    """A visit that waits for its PIN."""
    card = desk.issued(holder)["code"]
    return str(done(start(desk, card=card), 201)["visit_id"])


def waiting(job_app: Flask) -> list[Message]:
    """The notices that wait in the outbox."""
    with job_app.app_context(), transaction() as session:
        rows = session.execute(text("SELECT * FROM outbox_take(100)")).all()
    messages = [Message(r.citizen_id, r.message_id, r.topic, dict(r.payload)) for r in rows]
    return [one for one in messages if one.topic == NOTICE_TOPIC]


def test_r27_a_card_alone_opens_no_visit_its_holder_does(
    desk: Desk, holder: Holder, sandbox: SandboxControl
) -> None:
    visit = started(desk, holder)
    assert told(post(desk, f"visits/{visit}/overview")) == OVER
    (pin,) = sandbox.sent_pins(phone=holder.phone)
    wrong = f"{(int(pin) + 1) % 1_000_000:06d}"
    refused = post(desk, f"visits/{visit}/pin", {"pin": wrong})
    assert told(refused) == (403, "pin_wrong")
    assert refused.get_json()["tries_left"] == 4
    assert done(post(desk, f"visits/{visit}/pin", {"pin": pin}))["is_open"] is True
    assert told(post(desk, f"visits/{visit}/pin", {"pin": pin})) == OVER
    shown = done(post(desk, f"visits/{visit}/overview"))
    assert shown["balance"]["balance_points"] == 0
    assert holder.person.name not in str(shown)
    assert actions_of(holder)[:3] == ["visit_read", "visit_opened_by_pin", "visit_pin_sent"]
    line = list_trail(citizen_id=holder.citizen_id, limit=1)[0]
    assert (line.actor_id, line.reason) == (desk.operator_id, VISITING)


def test_r27_the_pin_of_another_citizen_five_wrong_ones_and_a_late_one_open_nothing(
    desk: Desk, holder: Holder, sandbox: SandboxControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_holder(desk.app)
    visit, theirs = started(desk, holder), started(desk, other)
    (mine,), (foreign,) = (sandbox.sent_pins(phone=one.phone) for one in (holder, other))
    if mine != foreign:  # one time in a million they are the same
        for _ in range(checks.PIN_TRIES):
            refused = post(desk, f"visits/{visit}/pin", {"pin": foreign})
            assert told(refused) == (403, "pin_wrong")
        assert told(post(desk, f"visits/{visit}/pin", {"pin": mine})) == OVER
    done(post(desk, f"visits/{theirs}/pin", {"pin": foreign}))
    monkeypatch.setattr(visits, "CHECK_LIFE", timedelta(0))
    late = started(desk, holder)
    newest = sandbox.sent_pins(phone=holder.phone)[-1]
    assert told(post(desk, f"visits/{late}/pin", {"pin": newest})) == OVER


def test_r27_a_visit_is_its_operators_and_ends(
    desk: Desk, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit, colleague = opened(desk, holder), another(desk)
    paths = {**ACTS, "pin": {"pin": "000000"}, "ending": None}
    for who, at in ((colleague, visit), (desk, str(new_id()))):
        for act, body in paths.items():
            assert told(post(who, f"visits/{at}/{act}", body)) == UNKNOWN, act
    taken = start(
        colleague, visit_id=visit, id_number=holder.person.id_number,
        totp=fresh_code(desk.app, colleague.operator_id),
    )
    assert told(taken) == (422, "id_reused")
    assert post(desk, f"visits/{visit}/ending").status_code == 204
    for act, body in ACTS.items():
        assert told(post(desk, f"visits/{visit}/{act}", body)) == OVER, act
    monkeypatch.setattr(visits, "VISIT_LIFE", timedelta(0))
    late = done(start(desk, id_number=holder.person.id_number), 201)["visit_id"]
    assert told(post(desk, f"visits/{late}/overview")) == OVER


def test_r27_a_visit_takes_a_reason_and_a_second_factor(desk: Desk, holder: Holder) -> None:
    number = holder.person.id_number
    assert told(start(desk, id_number=number, totp="000000")) == (403, "second_factor_refused")
    assert told(start(desk, id_number=number, reason="代办")) == (422, "reason_needed")
    unknown = start(desk, id_number=made_up_id_number())
    assert told(unknown) == (404, "citizen_not_found")
    assert told(start(desk, card="IC1C:AAAABBBBCCCCDDDD")) == (404, "paper_card_unknown")
    assert told(start(desk, id_number=number, way="pin")) == (422, "invalid_request")
    for _ in range(visits.VISITS_PER_HOUR):
        opened(desk, holder)
    assert told(start(desk, id_number=number)) == (429, "too_many_visits")


def test_r2_r4_consents_are_given_and_withdrawn_one_by_one(desk: Desk, holder: Holder) -> None:
    visit, who = opened(desk, holder), holder.citizen_id

    def decide(decision: str, **changes: Any) -> TestResponse:
        body = {**(ACTS["consents"] or {}), "decision": decision, **changes}
        return post(desk, f"visits/{visit}/consents", body)

    assert told(decide("given", was_read_aloud=False)) == (422, "invalid_request")
    assert told(decide("given", text_version=9)) == (403, "consent_stale")
    assert done(decide("given"))["channel"] == "counter"
    assert consent_state(citizen_id=who, purpose="library") == "given"
    assert told(decide("refused")) == (409, "consent_stands")
    assert done(decide("withdrawn"))["decision"] == "withdrawn"
    assert consent_state(citizen_id=who, purpose="library") == "withdrawn"
    assert told(decide("withdrawn", purpose="membership")) == (409, "consent_is_membership")
    lines = list_trail(citizen_id=who, limit=3)
    assert [line.fields for line in lines if line.action == "visit_consent_decided"] == [
        ("withdrawn",), ("given",)
    ]  # what was refused left no line


@pytest.fixture
def committing_desk(committing_app: Flask) -> Desk:
    operator_id, session = make_staff(committing_app, Role.OPERATOR)
    with committing_app.app_context():
        headers = dict(staff_tokens(session))
    clerk = make_clerk(committing_app)
    return Desk(committing_app, committing_app.test_client(), operator_id, headers, clerk)


def test_every_optional_purpose_is_known(app: Flask) -> None:
    assert sorted(
        purpose for purpose, one in current_texts().items() if not one.required
    ) == sorted(OPTIONAL)


@pytest.mark.parametrize("purpose", OPTIONAL)
def test_r4_whatever_is_withdrawn_at_the_counter_says_so_and_stands_in_the_trail(
    committing_desk: Desk, admin: psycopg.Connection[Any], purpose: str
) -> None:
    desk, holder = committing_desk, make_holder(committing_desk.app)
    who = holder.citizen_id
    with desk.app.app_context():
        _live_and_be_ranked(admin, who)
        visit = opened(desk, holder)
        body = {"purpose": purpose, "text_version": 1, "was_read_aloud": True}
        if consent_state(citizen_id=who, purpose=purpose) != "given":
            done(post(desk, f"visits/{visit}/consents", {**body, "decision": "given"}))
        before = _decisions(who), _what_rests(who)
        withdrawal = {**body, "decision": "withdrawn"}
        with trail_full(admin):
            assert post(desk, f"visits/{visit}/consents", withdrawal).status_code >= 500
        assert (_decisions(who), _what_rests(who)) == before  # no line, no act
        made = done(post(desk, f"visits/{visit}/consents", withdrawal))
        assert (made["decision"], made["channel"]) == ("withdrawn", "counter")
        assert _decisions(who) == [*before[0], (purpose, "withdrawn", "counter")]
        assert _what_rests(who) == (purpose != "household", purpose != "ranking")
        assert actions_of(holder)[0] == "visit_consent_decided"


def _live_and_be_ranked(admin: psycopg.Connection[Any], citizen_id: UUID) -> None:
    """The head of a household, whose rank is computed."""
    households.form_household(
        keys=keys_of(current_app), citizen_id=citizen_id, text_version=1
    )
    ranks.take_part(citizen_id=citizen_id, text_version=1)
    admin.execute(
        "INSERT INTO rank_results (citizen_id, scheme_code, rank, closed_on, is_reached)"
        " VALUES (%s, 'made_up', 'first', '2026-06-30', true)",
        [citizen_id],
    )


def _what_rests(citizen_id: UUID) -> tuple[bool, bool]:
    """Whether there is a seat in a household, and a rank."""
    with reading() as session:
        row = session.execute(
            text("SELECT EXISTS (SELECT FROM household_seats WHERE citizen_id = :citizen),"
                 " EXISTS (SELECT FROM rank_results WHERE citizen_id = :citizen)"),
            {"citizen": citizen_id},
        ).one()  # fmt: skip
    return row[0], row[1]


def _decisions(citizen_id: UUID) -> list[tuple[str, str, str]]:
    """Every decision with its channel, the first one first."""
    query = text("SELECT purpose, decision, channel FROM consents WHERE citizen_id = :citizen"
                 " ORDER BY decided_at, consent_id")  # fmt: skip
    with reading() as session:
        return [(row[0], row[1], row[2]) for row in session.execute(query, {"citizen": citizen_id})]


def test_r27_vouchers_are_claimed_printed_used_and_given_back(
    app: Flask, desk: Desk, holder: Holder
) -> None:
    benefit = publish_benefit(app, price_points=10)
    clerk = make_clerk(app, takes=(benefit,))
    grant_points(app, holder.citizen_id, 25)
    set_tier(app, holder.citizen_id, "AA")
    visit = opened(desk, holder)

    def claim() -> TestResponse:
        body = {"voucher_id": str(new_id()), "benefit_code": benefit}
        return post(desk, f"visits/{visit}/vouchers", body)

    first, second = (done(claim())["voucher_id"] for _ in range(2))
    assert told(claim()) == (409, "insufficient_points")  # no more than the holder has
    assert done(post(desk, f"visits/{visit}/vouchers/give-back", {"voucher_id": second}))
    sheet = post(desk, f"visits/{visit}/sheet", {"voucher_id": first})
    assert sheet.status_code == 200
    assert "script" not in sheet.headers["Content-Security-Policy"]
    assert sheet.headers["Cache-Control"] == "no-store"
    number = sheet.text.split('class="number">')[1].split("<")[0]
    assert "<svg" in sheet.text
    assert "可用 15" in sheet.text
    for secret in (holder.person.name, holder.person.id_number, holder.phone):
        assert secret not in sheet.text
    assert clerk.redeem(desk.client, manual_code=number).status_code == 200
    again = post(desk, f"visits/{visit}/sheet", {"voucher_id": first})
    assert told(again) == (409, "already_redeemed")
    theirs = make_holder(app)
    elsewhere = opened(desk, theirs)
    foreign = post(desk, f"visits/{elsewhere}/vouchers/give-back", {"voucher_id": first})
    assert told(foreign) == (404, "voucher_unknown")
    assert balance(citizen_id=holder.citizen_id).balance_points == 15
    assert_redemptions_agree()
    found = actions_of(holder)
    assert {"visit_voucher_claimed", "visit_voucher_given_back", "visit_printed"} <= set(found)


def test_r4_leaving_on_a_visit_is_one_step(desk: Desk, holder: Holder) -> None:
    visit = opened(desk, holder)
    assert told(post(desk, f"visits/{visit}/leaving", {}))[0] == 422
    receipt = done(post(desk, f"visits/{visit}/leaving", {"confirmed": True}))
    assert "leaving_receipt" in receipt["receipt"]
    assert told(post(desk, f"visits/{visit}/overview")) == OVER
    assert told(start(desk, id_number=holder.person.id_number)) == (409, "card_inactive")


def test_each_act_is_told_by_text_message_where_there_is_a_phone(
    committing_desk: Desk, job_app: Flask, sandbox: SandboxControl
) -> None:
    desk, app = committing_desk, committing_desk.app
    holder, without = make_holder(app), make_holder(app, phone=None)
    visit = opened(desk, holder)
    opened(desk, without)
    done(post(desk, f"visits/{visit}/consents", ACTS["consents"]))
    messages = waiting(job_app)
    assert len(messages) == 3
    with app.app_context():
        for message in (*messages, *messages):  # at least once: the service takes an id once
            send_notice(message)
        assert sorted(sandbox.sent_sms_notices(phone=holder.phone)) == [
            "在服务窗口变更授权", "在服务窗口核验身份并开始办理"
        ]
        sandbox.block_user(openid=holder.phone)
        mine = next(one for one in messages if one.citizen_id == holder.citizen_id)
        send_notice(replace(mine, message_id=new_id()))  # is not tried for ever


def test_r1_r10_joining_at_the_counter_takes_the_identity_and_each_consent_by_itself(
    app: Flask, desk: Desk, sandbox: SandboxControl
) -> None:
    person = made_up_person(sandbox)

    def join(**changes: Any) -> TestResponse:
        return post(desk, "joinings", {
            "name": person.name, "id_number": person.id_number, "phone": person.phone,
            "reason": VISITING, "totp": fresh_code(app, desk.operator_id),
            "consents": [
                {"purpose": purpose, "text_version": 1, "was_read_aloud": True}
                for purpose in ("membership", "library")
            ],
            **changes,
        })  # fmt: skip

    unread = [{"purpose": "membership", "text_version": 1, "was_read_aloud": False}]
    only = [{"purpose": "library", "text_version": 1, "was_read_aloud": True}]
    assert told(join(consents=unread)) == (422, "invalid_request")
    assert told(join(consents=only)) == (403, "consent_missing")
    assert told(join(totp="000000")) == (403, "second_factor_refused")
    assert told(join(name="别人")) == (422, "real_name_mismatch")
    young = made_up_person(sandbox, id_number=made_up_id_number(BORN_LATE))
    assert told(join(name=young.name, id_number=young.id_number)) == (403, "under_age")
    keys = keys_of(app)
    assert find_citizen_id(keys=keys, purpose="id_number", value=person.id_number) is None
    receipts = done(join(), 201)["receipts"]
    assert len(receipts) == 2
    assert told(join(phone="13900000000")) == (409, "member_already")
    who = find_citizen_id(keys=keys, purpose="id_number", value=person.id_number)
    assert who is not None
    assert consent_state(citizen_id=who, purpose="library") == "given"
    assert [line.action for line in list_trail(citizen_id=who, limit=9)] == ["joined_at_counter"]
