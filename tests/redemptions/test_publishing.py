"""Redemptions of a month are told by benefit, and of nobody or of at least ten people."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from app.records.queries import current_day
from app.redemptions.publishing import figures_of_month
from app.scoring.protection import LEAST
from app.scoring.scheme import Period
from app.scoring.showing import last_closed_day, next_period, period_start
from tests.redemptions.builders import Citizen, Clerk, make_citizen, make_clerk, publish_benefit


def told(*, months_ago: int = 0) -> dict[str, int | None]:
    day = current_day() if months_ago == 0 else last_closed_day(Period.MONTH, current_day())
    said: dict[str, Any] = figures_of_month(
        period_start(Period.MONTH, day), next_period(Period.MONTH, day)
    )
    return {one["benefit"]: one["redemptions"] for one in said["benefits"]}


def redeem(client: FlaskClient, citizen: Citizen, clerk: Clerk, benefit: str) -> str:
    voucher_id = citizen.claimed(client, benefit)
    answer = clerk.redeem(client, code=citizen.voucher_code(client, voucher_id))
    assert answer.status_code == 200, answer.get_json()
    return str(answer.get_json()["receipt"])


def test_a_benefit_is_told_when_ten_people_used_it(app: Flask, client: FlaskClient) -> None:
    tickets, books, unused = (publish_benefit(app, price_points=0) for _ in range(3))
    clerk = make_clerk(app, takes=(tickets, books, unused))
    people = [make_citizen(app) for _ in range(LEAST)]
    people[0].claimed(client, unused)
    redeem(client, people[0], clerk, books)
    receipts = [redeem(client, one, clerk, tickets) for one in people[1:]]
    assert told() == {tickets: None, books: None}
    redeem(client, people[0], clerk, tickets)
    assert told() == {tickets: LEAST, books: None}
    assert told(months_ago=1) == {}
    assert clerk.annul(client, receipts[0]).status_code == 200
    assert told() == {tickets: None, books: None}
