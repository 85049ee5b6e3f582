"""A desk asks, registers a waiver of the deposit and takes it back."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.kernel.database import transaction
from app.kernel.ids import new_id
from app.library import schemas
from tests.library.reading_room import (
    READER,
    Library,
    done,
    leave,
    open_library,
    publish_figures,
    refusal,
    withdraw_consent,
)
from tests.redemptions.builders import API, make_citizen, make_clerk, set_tier

BASELINE: dict[str, Any] = {
    "eligible": False, "tier": None, "books": 15, "childrens_books_deposit_free": 0,
    "deposit_waived": False, "waivers": [],
}  # fmt: skip


@pytest.fixture
def library(app: Flask, client: FlaskClient) -> Library:
    publish_figures(app)
    return open_library(app, client)


def told(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: answer[name] for name in BASELINE}


@pytest.mark.parametrize(("tier", "given"), [
    ("A", {}),
    ("AA", {"eligible": True, "books": 20, "childrens_books_deposit_free": 40}),
    ("AAA", {
        "eligible": True, "books": 25, "childrens_books_deposit_free": 40, "deposit_waived": True,
    }),
])  # fmt: skip
def test_a_desk_learns_what_the_tier_gives(
    app: Flask, library: Library, tier: str, given: dict[str, Any]
) -> None:
    holder = make_citizen(app, tier=tier, consents=("library",))
    assert told(library.asked(holder)) == {**BASELINE, "tier": tier, **given}


def test_r2_r5_without_consent_everybody_gets_the_baseline_and_no_tier_is_told(
    app: Flask, library: Library
) -> None:
    assert told(library.asked(make_citizen(app, tier="AAA"))) == BASELINE
    holder = make_citizen(app, tier="AAA", consents=("library",))
    assert library.asked(holder)["books"] == 25
    withdraw_consent(app, holder.citizen_id)
    assert told(library.asked(holder)) == BASELINE


def test_r23_r24_answers_name_nobody_and_no_title_has_a_place() -> None:
    assert set(schemas.Standing().fields) == {*BASELINE, "reference", "reference_expires_at"}
    assert set(schemas.DeskWaiver().fields) == {
        "receipt", "waiver_id", "kind", "shop_name", "registered_at", "returned_at",
    }
    assert set(schemas.NewWaiver().fields) == {
        "shop_id", "waiver_id", "reference", "kind", "reader_reference",
    }


def test_a_code_is_burnt_by_asking_and_nothing_but_a_pass_code_is_taken(
    app: Flask, client: FlaskClient, library: Library
) -> None:
    holder = make_citizen(app, tier="AA", consents=("library",))
    code = holder.pass_code(client)
    done(library.at_desk("standing", code=code))
    assert refusal(library.at_desk("standing", code=code)) == "code_burnt"
    assert refusal(library.clerk.preview(client, code=code)) == "code_burnt"
    assert refusal(library.at_desk("standing", code="IC1P:NOBODY")) == "code_unreadable"


def test_whoever_left_is_served_as_everybody(
    app: Flask, client: FlaskClient, library: Library
) -> None:
    holder = make_citizen(app, tier="AA", consents=("library",))
    code = holder.pass_code(client)
    leave(app, holder.citizen_id)
    refused = library.at_desk("standing", code=code)
    assert refusal(refused) == "card_inactive"
    assert "基础标准" in refused.get_json()["advice"]


def test_only_libraries_ask_and_only_in_their_own_shop(
    app: Flask, client: FlaskClient, library: Library
) -> None:
    holder = make_citizen(app, tier="AA", consents=("library",))
    cinema = make_clerk(app)
    assert refusal(library.ask(holder, cinema)) == "not_a_library"
    code = holder.pass_code(client)
    elsewhere = library.at_desk("standing", code=code, shop_id=str(cinema.shop_id))
    assert refusal(elsewhere) == "wrong_shop"
    assert done(library.at_desk("standing", code=code))["books"] == 20  # and burnt nothing


def test_asking_and_registering_leave_a_trail(
    app: Flask, client: FlaskClient, library: Library
) -> None:
    holder = make_citizen(app, tier="AAA", consents=("library",))
    waiver = library.registered(holder)
    done(library.at_desk("waivers/return", receipt=waiver["receipt"]))
    lines = done(client.get(f"{API}/me/trail", headers=holder.headers))["lines"]
    assert [(one["action"], one["actor_kind"], one["basis"]) for one in lines[:3]] == [
        ("library_waiver_returned", "clerk", "library"),
        ("library_waiver_registered", "clerk", "library"),
        ("library_ask", "clerk", "library v1"),
    ]
    assert lines[2]["fields"] == ["benefits", "tier"]


def test_a_waiver_is_registered_once_and_returned_once(
    app: Flask, client: FlaskClient, library: Library
) -> None:
    holder = make_citizen(app, tier="AAA", consents=("library",))
    reference = library.asked(holder)["reference"]
    waiver_id = str(new_id())
    first = done(library.register(reference, waiver_id=waiver_id), 201)
    again = done(library.register(reference, waiver_id=waiver_id), 201)
    assert {**again, "receipt": ""} == {**first, "receipt": ""}
    other = library.register(reference, waiver_id=waiver_id, reader_reference="LIB-0002")
    assert refusal(other) == "id_reused"
    assert refusal(library.register(reference)) == "code_burnt"
    assert refusal(library.register(library.asked(holder)["reference"])) == "library_waiver_held"
    children = library.register(library.asked(holder)["reference"], kind="children")
    assert done(children, 201)["kind"] == "children"
    assert library.asked(holder)["waivers"] == ["children", "reader"]

    ended = done(library.at_desk("waivers/return", receipt=first["receipt"]))
    assert ended["returned_at"] is not None
    assert done(library.at_desk("waivers/return", receipt=again["receipt"])) | {"receipt": ""} == {
        **ended, "receipt": "",
    }
    assert [one["kind"] for one in library.standing()] == ["children"]
    own = done(client.get(f"{API}/me/library-waivers", headers=holder.headers))["waivers"]
    assert [(one["kind"], one["returned_at"] is None) for one in own] == [
        ("children", True), ("reader", False),
    ]
    assert library.registered(holder)["kind"] == "reader"  # and again after the return


def test_a_reference_is_its_clerks_in_its_shop_and_for_two_minutes(
    app: Flask, library: Library
) -> None:
    holder = make_citizen(app, tier="AAA", consents=("library",))
    colleague = make_clerk(app, merchant_id=library.clerk.merchant_id)
    reference = library.asked(holder)["reference"]
    assert refusal(library.register(reference, colleague)) == "reference_foreign"
    assert refusal(library.register("IC1L:AAAA")) == "code_unreadable"
    receipt = library.registered(holder)["receipt"]
    assert refusal(library.register(receipt)) == "code_unreadable"  # another kind of text


def test_a_waiver_stands_when_the_tier_falls_and_new_ones_are_refused(
    app: Flask, library: Library
) -> None:
    holder = make_citizen(app, tier="AAA", consents=("library",))
    waiver = library.registered(holder)
    set_tier(app, holder.citizen_id, "A")
    asked = library.asked(holder)
    assert told(asked) == {
        **BASELINE, "tier": "A", "deposit_waived": True, "waivers": ["reader"],
    }
    assert refusal(library.register(asked["reference"], kind="children")) == "deposit_not_waived"
    done(library.at_desk("waivers/return", receipt=waiver["receipt"]))
    assert library.asked(holder)["deposit_waived"] is False


def test_a_waiver_stands_until_it_is_returned_when_the_holder_leaves(
    app: Flask, library: Library
) -> None:
    holder = make_citizen(app, tier="AAA", consents=("library",))
    library.registered(holder)
    reference = library.asked(holder)["reference"]
    leave(app, holder.citizen_id)
    assert refusal(library.register(reference, kind="children")) == "card_inactive"
    [found] = done(library.at_desk("waivers/find", reader_reference=READER))["waivers"]
    done(library.at_desk("waivers/return", receipt=found["receipt"]))
    assert library.standing() == []


def test_another_library_sees_and_ends_nothing(
    app: Flask, client: FlaskClient, library: Library
) -> None:
    holder = make_citizen(app, tier="AAA", consents=("library",))
    receipt = library.registered(holder)["receipt"]
    other = open_library(app, client)
    assert other.standing() == []
    found = done(other.at_desk("waivers/find", reader_reference=READER))
    assert found == {"waivers": []}
    returned = other.at_desk("waivers/return", receipt=receipt)
    assert refusal(returned) == "library_waiver_unknown"
    assert other.asked(holder)["waivers"] == []
    assert other.registered(holder)["kind"] == "reader"


def test_r24_a_library_that_numbers_readers_by_identity_leaves_no_number_here(
    app: Flask, library: Library
) -> None:
    number = "330702199505201229"
    library.registered(
        make_citizen(app, tier="AAA", consents=("library",)), reader_reference=number
    )
    with app.app_context(), transaction() as session:
        rows = session.execute(text("SELECT w::text FROM library_waivers w")).scalars().all()
    assert rows
    assert not [row for row in rows if number in row or number.encode().hex() in row]
    [found] = done(library.at_desk("waivers/find", reader_reference=number))["waivers"]
    assert number not in str(found)


def test_owners_keep_their_own_machines(app: Flask, client: FlaskClient, library: Library) -> None:
    made = library.make_machine(encoding="gb18030")
    machine_id = made["machine"]["machine_id"]
    assert made["machine"]["suspended"] is False
    listed = done(client.get(f"{API}/library/machines", headers=library.owner))["machines"]
    assert listed == [made["machine"]]
    body = {"machine_id": machine_id, "shop_id": str(library.clerk.shop_id), "name": "又一台"}
    again = client.post(f"{API}/library/machines", json=body, headers=library.owner)
    assert refusal(again) == "library_machine_exists"
    path = f"{API}/library/machines/{machine_id}/secret"
    assert done(client.post(path, headers=library.owner))["secret"] != made["secret"]

    other = open_library(app, client)
    assert refusal(client.post(path, headers=other.owner)) == "library_machine_unknown"
    foreign = {**body, "machine_id": str(new_id())}
    answer = client.post(f"{API}/library/machines", json=foreign, headers=other.owner)
    assert refusal(answer) == "shop_unknown"
