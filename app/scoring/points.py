"""What records grant: whole points per record, the daily cap, the life of a lot.  Pure functions.

The ledger posts; what is decided here is only how much, and which earlier grant is taken back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from app.records.keeping import KeptRow
from app.scoring.scheme import GrantRule, Scheme, Unit

YUAN_PER_UNIT = 100


class CapKey(NamedTuple):
    """What the daily cap holds for."""

    citizen_id: UUID
    indicator: str
    event_on: date


class RecordKey(NamedTuple):
    """A record of a citizen; the type is the one of the delivery."""

    citizen_id: UUID
    record_number: str


class Grant(NamedTuple):
    """What one version of a record granted; `granted_points` is zero when nothing was left."""

    version: int
    indicator: str
    event_on: date
    expires_on: date
    granted_points: int
    transfer_id: UUID | None


@dataclass
class Allotment:
    """The grants in force, as far as a chunk of rows needs them; changed row by row."""

    in_force: dict[RecordKey, Grant] = field(default_factory=dict)
    used_points: dict[CapKey, int] = field(default_factory=dict)

    def take_back(self, key: RecordKey) -> Grant | None:
        """End the grant of a record; it counts against the daily cap no longer."""
        old = self.in_force.pop(key, None)
        if old is not None:
            cap_key = CapKey(key.citizen_id, old.indicator, old.event_on)
            self.used_points[cap_key] = self.used_points.get(cap_key, 0) - old.granted_points
        return old

    def grant(self, row: KeptRow, *, scheme: Scheme, transfer_id: UUID) -> Grant | None:
        """Allot what is left of the day's cap to a row; None when its kind grants no points."""
        found = grant_rule(scheme, row)
        if found is None or row.event_on is None:
            return None
        rules = scheme.points
        expires_on = row.event_on + timedelta(days=rules.lot_days)
        key = CapKey(row.citizen_id, found.indicator, row.event_on)
        used = self.used_points.get(key, 0)
        left = max(0, rules.daily_cap_points - used)
        points = 0
        if expires_on > row.delivered_on:
            points = min(record_points(found, row.item, row.measures, scheme=scheme), left)
        self.used_points[key] = used + points
        made = Grant(
            version=row.version,
            indicator=found.indicator,
            event_on=row.event_on,
            expires_on=expires_on,
            granted_points=points,
            transfer_id=transfer_id if points else None,
        )
        self.in_force[RecordKey(row.citizen_id, row.record_number)] = made
        return made


def grant_rule(scheme: Scheme, row: KeptRow) -> GrantRule | None:
    """The rule by which a record grants points, if there is one."""
    return scheme.grant_rule_of(row.record_type, row.item)


def record_points(
    rule: GrantRule, item: str | None, measures: Mapping[str, str], *, scheme: Scheme
) -> int:
    """The points of one record before the daily cap: full units only."""
    if rule.items:
        return rule.items.get(item or "", 0)
    per_unit = rule.points or 0
    measure = scheme.by_code[rule.indicator].measure
    if rule.unit is Unit.RECORD or measure is None:
        return per_unit
    quantity = Decimal(measures[measure])
    units = quantity // YUAN_PER_UNIT if rule.unit is Unit.HUNDRED_YUAN else quantity // 1
    return int(units) * per_unit
