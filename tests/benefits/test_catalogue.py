"""Catalogue files: published whole or not at all, and never changed."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.benefits import operations, queries
from app.benefits.catalogue import (
    DIRECTORY,
    BadCatalogueError,
    lint_catalogue,
    parse_catalogue,
)
from app.benefits.keys import CATALOGUE, SCHEMA_TITLE
from app.kernel.ids import new_id
from app.kernel.keyed_documents import json_schema
from app.members.consents import current_texts
from app.records.queries import CatalogueNotPublished
from app.trail import assessments
from app.trail.assessments import AssessmentMissing
from app.web.auth import Role
from demo.load import publish_benefits, publish_catalogue
from tests.redemptions.answers import outcome
from tests.redemptions.builders import (
    LIBRARY_VALUES,
    benefit_toml,
    make_citizen,
    make_clerk,
    make_merchant,
    publish_benefit,
    publish_library,
    staff_headers,
)
from tests.trail.assessed import assess_sharing, assessed

SLOTS = {"capacity": 2, "days_ahead": 1, "give_back_before_seconds": 0}
JINHUA = DIRECTORY / "jinhua.toml"
SHIPPED = (
    "library", "cinema", "library_children", "transit", "rental", "medical", "scenic_spot",
    "scenic_spot_points", "parking", "school_gym", "sports_ground", "loan",
)  # fmt: skip
VERSIONS = {"library_children": 2, "transit": 4, "rental": 2, "scenic_spot": 2}  # others: first


def test_the_citys_file_holds_the_promised_figures(app: Flask, client: FlaskClient) -> None:
    publish_catalogue()
    loaded = publish_benefits(JINHUA.read_text(encoding="utf-8"))
    assert loaded.published == tuple(f"{code} {VERSIONS.get(code, 1)}" for code in SHIPPED)
    listed = {b["code"]: b for b in client.get("/api/v1/benefits").get_json()["benefits"]}
    library, cinema = listed["library"], listed["cinema"]
    assert library["baseline"] == {"books": 15, "deposit_waived": False}
    assert {tier: value["books"] for tier, value in library["tiers"].items()} == {
        "A": 15, "AA": 20, "AAA": 25,
    }  # fmt: skip
    assert [value["deposit_waived"] for value in library["tiers"].values()] == [
        False, False, True,
    ]  # fmt: skip
    assert (library["price_points"], cinema["price_points"]) == (0, 60)
    assert cinema["baseline"] == {"tickets": 1}
    steps = {
        code: [(step["least_score"], step["value"]) for step in listed[code]["score_steps"]]
        for code in ("library_children", "transit", "parking", "scenic_spot")
    }
    assert steps == {
        "library_children": [(600, {"childrens_books_deposit_free": 40})],
        "transit": [(686, {"price_percent": 80})],
        "parking": [
            (530, {"free_minutes": 30, "price_percent": 100}),
            (680, {"free_minutes": 30, "price_percent": 90}),
        ],
        "scenic_spot": [(750, {"price_percent": 85})],
    }
    (honour,) = listed["transit"]["honours"]
    assert (honour["record_type"], honour["value"]) == ("honours", {"price_percent": 50})
    assert listed["parking"]["baseline"] == {"free_minutes": 15, "price_percent": 100}
    # The tier that begins at a score of 650.
    assert listed["rental"]["tiers"]["AA"]["free_minutes"] == 180
    assert {code for code in SHIPPED if listed[code]["offline_allowed"]} == {
        "library_children", "transit", "scenic_spot",
    }  # fmt: skip
    worth = {code: one["offline_worth_fen"] for code, one in listed.items()}
    assert {code for code in SHIPPED if worth[code]} == {
        "library_children", "transit", "scenic_spot",
    }  # fmt: skip


@pytest.mark.parametrize("path", sorted(DIRECTORY.glob("*.toml")), ids=lambda path: path.stem)
def test_what_ships_is_good_and_fits_the_schema_of_editors(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert lint_catalogue(text) == ()
    plain = json.loads(json.dumps(tomllib.loads(text), default=str))
    schema = json_schema(CATALOGUE, title=SCHEMA_TITLE)
    jsonschema_rs.validator_for(schema).validate(plain)
    kept = (DIRECTORY / "benefits.schema.json").read_text(encoding="utf-8")
    assert json.loads(kept) == schema


def test_the_measures_of_quzhou_are_all_there_and_illustrative() -> None:
    benefits = tomllib.loads((DIRECTORY / "quzhou.toml").read_text(encoding="utf-8"))["benefit"]
    assert len({one["code"] for one in benefits}) == 22
    for one in benefits:
        assert set(one) - set(one["illustrative"]) == {"code", "version", "illustrative"}


@pytest.mark.parametrize("name", ["jinhua", "quzhou"])
def test_r2_every_consent_that_a_benefit_asks_for_can_be_given(app: Flask, name: str) -> None:
    benefits = tomllib.loads((DIRECTORY / f"{name}.toml").read_text(encoding="utf-8"))["benefit"]
    asked = {one["consent_purpose"] for one in benefits if "consent_purpose" in one}
    with app.app_context():
        assert {"rental", "clinic", "sports"} <= asked <= set(current_texts())


def test_who_agrees_is_told_to_the_sports_ground_and_nobody_else(
    app: Flask, client: FlaskClient
) -> None:
    values = {"baseline": {"next_day_entry": False}, "A": {"next_day_entry": True}}
    code = publish_benefit(app, values=values, kind="entitlement", consent_purpose="sports")
    clerk = make_clerk(app, takes=(code,))
    for consents, is_told in ((("sports",), True), (("parking",), False)):
        citizen = make_citizen(app, tier="A", consents=consents)
        seen = clerk.preview(client, code=citizen.pass_code(client)).get_json()
        [offer] = seen["benefits"]
        assert (offer["eligible"], offer["value"]) == (is_told, {"next_day_entry": is_told})


def test_r21_a_benefit_that_begins_to_tell_its_receiver_needs_an_assessment(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"baseline": {"next_day_entry": False}, "A": {"next_day_entry": True}}
    facts: dict[str, Any] = {"values": values, "kind": "entitlement"}
    first = benefit_toml("gym", consent_purpose="sports", **facts)
    assessed("sharing", "parking")
    assessed("collecting", "sports")
    with pytest.raises(AssessmentMissing, match="kind: sharing; what: sports"):
        operations.load_catalogue(first)
    assert queries.find_current(code="gym") is None

    assess_sharing("sports")
    operations.load_catalogue(first)
    # Once it is over, what began on its ground goes on; another purpose would be new.
    monkeypatch.setattr(assessments, "list_confirmed_assessments", list)
    operations.load_catalogue(first.replace("version = 1", "version = 2"))
    with pytest.raises(AssessmentMissing):
        operations.load_catalogue(
            benefit_toml("gym", consent_purpose="parking", **facts | {"version": 3})
        )
    with pytest.raises(AssessmentMissing):
        operations.load_catalogue(first.replace('"gym"', '"pool"'))


def test_r21_telling_a_clinic_needs_an_assessment_of_sensitive_use(app: Flask) -> None:
    values = {"baseline": {"next_day_entry": False}, "A": {"next_day_entry": True}}
    ward = benefit_toml("ward", values=values, kind="entitlement", consent_purpose="clinic")
    assessed("sharing", "clinic")
    with pytest.raises(AssessmentMissing):
        operations.load_catalogue(ward)
    assessed("sensitive", "clinic")
    assert operations.load_catalogue(ward).published == ("ward 1",)


def test_every_error_is_told_with_its_line_and_the_command_ends_with_one(
    app: Flask, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.toml"
    text = JINHUA.read_text(encoding="utf-8")
    text = text.replace("price_percent = 80 }", "price_percent = 101 }")
    wrong.write_text(text.replace("price_points = 60", "price_points = -60"), encoding="utf-8")
    lines = text.splitlines()
    result = app.test_cli_runner().invoke(args=["benefits", "lint", str(wrong)])
    assert result.exit_code == 1
    place, value = "catalogue.benefit ", "catalogue.benefit transit.step[0].value.price_percent"
    price = lines.index("price_points = 60") + 1
    step = lines.index("value = { price_percent = 101 }") + 1
    assert result.output.splitlines() == [
        f"{wrong}:{price}: {place}cinema.price_points: a whole number, not negative, expected",
        f"{wrong}:{step}: {value}: more than 100",
        f"{wrong}:{step}: {value}: step 686 is worse than the baseline",
    ]
    good = app.test_cli_runner().invoke(args=["benefits", "lint", str(JINHUA)])
    assert (good.exit_code, good.output) == (0, f"{JINHUA}: good\n")


def test_loading_again_changes_nothing_and_a_changed_version_is_refused(app: Flask) -> None:
    publish_catalogue()
    file = JINHUA.read_text(encoding="utf-8")
    publish_benefits(file)
    again = operations.load_catalogue(file)
    assert (again.published, len(again.unchanged)) == ((), len(SHIPPED))
    with pytest.raises(BadCatalogueError, match="library 1 is published with other content"):
        operations.load_catalogue(file.replace("books = 25", "books = 26"))
    later = re.sub(r"(?m)^version = (\d+)", lambda one: f"version = {int(one[1]) + 1}", file)
    later = later.replace("books = 25", "books = 26")
    assert operations.load_catalogue(later).published == tuple(
        f"{code} {VERSIONS.get(code, 1) + 1}" for code in SHIPPED
    )
    current = queries.find_current(code="library")
    assert current is not None
    assert current.tiers["AAA"]["books"] == 26


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({"kind": "penalty"}, "kind"),
        ({"price_points": -1}, "price_points"),
        ({"price_points": 1.5}, "price_points: a whole number"),
        ({"merchants": "some"}, "merchants"),
        ({"version": 0}, "version"),
        ({"weekdays": [0]}, "weekdays"),
        ({"valid_to": date(2025, 1, 1)}, "valid_to"),
        ({"voucher_life_seconds": 0}, "voucher_life_seconds"),
        ({"stock": -1}, "stock"),
        ({"claim_limit": {"count": 1}}, "claim_limit"),
        ({"claim_limit": {"count": 0, "period": "day"}}, "claim_limit"),
        ({"claim_limit": {"count": 1, "period": "hour"}}, "claim_limit"),
        ({"name": None}, "name: missing"),
        ({"name": "x" * 101}, "name"),
        ({"stacking_group": "No Word"}, "small letters"),
        ({"blacklist": True}, "blacklist: unknown key"),
        ({"deny": True}, "deny: unknown key"),
        ({"weekdays": []}, "weekdays"),
        ({"weekdays": [1, 1]}, "weekdays"),
        ({"budget_fen": 100}, "a budget needs a subsidy"),
        ({"subsidy": {"payer": "programme", "fen": 0}}, "more than 0 fen"),
        ({"subsidy": {"payer": "citizen", "fen": 1}}, "payer: one of"),
        ({"subsidy": {"payer": "programme", "fen": 9}, "budget_fen": 8}, "less than one subsidy"),
        ({"kind": "guarantee", "price_points": 1}, "price_points: a guarantee is not claimed"),
        ({"kind": "guarantee", "offline_allowed": True}, "needs the network"),
        ({"stock": 1, "offline_allowed": True}, "needs the network"),
        ({"offline_allowed": True, "offline_worth_fen": None}, "says what a wrong use costs"),
        ({"offline_allowed": True, "offline_worth_fen": 0}, "offline_worth_fen: more than 0"),
        ({"offline_allowed": True, "offline_unsent_max": 0}, "offline_unsent_max: more than 0"),
        ({"offline_worth_fen": 1}, "nothing is used off line"),
        ({"offline_unsent_max": 1}, "nothing is used off line"),
        (
            {
                "offline_allowed": True, "offline_worth_fen": 1,
                "subsidy": {"payer": "programme", "fen": 9},
            },
            "the subsidy says what a use costs",
        ),
        ({"kind": "entitlement"}, "consent_purpose is missing"),
        ({"confirm_above_fen": 1}, "nobody charges an amount for a ticket"),
        ({"claim_limits": [{"count": 0, "period": "day"}]}, "denies nobody"),
        (
            {"claim_limits": [{"count": 2, "period": "month"}, {"count": 1, "period": "day"}]},
            "the shortest first",
        ),
        (
            {"claim_limits": [{"count": 4, "period": "day"}, {"count": 4, "period": "month"}]},
            "the limit of a day is never reached",
        ),
        (
            {
                "claim_limit": {"count": 1, "period": "day"},
                "claim_limits": [{"count": 2, "period": "month"}],
            },
            "either claim_limit or claim_limits",
        ),
        ({"voucher_life_seconds": None}, "voucher_life_seconds: missing"),
        ({"slots": SLOTS}, "good in its slot: leave it out"),
        ({"slots": {**SLOTS, "capacity": 0}, "voucher_life_seconds": None}, "0 places"),
        ({"slots": {**SLOTS, "days_ahead": 367}, "voucher_life_seconds": None}, "366 days"),
        ({"slots": {**SLOTS, "hours": 7}, "voucher_life_seconds": None}, "whole slots"),
        ({"slots": {**SLOTS, "hours": 0}, "voucher_life_seconds": None}, "whole slots"),
        (
            {"slots": SLOTS, "voucher_life_seconds": None, "offline_allowed": True},
            "needs the network",
        ),
        (
            {"slots": SLOTS, "voucher_life_seconds": None, "kind": "guarantee"},
            "slots: a guarantee is not claimed",
        ),
    ],
)
def test_a_bad_file_is_refused_whole(facts: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadCatalogueError, match=problem):
        parse_catalogue(benefit_toml("thing", **facts))


def honour(**changes: Any) -> dict[str, Any]:
    return {"record_type": "honours", "items": ["省级"], "value": {"tickets": 1}, **changes}


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([honour(value={"tickets": 0})], "honour 1 is worse than tier AAA"),
        ([honour(value={"tickets": 2}), honour()], "honour 2 is worse than honour 1"),
        ([honour(value={"books": 1})], "honour 1 has other words"),
        ([honour(items=[])], "leave them out"),
        ([honour(items=["省级", "省级"])], "different items"),
        ([honour(record_type="Honours")], "small letters"),
    ],
)
def test_r5_an_honour_gives_at_least_what_any_score_gives(
    lines: list[dict[str, Any]], problem: str
) -> None:
    with pytest.raises(BadCatalogueError, match=problem):
        parse_catalogue(benefit_toml("thing", honour=lines))
    told = benefit_toml("thing", values={"baseline": {"tickets": 1}}, honour=[honour()],
                        kind="entitlement")  # fmt: skip
    with pytest.raises(BadCatalogueError, match="consent_purpose is missing"):
        parse_catalogue(told)


def test_honours_go_by_records_that_the_information_catalogue_knows(app: Flask) -> None:
    with pytest.raises(CatalogueNotPublished):
        publish_benefit(app, honour=[honour()])
    publish_catalogue()
    publish_benefit(app, honour=[honour(), {"record_type": "honours", "value": {"tickets": 2}}])
    for changes in ({"items": ["乡里人都知道"]}, {"record_type": "no_such_list"}):
        with pytest.raises(BadCatalogueError, match="no positive records"):
            publish_benefit(app, honour=[honour(**changes)])


def test_hours_come_in_pairs_and_in_order() -> None:
    for lines in ("open_from = 09:00:00", "open_from = 20:00:00\nopen_until = 09:00:00"):
        file = benefit_toml("thing").replace("version = 1", f"version = 1\n{lines}")
        with pytest.raises(BadCatalogueError, match="open_from and open_until"):
            parse_catalogue(file)


def test_other_mistakes_of_a_file() -> None:
    with pytest.raises(BadCatalogueError):
        parse_catalogue("not = = toml")
    with pytest.raises(BadCatalogueError, match="publish_names: unknown key"):
        parse_catalogue("publish_names = true")
    twice = benefit_toml("thing") + "\n" + benefit_toml("thing").split("\n", 1)[1]
    with pytest.raises(BadCatalogueError, match="twice"):
        parse_catalogue(twice)
    worse = {**LIBRARY_VALUES, "AA": {"books": 3, "deposit_waived": False}}
    with pytest.raises(BadCatalogueError, match="tier AA is worse than tier A"):
        parse_catalogue(benefit_toml("thing", values=worse))


def test_a_citizen_sees_value_price_and_what_is_missing(app: Flask, client: FlaskClient) -> None:
    library, cinema = publish_library(app), publish_benefit(app, price_points=60)
    gone = publish_benefit(app, stock=0)
    citizen = make_citizen(app, points=40, tier="AA", consents=("library",))
    answer = client.get("/api/v1/me/benefits", headers=citizen.headers).get_json()
    offers = {offer["benefit"]["code"]: offer for offer in answer["offers"]}
    assert offers[library]["value"] == {"books": 20, "deposit_waived": False}
    assert offers[library]["improved"] is True
    assert (offers[library]["why_not"], offers[library]["consent_needed"]) == (None, False)
    assert (offers[cinema]["why_not"], offers[cinema]["missing_points"]) == (
        "insufficient_points", 20,
    )  # fmt: skip
    assert offers[gone]["why_not"] == "out_of_stock"


def test_without_the_receivers_consent_a_citizen_is_told_what_to_do(
    app: Flask, client: FlaskClient
) -> None:
    library = publish_library(app)
    citizen = make_citizen(app, tier="AAA")
    answer = client.get("/api/v1/me/benefits", headers=citizen.headers).get_json()
    (offer,) = (one for one in answer["offers"] if one["benefit"]["code"] == library)
    assert offer["value"] == {"books": 15, "deposit_waived": False}
    assert offer["consent_needed"] is True


def test_operators_say_who_takes_a_benefit(app: Flask, client: FlaskClient) -> None:
    code, merchant_id = publish_benefit(app), make_merchant(app)
    headers = staff_headers(app, Role.OPERATOR)
    for _ in range(2):
        body = {"benefit_code": code, "merchant_id": str(merchant_id)}
        response = client.post("/api/v1/benefit-merchants", json=body, headers=headers)
        assert response.status_code == 204
    for body, refusal in (
        ({"benefit_code": "nothing_known", "merchant_id": str(merchant_id)}, "benefit_unknown"),
        ({"benefit_code": code, "merchant_id": str(new_id())}, "benefit_merchant_unknown"),
    ):
        response = client.post("/api/v1/benefit-merchants", json=body, headers=headers)
        assert outcome(response) == (404, refusal)
    clerk = staff_headers(app, Role.CLERK)
    refused = client.post("/api/v1/benefit-merchants", json=body, headers=clerk)
    assert outcome(refused) == (403, "not_allowed")
