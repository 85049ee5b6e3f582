"""What new rules do to a population, counted: exact while it is counted, protected when it is told.

The exact counts live in the memory of the job alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.members.classes import CoarseClass
from app.scoring.protection import (
    LEAST,
    joined_groups,
    joined_label,
    protected_table,
)
from app.scoring.scheme import Scheme

BAND_POINTS = 50
GAINS, SAME, LOSES = "gains", "same", "loses"
CHANGES = (GAINS, SAME, LOSES)
NO_TIER = "-"  # below every tier
GROUPINGS = ("age_band", "gender", "district", "join_year")


@dataclass(frozen=True)
class Outcome:
    """Total and tier of a citizen by one version."""

    total: int
    tier: str

    @classmethod
    def without_records(cls, scheme: Scheme | None) -> Outcome:
        """What a version gives to somebody of whom there is nothing."""
        tiers = scheme.tiers if scheme else ()
        return cls(0, next((one.code for one in tiers if one.least_total == 0), NO_TIER))


@dataclass
class Comparison:
    """Everybody by two versions, counted; `base` is None before the first version."""

    base: Scheme | None
    draft: Scheme
    before: Counter[Outcome] = field(default_factory=Counter)
    after: Counter[Outcome] = field(default_factory=Counter)
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    changes: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def add(
        self,
        people: Iterable[CoarseClass],
        *,
        before: Mapping[UUID, Outcome],
        after: Mapping[UUID, Outcome],
    ) -> None:
        """Count people by their outcomes; who has no score by one of the versions is left out."""
        for person in people:
            old, new = before.get(person.citizen_id), after.get(person.citizen_id)
            if old is None or new is None:
                continue
            self.before[old] += 1
            self.after[new] += 1
            self.moves[old.tier, new.tier] += 1
            change = SAME if new.total == old.total else GAINS if new.total > old.total else LOSES
            for grouping in GROUPINGS:
                self.changes[grouping, str(getattr(person, grouping)), change] += 1

    def protected(self) -> dict[str, Any]:
        """The figures as they may be shown and stored."""
        population = sum(self.after.values())
        shown = population >= LEAST
        return {
            "population": population if shown else None,
            "before": _distribution(self.before, self.base) if shown else [],
            "after": _distribution(self.after, self.draft) if shown else [],
            "moves": protected_table(
                self.moves, rows=tier_order(self.base), columns=tier_order(self.draft)
            ).as_document(),
            "changes": {grouping: self._changes(grouping) for grouping in GROUPINGS},
        }

    def _changes(self, grouping: str) -> dict[str, Any]:
        counts = {
            (label, change): count
            for (kind, label, change), count in self.changes.items() if kind == grouping
        }
        labels = sorted({label for label, _ in counts})
        return protected_table(counts, rows=labels, columns=CHANGES).as_document()


def tier_order(scheme: Scheme | None) -> list[str]:
    """The tiers of a scheme from the lowest on, below every tier first."""
    tiers = sorted(scheme.tiers, key=lambda tier: tier.least_total) if scheme else []
    without = [] if tiers and tiers[0].least_total == 0 else [NO_TIER]
    return [*without, *(tier.code for tier in tiers)]


def _distribution(counts: Counter[Outcome], scheme: Scheme | None) -> list[dict[str, Any]]:
    """People by bands of points inside each tier, both joined with neighbours where few."""
    order = tier_order(scheme)
    sizes: Counter[str] = Counter()
    for outcome, count in counts.items():
        sizes[outcome.tier] += count
    return [
        {"tier": joined_label(order, group), **band}
        for group in joined_groups([sizes[tier] for tier in order])
        for band in _bands(counts, {order[at] for at in group}, scheme.total_cap if scheme else 0)
    ]


def _bands(
    counts: Counter[Outcome], tiers: set[str], total_cap: int
) -> Sequence[dict[str, int]]:
    bands: Counter[int] = Counter()
    for outcome, count in counts.items():
        if outcome.tier in tiers:
            bands[outcome.total // BAND_POINTS] += count
    order = sorted(bands)
    return [
        {
            "from_points": order[group[0]] * BAND_POINTS,
            "to_points": min(order[group[-1]] * BAND_POINTS + BAND_POINTS - 1, total_cap),
            "count": sum(bands[order[at]] for at in group),
        }
        for group in joined_groups([bands[at] for at in order])
    ]
