"""The published rules of a score as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cached_property


class Rule(StrEnum):
    """How the counted records of an indicator become its exact value; `base` needs none."""

    BASE = "base"
    FACTOR = "factor"
    PER_UNIT = "per_unit"
    TABLE = "table"
    BEST_OF = "best_of"
    ONCE = "once"


class Unit(StrEnum):
    """What `per_unit` counts."""

    RECORD = "record"
    HOUR = "hour"
    HUNDRED_YUAN = "hundred_yuan"
    MONTH = "month"


class Period(StrEnum):
    """By which periods of event days a rule is applied."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class Subject(StrEnum):
    """Whose score it is."""

    CITIZEN = "citizen"
    HOUSEHOLD = "household"


class Decay(StrEnum):
    """How a record loses worth while it is valid."""

    LINEAR = "linear"
    STEPS = "steps"


class Among(StrEnum):
    """Whose totals are compared: of everybody who takes part, or of each village by itself."""

    PROGRAMME = "programme"
    VILLAGE = "village"


@dataclass(frozen=True)
class RankRule:
    """A place that is told to those alone who take part, after the end of each period.

    It is reached by who has `least_total` and strictly above fewer than `top_percent` of them, or
    than `top_count`.
    """

    code: str
    title: str
    among: Among
    period: Period
    top_percent: int | None
    top_count: int | None
    least_total: int
    illustrative: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """From this day after the event on, a record is worth this share."""

    from_day: int
    share: Decimal


@dataclass(frozen=True)
class Tier:
    """A tier and the least total that reaches it."""

    code: str
    least_total: int
    illustrative: tuple[str, ...]


@dataclass(frozen=True)
class Dimension:
    """A first-level dimension."""

    code: str
    name: str
    cap: int
    illustrative: tuple[str, ...]


@dataclass(frozen=True)
class Indicator:
    """A second-level indicator.

    `items` are the items that feed it, each with its value; without items every record of the type
    does, at `value`.  `measure` names the number of the record that counts; without it each record
    counts one.  `validity_days` None: for ever.  `record_type` is empty for a starting value.
    """

    code: str
    dimension: str
    name: str
    rule: Rule
    unit: Unit | None
    value: Decimal | None
    items: Mapping[str, Decimal]
    measure: str | None
    cap: int
    validity_days: int | None
    record_type: str
    illustrative: tuple[str, ...]
    open_to_all: bool = False
    open_items: tuple[str, ...] = ()
    period: Period | None = None
    period_cap: Decimal | None = None
    decay: Decay | None = None
    steps: tuple[Step, ...] = ()
    until_record_ends: bool = False

    def open_worths(self) -> list[tuple[str | None, Decimal]]:
        """What everybody may do for it, item and value of one more; nothing where only some may."""
        if self.value is not None:
            return [(None, self.value)] if self.open_to_all else []
        return [(item, self.items[item]) for item in self.open_items]


@dataclass(frozen=True)
class GrantRule:
    """The points that one record of an indicator grants: per unit, or by item."""

    indicator: str
    unit: Unit
    points: int | None
    items: Mapping[str, int]
    illustrative: tuple[str, ...]


@dataclass(frozen=True)
class PointsRules:
    """How points are granted: a cap per citizen, indicator and event date; the life of a lot."""

    daily_cap_points: int
    lot_days: int
    grants: tuple[GrantRule, ...]
    illustrative: tuple[str, ...]


@dataclass(frozen=True)
class Scheme:
    """All published rules of one version.

    With `shown`, citizens see the state of the last closed period instead of today's.
    """

    code: str
    version: str
    title: str
    effective_on: date
    total_cap: int
    legal_basis: str
    tiers: tuple[Tier, ...]
    dimensions: tuple[Dimension, ...]
    indicators: tuple[Indicator, ...]
    points: PointsRules
    document: str
    content_hash: bytes
    subject: Subject = Subject.CITIZEN
    shown: Period | None = None
    ranks: tuple[RankRule, ...] = ()

    @property
    def gives_benefits(self) -> bool:
        """Whether benefits may go by its totals: those of persons, shown at once."""
        return self.subject is Subject.CITIZEN and self.shown is None

    @cached_property
    def by_code(self) -> Mapping[str, Indicator]:
        """The indicators by their codes."""
        return {indicator.code: indicator for indicator in self.indicators}

    def indicator_of(self, record_type: str, item: str | None) -> Sequence[Indicator]:
        """The indicators that a record of this type and item feeds."""
        return [
            indicator
            for indicator in self.indicators
            if indicator.record_type == record_type
            and (not indicator.items or item in indicator.items)
        ]

    def grant_rule_of(self, record_type: str, item: str | None) -> GrantRule | None:
        """The rule by which such a record grants points, if there is one; found once for all."""
        kind = (record_type, item)
        if kind not in self._grant_rules:
            fed = {indicator.code for indicator in self.indicator_of(record_type, item)}
            self._grant_rules[kind] = next(
                (rule for rule in self.points.grants if rule.indicator in fed), None
            )
        return self._grant_rules[kind]

    @cached_property
    def _grant_rules(self) -> dict[tuple[str, str | None], GrantRule | None]:
        return {}
