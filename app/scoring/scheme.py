"""A scheme as data: read strictly from TOML; an error names the offending key."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from app.records.catalogue import Catalogue, RecordType

DIRECTORY = Path(__file__).parent / "schemes"
T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


class SchemeError(ValueError):
    """The scheme file does not make sense; the message names the offending key."""


class Rule(StrEnum):
    """How the counted records of an indicator become its exact value."""

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
    counts one.  `validity_days` None: for ever.
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
    """All published rules of one version."""

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

    def indicator_of(self, record_type: str, item: str | None) -> Sequence[Indicator]:
        """The indicators that a record of this type and item feeds."""
        return [
            indicator
            for indicator in self.indicators
            if indicator.record_type == record_type
            and (not indicator.items or item in indicator.items)
        ]


def read_scheme_file(name: str) -> str:
    """The text of a scheme that ships with the product, `jinhua-xinyijin-2026.1`, say."""
    return (DIRECTORY / f"{name}.toml").read_text(encoding="utf-8")


def parse_scheme(document: str, *, catalogue: Catalogue) -> Scheme:
    """Read a scheme and check it against the catalogue; SchemeError names the offending key."""
    try:
        root = _Table(tomllib.loads(document), "scheme")
    except tomllib.TOMLDecodeError as error:
        raise SchemeError(f"scheme: {error}") from error
    made = Scheme(
        code=root.text("code"),
        version=root.text("version"),
        title=root.text("title"),
        effective_on=root.take("effective_on", date),
        total_cap=root.whole("total_cap"),
        legal_basis=root.text("legal_basis"),
        tiers=tuple(_tier(entry) for entry in root.tables("tier")),
        dimensions=tuple(_dimension(entry) for entry in root.tables("dimension")),
        indicators=tuple(_indicator(entry) for entry in root.tables("indicator")),
        points=_points(root.table("points")),
        document=document,
        content_hash=hashlib.sha256(document.encode()).digest(),
    )
    root.finish()
    _check(made, catalogue)
    return made


class _Table:
    """A TOML table that is read key by key; what is left over at the end is an error."""

    def __init__(self, entries: Mapping[str, Any], place: str) -> None:
        self._left = dict(entries)
        self.place = place

    def take(self, key: str, kind: type[T]) -> T:
        found = self._left.pop(key, None)
        if not isinstance(found, kind) or isinstance(found, bool):
            raise SchemeError(f"{self.place}.{key}: {kind.__name__} expected")
        return found

    def text(self, key: str) -> str:
        found = self.take(key, str)
        if not found:
            raise SchemeError(f"{self.place}.{key}: empty")
        return found

    def whole(self, key: str) -> int:
        found = self.take(key, int)
        if found < 0:
            raise SchemeError(f"{self.place}.{key}: must not be negative")
        return found

    def optional_text(self, key: str) -> str | None:
        return self.text(key) if key in self._left else None

    def optional_whole(self, key: str) -> int | None:
        return self.whole(key) if key in self._left else None

    def decimal(self, key: str) -> Decimal | None:
        return _decimal(self.text(key), f"{self.place}.{key}") if key in self._left else None

    def choice(self, key: str, kind: type[E]) -> E:
        text = self.text(key)
        if text not in list(kind):
            raise SchemeError(f"{self.place}.{key}: one of {', '.join(kind)} expected")
        return kind(text)

    def mapping(self, key: str) -> Mapping[str, Any]:
        return self.take(key, dict) if key in self._left else {}

    def flag(self, key: str) -> bool:
        found = self._left.pop(key, False)
        if not isinstance(found, bool):
            raise SchemeError(f"{self.place}.{key}: true or false expected")
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(self.take(key, list)) if key in self._left else ()

    def illustrative(self) -> tuple[str, ...]:
        return tuple(self.take("illustrative", list)) if "illustrative" in self._left else ()

    def table(self, key: str) -> _Table:
        return _Table(self.take(key, dict), f"{self.place}.{key}")

    def tables(self, key: str) -> list[_Table]:
        return [
            _Table(entry, f"{self.place}.{key}[{at}]")
            for at, entry in enumerate(self.take(key, list))
        ]

    def finish(self) -> None:
        if self._left:
            raise SchemeError(f"{self.place}.{min(self._left)}: unknown key")


def _decimal(text: object, place: str) -> Decimal:
    """Values are written as text, so that no binary fraction comes near them."""
    try:
        return Decimal(text) if isinstance(text, str) else Decimal("NaN")
    except InvalidOperation:
        raise SchemeError(f"{place}: a decimal number in quotes expected") from None


def _tier(entry: _Table) -> Tier:
    made = Tier(entry.text("code"), entry.whole("least_total"), entry.illustrative())
    entry.finish()
    return made


def _dimension(entry: _Table) -> Dimension:
    made = Dimension(
        entry.text("code"), entry.text("name"), entry.whole("cap"), entry.illustrative()
    )
    entry.finish()
    return made


def _indicator(entry: _Table) -> Indicator:
    rule = entry.choice("rule", Rule)
    items = entry.mapping("items")
    made = Indicator(
        code=entry.text("code"),
        dimension=entry.text("dimension"),
        name=entry.text("name"),
        rule=rule,
        unit=entry.choice("unit", Unit) if rule is Rule.PER_UNIT else None,
        value=entry.decimal("value"),
        items={
            item: _decimal(value, f"{entry.place}.items.{item}") for item, value in items.items()
        },
        measure=entry.optional_text("measure"),
        cap=entry.whole("cap"),
        validity_days=entry.optional_whole("validity_days"),
        record_type=entry.text("record_type"),
        illustrative=entry.illustrative(),
        open_to_all=entry.flag("open_to_all"),
        open_items=entry.texts("open_items"),
    )
    entry.finish()
    return made


def _points(entry: _Table) -> PointsRules:
    made = PointsRules(
        daily_cap_points=entry.whole("daily_cap_points"),
        lot_days=entry.whole("lot_days"),
        grants=tuple(_grant(grant) for grant in entry.tables("grant")),
        illustrative=entry.illustrative(),
    )
    entry.finish()
    return made


def _grant(entry: _Table) -> GrantRule:
    made = GrantRule(
        indicator=entry.text("indicator"),
        unit=entry.choice("unit", Unit),
        points=entry.optional_whole("points"),
        items=entry.mapping("items"),
        illustrative=entry.illustrative(),
    )
    entry.finish()
    for item, points in made.items.items():
        if not isinstance(points, int) or points < 0:
            raise SchemeError(f"{entry.place}.items.{item}: whole points expected")
    if (made.points is None) != bool(made.items):
        raise SchemeError(f"{entry.place}.points: either points or items")
    return made


def _check(made: Scheme, catalogue: Catalogue) -> None:
    for key, codes in (
        ("tier", [tier.code for tier in made.tiers]),
        ("dimension", [dimension.code for dimension in made.dimensions]),
        ("indicator", [indicator.code for indicator in made.indicators]),
        ("points.grant", [grant.indicator for grant in made.points.grants]),
    ):
        if len(set(codes)) != len(codes):
            raise SchemeError(f"scheme.{key}.code: a code stands twice")
    dimensions = {dimension.code for dimension in made.dimensions}
    for indicator in made.indicators:
        place = f"scheme.indicator {indicator.code}"
        if indicator.dimension not in dimensions:
            raise SchemeError(f"{place}.dimension: there is no {indicator.dimension}")
        record_type = catalogue.record_types.get(indicator.record_type)
        if record_type is None:
            raise SchemeError(f"{place}.record_type: not in the catalogue")
        _check_feed(indicator, record_type, place)
    known = {indicator.code for indicator in made.indicators}
    for grant in made.points.grants:
        if grant.indicator not in known:
            raise SchemeError(f"scheme.points.grant.indicator: there is no {grant.indicator}")
        if grant.unit is Unit.MONTH:
            raise SchemeError("scheme.points.grant.unit: a record grants no points per month")


def _check_feed(indicator: Indicator, record_type: RecordType, place: str) -> None:
    unknown = sorted(set(indicator.items) - record_type.items)
    if unknown:
        raise SchemeError(f"{place}.items.{unknown[0]}: not in the catalogue")
    if (indicator.value is None) != bool(indicator.items):
        raise SchemeError(f"{place}.value: either value or items")
    values = [*indicator.items.values(), indicator.value or Decimal(0)]
    if any(not value.is_finite() or value < 0 for value in values):
        raise SchemeError(f"{place}.value: a decimal number in quotes, not negative, expected")
    measured = indicator.rule is Rule.FACTOR or indicator.unit in {Unit.HOUR, Unit.HUNDRED_YUAN}
    if measured != (indicator.measure is not None):
        raise SchemeError(f"{place}.measure: needed with factor, hour and hundred_yuan only")
    if indicator.measure is not None and indicator.measure not in record_type.measures:
        raise SchemeError(f"{place}.measure: the catalogue has no {indicator.measure}")
    if not set(indicator.open_items) <= set(indicator.items):
        raise SchemeError(f"{place}.open_items: only items that feed it")
    if indicator.open_to_all and indicator.items:
        raise SchemeError(f"{place}.open_to_all: of items, open_items says which")
    if indicator.rule is Rule.TABLE and not indicator.items:
        raise SchemeError(f"{place}.items: a table needs them")
