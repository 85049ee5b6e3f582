"""`benefit_redeem_check`: where and when a benefit is taken, in city time."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import text

from app.benefits import operations, queries
from app.kernel.database import reading
from tests.redemptions.builders import benefit_toml, make_merchant

# A Monday, 08:59, 09:00, 17:59:59 and 18:00 in the city.
BEFORE = datetime(2026, 3, 2, 0, 59, tzinfo=UTC)
OPEN = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
LAST = datetime(2026, 3, 2, 9, 59, 59, tzinfo=UTC)
CLOSED = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
SUNDAY = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
MONDAY_IN_THE_CITY_SUNDAY_IN_UTC = datetime(2026, 3, 1, 17, 0, tzinfo=UTC)


def published(app: Flask, lines: str, **facts: Any) -> UUID:
    file = benefit_toml("thing", **facts).replace("version = 1", f"version = 1\n{lines}")
    with app.app_context():
        operations.load_catalogue(file)
        found = queries.find_current(code="thing")
    assert found is not None
    return found.benefit_id


def check(benefit_id: UUID, merchant_id: UUID, at: datetime) -> str | None:
    with reading() as session:
        found: str | None = session.scalar(
            text("SELECT benefit_redeem_check(:benefit, :merchant, :at)"),
            {"benefit": benefit_id, "merchant": merchant_id, "at": at},
        )
        return found


def test_hours_and_weekdays_are_the_citys(app: Flask) -> None:
    hours = "open_from = 09:00:00\nopen_until = 18:00:00\nweekdays = [1, 2, 3, 4, 5]"
    benefit, merchant = published(app, hours, merchants="all"), make_merchant(app)
    wanted = {
        BEFORE: "outside_hours", OPEN: None, LAST: None, CLOSED: "outside_hours",
        SUNDAY: "outside_hours",
    }  # fmt: skip
    assert {at: check(benefit, merchant, at) for at in wanted} == wanted


def test_a_weekday_begins_at_the_citys_midnight(app: Flask) -> None:
    benefit = published(app, "weekdays = [1]", merchants="all")
    assert check(benefit, make_merchant(app), MONDAY_IN_THE_CITY_SUNDAY_IN_UTC) is None


def test_listed_merchants_and_the_last_day(app: Flask) -> None:
    merchant, other = make_merchant(app), make_merchant(app)
    benefit = published(app, "", valid_to=date(2999, 1, 1))
    operations.let_merchant_take(benefit_code="thing", merchant_id=merchant)
    assert check(benefit, merchant, OPEN) is None
    assert check(benefit, other, OPEN) == "wrong_merchant"
    assert check(benefit, merchant, datetime(2999, 1, 1, 16, 0, tzinfo=UTC)) == "benefit_ended"
    assert check(benefit, merchant, datetime(2999, 1, 1, 15, 59, tzinfo=UTC)) is None
    assert check(merchant, merchant, OPEN) == "benefit_unknown"
