"""The scheme language a second time, in plain Python: nothing here comes from `app`.

A scheme is what tomllib reads; numbers are fractions, so that nothing is rounded but once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Any


@dataclass(frozen=True)
class Fact:
    """A live record."""

    kind: str
    number: str
    event_on: date
    item: str | None = None
    measures: dict[str, str] = field(default_factory=dict)
    ends_on: date | None = None


def period_of(rule: dict[str, Any], on: date) -> tuple[int, int]:
    parts = {"month": 12, "quarter": 4, "year": 1}.get(rule.get("period", ""), 0)
    return (on.year, (on.month - 1) * parts // 12) if parts else (0, 0)


def share(rule: dict[str, Any], fact: Fact, on: date) -> Fraction:
    age = (on - fact.event_on).days
    if rule.get("decay") == "linear":
        return Fraction(rule["validity_days"] - age, rule["validity_days"])
    reached = [one["share"] for one in rule.get("steps", ()) if one["from_day"] <= age]
    return Fraction(reached[-1] if reached else 1)


def quantity(rule: dict[str, Any], fact: Fact) -> Fraction:
    return Fraction(fact.measures[rule["measure"]]) if "measure" in rule else Fraction(1)


def worth(rule: dict[str, Any], fact: Fact, on: date) -> Fraction:
    value = Fraction(rule["items"][fact.item] if "items" in rule else rule["value"])
    return quantity(rule, fact) * value * share(rule, fact, on)


def together(rule: dict[str, Any], facts: list[Fact], on: date) -> Fraction:
    worths = {fact.number: worth(rule, fact, on) for fact in facts}
    if rule["rule"] == "factor":
        return worths[max(facts, key=lambda fact: (fact.event_on, fact.number)).number]
    if rule["rule"] in {"best_of", "once"}:
        return max(worths.values())
    if rule.get("unit") == "hundred_yuan":
        return sum(quantity(rule, fact) for fact in facts) // 100 * Fraction(rule["value"])
    if rule.get("unit") == "month":
        best: dict[tuple[int, int], Fraction] = {}
        for fact in facts:
            month = (fact.event_on.year, fact.event_on.month)
            best[month] = max(best.get(month, Fraction(0)), worths[fact.number])
        return sum(best.values(), Fraction(0))
    return sum(worths.values(), Fraction(0))


def between(value: Any, cap: Any) -> Any:
    return max(-cap, min(cap, value))


def counts(rule: dict[str, Any], fact: Fact, on: date) -> bool:
    if rule["rule"] == "base":
        return False
    fits = fact.kind == rule["record_type"] and fact.item in rule.get("items", {fact.item})
    return fits and fact.event_on <= on and all(on < day for day in ends(rule, fact))


def ends(rule: dict[str, Any], fact: Fact) -> list[date]:
    """By its validity, and by its own end where the rule asks for that."""
    validity = rule.get("validity_days")
    own = [fact.ends_on] if rule.get("until_record_ends") and fact.ends_on else []
    return own if validity is None else [*own, fact.event_on + timedelta(days=validity)]


def exact(rule: dict[str, Any], facts: Iterable[Fact], on: date) -> Fraction:
    if rule["rule"] == "base":
        return Fraction(rule["value"])
    periods: dict[tuple[int, int], list[Fact]] = {}
    for fact in facts:
        if counts(rule, fact, on):
            periods.setdefault(period_of(rule, fact.event_on), []).append(fact)
    cap = Fraction(rule.get("period_cap", 10**12))
    return sum((between(together(rule, some, on), cap) for some in periods.values()), Fraction(0))


def rounded(value: Fraction) -> int:
    """Half away from zero."""
    return int(abs(value) + Fraction(1, 2)) * (1 if value >= 0 else -1)


def total(scheme: dict[str, Any], facts: list[Fact], on: date) -> tuple[dict[str, int], int]:
    """The points of each indicator, and the total."""
    points = {
        rule["code"]: between(rounded(exact(rule, facts, on)), rule["cap"])
        for rule in scheme["indicator"]
    }
    dimensions = [
        min(one["cap"], sum(points[rule["code"]] for rule in scheme["indicator"]
                            if rule["dimension"] == one["code"]))
        for one in scheme["dimension"]
    ]  # fmt: skip
    return points, max(0, min(scheme["total_cap"], sum(dimensions)))


def changes_on(scheme: dict[str, Any], facts: Iterable[Fact], on: date) -> date | None:
    """The first day after this one on which a fact that counts is worth something else."""
    days = []
    for rule in scheme["indicator"]:
        for fact in facts:
            if not counts(rule, fact, on):
                continue
            days += ends(rule, fact)
            days += [
                fact.event_on + timedelta(days=step["from_day"]) for step in rule.get("steps", ())
            ]
            if rule.get("decay") == "linear":
                days.append(on + timedelta(days=1))
    return min((day for day in days if day > on), default=None)
