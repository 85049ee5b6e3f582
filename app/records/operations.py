"""Taking deliveries and the register of members, and saying who may deliver what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import IO, ClassVar
from uuid import UUID

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from app.kernel.database import transaction, transaction_required
from app.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.members.operations import NewCredential, create_source_account
from app.members.spelling import compact
from app.records.catalogue import Catalogue, RecordType, load_catalogue
from app.records.judging import Outcome
from app.records.models import Delivery, DeliveryRefusal, ReopenedDay, Source
from app.records.queries import (
    PROCESSED,
    REFUSED,
    AllowedSource,
    DeliveryReport,
    RefusedRow,
    day_is_reopened,
    find_report,
    find_source,
    last_processed_on,
    list_refusals,
)
from app.records.reading import (
    Encoding,
    FileRefusedError,
    Fingerprint,
    Table,
    fingerprint,
    open_table,
)
from app.records.taking import Points, RecordTaker, RegisterTaker, Taking, Tally, chunks
from app.trail.operations import Actor, require_reason

REOPENED_HOURS = 24
FILE_NAME_MAX_CHARS = 120
REFUSALS_AT_ONCE = 5_000
# One delivery after the other, because each builds on the state that the one before left.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('deliveries', 0))")
_LONG_NUMBER = re.compile(r"[0-9]{11,}[Xx]?")
_STRANGE = re.compile(r"[^\w.()\-]+")


class UnknownRecordType(Invalid):
    """The record type is not in the information catalogue."""

    code: ClassVar[str] = "unknown_record_type"
    title: ClassVar[str] = "The record type is not in the information catalogue"
    advice: ClassVar[str] = "该记录类型不在信息目录中，不能报送。"


class RecordTypeNotAllowed(NotAllowed):
    """The source may not deliver this record type."""

    code: ClassVar[str] = "record_type_not_allowed"
    title: ClassVar[str] = "This source may not deliver this record type"
    advice: ClassVar[str] = "本单位无权报送该类记录，请联系平台管理员。"


class SourceNotRegistered(NotFound):
    """There is no such source."""

    code: ClassVar[str] = "source_not_registered"
    title: ClassVar[str] = "There is no such source"
    advice: ClassVar[str] = "没有找到该数据来源。"


class DeliveryOutOfOrder(Conflict):
    """The delivery date lies before the last one processed and was not opened again."""

    code: ClassVar[str] = "delivery_out_of_order"
    title: ClassVar[str] = "The delivery date lies before the last one processed"
    advice: ClassVar[str] = "报送日期早于已处理的报送，请更正日期或联系平台管理员重新开放该日。"


class DeliveryIdReused(Invalid):
    """The id belongs to another delivery."""

    code: ClassVar[str] = "delivery_id_reused"
    title: ClassVar[str] = "This delivery id was used for another file"
    advice: ClassVar[str] = "报送编号已用于其他文件，请使用新的编号重新报送。"


class DeliveryNotFound(NotFound):
    """There is no such delivery for this caller."""

    code: ClassVar[str] = "delivery_not_found"
    title: ClassVar[str] = "There is no such delivery"
    advice: ClassVar[str] = "没有找到该报送，请核对报送编号。"


@dataclass(frozen=True)
class DeliveryRequest:
    """A file as its sender describes it; `delivery_id` is made by the sender, before sending.

    Exactly one of `source_id` (a department's machine) and `staff_id` (the operator who imports the
    register) is given.
    """

    delivery_id: UUID
    record_type: str
    delivered_on: date
    encoding: Encoding
    file_name: str
    source_id: UUID | None = None
    staff_id: UUID | None = None


@dataclass(frozen=True)
class Taken:
    """A report, and the citizens whose records changed."""

    report: DeliveryReport
    citizens: frozenset[UUID]


def take_file(
    *, keys: KeyProvider, request: DeliveryRequest, file: IO[bytes], points: Points
) -> Taken:
    """Judge and keep a department's delivery in the open transaction.

    All or nothing: an import that is killed leaves nothing and is sent again.  The same id with the
    same file gives the first report again.  A file that is refused whole is a report too.
    """
    session = transaction_required()
    catalogue, record_type = _catalogued(request)
    if request.source_id is not None:
        _require_allowed(request.source_id, record_type)
    marks = fingerprint(file)
    session.execute(_ONE_AT_A_TIME)
    known = _replay(request, marks)
    if known is not None:
        return Taken(known, frozenset())
    _require_in_order(request)
    try:
        table = open_table(
            file, encoding=request.encoding, catalogue=catalogue, record_type=record_type
        )
    except FileRefusedError as refused:
        return _refuse_file(session, request, marks, refused)
    taking = _taking(session, keys, catalogue, record_type, request)
    tally = RecordTaker(taking, points).take(table)
    return _processed(session, request, marks, tally)


def import_register(
    *, keys: KeyProvider, request: DeliveryRequest, file: IO[bytes]
) -> DeliveryReport:
    """Register the people of an operator's file, who consented elsewhere.

    The register comes before all deliveries, whatever its date.
    """
    with transaction() as session:
        catalogue, record_type = _catalogued(request)
        if not record_type.register or request.staff_id is None:
            raise RecordTypeNotAllowed
        marks = fingerprint(file)
        session.execute(_ONE_AT_A_TIME)
        known = _replay(request, marks)
        if known is not None:
            return known
        try:
            table: Table = open_table(
                file, encoding=request.encoding, catalogue=catalogue, record_type=record_type
            )
        except FileRefusedError as refused:
            return _refuse_file(session, request, marks, refused).report
        taking = _taking(session, keys, catalogue, record_type, request)
        tally = RegisterTaker(taking, Actor("operator", request.staff_id)).take(table)
        return _processed(session, request, marks, tally).report


def register_source(
    *, keys: KeyProvider, source_id: UUID, unit: str, record_types: Sequence[str]
) -> NewCredential:
    """Make an account for a department's machine and say what it may deliver.

    The credential's secret is told once, here.
    """
    types = _deliverable(record_types)
    with transaction() as session:
        made = create_source_account(keys=keys, name=unit, source_id=source_id)
        session.execute(
            insert(Source).values(source_id=source_id, unit=unit, record_types=types)
        )
    return made


def allow_record_types(*, source_id: UUID, record_types: Sequence[str]) -> AllowedSource:
    """Say which record types a source may deliver from now on; replaces what was said before."""
    types = _deliverable(record_types)
    with transaction() as session:
        source = session.get(Source, source_id)
        if source is None:
            raise SourceNotRegistered
        source.record_types = types
        return AllowedSource(source_id, source.unit, tuple(types))


def _deliverable(record_types: Sequence[str]) -> list[str]:
    known = {code for code, kind in load_catalogue().record_types.items() if not kind.register}
    if not known.issuperset(record_types):
        raise UnknownRecordType
    return sorted(set(record_types))


def reopen_day(*, delivered_on: date, staff_id: UUID, reason: str) -> None:
    """Let deliveries of a past day in again, for REOPENED_HOURS by the database's clock."""
    reason = require_reason(reason)
    with transaction() as session:
        session.execute(
            insert(ReopenedDay).values(
                reopening_id=new_id(),
                delivered_on=delivered_on,
                staff_id=staff_id,
                reason=reason,
                closes_at=func.now() + func.make_interval(0, 0, 0, 0, REOPENED_HOURS),
            )
        )


def open_report(*, delivery_id: UUID, source_id: UUID | None) -> DeliveryReport:
    """The report of a delivery, for its source or, without `source_id`, for an operator."""
    report = find_report(delivery_id=delivery_id)
    if report is None or (source_id is not None and report.source_id != source_id):
        raise DeliveryNotFound
    return report


def open_refusals(
    *, delivery_id: UUID, source_id: UUID | None, after_row: int, limit: int
) -> list[RefusedRow]:
    """A page of refused rows, for the same callers as `open_report`."""
    open_report(delivery_id=delivery_id, source_id=source_id)
    return list_refusals(delivery_id=delivery_id, after_row=after_row, limit=limit)


def clean_file_name(name: str) -> str:
    """A file's name without folders, strange signs, long numbers, or words never to be kept."""
    last = re.split(r"[/\\]", name)[-1]
    clean = _STRANGE.sub("_", _LONG_NUMBER.sub("_", last))[-FILE_NAME_MAX_CHARS:]
    folded = compact(clean).upper()
    catalogue = load_catalogue()
    words = (*catalogue.forbidden_content_words, *catalogue.forbidden_header_words)
    if not clean or any(word in folded for word in words):
        return "file"
    return clean


def _catalogued(request: DeliveryRequest) -> tuple[Catalogue, RecordType]:
    catalogue = load_catalogue()
    record_type = catalogue.record_types.get(request.record_type)
    if record_type is None:
        raise UnknownRecordType
    return catalogue, record_type


def _require_allowed(source_id: UUID, record_type: RecordType) -> None:
    source = find_source(source_id=source_id)
    if source is None or record_type.code not in source.record_types or record_type.register:
        raise RecordTypeNotAllowed


def _require_in_order(request: DeliveryRequest) -> None:
    last = last_processed_on()
    if last is None or request.delivered_on >= last:
        return
    if not day_is_reopened(delivered_on=request.delivered_on):
        raise DeliveryOutOfOrder(last_processed_on=last.isoformat())


def _replay(request: DeliveryRequest, marks: Fingerprint) -> DeliveryReport | None:
    known = find_report(delivery_id=request.delivery_id)
    if known is None:
        return None
    first = (
        known.source_id, known.sha256, known.record_type, known.delivered_on, known.encoding
    )
    again = (
        request.source_id, marks.sha256, request.record_type, request.delivered_on,
        request.encoding.value,
    )
    if first != again:
        raise DeliveryIdReused
    return replace(known, replayed=True)


def _taking(
    session: Session,
    keys: KeyProvider,
    catalogue: Catalogue,
    record_type: RecordType,
    request: DeliveryRequest,
) -> Taking:
    return Taking(
        session=session,
        keys=keys,
        catalogue=catalogue,
        record_type=record_type,
        delivery_id=request.delivery_id,
        delivered_on=request.delivered_on,
    )


def _refuse_file(
    session: Session, request: DeliveryRequest, marks: Fingerprint, refused: FileRefusedError
) -> Taken:
    _write_report(session, request, marks, Tally(), status=REFUSED, reason=refused.reason.value)
    return _taken(request, Tally())


def _processed(
    session: Session, request: DeliveryRequest, marks: Fingerprint, tally: Tally
) -> Taken:
    _write_report(session, request, marks, tally, status=PROCESSED, reason=None)
    for part in chunks(tally.refusals, REFUSALS_AT_ONCE):
        session.execute(
            insert(DeliveryRefusal),
            [
                {"delivery_id": request.delivery_id, "row_number": number, "reason": reason.value}
                for number, reason in part
            ],
        )
    return _taken(request, tally)


def _taken(request: DeliveryRequest, tally: Tally) -> Taken:
    report = find_report(delivery_id=request.delivery_id)
    assert report is not None
    return Taken(report, frozenset(tally.citizens))


def _write_report(
    session: Session,
    request: DeliveryRequest,
    marks: Fingerprint,
    tally: Tally,
    *,
    status: str,
    reason: str | None,
) -> None:
    last = session.scalar(select(func.max(Delivery.seq)))
    counts = {f"{outcome.value}_count": tally.outcomes[outcome] for outcome in Outcome}
    refused = len(tally.refusals)
    session.execute(
        insert(Delivery).values(
            delivery_id=request.delivery_id,
            seq=(last or 0) + 1,
            source_id=request.source_id,
            staff_id=request.staff_id,
            record_type=request.record_type,
            file_name=clean_file_name(request.file_name),
            sha256=marks.sha256,
            size_bytes=marks.size_bytes,
            encoding=request.encoding.value,
            delivered_on=request.delivered_on,
            status=status,
            file_reason=reason,
            row_count=tally.outcomes.total() + refused,
            blank_count=tally.blank,
            refused_count=refused,
            **counts,
        )
    )
