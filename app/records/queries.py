"""Reading the catalogue, deliveries, their reports, and what a source may deliver."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import ClassVar
from uuid import UUID

from sqlalchemy import Date, Row, Select, cast, func, or_, select

from app.kernel.clock import city_today
from app.kernel.database import reading
from app.kernel.documents import DocumentFormat
from app.kernel.errors import Conflict, NotFound
from app.records.catalogue import REGISTER, Catalogue, parse_catalogue
from app.records.models import (
    CatalogueVersion,
    Delivery,
    DeliveryRefusal,
    Record,
    ReopenedDay,
    Source,
)

WAITING, RUNNING = "waiting", "running"
PROCESSED, REFUSED, CANCELLED, FAILED = "processed", "refused", "cancelled", "failed"
STATUSES = (WAITING, RUNNING, PROCESSED, REFUSED, CANCELLED, FAILED)
OPEN_STATUSES = (WAITING, RUNNING)
PAGE_MAX_ROWS = 100
_PUBLISHED_ON = cast(func.timezone("Asia/Shanghai", CatalogueVersion.created_at), Date)


class CatalogueNotPublished(Conflict):
    """The programme has no information catalogue yet."""

    code: ClassVar[str] = "catalogue_not_published"
    title: ClassVar[str] = "No information catalogue is published yet"
    advice: ClassVar[str] = "信息目录尚未发布，请联系平台管理员。"


class CatalogueVersionUnknown(NotFound):
    """There is no such version of the catalogue."""

    code: ClassVar[str] = "catalogue_version_unknown"
    title: ClassVar[str] = "There is no such version of the information catalogue"
    advice: ClassVar[str] = "没有找到该版本的信息目录。"


@dataclass(frozen=True)
class CatalogueEdition:
    """A published version of the catalogue; `published_on` is a day in the city."""

    version: str
    published_on: date
    content_hash: bytes
    document: str

    @property
    def catalogue(self) -> Catalogue:
        """What the document says."""
        return _parsed(self.document)


@dataclass(frozen=True)
class DeliveryReport:
    """What became of one file so far; counts are rows, `found_count` of those below the header."""

    delivery_id: UUID
    seq: int
    source_id: UUID | None
    record_type: str
    file_name: str
    sha256: bytes
    size_bytes: int
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
    found_count: int | None
    cancelled_at: datetime | None
    finished_at: datetime | None
    replayed: bool = False

    @property
    def is_finished(self) -> bool:
        """Nothing changes any more."""
        return self.status not in OPEN_STATUSES

    @property
    def done_count(self) -> int:
        """Rows that were looked at, the blank ones too."""
        return self.row_count + self.blank_count

    @property
    def percentage(self) -> int:
        """How much of the file is done, in whole per cent."""
        if self.status == PROCESSED:
            return 100
        return 100 * self.done_count // self.found_count if self.found_count else 0


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


def catalogue_in_force() -> Catalogue:
    """The catalogue that applies now, by the database; CatalogueNotPublished before the first."""
    return open_edition().catalogue


def open_edition(*, version: str | None = None) -> CatalogueEdition:
    """A published version, the one in force unless named; CatalogueVersionUnknown."""
    wanted = _editions().order_by(CatalogueVersion.place.desc()).limit(1)
    if version is not None:
        wanted = wanted.where(CatalogueVersion.version == version)
    with reading() as session:
        row = session.execute(wanted).one_or_none()
    if row is None:
        raise CatalogueNotPublished if version is None else CatalogueVersionUnknown
    return _edition(row)


def list_editions() -> list[CatalogueEdition]:
    """Every published version, the first one first."""
    with reading() as session:
        rows = session.execute(_editions().order_by(CatalogueVersion.place)).all()
    return [_edition(row) for row in rows]


def _editions() -> Select[str, date, bytes, str]:
    return select(
        CatalogueVersion.version,
        _PUBLISHED_ON,
        CatalogueVersion.content_hash,
        CatalogueVersion.document,
    )


def _edition(row: Row[str, date, bytes, str]) -> CatalogueEdition:
    version, published_on, content_hash, document = row
    return CatalogueEdition(version, published_on, bytes(content_hash), document)


@lru_cache(maxsize=8)
def _parsed(document: str) -> Catalogue:
    """A published document never changes, so that it is read once per process."""
    return parse_catalogue(document, form=DocumentFormat.JSON)


def find_report(*, delivery_id: UUID) -> DeliveryReport | None:
    """The report of a delivery."""
    by_reason = (
        select(DeliveryRefusal.reason, func.count())
        .where(DeliveryRefusal.delivery_id == delivery_id)
        .group_by(DeliveryRefusal.reason)
        .order_by(DeliveryRefusal.reason)
    )
    with reading() as session:
        row = session.get(Delivery, delivery_id, populate_existing=True)
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
    """The latest delivery date of a department's file of which rows were taken."""
    query = select(func.max(Delivery.delivered_on)).where(
        or_(Delivery.status == PROCESSED, Delivery.row_count > 0),
        Delivery.record_type != REGISTER,
    )
    with reading() as session:
        return session.scalar(query)


def last_arrived_on() -> date | None:
    """The same, counting the files that wait: what comes now is taken after them."""
    query = select(func.max(Delivery.delivered_on)).where(
        or_(Delivery.status.in_((PROCESSED, *OPEN_STATUSES)), Delivery.row_count > 0),
        Delivery.record_type != REGISTER,
    )
    with reading() as session:
        return session.scalar(query)


def first_in_line() -> UUID | None:
    """The delivery that is taken now, or next."""
    query = select(Delivery.delivery_id).where(Delivery.status.in_(OPEN_STATUSES))
    with reading() as session:
        return session.scalar(query.order_by(Delivery.seq).limit(1))


def current_day() -> date:
    """The day of the score now: today in the city, or the last delivery date when that is later."""
    with reading() as session:
        today = city_today(session)
    return max(today, last_processed_on() or today)


def settled_day() -> date:
    """The last day before which no delivery can come any more (reopened days apart).

    What follows from a day by itself, such as the expiry of points, is written down up to here.
    """
    with reading() as session:
        today = city_today(session)
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
        size_bytes=row.size_bytes,
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
        found_count=row.found_count,
        cancelled_at=row.cancelled_at,
        finished_at=row.finished_at,
    )


def list_delivered(
    *, source_id: UUID, since: datetime, until: datetime, first: UUID, last: UUID
) -> list[tuple[UUID, int, datetime, datetime]]:
    """Of whom a source delivered records within a time, how many and when; by a range of ids."""
    moment = Record.created_at
    query = (
        select(Record.citizen_id, func.count(), func.min(moment), func.max(moment))
        .join(Delivery, Delivery.delivery_id == Record.delivery_id)
        .where(
            Delivery.source_id == source_id, moment >= since, moment < until,
            Record.citizen_id.between(first, last),
        )
        .group_by(Record.citizen_id)
        .order_by(Record.citizen_id)
    )
    with reading() as session:
        return [(row[0], row[1], row[2], row[3]) for row in session.execute(query)]
