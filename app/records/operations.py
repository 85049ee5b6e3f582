"""Taking deliveries and the register of members, and saying who may deliver what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import ClassVar
from uuid import UUID

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from app.kernel.clock import city_today
from app.kernel.database import transaction
from app.kernel.errors import Conflict, DomainError, Invalid, NotAllowed, NotFound
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.members.operations import NewCredential, create_source_account
from app.members.spelling import compact
from app.records.catalogue import FORBIDDEN_CONTENT_WORDS, FORBIDDEN_HEADER_WORDS, RecordType
from app.records.judging import Outcome
from app.records.models import Delivery, ReopenedDay, Source
from app.records.queries import (
    CANCELLED,
    WAITING,
    AllowedSource,
    DeliveryReport,
    RefusedRow,
    catalogue_in_force,
    day_is_reopened,
    find_report,
    find_source,
    last_arrived_on,
    list_refusals,
)
from app.records.quotas import SourceNotRegistered, count_delivery
from app.records.reading import Encoding, Fingerprint
from app.records.returning import Returned, open_returned
from app.records.uploads import Upload
from app.records.working import Worker, ask_to_cancel, work_off
from app.trail.operations import require_reason

REOPENED_HOURS = 24
FILE_NAME_MAX_CHARS = 120
AT_ONCE_MAX_BYTES = 1 << 20  # a file that is judged while its sender waits
# Numbers in line are given one after the other; nobody waits here for rows that are being taken.
_ONE_ARRIVES_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('deliveries', 0))")
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


class DeliveryOutOfOrder(Conflict):
    """The delivery date lies before the last one that came and was not opened again."""

    code: ClassVar[str] = "delivery_out_of_order"
    title: ClassVar[str] = "The delivery date lies before the last one processed"
    advice: ClassVar[str] = "报送日期早于已处理的报送，请更正日期或联系平台管理员重新开放该日。"


class DeliveryAhead(Invalid):
    """The delivery date has not come yet; taken, it would shut out everybody until then."""

    code: ClassVar[str] = "delivery_ahead"
    title: ClassVar[str] = "The delivery date has not come yet"
    advice: ClassVar[str] = "报送日期晚于今天，请更正日期后重新报送。"


class DeliveryIdReused(Invalid):
    """The id belongs to another delivery."""

    code: ClassVar[str] = "delivery_id_reused"
    title: ClassVar[str] = "This delivery id was used for another file"
    advice: ClassVar[str] = "报送编号已用于其他文件，请使用新的编号重新报送。"


class DeliveryFinished(Conflict):
    """There is nothing left to stop."""

    code: ClassVar[str] = "delivery_finished"
    title: ClassVar[str] = "The delivery is finished and can no longer be cancelled"
    advice: ClassVar[str] = "该报送已处理完毕，无法取消。"


class DeliveryNotFound(NotFound):
    """There is no such delivery for this caller."""

    code: ClassVar[str] = "delivery_not_found"
    title: ClassVar[str] = "There is no such delivery"
    advice: ClassVar[str] = "没有找到该报送，请核对报送编号。"


@dataclass(frozen=True)
class DeliveryRequest:
    """A file as its sender describes it; `delivery_id` is made by the sender, before sending.

    Exactly one of `source_id` (a department's machine) and `staff_id` (the operator who imports the
    register) is given.  A set of data whose days are facts of its own, not of the clock, says that
    they `may_be_ahead` of the city's day; then so is the day of the score.
    """

    delivery_id: UUID
    record_type: str
    delivered_on: date
    encoding: Encoding
    file_name: str
    source_id: UUID | None = None
    staff_id: UUID | None = None
    row_count: int | None = None  # of rows that came one by one
    may_be_ahead: bool = False


def receive_file(*, request: DeliveryRequest, upload: Upload) -> DeliveryReport:
    """Keep a file that has arrived and put it in line; its report so far.

    The same id with the same file gives the report that there is.  What is refused here (who, what,
    the order of days, an id that belongs to another file, the day's quota) leaves nothing.
    """
    try:
        upload.require_clean()
        with transaction() as session:
            record_type = _deliverable_type(request)
            session.execute(_ONE_ARRIVES_AT_A_TIME)
            known = _replay(request, upload.marks)
            if known is None:
                if not request.may_be_ahead:
                    _require_reached(session, request)
                if not record_type.register:
                    _require_in_order(request)
                if request.source_id is not None:
                    count_delivery(
                        session, source_id=request.source_id,
                        size_bytes=upload.marks.size_bytes, row_count=_rows_of(request, upload),
                    )
                upload.keep()
                _put_in_line(session, request, upload)
    except DomainError:
        upload.discard()
        raise
    if known is not None:
        upload.discard()
        return known
    return _report(request.delivery_id)


def import_register(
    *,
    keys: KeyProvider,
    request: DeliveryRequest,
    upload: Upload,
    at_once_max_bytes: int = AT_ONCE_MAX_BYTES,
) -> DeliveryReport:
    """Register the people of an operator's file, who consented elsewhere.

    The register comes before all deliveries, whatever its date.  A small one is taken at once when
    nothing waits before it, anything else by the worker.
    """
    report = receive_file(request=request, upload=upload)
    return take_at_once(
        worker=Worker(keys=keys), report=report, at_once_max_bytes=at_once_max_bytes
    )


def take_at_once(
    *, worker: Worker, report: DeliveryReport, at_once_max_bytes: int = AT_ONCE_MAX_BYTES
) -> DeliveryReport:
    """Take a small file while its sender waits, if it is the first in line; its report now."""
    if report.is_finished or report.size_bytes > at_once_max_bytes:
        return report
    for _ in work_off(worker=worker, only=report.delivery_id):
        pass  # every chunk is committed; the report tells how far it came
    return replace(_report(report.delivery_id), replayed=report.replayed)


def cancel_delivery(*, delivery_id: UUID, source_id: UUID | None) -> DeliveryReport:
    """Stop a delivery, for the same callers as `open_report`; asking again changes nothing.

    Rows that were taken stay and are in the report.  One that works on it stops after its chunk.
    """
    open_report(delivery_id=delivery_id, source_id=source_id)
    with transaction() as session:
        ask_to_cancel(session, delivery_id=delivery_id)
        report = _report(delivery_id)
    if report.cancelled_at is None and report.status != CANCELLED:
        raise DeliveryFinished(delivery_status=report.status)
    return report


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
    known = {code for code, kind in catalogue_in_force().record_types.items() if not kind.register}
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


def open_refused_rows(
    *, keys: KeyProvider, delivery_id: UUID, source_id: UUID | None, after_row: int = 0
) -> Returned:
    """The refused rows of a delivery with what stood there, for the source that sent it alone."""
    open_report(delivery_id=delivery_id, source_id=source_id)
    return open_returned(keys=keys, delivery_id=delivery_id, after_row=after_row)


def clean_file_name(name: str) -> str:
    """A file's name without folders, strange signs, long numbers, or words never to be kept."""
    last = re.split(r"[/\\]", name)[-1]
    clean = _STRANGE.sub("_", _LONG_NUMBER.sub("_", last))[-FILE_NAME_MAX_CHARS:]
    folded = compact(clean).upper()
    words = (*FORBIDDEN_CONTENT_WORDS, *FORBIDDEN_HEADER_WORDS)
    if not clean or any(word in folded for word in words):
        return "file"
    return clean


def _deliverable_type(request: DeliveryRequest) -> RecordType:
    """What the file is about, if its sender may deliver it."""
    record_type = catalogue_in_force().record_types.get(request.record_type)
    if record_type is None:
        raise UnknownRecordType
    if record_type.register != (request.staff_id is not None):
        raise RecordTypeNotAllowed
    if request.source_id is not None:
        source = find_source(source_id=request.source_id)
        if source is None or record_type.code not in source.record_types:
            raise RecordTypeNotAllowed
    return record_type


def _require_reached(session: Session, request: DeliveryRequest) -> None:
    today = city_today(session)
    if request.delivered_on > today:
        raise DeliveryAhead(today=today.isoformat())


def _require_in_order(request: DeliveryRequest) -> None:
    last = last_arrived_on()
    if last is None or request.delivered_on >= last:
        return
    if not day_is_reopened(delivered_on=request.delivered_on):
        raise DeliveryOutOfOrder(last_processed_on=last.isoformat())


def _rows_of(request: DeliveryRequest, upload: Upload) -> int | None:
    """How many rows are in a file, as far as that is known before it is read."""
    if request.encoding is Encoding.XLSX:
        return None
    return upload.line_count if request.row_count is None else request.row_count


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


def _report(delivery_id: UUID) -> DeliveryReport:
    report = find_report(delivery_id=delivery_id)
    assert report is not None
    return report


def _put_in_line(session: Session, request: DeliveryRequest, upload: Upload) -> None:
    last = session.scalar(select(func.max(Delivery.seq)))
    counts = dict.fromkeys((f"{outcome.value}_count" for outcome in Outcome), 0)
    session.execute(
        insert(Delivery).values(
            delivery_id=request.delivery_id,
            seq=(last or 0) + 1,
            source_id=request.source_id,
            staff_id=request.staff_id,
            record_type=request.record_type,
            file_name=clean_file_name(request.file_name),
            sha256=upload.marks.sha256,
            size_bytes=upload.marks.size_bytes,
            encoding=request.encoding.value,
            delivered_on=request.delivered_on,
            status=WAITING,
            upload_id=upload.upload_id,
            row_count=0,
            blank_count=0,
            refused_count=0,
            **counts,
        )
    )
