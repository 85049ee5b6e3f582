"""Batches of trips: every row is answered, each report is kept once, nothing is dropped.

A row that cannot count is parked with its fault, its number and nothing about a person or a place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, time, timedelta
from hmac import compare_digest
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.benefits.values import ORDINARY_PRICE_PERCENT
from app.kernel.clock import CITY_ZONE, city_date
from app.kernel.database import transaction
from app.kernel.errors import IdReused
from app.kernel.keys import KeyProvider
from app.members.queries import consent_state
from app.redemptions.offline_reading import OfflineClaim, read_claims
from app.transit.models import (
    TransitAccountId,
    TransitBatch,
    TransitEntitlement,
    TransitReport,
    TransitTerms,
)
from app.transit.operators import (
    LOCATION_PURPOSE,
    PRICE_WORD,
    Operator,
    require_operator,
)
from app.transit.rule import LATE_MAX

BATCH_ROWS_MAX: Final = 500
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
FAULTS: Final = (
    "account_unknown", "code_unreadable", "code_not_issued", "code_outside_life",
    "code_of_other_benefit", "tap_in_to_come", "tap_out_before_tap_in", "too_late", "not_entitled",
    "contradiction",
)  # fmt: skip


@dataclass(frozen=True)
class TripRow:
    """A row of a batch: who rode, by account or offline code, and what a validator saw."""

    trip_id: str
    account_id: UUID | None
    offline_code: str | None
    tap_in_at: datetime
    tap_in_place: str
    tap_out_at: datetime | None
    tap_out_place: str | None
    fare_fen: int

    @property
    def digest(self) -> bytes:
        """Of the whole row: the same row again is the same report."""
        return hashlib.sha256(orjson.dumps(asdict(self), option=orjson.OPT_UTC_Z)).digest()


@dataclass(frozen=True)
class _Judged:
    """A row and what it stands for; a fault keeps the rest empty."""

    row: TripRow
    row_number: int
    fault: str | None = None
    citizen_id: UUID | None = None
    code_percent: int | None = None
    closes_at: datetime | None = None


@dataclass(frozen=True)
class _Known:
    """What the rows of a batch are judged by."""

    moment: datetime
    accounts: Mapping[UUID, UUID]
    codes: Mapping[str, OfflineClaim | str]
    entitled: Mapping[UUID, Sequence[TransitEntitlement]]
    terms: Sequence[TransitTerms]
    begun: frozenset[str]
    benefit_code: str
    located: Mapping[UUID, bool]


def take_batch(
    *, keys: KeyProvider, source_id: UUID, batch_id: UUID, trips: Sequence[TripRow]
) -> list[dict[str, Any]]:
    """What became of each row, by its number; the same batch again gets the same answer.

    Refuses `not_transit_operator`, `merchant_suspended`, `id_reused`.
    """
    operator = require_operator(source_id=source_id)
    claims = read_claims(keys=keys, codes={one.offline_code for one in trips if one.offline_code})
    digest = hashlib.sha256(b"".join(one.digest for one in trips)).digest()
    key = {"merchant_id": operator.merchant_id, "batch_id": batch_id}
    with transaction() as session:
        added = insert(TransitBatch).values(**key, request_digest=digest)
        added = added.on_conflict_do_nothing()
        if session.scalar(added.returning(TransitBatch.batch_id)) is None:
            held = session.get_one(TransitBatch, tuple(key.values()))
            if not compare_digest(held.request_digest, digest):
                raise IdReused
            return held.answer
        known = _known(session, operator, trips, claims)
        judged = [_judge(one, number, known) for number, one in enumerate(trips, start=1)]
        answer = _answer(judged, _keep(session, key, judged))
        session.execute(update(TransitBatch).filter_by(**key).values(answer=answer))
    return answer


def _known(
    session: Session,
    operator: Operator,
    trips: Sequence[TripRow],
    claims: Mapping[str, OfflineClaim | str],
) -> _Known:
    merchant_id = operator.merchant_id
    accounts = {
        row.account_id: row.citizen_id
        for row in session.scalars(select(TransitAccountId).where(
            TransitAccountId.account_id.in_([one.account_id for one in trips if one.account_id]),
            TransitAccountId.merchant_id == merchant_id,
        ))
    }  # fmt: skip
    spans: dict[UUID, list[TransitEntitlement]] = {}
    for row in session.scalars(select(TransitEntitlement).where(
        TransitEntitlement.citizen_id.in_(set(accounts.values())),
        TransitEntitlement.merchant_id == merchant_id,
    )):
        spans.setdefault(row.citizen_id, []).append(row)
    riders = {one.citizen_id for one in claims.values() if isinstance(one, OfflineClaim)}
    begun = select(TransitReport.trip_id).where(
        TransitReport.merchant_id == merchant_id, TransitReport.fault.is_(None),
        TransitReport.trip_id.in_([one.trip_id for one in trips]),
    )
    terms = select(TransitTerms).where(TransitTerms.merchant_id == merchant_id)
    return _Known(
        moment=session.execute(select(func.clock_timestamp())).scalar_one(),
        accounts=accounts, codes=claims, entitled=spans,
        terms=session.scalars(terms.order_by(TransitTerms.valid_from.desc())).all(),
        begun=frozenset(session.scalars(begun)), benefit_code=operator.benefit_code,
        located={
            one: consent_state(citizen_id=one, purpose=LOCATION_PURPOSE) == "given"
            for one in riders
        },
    )


def _judge(row: TripRow, number: int, known: _Known) -> _Judged:
    """Whom a row is about, or why it cannot count."""
    closes_at = _closes_at(row, known.terms)
    fault = _fault_of_times(row, closes_at, known)
    if fault is None and row.offline_code is not None:
        claim = known.codes[row.offline_code]
        fault = _fault_of_code(row, claim, known)
        if fault is None and isinstance(claim, OfflineClaim):
            percent = claim.value[PRICE_WORD]
            return _Judged(row, number, None, claim.citizen_id, percent, closes_at)
    elif fault is None:
        citizen_id = known.accounts.get(row.account_id) if row.account_id else None
        if citizen_id is None:
            fault = "account_unknown"
        elif not _is_entitled(row, known.entitled.get(citizen_id, ())):
            fault = "not_entitled"
        else:
            return _Judged(row, number, None, citizen_id, None, closes_at)
    return _Judged(row, number, fault)


def _closes_at(row: TripRow, terms: Sequence[TransitTerms]) -> datetime | None:
    """When nothing of the tap-in's day can come any more; None before the first terms."""
    day = city_date(row.tap_in_at)
    agreed = next((one for one in terms if one.valid_from <= day), None)
    if agreed is None:
        return None
    open_days = 1 + max(LATE_MAX.days, agreed.complete_within_days)
    return datetime.combine(day + timedelta(days=open_days), time(), CITY_ZONE)


def _fault_of_times(row: TripRow, closes_at: datetime | None, known: _Known) -> str | None:
    if max(row.tap_in_at, row.tap_out_at or row.tap_in_at) > known.moment + CLOCK_TOLERANCE:
        return "tap_in_to_come"
    if row.tap_out_at is not None and row.tap_out_at < row.tap_in_at:
        return "tap_out_before_tap_in"
    if closes_at is None or known.moment >= closes_at:
        return "too_late"
    if known.moment > row.tap_in_at + LATE_MAX and row.trip_id not in known.begun:
        return "too_late"
    return None


def _fault_of_code(row: TripRow, claim: OfflineClaim | str, known: _Known) -> str | None:
    if isinstance(claim, str):
        return claim
    if claim.benefit_code != known.benefit_code:
        return "code_of_other_benefit"
    if not claim.not_before_at <= row.tap_in_at < claim.expires_at:
        return "code_outside_life"
    is_lower = claim.value[PRICE_WORD] < ORDINARY_PRICE_PERCENT
    return None if is_lower and known.located[claim.citizen_id] else "not_entitled"


def _is_entitled(row: TripRow, spans: Iterable[TransitEntitlement]) -> bool:
    return any(one.valid_from <= row.tap_in_at < one.valid_until for one in spans)


def _keep(
    session: Session, batch: Mapping[str, UUID], judged: Sequence[_Judged]
) -> frozenset[int]:
    """Write what is new, in one order for all batches; the numbers of the rows that were."""
    lines = [_line(batch, one) for one in judged]
    lines.sort(key=lambda line: (line["trip_id"], line["report_digest"], line["row_number"]))
    statement = insert(TransitReport).on_conflict_do_nothing()
    new = session.scalars(statement.returning(TransitReport.row_number), lines)
    return frozenset(new)


def _line(batch: Mapping[str, UUID], one: _Judged) -> dict[str, Any]:
    line: dict[str, Any] = {
        **batch, "trip_id": one.row.trip_id, "report_digest": one.row.digest,
        "row_number": one.row_number, "fault": one.fault, "fare_fen": one.row.fare_fen,
        "citizen_id": one.citizen_id, "code_percent": one.code_percent,
        "closes_at": one.closes_at,
    }
    places = ("tap_in_at", "tap_in_place", "tap_out_at", "tap_out_place")
    is_good = one.fault is None
    line |= {name: getattr(one.row, name) if is_good else None for name in places}
    return line | {"tap_in_on": city_date(one.row.tap_in_at) if is_good else None}


def _answer(judged: Sequence[_Judged], new: frozenset[int]) -> list[dict[str, Any]]:
    def outcome(one: _Judged) -> str:
        if one.row_number not in new:
            return "known"
        return "parked" if one.fault else "taken"

    return [
        {
            "row_number": one.row_number, "trip_id": one.row.trip_id, "outcome": outcome(one),
            "reason": one.fault,
        }
        for one in judged
    ]
