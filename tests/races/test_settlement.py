"""Races about the closing of months: one confirmation, one freezing, nothing lost beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy.exc import IntegrityError
from werkzeug.test import TestResponse

from app.kernel.database import reading, transaction
from app.kernel.ids import new_id
from app.settlement.closing import freeze_month
from app.settlement.lines import Scope, Span
from app.settlement.queries import derive_lines
from app.web.auth import Role
from demo.servers import Database
from tests.races.threads import at_once, meeting_before_writes
from tests.redemptions.builders import API, staff_headers
from tests.settlement.books import OWN, Books, noon

MAY, JUNE, JULY = date(2026, 5, 1), date(2026, 6, 1), date(2026, 7, 1)
OPERATORS = 4
CONFIRMATIONS = "settlement_confirmations"


@pytest.fixture
def books(committing_app: Flask, job_app: Flask, admin: psycopg.Connection[Any]) -> Books:
    return Books(committing_app, job_app, admin)


@contextmanager
def without_key(admin: psycopg.Connection[Any]) -> Iterator[None]:
    """The negative control: nothing says that a month is confirmed once."""
    name = "pk_settlement_confirmations"
    admin.execute(f"ALTER TABLE settlement_confirmations DROP CONSTRAINT {name}")
    try:
        yield
    finally:
        admin.execute("DELETE FROM settlement_confirmations")
        admin.execute(
            f"ALTER TABLE settlement_confirmations ADD CONSTRAINT {name} PRIMARY KEY (month_on)"
        )


def confirmed_at_once(app: Flask) -> list[int]:
    """The statuses of several operators who confirm the same month at the same moment."""
    proposer = staff_headers(app, Role.OPERATOR)
    body = {"closing_id": str(new_id()), "month": "2026-05", "reason": "按月核对关账"}
    made = app.test_client().post(f"{API}/settlement/closings", json=body, headers=proposer)
    assert made.status_code == 201
    path = f"{API}/settlement/closings/{body['closing_id']}/confirmation"

    def confirm(headers: dict[str, str]) -> TestResponse:
        return app.test_client().post(path, json={"reason": "已核对账目"}, headers=headers)

    calls: list[Callable[[], TestResponse]] = [
        partial(confirm, dict(staff_headers(app, Role.OPERATOR))) for _ in range(OPERATORS)
    ]
    return sorted(answer.status_code for answer in at_once(calls))


def test_a_month_is_confirmed_once(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    with meeting_before_writes(admin, CONFIRMATIONS, OPERATORS):
        assert confirmed_at_once(committing_app) == [200] + [409] * (OPERATORS - 1)


def test_without_its_key_a_month_is_confirmed_more_than_once(
    committing_app: Flask, admin: psycopg.Connection[Any]
) -> None:
    with meeting_before_writes(admin, CONFIRMATIONS, OPERATORS), without_key(admin):
        assert confirmed_at_once(committing_app).count(200) > 1


def test_two_workers_freeze_a_month_once(books: Books) -> None:
    books.redeem(books.voucher(OWN), OWN, books.clerks[0], noon(MAY))

    def freeze() -> bool:
        with books.job_app.app_context():
            try:
                with transaction():
                    freeze_month(MAY)
            except IntegrityError:
                return False
            return True

    calls: list[Callable[[], bool]] = [freeze, freeze]
    assert sorted(at_once(calls)) == [False, True]
    assert sum(sums[0] for sums in books.frozen().values()) == 1


def test_a_redemption_under_way_while_its_month_is_frozen_stands_in_the_next(
    books: Books, test_database: Database
) -> None:
    voucher_id = books.voucher(OWN)
    with psycopg.connect(test_database.admin_url) as counter:
        books.admin, watching = counter, books.admin
        books.redeem(voucher_id, OWN, books.clerks[0], noon(MAY))
        books.admin = watching
        books.close(MAY)
        counter.commit()  # a moment later than the snapshot of the sheets
    assert books.frozen() == {}
    [line] = books.month(JUNE).lines
    assert (line.kind, line.booked_on, line.item_count) == ("redemption", MAY, 1)
    with books.app.app_context(), reading() as session:
        month_alone = derive_lines(session, Scope(None), Span(JUNE, JULY, with_late=False))
    assert month_alone == (), "by its days alone it would be on no sheet"
    books.close(JUNE)
    assert sum(sums[0] for sums in books.frozen().values()) == 1
