"""Reading deliveries, their reports, and what a source may deliver."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Date, func, literal_column, select

from app.kernel.database import reading
from app.records.catalogue import REGISTER
from app.records.models import Delivery, DeliveryRefusal, ReopenedDay, Source

PROCESSED, REFUSED = "processed", "refused"
PAGE_MAX_ROWS = 100
CITY_TODAY = literal_column("(now() AT TIME ZONE 'Asia/Shanghai')::date", Date())


@dataclass(frozen=True)
class DeliveryReport:
    """What became of one file; counts are rows."""

    delivery_id: UUID
    seq: int
    source_id: UUID | None
    record_type: str
    file_name: str
    sha256: bytes
    encoding: str
    delivered_on: date
    status: str
    file_reason: str | None
    row_count: int
    blank_count: int
    accepted_count: int
    corrected_count: int
    voided_count: int
    duplicate_count: int
    superseded_count: int
    dropped_count: int
    refused_count: int
    refused_by_reason: dict[str, int]
    created_at: datetime
    replayed: bool = False


@dataclass(frozen=True)
class RefusedRow:
    """Where and why; the number is the one a spreadsheet shows."""

    row_number: int
    reason: str


@dataclass(frozen=True)
class AllowedSource:
    """A source and the record types it may deliver."""

    source_id: UUID
    unit: str
    record_types: tuple[str, ...]


def find_report(*, delivery_id: UUID) -> DeliveryReport | None:
    """The report of a delivery."""
    by_reason = (
        select(DeliveryRefusal.reason, func.count())
        .where(DeliveryRefusal.delivery_id == delivery_id)
        .group_by(DeliveryRefusal.reason)
        .order_by(DeliveryRefusal.reason)
    )
    with reading() as session:
        row = session.get(Delivery, delivery_id)
        if row is None:
            return None
        reasons = {reason: count for reason, count in session.execute(by_reason)}  # noqa: C416
    return _report(row, reasons)


def list_refusals(
    *, delivery_id: UUID, after_row: int = 0, limit: int = PAGE_MAX_ROWS
) -> list[RefusedRow]:
    """Refused rows below `after_row`, in order, at most `limit`."""
    query = (
        select(DeliveryRefusal.row_number, DeliveryRefusal.reason)
        .where(DeliveryRefusal.delivery_id == delivery_id, DeliveryRefusal.row_number > after_row)
        .order_by(DeliveryRefusal.row_number)
        .limit(limit)
    )
    with reading() as session:
        return [RefusedRow(number, reason) for number, reason in session.execute(query)]


def find_source(*, source_id: UUID) -> AllowedSource | None:
    """What a source may deliver; None when an operator has not said so yet."""
    with reading() as session:
        row = session.get(Source, source_id)
    return None if row is None else AllowedSource(source_id, row.unit, tuple(row.record_types))


def last_processed_on() -> date | None:
    """The latest delivery date of a department's file that was processed."""
    query = select(func.max(Delivery.delivered_on)).where(
        Delivery.status == PROCESSED, Delivery.record_type != REGISTER
    )
    with reading() as session:
        return session.scalar(query)


def current_day() -> date:
    """The day of the score now: today in the city, or the last delivery date when that is later."""
    with reading() as session:
        today = session.execute(select(CITY_TODAY)).scalar_one()
    return max(today, last_processed_on() or today)


def settled_day() -> date:
    """The last day before which no delivery can come any more (reopened days apart).

    What follows from a day by itself, such as the expiry of points, is written down up to here.
    """
    with reading() as session:
        today = session.execute(select(CITY_TODAY)).scalar_one()
    return min(today, last_processed_on() or today)


def day_is_reopened(*, delivered_on: date) -> bool:
    """Whether an operator has opened this day again, and it still is."""
    query = select(ReopenedDay.reopening_id).where(
        ReopenedDay.delivered_on == delivered_on, ReopenedDay.closes_at > func.now()
    )
    with reading() as session:
        return session.execute(query.limit(1)).first() is not None


def _report(row: Delivery, reasons: dict[str, int]) -> DeliveryReport:
    return DeliveryReport(
        delivery_id=row.delivery_id,
        seq=row.seq,
        source_id=row.source_id,
        record_type=row.record_type,
        file_name=row.file_name,
        sha256=bytes(row.sha256),
        encoding=row.encoding,
        delivered_on=row.delivered_on,
        status=row.status,
        file_reason=row.file_reason,
        row_count=row.row_count,
        blank_count=row.blank_count,
        accepted_count=row.accepted_count,
        corrected_count=row.corrected_count,
        voided_count=row.voided_count,
        duplicate_count=row.duplicate_count,
        superseded_count=row.superseded_count,
        dropped_count=row.dropped_count,
        refused_count=row.refused_count,
        refused_by_reason=reasons,
        created_at=row.created_at,
    )
