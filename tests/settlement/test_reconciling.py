"""Reconciling days: every thing of a day in one class, what matches nothing by name and age."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.kernel.ids import new_id
from app.settlement import reconciling
from app.web.auth import Role
from app.wechat import pay_score
from tests.redemptions.builders import API, staff_headers
from tests.settlement.books import OWN, PRICE_POINTS, PRICED, SPONSORED, Books, noon

MAY, JUNE = date(2026, 5, 1), date(2026, 6, 1)


@pytest.fixture
def books(committing_app: Flask, job_app: Flask, admin: psycopg.Connection[object]) -> Books:
    return Books(committing_app, job_app, admin)


def counts_of(books: Books, on: date) -> dict[tuple[str, str], int]:
    """A day's classes, as the worker finds them; orders are asked for at WeChat, if any."""
    with books.job_app.app_context():
        reconciling.reconcile_day(on=on, pay_score=pay_score)
        found = reconciling.find_day(on=on)
    return {(one.comparison, one.class_): one.item_count for one in found.counts}


def taken(books: Books, name: str = PRICED, hours: float = 0) -> tuple[UUID, UUID | None]:
    """A voucher that was taken on the day, and its transfer."""
    voucher_id = books.voucher(name)
    return voucher_id, books.redeem(voucher_id, name, books.clerks[0], noon(MAY, hours=hours))


def test_o7_every_redemption_of_a_day_is_in_one_class(books: Books) -> None:
    good, good_transfer = taken(books)
    books.annul(good, books.clerks[0], noon(MAY, hours=1), good_transfer)
    taken(books, OWN)
    (lost, lost_transfer), (cheap, _), (late, _) = (taken(books, hours=at) for at in (2, 3, 4))
    for voucher_id, change in (
        (lost, f"transfer_id = '{new_id()}'"), (cheap, "price_points = 19"),
        (late, "redeemed_at = redeemed_at - interval '1 day'"),
    ):  # fmt: skip
        books.admin.execute(f"UPDATE redemptions SET {change} WHERE voucher_id = %s", (voucher_id,))
    books.scan(books.clerks[0], scanned_at=noon(MAY), received_at=noon(MAY))
    shown = books.voucher(SPONSORED)
    books.scan(
        books.clerks[0], scanned_at=noon(MAY), received_at=noon(MAY), voucher_id=shown,
        name=SPONSORED,
    )  # fmt: skip
    assert counts_of(books, MAY) == {
        ("ledger", "matched"): 2, ("ledger", "free"): 1, ("ledger", "missing_in_ledger"): 1,
        ("ledger", "missing_in_redemptions"): 1, ("ledger", "amount_differs"): 1,
        ("offline", "matched"): 1, ("offline", "undecided"): 1, ("sheets", "draft"): 6,
    }  # fmt: skip
    before = counts_of(books, MAY - timedelta(days=1))
    assert before[("ledger", "late")] == 1

    client, operator = books.app.test_client(), staff_headers(books.app, Role.OPERATOR)
    path = f"{API}/settlement/reconciliation"
    day = client.get(path, query_string={"on": "2026-05-01"}, headers=operator).get_json()
    assert day["unmatched_count"] == 3
    found = {one["class"]: one for one in day["unmatched"]}
    gone = found["missing_in_redemptions"]
    assert (gone["subject"], gone["our_amount"]) == (str(lost_transfer), None)
    cut = found["amount_differs"]
    assert (cut["our_amount"], cut["their_amount"]) == (19, PRICE_POINTS)
    assert cut["age_hours"] > 24
    sent = client.get(f"{path}.csv", query_string={"on": "2026-05-01"}, headers=operator)
    rows = list(csv.reader(io.StringIO(sent.data.decode("utf-8-sig"), newline="")))
    assert len(rows) == 1 + len(day["counts"]) + 3
    assert str(books.citizen_id) not in sent.text
    with books.app.app_context():
        gauges = reconciling.reconciliation_state()
    assert gauges["reconciliation_unmatched"] == 3
    assert gauges["reconciliation_unmatched_oldest_hours"] >= cut["age_hours"]
    unknown = client.get(path, query_string={"on": "2026-04-01"}, headers=operator)
    assert (unknown.status_code, unknown.get_json()["code"]) == (404, "reconciliation_unknown")


def test_o7_a_frozen_sheet_is_held_against_what_happened(books: Books) -> None:
    taken(books)
    assert counts_of(books, MAY)[("sheets", "draft")] == 1
    books.close(MAY)
    assert counts_of(books, MAY)[("sheets", "matched")] == 1
    taken(books, hours=1)  # was under way at the moment of freezing
    assert counts_of(books, MAY)[("sheets", "next_sheet")] == 2
    books.close(JUNE)
    assert counts_of(books, MAY)[("sheets", "matched")] == 2
    books.admin.execute("UPDATE settlement_lines SET item_count = item_count + 1")
    assert counts_of(books, MAY)[("sheets", "sheet_differs")] == 4


def test_the_worker_looks_at_days_until_nothing_can_change(books: Books) -> None:
    voucher_id, transfer_id = taken(books)
    books.admin.execute("UPDATE redemptions SET transfer_id = %s", (new_id(),))
    assert counts_of(books, MAY)[("ledger", "missing_in_ledger")] == 1
    books.admin.execute(
        "INSERT INTO settlement_reconciliations VALUES ('2001-01-01', 'ledger', 'matched', 0)"
    )

    def work() -> int:
        with books.job_app.app_context():
            return reconciling.reconcile_due(pay_score=pay_score, must_stop=lambda: False)

    assert work() == reconciling.DAYS_LOOKED_BACK + 1, "the last days, and the one with a fault"
    books.admin.execute(
        "UPDATE redemptions SET transfer_id = %s WHERE voucher_id = %s", (transfer_id, voucher_id)
    )
    assert work() == reconciling.DAYS_LOOKED_BACK + 1
    assert work() == reconciling.DAYS_LOOKED_BACK
    row = books.admin.execute("SELECT min(day_on) FROM settlement_reconciliations").fetchone()
    assert row == (MAY,), "what is older than is kept is forgotten"
