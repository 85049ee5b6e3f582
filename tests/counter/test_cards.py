"""R25, R27, S17: a paper card opens nothing by itself, and as much as a phone with its holder."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.benefits.operations import let_merchant_take
from app.counter import checks
from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.members.sessions import open_citizen_session
from app.redemptions.qr import qr_svg
from app.trail.queries import list_trail
from app.web.auth import Role
from tests.counter.desk import REASON, Desk, Holder, done, fresh_code, make_holder, told
from tests.redemptions.builders import (
    API,
    Citizen,
    make_clerk,
    make_staff,
    publish_benefit,
    set_tier,
    staff_tokens,
)
from wechat_integration.sandbox.control import FaultKind, SandboxControl
from wechat_integration.sms import SEND_PATH

OVER = (409, "card_check_over")


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> Desk:
    operator_id, opened = make_staff(app, Role.OPERATOR)
    operator = dict(staff_tokens(opened))
    return Desk(app, client, operator_id, operator, make_clerk(app))


@pytest.fixture
def holder(app: Flask) -> Holder:
    return make_holder(app)


def pin_of(sandbox: SandboxControl, holder: Holder) -> str:
    """What came to the phone last."""
    return sandbox.sent_pins(phone=holder.phone)[-1]


def claimed_by(holder: Holder, desk: Desk, benefit_code: str) -> None:
    """A voucher that the holder has, however it was claimed."""
    with transaction() as session:
        opened = open_citizen_session(session, citizen_id=holder.citizen_id)
    mine = Citizen(holder.citizen_id, opened.session_id, staff_tokens(opened))
    mine.claimed(desk.client, benefit_code)


def wrong(pin: str) -> str:
    return f"{(int(pin) + 1) % 1_000_000:06d}"


def test_s17_the_card_and_a_pin_open_one_preview_and_one_redemption(
    app: Flask, desk: Desk, holder: Holder, sandbox: SandboxControl
) -> None:
    ticket = publish_benefit(app)
    let_merchant_take(benefit_code=ticket, merchant_id=desk.clerk.merchant_id)
    set_tier(app, holder.citizen_id, "AA")
    claimed_by(holder, desk, ticket)
    card = desk.issued(holder)
    assert card["code"] == "IC1C:" + card["number"].replace("-", "")
    by_itself = desk.client.post(
        f"{API}/redemptions/preview", headers=desk.clerk.headers,
        json={"shop_id": str(desk.clerk.shop_id), "code": card["code"]},
    )
    assert told(by_itself) == (400, "code_unreadable")

    check = desk.started(card["number"].lower())
    assert holder.phone not in check
    shown = done(desk.finish(check, pin=pin_of(sandbox, holder)))
    assert shown["kind"] == "person"
    assert ticket in {one["benefit_code"] for one in shown["benefits"]}
    assert told(desk.finish(check, pin=pin_of(sandbox, holder))) == OVER
    assert done(desk.redeem(shown["reference"]))["benefit_code"] == ticket
    assert told(desk.redeem(shown["reference"]))[1] in {"code_burnt", "already_redeemed"}
    actions = [line.action for line in list_trail(citizen_id=holder.citizen_id, limit=9)]
    assert actions[:5] == [
        "redeem", "preview", "card_checked_by_pin", "card_pin_sent", "paper_card_issued"
    ]


def test_s17_five_wrong_pins_end_the_check(
    desk: Desk, holder: Holder, sandbox: SandboxControl
) -> None:
    check = desk.started(desk.issued(holder)["code"])
    right = pin_of(sandbox, holder)
    left = [
        done(desk.finish(check, pin=wrong(right)), 403)["tries_left"]
        for _ in range(checks.PIN_TRIES)
    ]
    assert left == [4, 3, 2, 1, 0]
    assert told(desk.finish(check, pin=right)) == OVER


def test_s17_a_pin_is_for_its_own_check_at_its_own_counter(
    app: Flask, desk: Desk, holder: Holder, sandbox: SandboxControl
) -> None:
    card = desk.issued(holder)["code"]
    first, second = desk.started(card), desk.started(card)
    older, newer = sandbox.sent_pins(phone=holder.phone)
    if older != newer:  # one time in a million they are the same
        assert told(desk.finish(first, pin=newer)) == (403, "pin_wrong")
    elsewhere = make_clerk(app)
    assert told(desk.finish(second, elsewhere, pin=newer)) == (403, "reference_foreign")
    assert told(desk.finish(first[:-2] + "AA", pin=older)) == (400, "code_unreadable")
    done(desk.finish(second, pin=newer))


def test_s17_a_check_ends_by_itself(
    desk: Desk, holder: Holder, sandbox: SandboxControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert timedelta(0) < checks.CHECK_LIFE <= timedelta(minutes=10)
    monkeypatch.setattr(checks, "CHECK_LIFE", timedelta(0))
    check = desk.started(desk.issued(holder)["code"])
    assert told(desk.finish(check, pin=pin_of(sandbox, holder))) == OVER


def test_a_clerk_who_looked_at_the_identity_card_answers_with_a_second_factor(
    app: Flask, desk: Desk, sandbox: SandboxControl
) -> None:
    holder = make_holder(app, phone=None)
    card = desk.issued(holder)["code"]
    assert told(desk.start(card)) == (409, "card_phone_missing")
    check = desk.started(card, "document")
    code = fresh_code(app, desk.clerk.staff_id)
    assert told(desk.finish(check, totp=wrong(code))) == (403, "second_factor_refused")
    assert told(desk.finish(check, pin="000000")) == OVER
    assert done(desk.finish(check, totp=code))["reference"]
    again = desk.started(card, "document")
    assert told(desk.finish(again, totp=code)) == (403, "second_factor_refused")
    assert "card_checked_by_document" in {
        line.action for line in list_trail(citizen_id=holder.citizen_id, limit=9)
    }


def test_a_replaced_card_is_dead_at_once_with_what_it_opened(
    app: Flask, desk: Desk, holder: Holder, sandbox: SandboxControl
) -> None:
    old = desk.issued(holder)["code"]
    waiting = desk.started(old)
    pin = pin_of(sandbox, holder)
    opened = desk.started(old)
    reference = done(desk.finish(opened, pin=pin_of(sandbox, holder)))["reference"]
    new = desk.issued(holder)["code"]
    assert new != old
    assert told(desk.finish(waiting, pin=pin)) == (409, "card_inactive")
    assert told(desk.start(old)) == (400, "code_unreadable")
    assert told(desk.redeem(reference))[1] == "holder_signed_out"
    ending = {
        "id_number": holder.person.id_number, "reason": "卡片遗失",
        "totp": fresh_code(app, desk.operator_id),
    }
    ended = desk.client.post(f"{API}/paper-cards/ending", json=ending, headers=desk.operator)
    assert told(ended) == (422, "reason_needed")
    ending["reason"] = "本人到窗口申报卡片遗失"
    ended = desk.client.post(f"{API}/paper-cards/ending", json=ending, headers=desk.operator)
    assert ended.status_code == 204
    assert told(desk.start(new)) == (400, "code_unreadable")


def test_a_static_code_is_good_for_few_uses_a_day(
    desk: Desk, holder: Holder, sandbox: SandboxControl
) -> None:
    card = desk.issued(holder)["code"]
    for _ in range(checks.USES_PER_DAY):
        done(desk.finish(desk.started(card), pin=pin_of(sandbox, holder)))
    assert told(desk.start(card)) == (409, "card_used_up")


def test_a_phone_is_not_flooded(
    desk: Desk, holder: Holder, sandbox: SandboxControl
) -> None:
    card = desk.issued(holder)["code"]
    again = str(new_id())
    for _ in range(2):  # a retry sends nothing more
        done(desk.start(card, check_id=again), 201)
    for _ in range(checks.CHECKS_PER_HOUR - 1):
        desk.started(card)
    refused = desk.start(card)
    assert told(refused) == (429, "too_many_card_checks")
    assert len(sandbox.sent_pins(phone=holder.phone)) == checks.CHECKS_PER_HOUR


def test_issuing_takes_the_person_and_a_fresh_code(desk: Desk, holder: Holder) -> None:
    assert told(desk.issue(holder, totp="000000")) == (403, "second_factor_refused")
    assert told(desk.issue(holder, reason="补卡")) == (422, "reason_needed")
    card_id = str(new_id())
    first = done(desk.issue(holder, card_id=card_id), 201)
    assert done(desk.issue(holder, card_id=card_id), 201) == first


def test_r4_who_has_left_at_the_counter_has_no_card(desk: Desk, holder: Holder) -> None:
    card = desk.issued(holder)["code"]
    receipt = done(desk.leave(holder))
    assert done(desk.leave(holder))["receipt"] == receipt["receipt"]
    line = next(
        one for one in list_trail(citizen_id=holder.citizen_id, limit=9) if one.action == "left"
    )
    assert (line.actor_kind, line.actor_id, line.reason) == (
        "operator", desk.operator_id, REASON
    )
    assert told(desk.start(card)) == (409, "card_inactive")


@pytest.mark.parametrize("kind", [FaultKind.DOWN, FaultKind.HANG])
def test_a_dead_sms_service_is_told_within_three_seconds(
    desk: Desk, holder: Holder, sandbox: SandboxControl, kind: FaultKind
) -> None:
    card = desk.issued(holder)["code"]
    sandbox.add_fault(kind=kind, path=SEND_PATH, seconds=10)
    begun = time.monotonic()
    refused = desk.start(card)
    assert time.monotonic() - begun < 3.5
    assert told(refused) == (503, "sms_unavailable")
    assert int(refused.headers["Retry-After"]) >= 1
    desk.started(card, "document")  # needs no message


def test_a_blocked_number_is_told(
    desk: Desk, holder: Holder, sandbox: SandboxControl
) -> None:
    sandbox.block_user(openid=holder.phone)
    assert told(desk.start(desk.issued(holder)["code"])) == (409, "phone_refused")


def test_r27_the_sheet_is_printed_with_a_line(
    app: Flask, desk: Desk, holder: Holder
) -> None:
    publish_benefit(app, name="公交<5折>")
    unknown = desk.print_sheet(holder)
    assert told(unknown) == (404, "paper_card_unknown")
    card = desk.issued(holder)
    answer = desk.print_sheet(holder)
    assert answer.status_code == 200
    assert "script" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    page = answer.text
    assert qr_svg(card["code"]) in page
    assert card["number"][:9] in page
    assert "公交&lt;5折&gt;" in page
    assert "服务热线：12345" in page
    for secret in (holder.person.name, holder.person.id_number, holder.phone):
        assert secret not in page
    newest = list_trail(citizen_id=holder.citizen_id, limit=1)[0]
    assert newest.action == "paper_card_printed"
