"""From the claim to the counter over HTTP: what is given, what is refused, and in which order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.kernel.clock import city_date, now
from app.kernel.database import reading
from app.kernel.ids import new_id
from app.ledger import queries as ledger
from app.redemptions import codes
from tests.ledger.people import database_time, wait_until
from tests.redemptions.answers import outcome
from tests.redemptions.builders import (
    Citizen,
    Clerk,
    keys_of,
    make_citizen,
    make_clerk,
    publish_benefit,
    publish_library,
)
from tests.redemptions.checks import assert_redemptions_agree


@pytest.fixture
def cinema(app: Flask) -> str:
    return publish_benefit(app, price_points=60)


@pytest.fixture
def citizen(app: Flask) -> Citizen:
    return make_citizen(app, points=100)


@pytest.fixture
def clerk(app: Flask, cinema: str) -> Clerk:
    return make_clerk(app, takes=(cinema,))


def count(table: str, citizen: Citizen) -> int:
    with reading() as session:
        statement = text(f"SELECT count(*) FROM {table} WHERE citizen_id = :citizen")
        return int(session.scalar(statement, {"citizen": citizen.citizen_id}) or 0)


def waiting_messages() -> int:
    with reading() as session:
        return int(session.scalar(text("SELECT outbox_depth FROM queue_state()")) or 0)


def test_a_voucher_is_redeemed_once_and_its_points_are_posted(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    voucher_id = citizen.claimed(client, cinema)
    held = ledger.balance(citizen_id=citizen.citizen_id)
    assert (held.balance_points, held.held_points, held.available_points) == (100, 60, 40)
    redemption_id = new_id()
    response = clerk.redeem(
        client, redemption_id, code=citizen.voucher_code(client, voucher_id)
    )
    assert response.status_code == 200, response.get_json()
    answer = response.get_json()
    assert answer["redemption_id"] == str(redemption_id)
    assert (answer["value"], answer["price_points"]) == ({"tickets": 1}, 60)
    assert set(answer) == {
        "redemption_id", "receipt", "benefit_code", "value", "price_points", "shop_name",
        "redeemed_at",
    }  # fmt: skip
    assert str(citizen.citizen_id) not in response.text
    posted = ledger.balance(citizen_id=citizen.citizen_id)
    assert (posted.balance_points, posted.held_points) == (40, 0)
    assert count("redemptions", citizen) == waiting_messages() == 1
    assert_redemptions_agree()


def test_the_same_id_and_body_give_the_byte_equal_answer(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    code = citizen.voucher_code(client, citizen.claimed(client, cinema))
    redemption_id = new_id()
    first = clerk.redeem(client, redemption_id, code=code)
    again = clerk.redeem(client, redemption_id, code=code)
    assert (first.status_code, first.data) == (again.status_code, again.data)
    assert first.headers["X-Request-Id"] != again.headers["X-Request-Id"]
    assert count("redemption_attempts", citizen) == 1


def test_the_same_id_with_another_body_is_refused(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    voucher_id = citizen.claimed(client, cinema)
    redemption_id = new_id()
    code = citizen.voucher_code(client, voucher_id)
    assert clerk.redeem(client, redemption_id, code=code).status_code == 200
    other = citizen.voucher_code(client, citizen.claimed(client, publish_benefit(app)))
    assert outcome(clerk.redeem(client, redemption_id, code=other)) == (422, "id_reused")


def test_another_id_is_told_when_and_where(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    code = citizen.voucher_code(client, citizen.claimed(client, cinema))
    first = clerk.redeem(client, code=code).get_json()
    other_shop = make_clerk(app, merchant_id=clerk.merchant_id)
    response = other_shop.redeem(client, code=code)
    assert outcome(response) == (409, "already_redeemed")
    document = response.get_json()
    assert document["redeemed_at"] == first["redeemed_at"]
    assert document["shop_name"] == first["shop_name"]


def test_a_refusal_sticks_to_its_id_byte_for_byte(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    redemption_id = new_id()
    code = citizen.pass_code(client)
    first = clerk.redeem(client, redemption_id, code=code)
    assert outcome(first) == (404, "no_voucher")
    citizen.claimed(client, cinema)
    again = clerk.redeem(client, redemption_id, code=code)
    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert clerk.redeem(client, code=citizen.pass_code(client)).status_code == 200


def test_a_pass_code_redeems_the_voucher_that_expires_first(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    citizen.claimed(client, cinema)
    response = clerk.redeem(client, code=citizen.pass_code(client))
    assert response.status_code == 200, response.get_json()


def test_a_person_with_several_benefits_needs_a_choice(
    app: Flask, client: FlaskClient, citizen: Citizen, cinema: str
) -> None:
    other = publish_benefit(app)
    clerk = make_clerk(app, takes=(cinema, other))
    citizen.claimed(client, cinema)
    citizen.claimed(client, other)
    response = clerk.redeem(client, code=citizen.pass_code(client))
    assert outcome(response) == (409, "benefit_code_needed")
    chosen = clerk.redeem(client, code=citizen.pass_code(client), benefit_code=other)
    assert chosen.get_json()["benefit_code"] == other


def test_the_first_presentation_burns_a_pass_code_even_when_it_fails(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    code = citizen.pass_code(client)
    assert outcome(clerk.redeem(client, code=code)) == (404, "no_voucher")
    citizen.claimed(client, cinema)
    assert outcome(clerk.redeem(client, code=code)) == (409, "code_burnt")
    assert outcome(clerk.preview(client, code=code)) == (409, "code_burnt")


def test_a_preview_burns_the_pass_code_and_gives_a_reference(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    citizen.claimed(client, cinema)
    code = citizen.pass_code(client)
    previewed = clerk.preview(client, code=code)
    assert previewed.status_code == 200, previewed.get_json()
    assert outcome(clerk.redeem(client, code=code)) == (409, "code_burnt")
    reference = previewed.get_json()["reference"]
    assert clerk.redeem(client, reference=reference).status_code == 200
    response = clerk.redeem(client, reference=reference)
    assert outcome(response) == (409, "already_redeemed")


def test_a_redeemed_pass_code_tells_when_and_where_the_second_time(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    citizen.claimed(client, cinema)
    code = citizen.pass_code(client)
    assert clerk.redeem(client, code=code).status_code == 200
    assert outcome(clerk.redeem(client, code=code)) == (409, "already_redeemed")


def test_a_preview_writes_nothing_else(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    voucher_id = citizen.claimed(client, cinema)
    tables = (
        "vouchers", "voucher_endings", "redemptions", "redemption_attempts", "ledger_transfers",
        "code_presentations",
    )  # fmt: skip
    before = [count(table, citizen) for table in tables]
    response = clerk.preview(client, code=citizen.voucher_code(client, voucher_id))
    assert response.get_json()["kind"] == "voucher"
    assert [count(table, citizen) for table in tables] == before
    assert clerk.preview(client, code=citizen.pass_code(client)).status_code == 200
    assert [count(table, citizen) for table in tables] == [*before[:-1], before[-1] + 1]
    assert waiting_messages() == 0


def test_a_reference_belongs_to_one_clerk(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    citizen.claimed(client, cinema)
    reference = clerk.preview(client, code=citizen.pass_code(client)).get_json()["reference"]
    colleague = make_clerk(app, merchant_id=clerk.merchant_id)
    assert outcome(colleague.redeem(client, reference=reference)) == (403, "reference_foreign")


def test_codes_of_another_minute_are_refused(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    citizen.claimed(client, cinema)
    old = codes.make_pass_code(
        keys_of(app), citizen_id=citizen.citizen_id, session_id=citizen.session_id,
        issued_at=database_time() - codes.PASS_CODE_LIFE - timedelta(seconds=1),
    )
    assert outcome(clerk.redeem(client, code=old)) == (409, "code_expired")
    assert outcome(clerk.preview(client, code=old)) == (409, "code_burnt")
    young = codes.make_pass_code(
        keys_of(app), citizen_id=citizen.citizen_id, session_id=citizen.session_id,
        issued_at=database_time() - codes.PASS_CODE_LIFE + timedelta(seconds=10),
    )
    assert clerk.redeem(client, code=young).status_code == 200


def test_an_old_reference_is_refused(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    citizen.claimed(client, cinema)
    old = codes.make_reference(
        keys_of(app), citizen_id=citizen.citizen_id, session_id=citizen.session_id,
        clerk_id=clerk.staff_id, shop_id=clerk.shop_id,
        previewed_at=database_time() - codes.REFERENCE_LIFE,
    )
    assert outcome(clerk.redeem(client, reference=old)) == (409, "code_expired")


def test_signing_out_ends_the_pass_codes_at_once(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    citizen.claimed(client, cinema)
    code = citizen.pass_code(client)
    assert client.post("/api/v1/sign-out", headers=citizen.headers).status_code == 204
    assert outcome(clerk.redeem(client, code=code)) == (409, "holder_signed_out")
    assert client.post("/api/v1/me/pass-code", headers=citizen.headers).status_code == 401


def test_a_clerk_who_signed_out_redeems_nothing(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    code = citizen.voucher_code(client, citizen.claimed(client, cinema))
    assert client.post("/api/v1/sign-out", headers=clerk.headers).status_code == 204
    assert outcome(clerk.redeem(client, code=code)) == (401, "unauthenticated")
    assert outcome(clerk.preview(client, code=code)) == (401, "unauthenticated")
    assert outcome(clerk.preview(client, code="nonsense")) == (401, "unauthenticated")
    assert count("redemption_attempts", citizen) == 0


def test_another_merchants_voucher_is_refused(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    stranger = make_clerk(app)
    code = citizen.voucher_code(client, citizen.claimed(client, cinema))
    assert outcome(stranger.redeem(client, code=code)) == (409, "wrong_merchant")
    assert outcome(stranger.preview(client, code=code)) == (409, "wrong_merchant")
    assert outcome(stranger.redeem(client, code=citizen.pass_code(client))) == (404, "no_voucher")
    assert clerk.redeem(client, code=code).status_code == 200


def test_a_shop_of_somebody_else_is_refused(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    code = citizen.voucher_code(client, citizen.claimed(client, cinema))
    other = make_clerk(app, takes=(cinema,))
    body = {"redemption_id": str(new_id()), "shop_id": str(other.shop_id), "code": code}
    response = client.post("/api/v1/redemptions", json=body, headers=clerk.headers)
    assert outcome(response) == (403, "wrong_shop")


def test_another_benefit_than_asked_for_is_refused(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    code = citizen.voucher_code(client, citizen.claimed(client, cinema))
    response = clerk.redeem(client, code=code, benefit_code="library")
    assert outcome(response) == (409, "wrong_benefit")


def _another_weekday() -> int:
    """Not today's, and not the next midnight's."""
    return (city_date(now()) + timedelta(days=3)).isoweekday()


def test_outside_its_hours_a_benefit_is_refused(
    app: Flask, client: FlaskClient, citizen: Citizen
) -> None:
    closed = publish_benefit(app, weekdays=[_another_weekday()])
    clerk = make_clerk(app, takes=(closed,))
    code = citizen.voucher_code(client, citizen.claimed(client, closed))
    assert outcome(clerk.redeem(client, code=code)) == (409, "outside_hours")
    person = clerk.redeem(client, code=citizen.pass_code(client))
    assert outcome(person) == (409, "outside_hours")


def test_an_expired_voucher_is_refused_before_any_sweep(
    app: Flask, client: FlaskClient, citizen: Citizen
) -> None:
    short = publish_benefit(app, price_points=10, voucher_life_seconds=1)
    clerk = make_clerk(app, takes=(short,))
    voucher_id = citizen.claimed(client, short)
    code = citizen.voucher_code(client, voucher_id)
    wait_until(database_time() + timedelta(seconds=1))
    assert outcome(clerk.redeem(client, code=code)) == (409, "voucher_expired")
    assert outcome(clerk.preview(client, code=code)) == (409, "voucher_expired")
    assert outcome(citizen.give_back(client, voucher_id)) == (409, "voucher_expired")
    person = clerk.redeem(client, code=citizen.pass_code(client))
    assert outcome(person) == (409, "voucher_expired")


def test_a_voucher_given_back_is_refused_and_its_points_are_free(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    voucher_id = citizen.claimed(client, cinema)
    code = citizen.voucher_code(client, voucher_id)
    response = citizen.give_back(client, voucher_id)
    assert response.get_json()["status"] == "given_back"
    assert citizen.give_back(client, voucher_id).data == response.data
    assert ledger.balance(citizen_id=citizen.citizen_id).available_points == 100
    assert outcome(clerk.redeem(client, code=code)) == (409, "voucher_given_back")


def test_r16_a_restricted_card_is_refused(
    app: Flask, client: FlaskClient, citizen: Citizen, clerk: Clerk, cinema: str
) -> None:
    code = citizen.voucher_code(client, citizen.claimed(client, cinema))
    with reading() as session:
        session.execute(
            text("UPDATE citizens SET status = 'restricted' WHERE citizen_id = :citizen"),
            {"citizen": citizen.citizen_id},
        )
        session.commit()
    assert outcome(clerk.redeem(client, code=code)) == (409, "card_inactive")
    assert outcome(citizen.claim(client, cinema)) == (409, "card_inactive")


def test_r23_the_library_learns_the_value_and_nothing_else(
    app: Flask, client: FlaskClient
) -> None:
    library = publish_library(app)
    clerk = make_clerk(app, takes=(library,))
    wanted = {
        None: (15, False, False), "A": (15, False, False), "AA": (20, False, True),
        "AAA": (25, True, True),
    }  # fmt: skip
    for tier, (books, waived, improved) in wanted.items():
        citizen = make_citizen(app, tier=tier, consents=("library",))
        answer: dict[str, Any] = clerk.preview(client, code=citizen.pass_code(client)).get_json()
        assert set(answer) == {"kind", "reference", "benefits"}
        (benefit,) = answer["benefits"]
        assert set(benefit) == {
            "benefit_code", "name", "eligible", "value", "price_points", "vouchers"
        }
        assert benefit["value"] == {"books": books, "deposit_waived": waived}
        assert benefit["eligible"] is improved


def test_without_consent_the_library_learns_the_baseline(app: Flask, client: FlaskClient) -> None:
    library = publish_library(app)
    clerk = make_clerk(app, takes=(library,))
    citizen = make_citizen(app, tier="AAA")
    answer = clerk.preview(client, code=citizen.pass_code(client)).get_json()
    assert answer["benefits"][0]["value"] == {"books": 15, "deposit_waived": False}


def test_unknown_fields_and_two_presentations_do_not_fit(
    app: Flask, client: FlaskClient, clerk: Clerk
) -> None:
    for presented in (
        {}, {"code": "x", "manual_code": "y"}, {"code": "x", "merchant_id": str(new_id())},
        {"code": 1}, {"code": "x", "benefit_code": "NO"},
    ):  # fmt: skip
        assert outcome(clerk.redeem(client, **presented)) == (422, "invalid_request")
    assert outcome(clerk.preview(client, reference="x")) == (422, "invalid_request")


def test_the_order_is_replay_redeemed_burnt_and_then_the_rest(
    app: Flask, client: FlaskClient, citizen: Citizen, cinema: str
) -> None:
    closed = publish_benefit(app, weekdays=[_another_weekday()])
    clerk = make_clerk(app, takes=(cinema, closed))
    citizen.claimed(client, cinema)
    code, redemption_id = citizen.pass_code(client), new_id()
    first = clerk.redeem(client, redemption_id, code=code)
    assert first.status_code == 200
    client.post("/api/v1/sign-out", headers=citizen.headers)
    replay = clerk.redeem(client, redemption_id, code=code)
    assert replay.data == first.data  # before redeemed, burnt and signed out
    assert outcome(clerk.redeem(client, code=code))[1] == "already_redeemed"  # before burnt
    again = make_citizen(app)
    again.claimed(client, closed)
    burnt = again.pass_code(client)
    assert outcome(clerk.redeem(client, code=burnt))[1] == "outside_hours"
    assert outcome(clerk.redeem(client, code=burnt))[1] == "code_burnt"  # before outside_hours


def test_the_shops_day_names_no_person_and_pages(
    app: Flask, client: FlaskClient, clerk: Clerk, cinema: str
) -> None:
    receipts = []
    for _ in range(3):
        citizen = make_citizen(app, points=60)
        citizen.claimed(client, cinema)
        receipts.append(clerk.redeem(client, code=citizen.pass_code(client)).get_json())
    lines = clerk.today(client)
    assert [line["redemption_id"] for line in lines] == [
        answer["redemption_id"] for answer in reversed(receipts)
    ]
    assert {key for line in lines for key in line} == {
        "receipt", "redemption_id", "benefit_code", "price_points", "redeemed_at", "annulled_at",
        "is_disputed",
    }
    page = clerk.today(client, limit=2)
    rest = clerk.today(client, limit=2, before=page[-1]["redeemed_at"])
    assert [line["redemption_id"] for line in page + rest] == [
        line["redemption_id"] for line in lines
    ]
    other = make_clerk(app, takes=(cinema,))
    assert other.today(client) == []


def test_nobody_else_gets_at_a_voucher(
    app: Flask, client: FlaskClient, citizen: Citizen, cinema: str
) -> None:
    voucher_id = citizen.claimed(client, cinema)
    thief = make_citizen(app)
    path = f"/api/v1/me/vouchers/{voucher_id}"
    for method, end in (
        ("get", "code"), ("get", "code.png"), ("get", "code.svg"), ("post", "manual-code"),
        ("post", "give-back"),
    ):  # fmt: skip
        response = getattr(client, method)(f"{path}/{end}", headers=thief.headers)
        assert outcome(response) == (404, "voucher_unknown")
    listed = client.get("/api/v1/me/vouchers", headers=thief.headers).get_json()
    assert listed == {"vouchers": []}


def test_pictures_of_codes(
    app: Flask, client: FlaskClient, citizen: Citizen, cinema: str
) -> None:
    voucher_id = citizen.claimed(client, cinema)
    for path in ("/me/pass-code", f"/me/vouchers/{voucher_id}/code"):
        png = client.get(f"/api/v1{path}.png", headers=citizen.headers)
        assert (png.content_type, png.data[:4]) == ("image/png", b"\x89PNG")
        svg = client.get(f"/api/v1{path}.svg", headers=citizen.headers)
        assert svg.text.startswith("<svg")
        assert svg.headers["Cache-Control"] == "no-store"


def test_vouchers_are_listed_in_pages(app: Flask, client: FlaskClient, citizen: Citizen) -> None:
    free = publish_benefit(app)
    claimed: list[UUID] = [citizen.claimed(client, free) for _ in range(3)]
    listing = client.get("/api/v1/me/vouchers?limit=2", headers=citizen.headers).get_json()
    first = [UUID(voucher["voucher_id"]) for voucher in listing["vouchers"]]
    assert first == claimed[:0:-1]
    path = f"/api/v1/me/vouchers?limit=2&before={first[-1]}"
    rest = client.get(path, headers=citizen.headers).get_json()["vouchers"]
    assert [UUID(voucher["voucher_id"]) for voucher in rest] == claimed[:1]
