"""Reading trips and sums: for settlement, for operators, for riders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, text

from app.kernel.database import reading
from app.transit.models import TransitDay, TransitReport, TransitTrip

# Reports of one trip that cannot all be true are parked together, also before their day is settled.
_PARKED: Final = text("""
    WITH told AS (
        SELECT r.*,
            count(*) FILTER (WHERE tap_out_at IS NULL) OVER trip > 1
            OR count(*) FILTER (WHERE tap_out_at IS NOT NULL) OVER trip > 1
            OR min(citizen_id::text) OVER trip <> max(citizen_id::text) OVER trip
            OR min(tap_in_at) OVER trip <> max(tap_in_at) OVER trip
            OR min(tap_in_place) OVER trip <> max(tap_in_place) OVER trip AS contradicts
        FROM transit_reports r WHERE r.merchant_id = :merchant AND r.settled_on IS NULL
            AND r.fault IS NULL
        WINDOW trip AS (PARTITION BY r.trip_id)
    )
    SELECT batch_id, row_number, trip_id, fault AS reason, received_at, report_digest
    FROM transit_reports
    WHERE merchant_id = :merchant AND fault IS NOT NULL
    UNION ALL
    SELECT batch_id, row_number, trip_id, 'contradiction', received_at, report_digest
    FROM told WHERE contradicts
    ORDER BY received_at DESC, trip_id, report_digest LIMIT :limit OFFSET :skipped
""")


@dataclass(frozen=True)
class SubsidySum:
    """What became final of an operator on one day; what is owed to it is `subsidy_fen`."""

    merchant_id: UUID
    accounting_on: date
    benefit_code: str
    trip_count: int
    fare_fen: int
    discount_fen: int
    subsidy_fen: int


@dataclass(frozen=True)
class ParkedRow:
    """A row that cannot count, by its batch and number, and why."""

    batch_id: UUID
    row_number: int
    trip_id: str
    reason: str
    received_at: datetime


@dataclass(frozen=True)
class OwnTrip:
    """A trip as its rider sees it; without an outcome its day is not settled yet."""

    merchant_id: UUID
    trip_id: str
    tap_in_at: datetime
    fare_fen: int
    discount_fen: int | None
    subsidy_fen: int | None
    outcome: str | None


def count_trips(*, merchant_id: UUID) -> int:
    """How many trips of an operator were settled."""
    query = select(func.sum(TransitDay.trip_count)).where(TransitDay.merchant_id == merchant_id)
    with reading() as session:
        return int(session.scalar(query) or 0)


def list_subsidies(
    *, from_on: date, to_on: date, merchant_id: UUID | None = None
) -> list[SubsidySum]:
    """Sums by operator and by the day on which trips became final, both days included.

    Every trip belongs to exactly one day, and a day that is over never changes.
    """
    query = select(TransitDay).where(TransitDay.accounting_on.between(from_on, to_on))
    if merchant_id is not None:
        query = query.where(TransitDay.merchant_id == merchant_id)
    query = query.order_by(TransitDay.accounting_on, TransitDay.merchant_id)
    with reading() as session:
        return [
            SubsidySum(
                row.merchant_id, row.accounting_on, row.benefit_code, row.trip_count,
                row.fare_fen, row.discount_fen, row.subsidy_fen,
            )
            for row in session.scalars(query)
        ]  # fmt: skip


def list_parked(*, merchant_id: UUID, limit: int, skipped: int) -> list[ParkedRow]:
    """Rows that cannot count, the last received first; of a contradiction every row."""
    asked = {"merchant": merchant_id, "limit": limit, "skipped": skipped}
    with reading() as session:
        return [
            ParkedRow(row.batch_id, row.row_number, row.trip_id, row.reason, row.received_at)
            for row in session.execute(_PARKED, asked)
        ]


def list_own_trips(*, citizen_id: UUID, limit: int, before: datetime | None) -> list[OwnTrip]:
    """The citizen's trips while they are kept, the latest first."""
    settled: Any = select(TransitTrip).where(TransitTrip.citizen_id == citizen_id)
    waiting: Any = select(TransitReport).where(
        TransitReport.citizen_id == citizen_id, TransitReport.fault.is_(None),
        TransitReport.settled_on.is_(None),
    )  # fmt: skip
    if before is not None:
        settled = settled.where(TransitTrip.tap_in_at < before)
        waiting = waiting.where(TransitReport.tap_in_at < before)
    with reading() as session:
        known = session.scalars(settled.order_by(TransitTrip.tap_in_at.desc()).limit(limit))
        trips = {(row.merchant_id, row.trip_id): _settled(row) for row in known}
        reports = waiting.order_by(TransitReport.tap_in_at.desc(), TransitReport.tap_out_at)
        for row in session.scalars(reports.limit(2 * limit)):
            trips.setdefault((row.merchant_id, row.trip_id), _waiting(row))
    return sorted(trips.values(), key=lambda one: one.tap_in_at, reverse=True)[:limit]


def _settled(row: TransitTrip) -> OwnTrip:
    return OwnTrip(
        row.merchant_id, row.trip_id, row.tap_in_at, row.fare_fen, row.discount_fen,
        row.subsidy_fen, row.outcome,
    )


def _waiting(row: TransitReport) -> OwnTrip:
    assert row.tap_in_at is not None, "a good report has a beginning"
    return OwnTrip(row.merchant_id, row.trip_id, row.tap_in_at, row.fare_fen, None, None, None)
