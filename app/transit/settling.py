"""Settling days of trips once nothing of them can come any more; forgetting them in time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.kernel.clock import CITY_TODAY, city_today
from app.kernel.database import reading, transaction
from app.transit.models import (
    TransitBatch,
    TransitDay,
    TransitEntitlement,
    TransitOperator,
    TransitReport,
    TransitTerms,
    TransitTrip,
)
from app.transit.operators import Terms
from app.transit.rule import (
    Report,
    SettledTrip,
    Span,
    contradict,
    join_reports,
    settle_day,
)

CONTRADICTION: Final = "contradiction"
SETTLED_AFTER: Final = timedelta(hours=1)  # no upload that was let in is still running
REPORTS_KEPT: Final = timedelta(days=10)  # with places, after their day was settled
TRIPS_KEPT: Final = timedelta(days=60)  # without places, for the rider and for complaints
Day = tuple[UUID, UUID, date]


def settle_due_days(*, limit: int) -> int:
    """Settle at most so many days of persons with an operator; how many there were."""
    query = (
        select(TransitReport.citizen_id, TransitReport.merchant_id, TransitReport.tap_in_on)
        .distinct()
        .where(
            TransitReport.fault.is_(None), TransitReport.settled_on.is_(None),
            TransitReport.closes_at <= func.clock_timestamp() - SETTLED_AFTER,
        )
        .limit(limit)
    )  # fmt: skip
    with reading() as session:
        due: list[Any] = [tuple(row) for row in session.execute(query)]
    for day in due:
        settle(day)
    return len(due)


def settle(day: Day) -> None:
    """Settle one day of one person with one operator; a day that is settled stays as it is."""
    citizen_id, merchant_id, tap_in_on = day
    with transaction() as session:
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(
            f"transit {merchant_id} {citizen_id}", 0
        ))))  # fmt: skip
        settled_before = _settled_ids(session, citizen_id, merchant_id)
        good: list[list[Report]] = []
        wrong: list[list[Report]] = []
        for reports in _trips_of(session, day):
            is_wrong = contradict(reports) or reports[0].trip_id in settled_before
            (wrong if is_wrong else good).append(reports)
        spans = _spans(session, citizen_id, merchant_id)
        settled = settle_day(
            [join_reports(one, spans) for one in good], _terms(session, merchant_id, tap_in_on)
        )
        _write(session, citizen_id, merchant_id, settled)
        _close(session, merchant_id, wrong, fault=CONTRADICTION)
        _close(session, merchant_id, good, fault=None)


def prune_trips() -> int:
    """Delete reports, batches and trips that were kept long enough; how many rows."""
    arrived = TransitReport.received_at < func.clock_timestamp() - REPORTS_KEPT
    parked = TransitReport.fault.is_not(None) & TransitReport.settled_on.is_(None) & arrived
    settled = TransitReport.settled_on < CITY_TODAY - REPORTS_KEPT.days
    old = (
        delete(TransitReport).where(or_(settled, parked)),
        delete(TransitBatch).where(
            TransitBatch.received_at < func.clock_timestamp() - REPORTS_KEPT
        ),
        delete(TransitTrip).where(TransitTrip.accounting_on < CITY_TODAY - TRIPS_KEPT.days),
    )
    with transaction() as session:
        return sum(session.connection().execute(one).rowcount for one in old)


def _trips_of(session: Session, day: Day) -> Iterator[list[Report]]:
    """The reports of each trip that the person has on that day, other persons' and days' too."""
    citizen_id, merchant_id, tap_in_on = day
    is_good = TransitReport.fault.is_(None) | (TransitReport.fault == CONTRADICTION)
    mine = select(TransitReport.trip_id).where(
        TransitReport.merchant_id == merchant_id, TransitReport.citizen_id == citizen_id,
        TransitReport.tap_in_on == tap_in_on, TransitReport.fault.is_(None),
        TransitReport.settled_on.is_(None),
    )
    query = (
        select(TransitReport)
        .where(TransitReport.merchant_id == merchant_id, TransitReport.trip_id.in_(mine), is_good)
        .order_by(TransitReport.trip_id)
    )
    for _, rows in groupby(session.scalars(query).all(), key=lambda row: row.trip_id):
        yield [_report(row) for row in rows]


def _settled_ids(session: Session, citizen_id: UUID, merchant_id: UUID) -> frozenset[str]:
    """Ids of trips that are settled: an id that is used again is another trip under its name."""
    query = select(TransitTrip.trip_id).where(
        TransitTrip.citizen_id == citizen_id, TransitTrip.merchant_id == merchant_id
    )
    return frozenset(session.scalars(query))


def _report(row: TransitReport) -> Report:
    assert row.citizen_id is not None, "a good report has somebody"
    assert row.tap_in_at is not None, "a good report has a beginning"
    assert row.tap_in_place is not None, "a good report has a beginning"
    return Report(
        row.trip_id, row.citizen_id, row.code_percent, row.tap_in_at, row.tap_in_place,
        row.tap_out_at, row.tap_out_place, row.fare_fen,
    )


def _spans(session: Session, citizen_id: UUID, merchant_id: UUID) -> list[Span]:
    query = select(TransitEntitlement).where(
        TransitEntitlement.citizen_id == citizen_id, TransitEntitlement.merchant_id == merchant_id
    )
    return [
        Span(row.valid_from, row.valid_until, row.price_percent) for row in session.scalars(query)
    ]


def _terms(session: Session, merchant_id: UUID, day: date) -> Terms:
    query = (
        select(TransitTerms)
        .where(TransitTerms.merchant_id == merchant_id, TransitTerms.valid_from <= day)
        .order_by(TransitTerms.valid_from.desc())
        .limit(1)
    )
    held = session.scalars(query).one()
    return Terms(held.trips_per_day, held.subsidy_per_day_fen, held.complete_within_days)


def _write(
    session: Session, citizen_id: UUID, merchant_id: UUID, settled: Sequence[SettledTrip]
) -> None:
    """The trips, and their part of the sums of today: one transaction, so that they agree."""
    if not settled:
        return
    today = city_today(session)
    for one in settled:
        session.add(TransitTrip(
            citizen_id=citizen_id, merchant_id=merchant_id, trip_id=one.trip.trip_id,
            tap_in_at=one.trip.tap_in_at, fare_fen=one.trip.fare_fen,
            price_percent=one.trip.price_percent, discount_fen=one.discount_fen,
            subsidy_fen=one.subsidy_fen, outcome=one.outcome, accounting_on=today,
        ))  # fmt: skip
    session.flush()
    operator = session.get_one(TransitOperator, merchant_id)
    sums = {
        "trip_count": len(settled),
        "fare_fen": sum(one.trip.fare_fen for one in settled),
        "discount_fen": sum(one.discount_fen for one in settled),
        "subsidy_fen": sum(one.subsidy_fen for one in settled),
    }
    line = insert(TransitDay).values(
        merchant_id=merchant_id, accounting_on=today, benefit_code=operator.benefit_code, **sums
    )
    session.execute(line.on_conflict_do_update(
        index_elements=["merchant_id", "accounting_on", "benefit_code"],
        set_={name: getattr(TransitDay, name) + line.excluded[name] for name in sums},
    ))  # fmt: skip


def _close(
    session: Session, merchant_id: UUID, trips: Sequence[Sequence[Report]], *, fault: str | None
) -> None:
    ids = [reports[0].trip_id for reports in trips]
    if ids:
        session.execute(
            update(TransitReport)
            .where(
                TransitReport.merchant_id == merchant_id, TransitReport.trip_id.in_(ids),
                TransitReport.fault.is_(None), TransitReport.settled_on.is_(None),
            )
            .values(fault=fault, settled_on=CITY_TODAY)
            .execution_options(synchronize_session=False)
        )
