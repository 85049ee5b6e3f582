"""Whose money it is, who may say so, and what is never kept: R24, R26, S61."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import Schema, fields

from app.benefits.catalogue import DIRECTORY
from app.benefits.operations import load_catalogue
from app.benefits.queries import list_current
from app.kernel.ids import new_id
from app.service_orders import models, schemas
from app.web.auth import Role
from demo.load import prepare_programme, publish_benefits
from tests.redemptions.builders import (
    API,
    benefit_toml,
    made_up_credit_code,
    make_citizen,
    make_merchant,
    publish_benefit,
    staff_headers,
)
from tests.service_orders.shop import (
    LINE_FEN,
    done,
    make_line,
    make_shop,
    publish_guarantee,
    refusal,
)
from tests.trail.assessed import assessed

HEALTH = re.compile(
    r"diagnos|disease|illness|symptom|treat|drug|medic|prescri|department|ward|doctor|clinic_name"
    r"|patient|icd|health|note|remark|comment|text|诊断|科室|病|药"
)
LINES = f"{API}/guarantee-lines"
GUARANTEE: dict[str, Any] = {
    "kind": "guarantee", "consent_purpose": "clinic", "confirm_above_fen": 20_000,
    "values": {
        "baseline": {"pay_later_up_to_fen": 0, "pay_later_days": 0},
        "A": {"pay_later_up_to_fen": 0, "pay_later_days": 0},
        "AA": {"pay_later_up_to_fen": 50_000, "pay_later_days": 10},
        "AAA": {"pay_later_up_to_fen": 100_000, "pay_later_days": 10},
    },
}


def proposal(app: Flask, **changes: Any) -> dict[str, Any]:
    """A line that gives just what its benefit publishes."""
    if "benefit_code" not in changes:
        changes["benefit_code"] = publish_guarantee(app)
    return {
        "line_id": str(new_id()), "kind": "clinic", "name": "先诊疗后付费",
        "guarantor_kind": "bank", "guarantor_code": made_up_credit_code(),
        "guarantor_name": "合作银行", "merchant_ids": [str(make_merchant(app))],
        "tiers": {"AA": 50_000, "AAA": 100_000}, "reason": "协议已签订", **changes,
    }  # fmt: skip


@pytest.fixture
def operators(app: Flask) -> list[Any]:
    prepare_programme()
    return [staff_headers(app, Role.OPERATOR) for _ in range(2)]


def test_s61_r21_a_line_takes_two_operators_and_an_assessment(
    app: Flask, client: FlaskClient, operators: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    proposer, another = operators
    with monkeypatch.context() as patched:  # the benefit would have been assessed for the same
        patched.setattr("app.benefits.operations.require_assessed_sharing", lambda _: None)
        load_catalogue(benefit_toml("unassessed", **GUARANTEE))
    body = proposal(app, benefit_code="unassessed")
    for _ in range(2):  # sent again
        made = done(client.post(LINES, json=body, headers=proposer), 201)
        assert made["is_confirmed"] is False
    path, reason = f"{LINES}/{body['line_id']}/confirmation", {"reason": "协议已核对"}
    alone = client.post(path, json=reason, headers=proposer)
    assert (alone.status_code, refusal(alone)) == (403, "second_person_needed")
    holder = make_citizen(app, tier="AA", consents=("clinic",))
    order = {"order_id": str(new_id()), "line_id": body["line_id"], "amount_fen": 100}
    early = client.post(f"{API}/me/service-orders", json=order, headers=holder.headers)
    assert refusal(early) == "guarantee_line_unknown"
    assert refusal(client.post(path, json=reason, headers=another)) == "assessment_missing"
    assessed("sharing", "clinic")  # what a clinic's counter learns is sensitive
    assert refusal(client.post(path, json=reason, headers=another)) == "assessment_missing"
    assessed("sensitive", "clinic")
    assert done(client.post(path, json=reason, headers=another))["is_confirmed"] is True
    assert refusal(client.post(path, json=reason, headers=another)) == "guarantee_line_taken"
    done(client.post(f"{API}/me/service-orders", json=order, headers=holder.headers), 201)
    offered = done(client.get(f"{API}/me/guarantee-lines", headers=holder.headers))["lines"]
    assert [(one["line_fen"], one["available_fen"]) for one in offered] == [(50_000, 49_900)]
    other = client.post(LINES, json=body | {"pay_within_days": 30}, headers=proposer)
    assert refusal(other) == "id_reused"


@pytest.mark.parametrize(
    "tiers", [{"AA": 100, "AAA": 99}, {"A": 100}, {"S": 100}, {"A": 1, "AAA": 1}]
)
def test_a_higher_tier_never_gets_less(
    app: Flask, client: FlaskClient, operators: list[Any], tiers: dict[str, int]
) -> None:
    answer = client.post(LINES, json=proposal(app, tiers=tiers), headers=operators[0])
    assert (answer.status_code, refusal(answer)) == (422, "guarantee_line_unsound")


@pytest.mark.parametrize(
    "changes",
    [
        {"tiers": {"AA": 49_999, "AAA": 100_000}}, {"tiers": {"AAA": 100_000}},
        {"pay_within_days": 9}, {"confirm_above_fen": 19_999}, {"confirm_above_fen": 20_001},
        {"kind": "rental", "guarantor_kind": "merchant"},
    ],
)
def test_r13_a_line_gives_what_is_published_and_never_less(
    app: Flask, client: FlaskClient, operators: list[Any], changes: dict[str, Any]
) -> None:
    code = publish_benefit(app, **GUARANTEE)
    body = proposal(app, benefit_code=code)
    answer = client.post(LINES, json=body | changes, headers=operators[0])
    assert (answer.status_code, refusal(answer)) == (422, "guarantee_line_contradicts")
    assert answer.get_json()["version"] == 1
    if "kind" not in changes:
        told = {name: answer.get_json()[name] for name in (
            "tiers_fen", "pay_within_days", "confirm_above_fen"
        )}  # fmt: skip
        assert told == {
            "tiers_fen": {"A": 0, "AA": 50_000, "AAA": 100_000}, "pay_within_days": 10,
            "confirm_above_fen": 20_000,
        }  # fmt: skip
    more = {"tiers": {"A": 1, "AA": 50_000, "AAA": 100_000}, "pay_within_days": 11}
    made = done(client.post(LINES, json=body | more, headers=operators[0]), 201)
    assert made["benefit_code"] == code


def test_r13_by_steps_a_tier_gets_what_its_highest_score_is_promised(
    app: Flask, client: FlaskClient, operators: list[Any]
) -> None:
    """The tiers begin at 550, 650 and 750: a step at 700 is within the second."""
    word = "deposit_waived_up_to_fen"
    code = publish_guarantee(
        app, kind="rental", code="by_steps", values={"baseline": {word: 0}},
        step=[{"least_score": 700, "value": {word: 9_900}},
              {"least_score": 760, "value": {word: 50_000}}],
    )  # fmt: skip
    rental = {"kind": "rental", "guarantor_kind": "merchant"}
    for tiers, is_enough in (
        ({"AA": 9_899, "AAA": 50_000}, False), ({"AA": 9_900, "AAA": 49_999}, False),
        ({"AA": 9_900, "AAA": 50_000}, True),
    ):  # fmt: skip
        body = proposal(app, benefit_code=code, tiers=tiers, **rental)
        answer = client.post(LINES, json=body, headers=operators[0])
        assert answer.status_code == (201 if is_enough else 422), answer.text


def test_what_a_line_cannot_carry_out_is_refused(
    app: Flask, client: FlaskClient, operators: list[Any]
) -> None:
    ticket = publish_benefit(app)
    honoured = publish_benefit(app, **GUARANTEE, honour=[
        {"record_type": "honours", "value": {"pay_later_up_to_fen": 200_000, "pay_later_days": 10}}
    ])  # fmt: skip
    for code, expected in (
        (ticket, "guarantee_line_contradicts"), (honoured, "guarantee_line_contradicts"),
        ("nothing_known", "benefit_unknown"),
    ):  # fmt: skip
        body = proposal(app, benefit_code=code)
        assert refusal(client.post(LINES, json=body, headers=operators[0])) == expected


def test_what_is_published_between_two_operators_counts(
    app: Flask, client: FlaskClient, operators: list[Any]
) -> None:
    code = publish_benefit(app, **GUARANTEE)
    body = proposal(app, benefit_code=code)
    done(client.post(LINES, json=body, headers=operators[0]), 201)
    publish_benefit(app, code=code, **GUARANTEE | {"version": 2, "confirm_above_fen": 30_000})
    path, reason = f"{LINES}/{body['line_id']}/confirmation", {"reason": "协议已核对"}
    late = client.post(path, json=reason, headers=operators[1])
    assert refusal(late) == "guarantee_line_contradicts"


def test_r13_what_ships_can_be_carried_out_as_it_is_published(
    app: Flask, client: FlaskClient, operators: list[Any]
) -> None:
    publish_benefits((DIRECTORY / "jinhua.toml").read_text(encoding="utf-8"))
    guarantees = [one for one in list_current() if one.kind == "guarantee"]
    assert {one.code for one in guarantees} == {"rental", "medical"}
    for one in guarantees:
        word = next(word for word in one.baseline if word.endswith("_fen"))
        body = proposal(
            app, benefit_code=one.code, kind=one.consent_purpose, guarantor_kind="bank",
            tiers={tier: value[word] for tier, value in one.tiers.items()},
            confirm_above_fen=one.confirm_above_fen,
        )
        done(client.post(LINES, json=body, headers=operators[0]), 201)


def test_r5_eligibility_for_a_guarantee_tells_what_an_order_would_meet(
    app: Flask, client: FlaskClient
) -> None:
    """From the lines that carry it out: what one would get, why not, and what comes next."""
    prepare_programme()
    code = publish_guarantee(app, kind="rental")

    def shown(headers: Any) -> dict[str, Any]:
        return done(client.get(f"{API}/me/benefits/{code}", headers=headers))

    nobody = make_citizen(app)
    found = shown(nobody.headers)
    assert (found["reasons"], found["lines"]) == (["guarantee_line_unknown"], [])
    shop = make_shop(app, benefit_code=code)
    make_line(app, shop.clerk.merchant_id)  # another, of no benefit
    found = shown(nobody.headers)
    assert found["reasons"] == ["service_consent_needed", "service_order_not_eligible"]
    assert found["offer"]["next_tier"] == {
        "tier": "AA", "value": {"deposit_waived_up_to_fen": LINE_FEN}, "missing_score": 650
    }
    assert found["ways"]
    mine = shown(shop.holder.headers)
    [line] = mine["lines"]
    assert (mine["reasons"], line["line"]["line_id"]) == ([], str(shop.line_id))
    assert (line["line_fen"], line["available_fen"]) == (LINE_FEN, LINE_FEN)
    assert mine["offer"]["value"] == {"deposit_waived_up_to_fen": LINE_FEN}
    shop.ordered(LINE_FEN)
    assert shown(shop.holder.headers)["reasons"] == ["insufficient_credit"]
    assert refusal(shop.order(1)) == "insufficient_credit"


@pytest.mark.parametrize(
    ("kind", "guarantor_kind"),
    [("clinic", "fund"), ("clinic", "merchant"), ("rental", "platform"), ("clinic", "platform")],
)
def test_r26_the_platform_lends_nothing_and_no_fund_lends_for_clinics(
    app: Flask, operators: list[Any], admin: psycopg.Connection[Any], kind: str,
    guarantor_kind: str,
) -> None:
    body = proposal(app, kind=kind, guarantor_kind=guarantor_kind)
    answer = app.test_client().post(LINES, json=body, headers=operators[0])
    assert answer.status_code == 422
    with pytest.raises(psycopg.errors.CheckViolation):
        admin.execute(
            "INSERT INTO guarantee_lines (line_id, kind, name, guarantor_kind, guarantor_code,"
            " guarantor_name, merchant_ids, tiers, confirm_above_fen, start_within_seconds,"
            " use_within_seconds, pay_within_days, collection, proposed_by) VALUES"
            " (%s, %s, 'x', %s, 'x', 'x', '{}', '{}', 0, 1, 1, 0, 'counter', %s)",
            (new_id(), kind, guarantor_kind, new_id()),
        )


def test_r24_nothing_about_health_can_be_kept_or_said() -> None:
    """No column of an order and no field that is sent or told holds more than codes and amounts."""
    columns = {
        f"{model.__tablename__}.{column.name}"
        for model in (models.ServiceOrder, models.ServiceOrderStep)
        for column in model.__table__.columns
    }
    told = {
        f"{schema.__name__}.{name}"
        for schema in vars(schemas).values()
        if isinstance(schema, type) and issubclass(schema, Schema)
        for name in schema().fields
    }
    assert len(columns) > 25
    assert len(told) > 60
    assert [name for name in columns | told if HEALTH.search(name.rpartition(".")[2])] == []
    free = [
        name for schema in (schemas.NewOrder, schemas.Start, schemas.Bill, schemas.Claim)
        for name, field in schema().fields.items()
        if type(field) is fields.String
    ]
    assert set(free) <= {"reference", "nonce"}


def test_r24_of_a_clinic_the_place_is_not_kept(
    app: Flask, admin: psycopg.Connection[Any]
) -> None:
    """A shop may be a department: the order and the trail name the merchant alone."""
    shop = make_shop(app, kind="clinic", guarantor_kind="hospital")
    order_id = shop.started(5_000)
    answer = shop.client.get(f"{API}/me/trail?limit=100", headers=shop.holder.headers)
    told = answer.text + shop.own("GET", f"/{order_id}").text
    assert str(shop.clerk.shop_id) not in told
    assert "门店" not in told
    columns = {column.name for column in models.ServiceOrder.__table__.columns}
    assert not columns & {"shop_id", "shop_name"}


def test_r23_the_counter_is_not_told_the_line(app: Flask) -> None:
    line_id = make_line(app, make_merchant(app))
    shop = make_shop(app)
    seen = shop.counter(shop.started(), "dispute")
    assert str(line_id) not in seen.text
    assert not {"line_fen", "tier", "score"} & set(seen.get_json())
