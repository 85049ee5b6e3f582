"""From a delivery's row to what it fed: for the source without the person, for operators with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar
from uuid import UUID

from app.disputes.queries import RECORD, Item, find_disputed
from app.kernel.database import transaction, transaction_required
from app.kernel.errors import NotFound
from app.kernel.keys import KeyProvider
from app.members.queries import MaskedProfile, find_masked_profile
from app.records.operations import open_report
from app.records.origins import KeptVersion, find_kept_version
from app.records.queries import current_day, list_refusals
from app.scoring.models import RecordGrant
from app.scoring.queries import scheme_in_force
from app.scoring.scheme import Indicator
from app.trail.operations import Actor, record_access, require_reason

ROW_NUMBER_MAX = 2**31


class RowNotKept(NotFound):
    """Nothing is kept of this row: it was blank, brought nothing new, or was about a stranger."""

    code: ClassVar[str] = "row_not_kept"
    title: ClassVar[str] = "Nothing is kept of this row"
    advice: ClassVar[str] = "该行没有保留内容：空行、重复行或非持卡人的行不予保存。"


@dataclass(frozen=True)
class FedIndicator:
    """An indicator that a record feeds by the rules of today."""

    code: str
    name: str
    ends_on: date | None
    counts_today: bool


@dataclass(frozen=True)
class RowTrace:
    """What became of a row: `kept` is the version it brought, else `reason` says what was wrong."""

    delivery_id: UUID
    row_number: int
    record_type: str
    received_at: datetime
    reason: str | None
    kept: KeptVersion | None
    fed: tuple[FedIndicator, ...]
    is_disputed: bool

    @property
    def outcome(self) -> str:
        """In one word."""
        return "refused" if self.kept is None else "kept"


@dataclass(frozen=True)
class RevealedRow:
    """A row with its person, masked, and the points that it granted."""

    trace: RowTrace
    person: MaskedProfile | None
    granted_points: int


def trace_row(*, delivery_id: UUID, row_number: int, source_id: UUID | None) -> RowTrace:
    """What became of a row, for its source or, without `source_id`, for an operator.

    Refuses `delivery_not_found` and `row_not_kept`.
    """
    report = open_report(delivery_id=delivery_id, source_id=source_id)
    if row_number > ROW_NUMBER_MAX:
        raise RowNotKept
    kept = find_kept_version(delivery_id=delivery_id, row_number=row_number)
    reason = None if kept else _refusal(delivery_id, row_number)
    return RowTrace(
        delivery_id=delivery_id,
        row_number=row_number,
        record_type=report.record_type,
        received_at=kept.received_at if kept else report.created_at,
        reason=reason,
        kept=kept,
        fed=_fed(kept) if kept else (),
        is_disputed=_is_disputed(kept) if kept else False,
    )


def reveal_row(
    *, keys: KeyProvider, delivery_id: UUID, row_number: int, actor: Actor, reason: str
) -> RevealedRow:
    """A row with the masked person behind it, for a reason that the citizen will read.

    The line in the trail is written first, in the same transaction.
    """
    reason = require_reason(reason)
    with transaction():
        trace = trace_row(delivery_id=delivery_id, row_number=row_number, source_id=None)
        if trace.kept is None:
            return RevealedRow(trace, None, 0)
        record_access(
            citizen_id=trace.kept.citizen_id, actor=actor, action="record_traced",
            fields=[trace.record_type], reason=reason,
        )
        person = find_masked_profile(keys=keys, citizen_id=trace.kept.citizen_id)
        return RevealedRow(trace, person, _granted_points(trace.kept))


def _refusal(delivery_id: UUID, row_number: int) -> str:
    for refused in list_refusals(delivery_id=delivery_id, after_row=row_number - 1, limit=1):
        if refused.row_number == row_number:
            return refused.reason
    raise RowNotKept


def _is_disputed(kept: KeptVersion) -> bool:
    item = Item.of_record(kept.record_type, kept.record_number)
    found = find_disputed(kind=RECORD, citizen_ids=[kept.citizen_id])
    return (kept.citizen_id, item) in found


def _fed(kept: KeptVersion) -> tuple[FedIndicator, ...]:
    today = current_day()
    scheme = scheme_in_force(on=today)
    if scheme is None or kept.event_on is None:
        return ()
    in_force = kept.event_on <= today and (kept.replaced_on is None or kept.replaced_on > today)
    return tuple(
        _fed_indicator(one, _ends_on(one, kept), today, in_force=in_force)
        for one in scheme.indicator_of(kept.record_type, kept.item)
    )


def _ends_on(one: Indicator, kept: KeptVersion) -> date | None:
    """By its validity or, where the rule asks for it, by the record's own end before that."""
    ends = []
    if one.validity_days is not None and kept.event_on is not None:
        ends.append(kept.event_on + timedelta(days=one.validity_days))
    if one.until_record_ends and kept.ends_on is not None:
        ends.append(kept.ends_on)
    return min(ends, default=None)


def _fed_indicator(
    one: Indicator, ends_on: date | None, today: date, *, in_force: bool
) -> FedIndicator:
    counts = in_force and (ends_on is None or today < ends_on)
    return FedIndicator(one.code, one.name, ends_on, counts)


def _granted_points(kept: KeptVersion) -> int:
    grant = transaction_required().get(
        RecordGrant, (kept.citizen_id, kept.record_type, kept.record_number, kept.version)
    )
    return 0 if grant is None else grant.granted_points
