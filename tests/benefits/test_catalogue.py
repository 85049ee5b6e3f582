"""Catalogue files: published whole or not at all, and never changed."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.benefits import operations, queries
from app.benefits.catalogue import BadCatalogueError, parse_catalogue
from app.kernel.ids import new_id
from app.web.auth import Role
from tests.redemptions.answers import outcome
from tests.redemptions.builders import (
    LIBRARY_VALUES,
    benefit_toml,
    make_citizen,
    make_merchant,
    publish_benefit,
    publish_library,
    staff_headers,
)

JINHUA = Path(operations.__file__).parent / "catalogues" / "jinhua.toml"


def test_the_citys_file_holds_the_promised_figures(app: Flask, client: FlaskClient) -> None:
    loaded = operations.load_catalogue(JINHUA.read_text(encoding="utf-8"))
    assert loaded.published == ("library 1", "cinema 1")
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


def test_loading_again_changes_nothing_and_a_changed_version_is_refused(app: Flask) -> None:
    file = JINHUA.read_text(encoding="utf-8")
    operations.load_catalogue(file)
    again = operations.load_catalogue(file)
    assert (again.published, again.unchanged) == ((), ("library 1", "cinema 1"))
    with pytest.raises(BadCatalogueError, match="library 1 is published with other content"):
        operations.load_catalogue(file.replace("books = 25", "books = 26"))
    later = file.replace("version = 1", "version = 2").replace("books = 25", "books = 26")
    assert operations.load_catalogue(later).published == ("library 2", "cinema 2")
    current = queries.find_current(code="library")
    assert current is not None
    assert current.tiers["AAA"]["books"] == 26


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({"kind": "penalty"}, "kind"),
        ({"price_points": -1}, "price_points"),
        ({"price_points": 1.5}, "price_points has the wrong type"),
        ({"merchants": "some"}, "merchants"),
        ({"version": 0}, "version"),
        ({"weekdays": [0]}, "weekdays"),
        ({"valid_to": date(2025, 1, 1)}, "valid_to"),
        ({"voucher_life_seconds": 0}, "voucher_life_seconds"),
        ({"stock": -1}, "stock"),
        ({"claim_limit": {"count": 1}}, "claim_limit"),
        ({"claim_limit": {"count": 0, "period": "day"}}, "claim_limit"),
        ({"claim_limit": {"count": 1, "period": "hour"}}, "claim_limit"),
        ({"name": None}, "name is missing"),
        ({"blacklist": True}, "blacklist is unknown"),
    ],
)
def test_a_bad_file_is_refused_whole(facts: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadCatalogueError, match=problem):
        parse_catalogue(benefit_toml("thing", **facts))


def test_hours_come_in_pairs_and_in_order() -> None:
    for lines in ("open_from = 09:00:00", "open_from = 20:00:00\nopen_until = 09:00:00"):
        file = benefit_toml("thing").replace("version = 1", f"version = 1\n{lines}")
        with pytest.raises(BadCatalogueError, match="open_from and open_until"):
            parse_catalogue(file)


def test_other_mistakes_of_a_file() -> None:
    with pytest.raises(BadCatalogueError):
        parse_catalogue("not = = toml")
    with pytest.raises(BadCatalogueError, match="publish_names is unknown"):
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
