"""Working off deliveries: strictly one after the other, chunk by chunk, each with its checkpoint.

The rows of a chunk, their refusals, points and scores, and how far the file is taken are one
transaction.  So a worker that is killed loses nothing: the next one goes on below the last row that
was taken.  A claim on the first delivery in line keeps workers apart; it ends by itself some time
after the last chunk, and every chunk checks that it is still held.  The same code takes a small
file while its sender waits, a large one in a worker, and one from the command line.
"""

from __future__ import annotations

import gc
import io
import logging
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import dropwhile, islice
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from app.kernel.database import copy_rows, transaction
from app.kernel.ids import new_id
from app.kernel.keys import KeyProvider
from app.records.judging import Outcome
from app.records.models import Delivery, DeliveryRefusal
from app.records.queries import (
    CANCELLED,
    FAILED,
    PROCESSED,
    REFUSED,
    RUNNING,
    WAITING,
    catalogue_in_force,
)
from app.records.quotas import DeliveryQuotaExceeded, count_rows
from app.records.reading import (
    Encoding,
    FileReason,
    FileRefusedError,
    FileTooLarge,
    Table,
    open_table,
)
from app.records.returning import ROWS_MAX, keep_returned
from app.records.taking import Points, RecordTaker, RegisterTaker, Taking, Tally
from app.records.uploads import SealedFile, drop_upload
from app.trail.operations import Actor

log = logging.getLogger(__name__)

CHUNK_ROWS = 5_000
LEASE_SECONDS = 30
TRIES_MAX = 5  # without a single chunk between them
PAUSE_SECONDS = 2  # before the second try, twice as long before the third, and so on

NumberedRow = tuple[int, list[str]]

_CLAIM = text("""
    UPDATE deliveries SET status = 'running', claimed_by = :me, tries = tries + 1,
        claimed_until = clock_timestamp() + make_interval(secs => :lease_seconds)
    WHERE delivery_id = (
            SELECT delivery_id FROM deliveries WHERE status IN ('waiting', 'running')
            ORDER BY seq LIMIT 1)
        AND (CAST(:only AS uuid) IS NULL OR delivery_id = :only)
        AND status IN ('waiting', 'running')
        AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
    RETURNING delivery_id
""")
_RENEW = text("""
    UPDATE deliveries
    SET claimed_until = clock_timestamp() + make_interval(secs => :lease_seconds)
    WHERE delivery_id = :delivery_id AND claimed_by = :me
""")


@dataclass(frozen=True)
class Consequences:
    """What follows from rows that are kept, told by the room above; the register needs none."""

    points: Callable[[Session, date], Points]
    refresh: Callable[[Collection[UUID]], None]  # the scores of these citizens


@dataclass(frozen=True)
class Worker:
    """Who works, and how: what every chunk needs to know."""

    keys: KeyProvider
    consequences: Consequences | None = None
    lease_seconds: float = LEASE_SECONDS
    chunk_rows: int = CHUNK_ROWS
    must_stop: Callable[[], bool] = lambda: False


class _ClaimLostError(Exception):
    """Another worker has the delivery, or it is finished: nothing more is done here."""


def work_off(*, worker: Worker, only: UUID | None = None) -> Iterator[UUID]:
    """Take deliveries in the order of their arrival until none is left; with `only`, that one.

    Gives the id of the delivery after each chunk.  Stops where another worker is at it, and after
    a chunk when the worker must stop.  What a chunk raises ends the work; its delivery is tried
    again after a pause (after a worker's death: when its claim has run out), TRIES_MAX times, and
    then given up.
    """
    while not worker.must_stop():
        work = _claimed(worker, only)
        if work is None:
            return
        try:
            with work:
                yield from work.run()
        except _ClaimLostError:
            return


def _claimed(worker: Worker, only: UUID | None) -> _Work | None:
    me = new_id()
    with transaction() as session:
        claim = {"me": me, "lease_seconds": worker.lease_seconds, "only": only}
        delivery_id = session.scalar(_CLAIM, claim)
        if delivery_id is None:
            return None
        delivery = session.get(Delivery, delivery_id, populate_existing=True)
        assert delivery is not None
        session.expunge(delivery)
    return _Work(worker, me, delivery)


class _Work:
    """One worker on one delivery, as long as its claim holds."""

    def __init__(self, worker: Worker, me: UUID, delivery: Delivery) -> None:
        self._worker = worker
        self._me = me
        self._delivery = delivery  # as it was when it was claimed
        self._catalogue = catalogue_in_force()
        self._renewed = time.monotonic()

    def __enter__(self) -> None:
        """Whatever ends the work with an error does not hold up the line until the claim ends."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, Exception) and kind is not _ClaimLostError:
            with transaction() as session:
                pause = PAUSE_SECONDS * self._delivery.tries
                session.execute(_RENEW, self._claim() | {"lease_seconds": pause})

    def run(self) -> Iterator[UUID]:
        """Take the file from its checkpoint on."""
        delivery_id = self._delivery.delivery_id
        if self._delivery.tries > TRIES_MAX:
            self._end(FAILED)
            log.error("delivery given up", extra={"delivery_id": str(delivery_id)})
            yield delivery_id
            return
        if self._delivery.cancelled_at is not None:
            self._end(CANCELLED)
            yield delivery_id
            return
        try:
            table = self._open()
        except FileRefusedError as refused:
            self._end(REFUSED, refused.reason)
            yield delivery_id
            return
        yield from self._chunks(table)

    def _open(self) -> Table:
        delivery = self._delivery
        assert delivery.upload_id is not None
        sealed = SealedFile(
            self._worker.keys, upload_id=delivery.upload_id, size_bytes=delivery.size_bytes
        )
        encoding = Encoding(delivery.encoding)
        # Excel is read here and there, and is small; text is read from its start to its end.
        file: Any = io.BytesIO(sealed.read()) if encoding is Encoding.XLSX else (
            io.BufferedReader(sealed)
        )
        try:
            table = open_table(
                file,
                encoding=encoding,
                catalogue=self._catalogue,
                record_type=self._catalogue.record_types[delivery.record_type],
                looked_through=delivery.found_count is not None,
                on_the_way=self._renew,
            )
        except FileTooLarge as error:
            raise FileRefusedError(FileReason.TOO_LARGE) from error
        if delivery.found_count is None:
            self._note_found(table.found_count)
        return table

    def _note_found(self, count: int) -> None:
        """Note how many rows were found; those of an Excel file count for the quota only now."""
        try:
            with transaction() as session:
                delivery = self._locked(session)
                delivery.found_count = count
                if delivery.source_id is not None and delivery.encoding == Encoding.XLSX:
                    count_rows(session, source_id=delivery.source_id, row_count=count)
        except DeliveryQuotaExceeded as error:
            raise FileRefusedError(FileReason.TOO_MANY_ROWS_TODAY) from error

    def _chunks(self, table: Table) -> Iterator[UUID]:
        taken_row = self._delivery.taken_row
        rows = dropwhile(lambda row: row[0] <= taken_row, table.rows)
        is_open = True
        while is_open:
            chunk = list(islice(rows, self._worker.chunk_rows))
            with _collector_paused():
                is_open = self._take(table, chunk)
            yield self._delivery.delivery_id
            if is_open and self._worker.must_stop():
                self._release()
                return

    def _take(self, table: Table, chunk: list[NumberedRow]) -> bool:
        """One chunk, one transaction; whether there may be more."""
        with transaction() as session:
            delivery = self._locked(session)
            if delivery.cancelled_at is not None:
                _finish(session, delivery, CANCELLED)
                return False
            tally = self._taker(session, table).take(chunk)
            _keep_refusals(session, delivery.delivery_id, tally)
            if delivery.source_id is not None and delivery.refused_count < ROWS_MAX:
                keep_returned(
                    session, keys=self._worker.keys, catalogue=self._catalogue,
                    layout=table.layout, delivery_id=delivery.delivery_id,
                    delivered_on=delivery.delivered_on, chunk=chunk, refusals=tally.refusals,
                )
            _count(delivery, tally)
            if chunk:
                delivery.taken_row = chunk[-1][0]
            delivery.tries = 0
            if len(chunk) < self._worker.chunk_rows:
                _finish(session, delivery, PROCESSED)
            session.flush()  # the day of the scores is that of this delivery
            if tally.citizens and self._worker.consequences is not None:
                self._worker.consequences.refresh(tally.citizens)
            session.execute(_RENEW, self._claim())
            return delivery.finished_at is None

    def _taker(self, session: Session, table: Table) -> RecordTaker | RegisterTaker:
        delivery = self._delivery
        taking = Taking(
            session=session,
            keys=self._worker.keys,
            catalogue=self._catalogue,
            layout=table.layout,
            delivery_id=delivery.delivery_id,
            delivered_on=delivery.delivered_on,
        )
        if table.layout.record_type.register:
            assert delivery.staff_id is not None
            return RegisterTaker(taking, Actor("operator", delivery.staff_id))
        assert self._worker.consequences is not None
        points = self._worker.consequences.points(session, delivery.delivered_on)
        return RecordTaker(taking, points)

    def _locked(self, session: Session) -> Delivery:
        """The row of the delivery, locked, while the claim is still ours."""
        found = session.scalar(
            select(Delivery)
            .where(
                Delivery.delivery_id == self._delivery.delivery_id,
                Delivery.claimed_by == self._me,
                Delivery.status == RUNNING,
            )
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if found is None:
            raise _ClaimLostError
        return found

    def _end(self, status: str, reason: FileReason | None = None) -> None:
        with transaction() as session:
            _finish(session, self._locked(session), status, reason)

    def _renew(self) -> None:
        """Keep the claim while the file is looked through."""
        if time.monotonic() - self._renewed > self._worker.lease_seconds / 3:
            with transaction() as session:
                session.execute(_RENEW, self._claim())
            self._renewed = time.monotonic()

    def _release(self) -> None:
        with transaction() as session:
            self._locked(session).claimed_until = None

    def _claim(self) -> dict[str, object]:
        return {
            "delivery_id": self._delivery.delivery_id, "me": self._me,
            "lease_seconds": self._worker.lease_seconds,
        }


@contextmanager
def _collector_paused() -> Iterator[None]:
    """A chunk makes many objects and no cycles: looking for cycles would be a third of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def ask_to_cancel(session: Session, *, delivery_id: UUID) -> None:
    """Stop a delivery: at once when it waits, else after the chunk that is being taken."""
    waiting = session.scalar(
        select(Delivery)
        .where(Delivery.delivery_id == delivery_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    assert waiting is not None
    if waiting.status == WAITING:
        _finish(session, waiting, CANCELLED)
    elif waiting.status == RUNNING:
        session.execute(
            update(Delivery)
            .where(Delivery.delivery_id == delivery_id, Delivery.cancelled_at.is_(None))
            .values(cancelled_at=func.clock_timestamp())
        )
    session.flush()


def _count(delivery: Delivery, tally: Tally) -> None:
    refused = len(tally.refusals)
    delivery.row_count += tally.outcomes.total() + refused
    delivery.blank_count += tally.blank
    delivery.refused_count += refused
    delivery.accepted_count += tally.outcomes[Outcome.ACCEPTED]
    delivery.corrected_count += tally.outcomes[Outcome.CORRECTED]
    delivery.voided_count += tally.outcomes[Outcome.VOIDED]
    delivery.duplicate_count += tally.outcomes[Outcome.DUPLICATE]
    delivery.superseded_count += tally.outcomes[Outcome.SUPERSEDED]
    delivery.dropped_count += tally.outcomes[Outcome.DROPPED]


def _keep_refusals(session: Session, delivery_id: UUID, tally: Tally) -> None:
    copy_rows(
        session,
        DeliveryRefusal,
        [
            {"delivery_id": delivery_id, "row_number": number, "reason": reason.value}
            for number, reason in tally.refusals
        ],
    )


def _finish(
    session: Session, delivery: Delivery, status: str, reason: FileReason | None = None
) -> None:
    """The delivery has ended: its report stands, and its file is gone."""
    finished_at = session.scalar(select(func.clock_timestamp()))
    upload_id, delivery.upload_id = delivery.upload_id, None
    delivery.status, delivery.finished_at = status, finished_at
    delivery.file_reason = None if reason is None else reason.value
    delivery.claimed_by = delivery.claimed_until = None
    session.flush()
    if upload_id is not None:
        drop_upload(session, upload_id)
