"""How long settling takes: closing a month of a million redemptions, a merchant's day and month.

The floor is a bare sum of the same redemptions in the same run.  `CARD_BENCH_REDEMPTIONS` is how
many (100,000 unless said otherwise); they are made set-based, for 500 shops of 100 merchants.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import psycopg

from app.benefits.operations import load_catalogue
from app.config import Settings
from app.factory import create_app
from app.kernel.database import close_connections, transaction
from app.settlement.closing import freeze_month
from app.settlement.papers import Reader, open_day, open_month
from bench.stage import Ready

REDEMPTIONS = int(os.environ.get("CARD_BENCH_REDEMPTIONS", "1000000"))
MERCHANTS, SHOPS = 100, 500
MONTH, DAY = date(2026, 3, 1), date(2026, 3, 14)
ROUNDS = 5
BENEFIT = "bench_settled"
_CATALOGUE = f"""
tiers = ["A"]
[[benefit]]
code = "{BENEFIT}"
version = 1
name = "结算基准票"
kind = "ticket"
subsidy = {{payer = "programme", fen = 300}}
valid_from = 2026-01-01
merchants = "all"
voucher_life_seconds = 86400
[benefit.baseline]
tickets = 1
[benefit.tiers.A]
tickets = 1
"""
_FILL = """
    INSERT INTO merchants (merchant_id, credit_code, name)
    SELECT md5('merchant ' || n)::uuid, '91330702MB' || lpad(n::text, 8, '0'),
        '商户 ' || n
    FROM generate_series(1, %(merchants)s) n;
    INSERT INTO shops (shop_id, merchant_id, name)
    SELECT md5('shop ' || n)::uuid, md5('merchant ' || (n %% %(merchants)s + 1))::uuid, '店 ' || n
    FROM generate_series(1, %(shops)s) n;
    CREATE TEMP TABLE made AS
    SELECT md5('citizen ' || (n %% 50000))::uuid AS citizen_id,
        md5('voucher ' || n)::uuid AS voucher_id,
        n::bigint * 7919 %% %(shops)s + 1 AS shop,
        timestamptz '2026-03-01 00:00:00+08' + n * (interval '31 days' / %(count)s) AS at
    FROM generate_series(0, %(count)s - 1) n;
    INSERT INTO voucher_wallets (citizen_id) SELECT DISTINCT citizen_id FROM made;
    INSERT INTO vouchers (citizen_id, voucher_id, benefit_id, benefit_code, benefit_version, value,
        price_points, stock_taken, claimed_at, expires_at)
    SELECT citizen_id, voucher_id, (SELECT benefit_id FROM benefits WHERE code = %(code)s),
        %(code)s, 1, '{}', 0, false, at - interval '1 hour', at + interval '1 day' FROM made;
    INSERT INTO redemptions (citizen_id, voucher_id, redemption_id, clerk_id, merchant_id, shop_id,
        benefit_code, price_points, redeemed_at)
    SELECT citizen_id, voucher_id, voucher_id, citizen_id,
        md5('merchant ' || (shop %% %(merchants)s + 1))::uuid, md5('shop ' || shop)::uuid,
        %(code)s, 0, at FROM made;
    ANALYZE merchants, shops, vouchers, redemptions
"""
_BARE = """
    SELECT merchant_id, shop_id, benefit_code, (redeemed_at AT TIME ZONE 'Asia/Shanghai')::date,
        count(*), sum(price_points)
    FROM redemptions WHERE redeemed_at >= timestamptz '2026-03-01 00:00:00+08'
        AND redeemed_at < timestamptz '2026-04-01 00:00:00+08'
    GROUP BY 1, 2, 3, 4
"""


def measure_settlement(ready: Ready) -> list[dict[str, Any]]:
    """The figures, each with the bare sum beside it."""
    environment = ready.stack.environment | {
        "DATABASE_URL": ready.stack.database.url("card_job"), "CARD_DATABASE_POOL_SIZE": "2",
    }  # fmt: skip
    app = create_app(Settings.from_environ(environment))
    web = create_app(Settings.from_environ(ready.stack.environment))
    with web.app_context():
        load_catalogue(_CATALOGUE)
    with psycopg.connect(ready.stack.database.admin_url, autocommit=True) as connection:
        psycopg.ClientCursor(connection).execute(_FILL, {
            "merchants": MERCHANTS, "shops": SHOPS, "count": REDEMPTIONS, "code": BENEFIT,
        })  # fmt: skip
        bare = [_seconds(lambda: connection.execute(_BARE).fetchall()) for _ in range(ROUNDS)]
        merchant_id: UUID = connection.execute(  # type: ignore[index]
            "SELECT merchant_id FROM merchants WHERE credit_code = '91330702MB00000001'"
        ).fetchone()[0]
    owner = Reader(None, merchant_id)
    with web.app_context():
        day = [_seconds(lambda: open_day(reader=owner, on=DAY)) for _ in range(ROUNDS)]
        draft = [_seconds(lambda: open_month(reader=owner, month_on=MONTH)) for _ in range(ROUNDS)]
        everybody = [
            _seconds(lambda: open_day(reader=Reader(None), on=DAY)) for _ in range(ROUNDS)
        ]
    with app.app_context():
        closing = [_seconds(_freeze)]
        close_connections()
    floor = statistics.median(bare)
    named = {
        "closing the month": closing, "a merchant's day": day, "a merchant's month": draft,
        "everybody's day": everybody,
    }  # fmt: skip
    return [
        {
            "name": f"{what}, {REDEMPTIONS} redemptions a month ÷ bare sum of them",
            "value": round(statistics.median(taken), 4), "unit": "s",
            "ratio": round(statistics.median(taken) / floor, 3), "limit": None,
        }
        for what, taken in named.items()
    ]  # fmt: skip


def _freeze() -> None:
    with transaction():
        freeze_month(MONTH)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
