"""A citizen with a ledger, for tests: each call is a transaction of its own."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app.kernel.database import reading, transaction
from app.kernel.ids import new_id, random_id
from app.ledger import operations, queries
from app.ledger.operations import Posting
from app.ledger.queries import Balance, PointsOnDay

FAR = date(2099, 1, 1)


def database_value(statement: str, **parameters: Any) -> Any:
    """One value from the database."""
    with reading() as session:
        return session.scalar(text(statement), parameters)


def today() -> date:
    """The database's day in the city."""
    found: date = database_value("SELECT ledger_city_date(now())")
    return found


def database_time() -> datetime:
    """The database's clock."""
    found: datetime = database_value("SELECT clock_timestamp()")
    return found.astimezone(UTC)


def wait_until(moment: datetime) -> None:
    """Let the database's clock reach a moment."""
    database_value("SELECT pg_sleep_until(:moment)", moment=moment)


class Person:
    """Somebody with points."""

    def __init__(self) -> None:
        self.citizen_id = random_id()

    def grant(
        self,
        amount: int,
        expires_on: date = FAR,
        *,
        on: date | None = None,
        transfer_id: UUID | None = None,
    ) -> Posting:
        with transaction():
            return operations.grant(
                citizen_id=self.citizen_id,
                transfer_id=transfer_id or new_id(),
                amount_points=amount,
                expires_on=expires_on,
                effective_on=on,
                reason="volunteer_hours",
            )

    def spend(
        self, amount: int, *, on: date | None = None, transfer_id: UUID | None = None
    ) -> Posting:
        with transaction():
            return operations.spend(
                citizen_id=self.citizen_id,
                transfer_id=transfer_id or new_id(),
                amount_points=amount,
                effective_on=on,
                reason="order",
            )

    def hold(
        self,
        amount: int,
        *,
        until: datetime | None = None,
        transfer_id: UUID | None = None,
    ) -> Posting:
        with transaction():
            return operations.hold(
                citizen_id=self.citizen_id,
                transfer_id=transfer_id or new_id(),
                amount_points=amount,
                expires_at=until or database_time() + timedelta(hours=1),
                reason="claim",
            )

    def post(
        self,
        hold: Posting,
        amount: int | None = None,
        *,
        on: date | None = None,
        transfer_id: UUID | None = None,
    ) -> Posting:
        with transaction():
            return operations.post_hold(
                citizen_id=self.citizen_id,
                transfer_id=transfer_id or new_id(),
                hold_id=hold.transfer_id,
                amount_units=amount,
                effective_on=on,
            )

    def void(self, hold: Posting) -> Posting:
        with transaction():
            return operations.void_hold(
                citizen_id=self.citizen_id, transfer_id=new_id(), hold_id=hold.transfer_id
            )

    def expire_hold(self, hold: Posting) -> Posting:
        with transaction():
            return operations.expire_hold(
                citizen_id=self.citizen_id, transfer_id=new_id(), hold_id=hold.transfer_id
            )

    def reverse(
        self,
        posting: Posting,
        *,
        on: date | None = None,
        prefer: Posting | None = None,
        transfer_id: UUID | None = None,
    ) -> Posting:
        with transaction():
            return operations.reverse(
                citizen_id=self.citizen_id,
                transfer_id=transfer_id or new_id(),
                reversed_id=posting.transfer_id,
                effective_on=on,
                prefer_lot_id=prefer.transfer_id if prefer else None,
            )

    def expire_lots(self, due_on: date) -> int:
        with transaction():
            return operations.expire_lots(citizen_id=self.citizen_id, due_on=due_on)

    def balance(self) -> Balance:
        return queries.balance(citizen_id=self.citizen_id)

    def points_on(self, day: date, known_at: datetime | None = None) -> PointsOnDay:
        return queries.points_as_of(citizen_id=self.citizen_id, on=day, known_at=known_at)

    def lots_left(self) -> list[tuple[date, int]]:
        lots = queries.lots(citizen_id=self.citizen_id)
        return [(lot.expires_on, lot.remaining_points) for lot in lots]
