"""Whose money it is, who may say so, and what is never kept: R24, R26, S61."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import Schema, fields

from app.kernel.ids import new_id
from app.service_orders import models, schemas
from app.web.auth import Role
from demo.load import prepare_programme
from tests.redemptions.builders import (
    API,
    made_up_credit_code,
    make_citizen,
    make_merchant,
    staff_headers,
)
from tests.service_orders.shop import done, make_line, make_shop, refusal
from tests.trail.assessed import assessed

HEALTH = re.compile(
    r"diagnos|disease|illness|symptom|treat|drug|medic|prescri|department|ward|doctor|clinic_name"
    r"|patient|icd|health|note|remark|comment|text|诊断|科室|病|药"
)
LINES = f"{API}/guarantee-lines"


def proposal(app: Flask, **changes: Any) -> dict[str, Any]:
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
    app: Flask, client: FlaskClient, operators: list[Any]
) -> None:
    proposer, another = operators
    body = proposal(app)
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
    other = client.post(LINES, json=body | {"pay_within_days": 3}, headers=proposer)
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
