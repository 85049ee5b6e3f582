"""Redeem at one merchant, or of one benefit, beside the same load spread over many of both.

Nothing that a redemption writes is a merchant's or a benefit's row, so that a hot one costs
nothing; the figure says so.  The cases are interleaved, and what counts of a round is its share of
the spread round beside it.
"""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg

from app.benefits.operations import load_catalogue
from app.config import Settings
from app.factory import create_app
from app.kernel.clock import city_date, now
from app.kernel.database import close_connections, transaction
from app.kernel.ids import new_id
from app.ledger import operations as ledger
from app.members.sessions import OpenedSession, open_staff_session
from bench.load import request_bytes, run_load
from bench.stage import Ready, token_of
from bench.vouchers import Voucher, claim_many

MERCHANTS, BENEFITS = 1_000, 20
HOT_CLERKS = 64  # each may scan 600 times a minute and process
ROUNDS = 7
PER_ROUND = 1_000
CONNECTIONS = 16
PRICE_POINTS = 10
GOAL = 0.90
API = "/api/v1/redemptions"
_BENEFIT = """
[[benefit]]
code = "{code}"
version = 1
name = "基准热点票"
kind = "ticket"
price_points = {price}
valid_from = 2026-01-01
merchants = "all"
voucher_life_seconds = 86400
[benefit.baseline]
tickets = 1
[benefit.tiers.A]
tickets = 1
"""
_SHOPS = """
    INSERT INTO merchants (merchant_id, credit_code, name)
    SELECT m, '91330702MC' || lpad(n::text, 8, '0'), '商户 ' || n
    FROM unnest(%(merchants)s::uuid[]) WITH ORDINALITY u (m, n);
    INSERT INTO shops (shop_id, merchant_id, name)
    SELECT m, m, '店 ' || n FROM unnest(%(merchants)s::uuid[]) WITH ORDINALITY u (m, n);
    INSERT INTO staff_accounts (staff_id, username, role, display_name)
    SELECT s, 'spot-' || s, 'clerk', '窗口' FROM unnest(%(clerks)s::uuid[]) s;
    INSERT INTO merchant_staff (staff_id, merchant_id, shop_id, role)
    SELECT s, m, m, 'clerk' FROM unnest(%(clerks)s::uuid[], %(places)s::uuid[]) u (s, m);
    ANALYZE merchants, shops, staff_accounts, merchant_staff
"""


def measure_hot_spots(ready: Ready) -> list[dict[str, Any]]:
    """The rates of a hot merchant and a hot benefit, as shares of the spread load."""
    counters, stocks = _fill(ready)
    rates: dict[str, list[float]] = {name: [] for name in stocks}
    for number in range(ROUNDS + 1):
        for name, stock in stocks.items():
            rate = _redeem(ready, counters[name], itertools.islice(stock, PER_ROUND))
            if number:  # the first round warms up
                rates[name].append(rate)
    spread = rates.pop("spread")
    return [
        {
            "name": f"redeem, spread over {MERCHANTS} merchants and {BENEFITS} benefits",
            "value": round(statistics.median(spread)), "unit": "redeems/s", "ratio": None,
            "limit": None, "rounds": ROUNDS,
        },
        *({
            "name": f"redeem, one hot {name} ÷ {MERCHANTS} merchants and {BENEFITS} benefits",
            "value": round(statistics.median(found)), "unit": "redeems/s",
            "ratio": round(
                statistics.median(a / b for a, b in zip(found, spread, strict=True)), 3
            ),
            "limit": GOAL, "rounds": ROUNDS,
        } for name, found in rates.items()),
    ]


def _fill(
    ready: Ready,
) -> tuple[dict[str, list[tuple[str, str]]], dict[str, Iterator[Voucher]]]:
    """By case: the tokens of its clerks with their shops, and its vouchers."""
    app = create_app(Settings.from_environ(ready.stack.environment))
    codes = [f"bench_spot_{n}" for n in range(BENEFITS)]
    citizens = sorted({UUID(voucher.citizen_id) for voucher in ready.vouchers})
    each = PER_ROUND * (ROUNDS + 1)
    with (
        app.app_context(), app.test_request_context(),
        psycopg.connect(ready.stack.database.admin_url, autocommit=True) as admin,
    ):
        load_catalogue('tiers = ["A"]\n' + "".join(
            _BENEFIT.format(code=code, price=PRICE_POINTS) for code in codes
        ))  # fmt: skip
        _grant(citizens, amount_points=PRICE_POINTS * (3 * each // len(citizens) + BENEFITS * 2))
        spread, hot = _open_counters(admin)
        keys = app.extensions["card_keys"]
        stocks: dict[str, Iterator[Voucher]] = {}
        for name, wanted in (("spread", codes), ("merchant", codes), ("benefit", codes[:1])):
            dealt = [
                claim_many(
                    admin, keys, citizens=citizens, benefit_code=code, count=each // len(wanted)
                )
                for code in wanted
            ]
            stocks[name] = itertools.chain.from_iterable(zip(*dealt, strict=True))
        admin.execute("VACUUM ANALYZE")
        close_connections()
    return {"spread": spread, "merchant": hot, "benefit": spread}, stocks


def _grant(citizens: list[UUID], *, amount_points: int) -> None:
    for citizen_id in citizens:
        with transaction():
            ledger.grant(
                citizen_id=citizen_id, transfer_id=new_id(), amount_points=amount_points,
                expires_on=city_date(now()) + timedelta(days=730), reason="volunteer_hours",
            ).require_accepted()


def _open_counters(
    admin: psycopg.Connection[Any],
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """A clerk at each of many merchants, and many clerks at the first of them."""
    merchants = [new_id() for _ in range(MERCHANTS)]
    places = merchants + merchants[:1] * HOT_CLERKS
    clerks = [new_id() for _ in places]
    psycopg.ClientCursor(admin).execute(
        _SHOPS, {"merchants": merchants, "clerks": clerks, "places": places}
    )
    with transaction() as session:
        opened: list[OpenedSession] = [
            open_staff_session(session, staff_id=clerk, role="clerk") for clerk in clerks
        ]
    counters = [
        (token_of(one), str(place)) for one, place in zip(opened, places, strict=True)
    ]
    return counters[:MERCHANTS], counters[MERCHANTS:]


def _redeem(ready: Ready, counters: list[tuple[str, str]], vouchers: Iterator[Voucher]) -> float:
    requests = []
    for voucher, (token, shop_id) in zip(vouchers, itertools.cycle(counters), strict=False):
        body = {"redemption_id": str(new_id()), "shop_id": shop_id, "code": voucher.code}
        requests.append(request_bytes(
            method="POST", path=API, token=token, body=json.dumps(body).encode()
        ))  # fmt: skip
    result = run_load(
        port=ready.web_port, requests=iter(requests), connections=CONNECTIONS, seconds=60.0
    )
    if set(result.statuses) != {200}:
        message = f"unexpected answers {result.statuses}: {result.samples}"
        raise RuntimeError(message)
    return result.per_second
