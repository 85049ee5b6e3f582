"""Tiers and benefits by group, counted: exact while it is counted, protected when it is told (R13).

The exact counts live in the memory of the job alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.members.classes import CoarseClass
from app.scoring.figures import GROUPINGS
from app.scoring.protection import LEAST, protected_table

USED, NOT_USED = "used", "not_used"
Cells = Counter[tuple[str, str]]


@dataclass
class Shares:
    """Members by group and tier, and by group and whether they used a benefit.

    `tiers` is the order of the tiers from the lowest on, which is that of who has no score yet;
    a tier of older rules comes after them.
    """

    tiers: Sequence[str]
    population: int = 0
    by_tier: dict[str, Cells] = field(default_factory=dict)
    by_use: dict[tuple[str, str], Cells] = field(default_factory=dict)
    everybody: dict[str, Counter[str]] = field(default_factory=dict)

    def add(
        self,
        people: Iterable[CoarseClass],
        *,
        tiers: Mapping[UUID, str],
        served: Mapping[str, AbstractSet[UUID]],
    ) -> None:
        """Count people by their tier and by the benefits that they used."""
        for person in people:
            self.population += 1
            tier = tiers.get(person.citizen_id, self.tiers[0])
            used = [benefit for benefit, users in served.items() if person.citizen_id in users]
            for grouping in GROUPINGS:
                label = str(getattr(person, grouping))
                self.everybody.setdefault(grouping, Counter())[label] += 1
                self.by_tier.setdefault(grouping, Counter())[label, tier] += 1
                for benefit in used:
                    self.by_use.setdefault((benefit, grouping), Counter())[label, USED] += 1

    def protected(self) -> dict[str, Any]:
        """The figures as they may be shown and stored."""
        benefits = sorted({benefit for benefit, _ in self.by_use})
        found = {tier for cells in self.by_tier.values() for _, tier in cells}
        tiers = [*self.tiers, *sorted(found - {*self.tiers})]
        return {
            "population": self.population if self.population >= LEAST else None,
            "tiers": {
                grouping: self._table(grouping, cells, tiers)
                for grouping, cells in self.by_tier.items()
            },
            "benefits": {
                benefit: {
                    grouping: self._table(
                        grouping, self._with_others(benefit, grouping), (USED, NOT_USED)
                    )
                    for grouping in GROUPINGS
                }
                for benefit in benefits
            },
        }

    def _with_others(self, benefit: str, grouping: str) -> Cells:
        used = self.by_use[benefit, grouping]
        others = {
            (label, NOT_USED): count - used[label, USED]
            for label, count in self.everybody[grouping].items()
        }
        return Counter(used) + Counter(others)

    def _table(self, grouping: str, cells: Cells, columns: Sequence[str]) -> dict[str, Any]:
        return protected_table(
            cells, rows=sorted(self.everybody[grouping]), columns=columns
        ).as_document()
