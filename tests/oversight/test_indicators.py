"""The figures of the city are what the rooms hold, with definitions, for operators alone."""

from __future__ import annotations

import csv
import io

from flask import Flask
from flask.testing import FlaskClient

from app.kernel.clock import city_date, now
from app.oversight.indicators import INDICATORS, read_figures
from tests.members.api import bearer, staff_tokens
from tests.redemptions.builders import make_citizen, make_clerk, publish_benefit

TODAY = city_date(now())
PATH = "/api/v1/city-indicators"


def values(code: str) -> dict[str, int | None]:
    return {one.item: one.value for one in read_figures(from_on=TODAY, to_on=TODAY)
            if one.code == code}


def test_uses_and_people_are_counted_and_small_groups_are_not_told(
    app: Flask, client: FlaskClient
) -> None:
    often, seldom = publish_benefit(app), publish_benefit(app)
    clerk = make_clerk(app, takes=(often, seldom))
    for benefit, people, uses in ((often, 10, 11), (seldom, 2, 2)):
        citizens = [make_citizen(app) for _ in range(people)]
        for at in range(uses):
            citizen = citizens[at % people]
            voucher_id = citizen.claimed(client, benefit)
            code = citizen.voucher_code(client, voucher_id)
            answer = clerk.redeem(client, code=code)
            assert answer.status_code == 200, answer.get_json()
    assert values("served_uses") == {often: 11, seldom: None}
    assert values("served_people") == {often: 10, seldom: None}


def test_codes_that_were_refused_and_failed_sign_ins_are_counted(
    app: Flask, client: FlaskClient
) -> None:
    clerk = make_clerk(app)
    assert clerk.redeem(client, code="IC1P:NOTHING").status_code >= 400
    body = {"username": "nobody-at-all", "password": "wrong horse 1234", "totp": "000000"}
    assert client.post("/api/v1/sign-in/staff", json=body).status_code == 401
    assert sum(value or 0 for value in values("codes_refused").values()) == 1
    assert values("sign_ins_refused") == {"staff": 1}


def test_every_statement_runs_and_operators_alone_read(app: Flask, client: FlaskClient) -> None:
    clerk, operator = (
        bearer(staff_tokens(app, client, role)["access_token"]) for role in ("clerk", "operator")
    )
    days = {"from_on": "2026-01-01", "to_on": TODAY.isoformat()}
    assert client.get(PATH, query_string=days, headers=clerk).status_code == 403
    told = client.get(PATH, query_string=days, headers=operator).get_json()
    assert [one["code"] for one in told["indicators"]] == [one.code for one in INDICATORS]
    assert all(one["definition"] for one in told["indicators"])
    table = client.get(f"{PATH}.csv", query_string=days, headers=operator)
    header, *_ = csv.reader(io.StringIO(table.text.removeprefix("\ufeff")))
    assert header == ["code", "name", "month", "item", "value", "definition"]
    backwards = {"from_on": TODAY.isoformat(), "to_on": "2026-01-01"}
    refused = client.get(PATH, query_string=backwards, headers=operator)
    assert (refused.status_code, refused.get_json()["code"]) == (422, "report_days_unfit")
