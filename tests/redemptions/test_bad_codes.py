"""Typed codes and scans that stand for nobody: counted, kept as hashes, never as texts."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.kernel.database import reading
from app.kernel.ids import new_id
from app.merchants import operations as merchants
from app.merchants.suspensions import suspend
from app.redemptions.operations import BAD_SCANS_MAX, BAD_TYPINGS_MAX
from app.redemptions.vouchers import MANUAL_CODE_TRIES
from app.web.auth import Role
from tests.redemptions.answers import outcome
from tests.redemptions.builders import (
    Citizen,
    Clerk,
    make_citizen,
    make_clerk,
    make_staff,
    publish_benefit,
)
from tests.redemptions.checks import assert_redemptions_agree
from tests.redemptions.hostile import HOSTILE, assert_not_shown


@pytest.fixture
def cinema(app: Flask) -> str:
    return publish_benefit(app, price_points=60)


@pytest.fixture
def clerk(app: Flask, cinema: str) -> Clerk:
    return make_clerk(app, takes=(cinema,))


@pytest.fixture
def citizen(app: Flask) -> Citizen:
    return make_citizen(app, points=100)


def scans_of(clerk: Clerk) -> list[Any]:
    with reading() as session:
        return list(
            session.execute(
                text("SELECT s.* FROM unreadable_scans s WHERE s.clerk_id = :clerk"),
                {"clerk": clerk.staff_id},
            )
        )


def test_q14_a_hundred_hostile_texts_are_data(
    app: Flask, client: FlaskClient, clerk: Clerk
) -> None:
    """No answer repeats one, as it is or escaped, and what is kept of it is a digest."""
    assert len(set(HOSTILE)) == len(HOSTILE) == 100
    each = BAD_SCANS_MAX // 2  # then the clerk would be blocked
    for start in range(0, len(HOSTILE), each):
        some = HOSTILE[start : start + each]
        for hostile in some:
            for response in (
                clerk.redeem(client, code=hostile), clerk.redeem(client, reference=hostile)
            ):  # fmt: skip
                assert outcome(response) == (400, "code_unreadable"), hostile
                assert response.mimetype == "application/problem+json"
                assert_not_shown(hostile, response.text)
        kept = scans_of(clerk)
        assert len(kept) == 2 * len(some)
        assert {(scan.session_id, scan.shop_id) for scan in kept} == {
            (clerk.session_id, clerk.shop_id)
        }
        assert all(len(scan.code_digest) == 32 for scan in kept)
        clerk = make_clerk(app, merchant_id=clerk.merchant_id)
    long = clerk.redeem(client, code="A" * 5000)
    assert outcome(long) == (400, "code_unreadable")


def test_a_tampered_code_is_refused_and_kept(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    code = citizen.voucher_code(client, citizen.claimed(client, cinema))
    tampered = code[:40] + ("A" if code[40] != "A" else "B") + code[41:]
    for presented in (tampered, code[:-3], code.lower(), code + "000"):
        assert outcome(clerk.redeem(client, code=presented)) == (400, "code_unreadable")
    assert len(scans_of(clerk)) == 4
    assert clerk.redeem(client, code=code).status_code == 200


def test_guessing_is_blocked_and_stops_filling_the_table(
    app: Flask, client: FlaskClient, clerk: Clerk
) -> None:
    for _ in range(BAD_SCANS_MAX):
        assert outcome(clerk.preview(client, code="guess"))[0] == 400
    blocked = clerk.preview(client, code="guess")
    assert outcome(blocked) == (429, "too_many_bad_codes")
    assert int(blocked.headers["Retry-After"]) > 0
    assert len(scans_of(clerk)) == BAD_SCANS_MAX


def test_q1_what_is_sealed_by_us_is_taken_from_a_clerk_who_is_blocked(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    """It is no guess: who stands behind somebody with strange codes does not wait for it."""
    first, second = (citizen.claimed(client, publish_benefit(app, merchants="all")) for _ in "ab")
    for _ in range(BAD_SCANS_MAX):
        assert outcome(clerk.redeem(client, code="guess"))[0] == 400
    genuine = citizen.voucher_code(client, first)
    tampered = genuine[:40] + ("A" if genuine[40] != "A" else "B") + genuine[41:]
    for guess in ("guess", tampered, genuine[:-3]):
        assert outcome(clerk.redeem(client, code=guess)) == (429, "too_many_bad_codes")
    assert clerk.redeem(client, code=genuine).status_code == 200
    assert outcome(clerk.redeem(client, code=genuine)) == (409, "already_redeemed")
    shown = citizen.pass_code(client)
    previewed = clerk.preview(client, code=shown)
    assert previewed.status_code == 200
    assert outcome(clerk.preview(client, code=shown)) == (409, "code_burnt")
    assert clerk.redeem(client, code=citizen.voucher_code(client, second)).status_code == 200
    assert len(scans_of(clerk)) == BAD_SCANS_MAX


def test_a_typed_code_redeems(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    voucher_id = citizen.claimed(client, cinema)
    typed = citizen.manual_code(client, voucher_id)
    assert citizen.manual_code(client, voucher_id) == typed
    previewed = clerk.preview(client, manual_code=typed.lower())
    assert previewed.get_json()["kind"] == "voucher"
    redemption_id = new_id()
    answers = [clerk.redeem(client, redemption_id, manual_code=typed) for _ in range(8)]
    assert {(answer.status_code, answer.data) for answer in answers} == {(200, answers[0].data)}
    assert outcome(clerk.redeem(client, manual_code=typed)) == (409, "already_redeemed")
    assert_redemptions_agree()


def test_a_typed_code_dies_after_five_failures_and_the_voucher_lives(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    voucher_id = citizen.claimed(client, cinema)
    typed = citizen.manual_code(client, voucher_id)
    stranger = make_clerk(app)
    for _ in range(MANUAL_CODE_TRIES):
        refused = stranger.redeem(client, manual_code=typed)
        assert outcome(refused) == (409, "wrong_merchant")
    for presenter in (stranger, clerk):
        dead = presenter.redeem(client, manual_code=typed)
        assert outcome(dead) == (409, "manual_code_dead")
    assert outcome(clerk.preview(client, manual_code=typed)) == (409, "manual_code_dead")
    code = citizen.voucher_code(client, voucher_id)
    assert clerk.redeem(client, code=code).status_code == 200


def test_a_clerk_has_five_wrong_typings(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    typed = citizen.manual_code(client, citizen.claimed(client, cinema))
    type_wrong_codes(client, clerk)
    blocked = clerk.redeem(client, manual_code=typed)
    assert outcome(blocked) == (429, "too_many_bad_codes")
    colleague = make_clerk(app, merchant_id=clerk.merchant_id)
    assert colleague.redeem(client, manual_code=typed).status_code == 200


def type_wrong_codes(client: FlaskClient, clerk: Clerk) -> None:
    for character in "ACDEF"[:BAD_TYPINGS_MAX]:
        wrong = clerk.redeem(client, manual_code=f"AAAA-CCCC-DDD{character}")
        assert outcome(wrong) == (404, "manual_code_unknown")


def tries_left() -> int:
    with reading() as session:
        left = session.scalar(text("SELECT tries_left FROM voucher_manual_codes"))
        assert isinstance(left, int)
        return left


def test_a_typed_code_is_answered_again_to_a_clerk_who_is_blocked(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    typed = citizen.manual_code(client, citizen.claimed(client, cinema))
    redemption_id = new_id()
    first = clerk.redeem(client, redemption_id, manual_code=typed)
    assert first.status_code == 200
    type_wrong_codes(client, clerk)
    again = clerk.redeem(client, redemption_id, manual_code=typed)
    assert (again.status_code, again.data) == (200, first.data)
    assert tries_left() == MANUAL_CODE_TRIES
    # Nothing else is told: neither by another id nor by another body of this one.
    other = citizen.manual_code(client, citizen.claimed(client, publish_benefit(app)))
    for redemption, presented in ((new_id(), typed), (redemption_id, other)):
        guess = clerk.redeem(client, redemption, manual_code=presented)
        assert outcome(guess) == (429, "too_many_bad_codes")


def test_a_refused_typed_code_is_answered_again_and_costs_no_try(
    app: Flask, client: FlaskClient, citizen: Citizen
) -> None:
    typed = citizen.manual_code(client, citizen.claimed(client, publish_benefit(app)))
    stranger, redemption_id = make_clerk(app), new_id()
    first = stranger.redeem(client, redemption_id, manual_code=typed)
    assert outcome(first) == (409, "wrong_merchant")
    for _ in range(2 * MANUAL_CODE_TRIES):
        again = stranger.redeem(client, redemption_id, manual_code=typed)
        assert (again.status_code, again.data) == (409, first.data)
    assert tries_left() == MANUAL_CODE_TRIES - 1


def test_a_typed_code_is_answered_again_after_a_suspension_or_a_change_of_shop(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    typed = citizen.manual_code(client, citizen.claimed(client, cinema))
    redemption_id = new_id()
    first = clerk.redeem(client, redemption_id, manual_code=typed)
    assert first.status_code == 200
    other = merchants.open_shop(shop_id=new_id(), merchant_id=clerk.merchant_id, name="二店")
    merchants.assign_staff(
        staff_id=clerk.staff_id, merchant_id=clerk.merchant_id, shop_id=other.shop_id, role="clerk"
    )
    assert outcome(clerk.redeem(client, manual_code=typed)) == (403, "wrong_shop")
    assert clerk.redeem(client, redemption_id, manual_code=typed).data == first.data
    operator_id, _ = make_staff(app, Role.OPERATOR)
    suspend(
        operator_id=operator_id, suspension_id=new_id(), merchant_id=clerk.merchant_id,
        reason="接到举报，待核查",
    )
    assert outcome(clerk.redeem(client, manual_code=typed)) == (403, "merchant_suspended")
    assert clerk.redeem(client, redemption_id, manual_code=typed).data == first.data


def test_a_typed_code_is_not_answered_again_to_who_signed_out(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    typed = citizen.manual_code(client, citizen.claimed(client, cinema))
    redemption_id = new_id()
    assert clerk.redeem(client, redemption_id, manual_code=typed).status_code == 200
    client.post("/api/v1/sign-out", headers=clerk.headers)
    assert outcome(clerk.redeem(client, redemption_id, manual_code=typed))[0] == 401


def test_a_typed_text_of_another_form_is_unreadable(
    app: Flask, client: FlaskClient, clerk: Clerk
) -> None:
    for typed in ("0000-0000-0000", "AAAA", "AAAA-CCCC-DDDD-E"):
        for refused in (
            clerk.redeem(client, manual_code=typed), clerk.preview(client, manual_code=typed)
        ):  # fmt: skip
            assert outcome(refused) == (400, "manual_code_unreadable")
    assert len(scans_of(clerk)) == 6


def test_only_a_clerk_may_present_codes(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    typed = citizen.manual_code(client, citizen.claimed(client, cinema))
    body = {"shop_id": str(clerk.shop_id), "manual_code": typed}
    response = client.post("/api/v1/redemptions/preview", json=body, headers=citizen.headers)
    assert outcome(response) == (403, "not_allowed")
    assert outcome(client.post("/api/v1/redemptions/preview", json=body))[0] == 401
