"""A month that is closed is told to every merchant that has a sheet of it, each its own."""

from __future__ import annotations

from datetime import date
from typing import Any

import orjson
import psycopg
from flask import Flask
from standardwebhooks.webhooks import Webhook

from app.settlement.closing import READY_TOPIC
from tests.redemptions.builders import API
from tests.settlement.books import FEN, PRICE_POINTS, PRICED, SPONSORED, Books, noon
from tests.webhooks.receiver import receiving
from tests.webhooks.shop import owner_of

MAY = date(2026, 5, 1)


def test_each_merchant_is_told_of_its_own_frozen_sheet(
    committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    """R23: sums and a digest, by which the sheet that is fetched is compared."""
    books = Books(committing_app, job_app, admin)
    mine, theirs = books.clerks
    owner, other = (owner_of(committing_app, job_app, one) for one in books.clerks)
    books.redeem(books.voucher(PRICED), PRICED, mine, noon(MAY))
    books.redeem(books.voucher(SPONSORED), SPONSORED, theirs, noon(MAY))
    with receiving() as server, receiving() as others:
        endpoint = owner.endpoint(server.url, event_types=["statement.ready"])
        other.endpoint(others.url)
        books.close(MAY)
        messages = owner.hand_over(READY_TOPIC)
        assert {one.citizen_id for one in messages} == {mine.merchant_id, theirs.merchant_id}
        owner.send()
    (received,), (told_other,) = server.received, others.received
    assert Webhook(endpoint.secret).verify(received.body, received.headers)
    event = orjson.loads(received.body)
    assert event["type"] == "statement.ready"
    sheet = owner.done("GET", f"{API}/settlement/sheet", month="2026-05")
    assert event["data"] == {
        "month": "2026-05", "line_count": sheet["line_count"], **sheet["totals"],
        "digest": sheet["seals"][0]["digest"],
    }
    assert (sheet["totals"]["amount_points"], sheet["totals"]["owed_fen"]) == (
        PRICE_POINTS, FEN[PRICED],
    )  # fmt: skip
    assert orjson.loads(told_other.body)["data"]["owed_fen"] == FEN[SPONSORED]
    books.close(date(2026, 6, 1))
    assert owner.hand_over(READY_TOPIC) == []  # nobody has a sheet of a month without lines
