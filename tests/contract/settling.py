"""Months, sheets and scans to decide, for requests that work, made anew for each call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import psycopg

from app.kernel.ids import new_id
from app.settlement.queries import list_months, next_month
from app.web.auth import Role
from tests.contract.orders import Made
from tests.contract.world import World, sent

LONG_AGO = date(2001, 1, 1)  # nothing happened: closing it costs nothing
DAY = {"on": "2026-06-30"}
MONTH = {"month": "2000-01"}
REASON = "按月核对关账"


def _next(world: World) -> date:
    with world.app.app_context():
        done = [one.month_on for one in list_months() if one.state != "proposed"]
    return next_month(max(done)) if done else LONG_AGO


def _proposal(world: World) -> dict[str, object]:
    return {
        "closing_id": str(new_id()), "month": f"{_next(world):%Y-%m}", "reason": REASON,
        "carried_over_count": 0,
    }


def _confirmation(world: World) -> Made:
    another = world.theirs.callers[Role.OPERATOR].headers
    closing = sent(world.client, "/settlement/closings", _proposal(world), another)
    return {"reason": REASON}, {"closing_id": closing["closing_id"]}, {}


def frozen_sheets(world: World) -> None:
    """A closed month of long ago with a sheet of each merchant."""
    web_url = world.app.extensions["card_settings"].database_url
    with psycopg.connect(web_url.replace("card_web", "card_job")) as worker:
        worker.execute(
            "INSERT INTO settlement_months VALUES ('2000-01-01', 2) ON CONFLICT DO NOTHING"
        )
        for party in (world.ours, world.theirs):
            worker.execute(
                "INSERT INTO settlement_sheets VALUES (%s, '2000-01-01', 0, 0, 0, 0, 0, '')"
                " ON CONFLICT DO NOTHING", (party.merchant_id,),
            )


def _answer(world: World) -> Made:
    frozen_sheets(world)
    return {**MONTH, "answer": "accepted", "reason": ""}, {}, {}


def _correction(world: World) -> Made:
    frozen_sheets(world)
    merchant_id = str(world.ours.merchant_id)
    body = {
        "correction_id": str(new_id()), "merchant_id": merchant_id, **MONTH, "amount_fen": 100,
        "reason": "补计漏单一笔",
    }  # fmt: skip
    return body, {}, {}


def _reconciled(world: World) -> Made:
    web_url = world.app.extensions["card_settings"].database_url
    with psycopg.connect(web_url.replace("card_web", "card_job")) as worker:
        worker.execute(
            "INSERT INTO settlement_reconciliations VALUES"
            " (%s, 'ledger', 'missing_in_ledger', 1, now()) ON CONFLICT DO NOTHING", (DAY["on"],)
        )
        worker.execute(
            "INSERT INTO settlement_mismatches VALUES (%s, 1, 'ledger', 'missing_in_ledger', %s,"
            " %s, 'points', 20, NULL, now()) ON CONFLICT DO NOTHING",
            (DAY["on"], str(new_id()), world.ours.merchant_id),
        )
    return None, {}, DAY


SETTLING: dict[tuple[str, str], Callable[[World], Made]] = {
    **{
        ("GET", f"/settlement/statement{form}"): lambda _: (None, {}, DAY)
        for form in ("", ".csv", ".xlsx")
    },
    **{
        ("GET", f"/settlement/sheet{form}"): lambda _: (None, {}, MONTH)
        for form in ("", ".csv", ".xlsx")
    },
    **{
        ("GET", f"/settlement/reconciliation{form}"): _reconciled for form in ("", ".csv")
    },
    ("GET", "/settlement/sheets"): lambda _: (None, {}, {"limit": 2}),
    ("GET", "/settlement/undecided-scans"): lambda _: (None, {}, MONTH),
    ("POST", "/settlement/closings"): lambda world: (_proposal(world), {}, {}),
    ("POST", "/settlement/closings/<uuid:closing_id>/confirmation"): _confirmation,
    ("POST", "/settlement/corrections"): _correction,
    ("POST", "/merchant/settlement-answers"): _answer,
}
