"""What a record counts for an indicator on a day, and until when: the rules, written out as SQL.

Totals and lines are made of these expressions, so that no record counts here and not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from psycopg.sql import Literal
from sqlalchemy import (
    ARRAY,
    TIMESTAMP,
    BigInteger,
    ColumnElement,
    Date,
    Integer,
    Numeric,
    Text,
    and_,
    bindparam,
    case,
    cast,
    collate,
    func,
    literal_column,
    null,
    or_,
)
from sqlalchemy.dialects.postgresql import array

from app.scoring.scheme import Decay, Indicator, Rule, Unit

AS_OF: ColumnElement[date] = bindparam("as_of", type_=Date())
WHOLE_BELOW = 2**31  # what an integer of four bytes holds


@dataclass(frozen=True)
class Counting:
    """Records on a day, and what each counts by a rule.

    A record is worth quantity x value x share, in parts of `divisor`: linear decay divides at the
    end of an indicator, so that everything before is exact.
    """

    r: Any  # the columns of the records
    as_of: ColumnElement[date]

    def feeds(self, rule: Indicator) -> ColumnElement[bool]:
        """Whether a record feeds an indicator on the day."""
        return and_(self.r.record_type == word(rule.record_type), self.is_counted(rule))

    def is_counted(self, rule: Indicator) -> ColumnElement[bool]:
        """The same of a record of the right type."""
        conditions = [self.is_valid(rule.validity_days)]
        if rule.until_record_ends:
            conditions.append(or_(self.r.ends_on.is_(None), self.r.ends_on > self.as_of))
        if rule.items:
            conditions.append(self.r.item.in_([word(item) for item in rule.items]))
        return and_(*conditions)

    def is_valid(self, days: int | None) -> ColumnElement[bool]:
        """Whether a record was there on the day, and not longer than so many days."""
        begun: ColumnElement[bool] = self.r.event_on <= self.as_of
        return begun if days is None else and_(begun, self.r.event_on > self.as_of - whole(days))

    def ends_on(self, rule: Indicator) -> ColumnElement[Any]:
        """From which day on a record counts no longer: null is never."""
        return _first_of(self._ends(rule))

    def changes_on(self, rule: Indicator) -> ColumnElement[Any]:
        """The first day after this one on which a record is worth something else."""
        changes = self._ends(rule)
        if rule.decay is Decay.LINEAR:
            changes.append(self.as_of + whole(1))
        if rule.steps:
            changes.append(case(*(
                (self._age < whole(one.from_day), self.r.event_on + whole(one.from_day))
                for one in rule.steps
            )))  # fmt: skip
        return _first_of(changes)

    def _ends(self, rule: Indicator) -> list[ColumnElement[Any]]:
        ends: list[ColumnElement[Any]] = []
        if rule.validity_days is not None:
            ends.append(self.r.event_on + whole(rule.validity_days))
        if rule.until_record_ends:
            ends.append(self.r.ends_on)
        return ends

    @property
    def _age(self) -> ColumnElement[int]:
        age: ColumnElement[int] = self.as_of - self.r.event_on
        return age

    def quantity(self, rule: Indicator) -> ColumnElement[Any] | None:
        """The number of the record that counts; None: each record counts one."""
        if rule.measure is None:
            return None
        return cast(self.r.measures[word(rule.measure)].astext, Numeric())

    def value(self, rule: Indicator) -> ColumnElement[Any]:
        """What one is worth when it is new: by the rule, or by the record's item."""
        number = whole if is_whole(rule) else exact
        if rule.value is not None:
            return number(rule.value)
        return case(*((self.r.item == word(item), number(n)) for item, n in rule.items.items()))

    def share(self, rule: Indicator) -> ColumnElement[Any] | None:
        """What decay has left of it, in parts of the divisor; None: all."""
        if rule.decay is Decay.LINEAR and rule.validity_days is not None:
            return whole(rule.validity_days) - self._age
        if not rule.steps:
            return None
        later_first = reversed(rule.steps)
        return case(
            *((self._age >= whole(one.from_day), exact(one.share)) for one in later_first),
            else_=exact(1),
        )

    def parts(self, rule: Indicator) -> ColumnElement[Any] | None:
        """Quantity x share; None: one."""
        quantity, share = self.quantity(rule), self.share(rule)
        if quantity is None or share is None:
            return share if quantity is None else quantity
        return quantity * share

    def amount(self, rule: Indicator) -> ColumnElement[Any]:
        """Quantity x value x share."""
        parts, value = self.parts(rule), self.value(rule)
        return value if parts is None else parts * value

    def latest(self) -> ColumnElement[Any]:
        """By what the latest record is found; two of one day: the greater number.

        An array of texts: the day as six digits, the number, and what an amount is made of.
        """
        day = cast(self.r.event_on - FIRST_DAY, Text())
        told: array[Any] = array(
            [collate(day, "C"), self.r.record_number, cast(self.r.measures, Text()), self.r.item],
            type_=Text(),
        )
        return cast(told, ARRAY(Text()))

    def of_latest(self, found: ColumnElement[Any], measures: ColumnElement[Any]) -> Counting:
        """The same over the record that `latest` found, with its measures read already."""
        event_on = FIRST_DAY + cast(found[1], Integer())
        return Counting(_Latest(event_on, measures, found[4]), self.as_of)


@dataclass(frozen=True)
class _Latest:
    """The columns of a record that was found."""

    event_on: ColumnElement[date]
    measures: ColumnElement[Any]
    item: ColumnElement[str]


FIRST_DAY: ColumnElement[date] = cast(literal_column("'1000-01-01'"), Date())


def divisor(rule: Indicator) -> int:
    """In which parts amounts are: days of validity, where worth falls with every day."""
    return rule.validity_days or 1 if rule.decay is Decay.LINEAR else 1


def is_whole(rule: Indicator) -> bool:
    """Whether integers are enough for it: they cost a fraction of exact decimals."""
    values = rule.items.values() if rule.value is None else [rule.value]
    fits = all(value == int(value) and abs(value) < WHOLE_BELOW for value in values)
    plain = rule.measure is None and rule.decay is None and rule.period is None
    return fits and plain and rule.rule is not Rule.BASE and rule.unit is not Unit.MONTH


def truncated(unit: str, day: ColumnElement[Any]) -> ColumnElement[Any]:
    """The first day of the month, quarter or year of a day."""
    return cast(func.date_trunc(word(unit), cast(day, TIMESTAMP())), Date())


def word(value: str) -> ColumnElement[str]:
    """A text of the rules as a constant of the statement."""
    return literal_column(Literal(value).as_string(), Text())


def exact(value: Decimal | int) -> ColumnElement[Any]:
    """An exact number of the rules as a constant of the statement."""
    return cast(literal_column(f"({Literal(value).as_string()})"), Numeric())


def whole(value: Decimal | int) -> ColumnElement[Any]:
    """A whole number of the rules as a constant of the statement."""
    return literal_column(f"({int(value)})", BigInteger())


def _first_of(days: list[ColumnElement[Any]]) -> ColumnElement[Any]:
    return func.least(*days) if days else cast(null(), Date())
