"""How much a source may deliver in one day of the city, counted in the database.

Deliveries, bytes and rows count when a file is taken in.  How many rows an Excel file has is known
when it is looked through; so they count then, and a file with too many is refused whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.kernel.clock import CITY_TODAY
from app.kernel.database import reading, transaction
from app.kernel.errors import NotFound, TooMany
from app.records.models import Source, SourceDay

# One statement looks and counts: rows of one source and day are counted one after the other.
_COUNT = text("""
    INSERT INTO source_days AS d (source_id, counted_on, delivery_count, byte_count, row_count)
    SELECT s.source_id, (clock_timestamp() AT TIME ZONE 'Asia/Shanghai')::date,
           :deliveries, :bytes, :rows
    FROM sources s
    WHERE s.source_id = :source_id AND s.deliveries_per_day >= :deliveries
        AND s.bytes_per_day >= :bytes AND s.rows_per_day >= :least_rows
    ON CONFLICT (source_id, counted_on) DO UPDATE
    SET delivery_count = d.delivery_count + :deliveries,
        byte_count = d.byte_count + :bytes,
        row_count = d.row_count + :rows
    WHERE EXISTS (
        SELECT FROM sources s
        WHERE s.source_id = d.source_id
            AND s.deliveries_per_day >= d.delivery_count + :deliveries
            AND s.bytes_per_day >= d.byte_count + :bytes
            AND s.rows_per_day >= d.row_count + :least_rows)
    RETURNING d.source_id
""")
_SECONDS_LEFT = text("""
    SELECT ceil(extract(epoch FROM
        ((now_there::date + 1)::timestamp AT TIME ZONE 'Asia/Shanghai') - moment))::int
    FROM (SELECT clock_timestamp() AS moment,
                 clock_timestamp() AT TIME ZONE 'Asia/Shanghai' AS now_there) AS city
""")


class DeliveryQuotaExceeded(TooMany):
    """The source has delivered what it may for today."""

    code: ClassVar[str] = "delivery_quota_exceeded"
    title: ClassVar[str] = "The source would pass what it may deliver in one day"
    advice: ClassVar[str] = "本单位今日报送量已达上限，请次日再报，或联系平台管理员调整限额。"


class SourceNotRegistered(NotFound):
    """There is no such source."""

    code: ClassVar[str] = "source_not_registered"
    title: ClassVar[str] = "There is no such source"
    advice: ClassVar[str] = "没有找到该数据来源。"


@dataclass(frozen=True)
class Quota:
    """The most that one source may deliver in one day, in Asia/Shanghai."""

    deliveries_per_day: int
    bytes_per_day: int
    rows_per_day: int


@dataclass(frozen=True)
class QuotaUse:
    """A source's quota and what of it is used on a day."""

    source_id: UUID
    quota: Quota
    counted_on: date
    delivery_count: int
    byte_count: int
    row_count: int


def count_delivery(
    session: Session, *, source_id: UUID, size_bytes: int, row_count: int | None
) -> None:
    """Count a delivery in the open transaction; DeliveryQuotaExceeded when it is too much.

    `row_count` is None while nobody knows it; then there must be room for one row at least.
    """
    _count(
        session, source_id=source_id, deliveries=1, bytes=size_bytes,
        rows=row_count or 0, least_rows=max(1, row_count or 0),
    )


def count_rows(session: Session, *, source_id: UUID, row_count: int) -> None:
    """Count rows that were found in a file later, in the same way."""
    _count(
        session, source_id=source_id, deliveries=0, bytes=0,
        rows=row_count, least_rows=row_count,
    )


def open_quota(*, source_id: UUID) -> QuotaUse:
    """The quota of a source and what it has used today."""
    today = select(CITY_TODAY).scalar_subquery()
    query = (
        select(Source, SourceDay, today)
        .outerjoin(
            SourceDay,
            (SourceDay.source_id == Source.source_id) & (SourceDay.counted_on == today),
        )
        .where(Source.source_id == source_id)
        .execution_options(populate_existing=True)
    )
    with reading() as session:
        found = session.execute(query).one_or_none()
        if found is None:
            raise SourceNotRegistered
        source, used, counted_on = found
        return _use(source, used, counted_on)


def set_quota(*, source_id: UUID, quota: Quota) -> QuotaUse:
    """Say how much a source may deliver a day from now on, today too."""
    with transaction() as session:
        source = session.get(Source, source_id)
        if source is None:
            raise SourceNotRegistered
        source.deliveries_per_day = quota.deliveries_per_day
        source.bytes_per_day = quota.bytes_per_day
        source.rows_per_day = quota.rows_per_day
        session.flush()
        return open_quota(source_id=source_id)


def _count(session: Session, **amounts: object) -> None:
    if session.execute(_COUNT, amounts).first() is None:
        wait = session.execute(_SECONDS_LEFT).scalar_one()
        raise DeliveryQuotaExceeded(retry_after_seconds=wait)


def _use(source: Source, used: SourceDay | None, today: date) -> QuotaUse:
    return QuotaUse(
        source_id=source.source_id,
        quota=Quota(source.deliveries_per_day, source.bytes_per_day, source.rows_per_day),
        counted_on=today,
        delivery_count=used.delivery_count if used else 0,
        byte_count=used.byte_count if used else 0,
        row_count=used.row_count if used else 0,
    )
