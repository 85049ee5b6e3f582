"""The lines of a score, written out: one per record and indicator, with its exact share.

The lines of an indicator add up to its exact value, except to a starting value, which has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    FromClause,
    Numeric,
    Select,
    Text,
    case,
    cast,
    collate,
    func,
    null,
    select,
    union_all,
)

from app.scoring.counting import AS_OF, Counting, divisor, exact, truncated, whole, word
from app.scoring.scheme import Indicator, Rule, Scheme, Unit

ONE_OF_MANY = {Rule.FACTOR: "older", Rule.BEST_OF: "best_of", Rule.ONCE: "once"}
SAME_MONTH = "same_month"


def select_lines(scheme: Scheme, *, records: FromClause) -> Select[Any]:
    """The query of the lines of the records given, which are in force on the day `as_of`.

    citizen_id, indicator, record_type, record_number, version, event_on, ends_on, item, quantity;
    `value` after what the cap of its period takes, in the order of the lines, and what that is
    (over_period_cap); period_on, and whether the period is the one of the day (is_running);
    not_counted says why a line is worth nothing: older, best_of, once, same_month.
    """
    counting = Counting(records.c, AS_OF)
    a = union_all(*(_branch(counting, one) for one in scheme.indicators)).subquery("a").c
    reached = func.sum(a.amount).over(
        partition_by=(a.citizen_id, a.indicator, a.period_on),
        order_by=(a.event_on, collate(a.record_number, "C")), rows=(None, 0),
    )  # fmt: skip
    k = select(a.citizen_id.table, reached.label("reached")).subquery("k").c
    before = k.reached - k.amount
    counted = case(
        (k.period_cap.is_(None), k.amount),
        else_=_within(k.period_cap, k.reached) - _within(k.period_cap, before),
    )
    told = (
        "citizen_id", "indicator", "record_type", "record_number", "version", "event_on",
        "ends_on", "item", "quantity", "not_counted", "period_on", "is_running",
    )
    return select(
        *(k[name] for name in told),
        (counted / k.divisor).label("value"),
        ((k.amount - counted) / k.divisor).label("over_period_cap"),
    )


def _branch(counting: Counting, rule: Indicator) -> Select[Any]:
    """The records that feed one indicator; `amount` before the cap of a period, in its parts."""
    r = counting.r
    quantity = counting.quantity(rule)
    period_on = truncated(rule.period, r.event_on) if rule.period else cast(null(), Date())
    running_on = truncated(rule.period, AS_OF) if rule.period else cast(null(), Date())
    cap = exact(rule.period_cap * divisor(rule)) if rule.period_cap else cast(null(), Numeric())
    amount, not_counted = _amount(counting, rule, together=(r.citizen_id, period_on))
    return select(
        r.citizen_id, word(rule.code).label("indicator"), r.record_type, r.record_number,
        r.version, r.event_on, counting.ends_on(rule).label("ends_on"), r.item,
        (exact(1) if quantity is None else quantity).label("quantity"),
        cast(amount, Numeric()).label("amount"),
        not_counted.label("not_counted"), period_on.label("period_on"),
        (period_on == running_on).label("is_running"), cap.label("period_cap"),
        whole(divisor(rule)).label("divisor"),
    ).where(counting.feeds(rule))  # fmt: skip


def _amount(
    counting: Counting, rule: Indicator, *, together: Sequence[ColumnElement[Any]]
) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """What a record is worth beside the others, and why it is nothing.

    Of some rules one record counts: the latest, the best, the first.  Of full hundreds each line
    has those that it completes.
    """
    r, full, nothing = counting.r, counting.amount(rule), cast(null(), Text())
    number = collate(r.record_number, "C")
    if rule.unit is Unit.HUNDRED_YUAN:
        reached = func.sum(counting.parts(rule)).over(
            partition_by=together, order_by=(r.event_on, number), rows=(None, 0)
        )
        before = reached - counting.parts(rule)
        return (func.div(reached, 100) - func.div(before, 100)) * counting.value(rule), nothing
    if rule.unit is Unit.MONTH:
        together = (*together, truncated("month", r.event_on))
    elif rule.rule not in ONE_OF_MANY:
        return full, nothing
    by_day = r.event_on.desc() if rule.rule is Rule.BEST_OF else r.event_on
    first = (full.desc(), by_day, number.desc())
    place = func.row_number().over(
        partition_by=together,
        order_by=counting.latest().desc() if rule.rule is Rule.FACTOR else first,
    )
    why_not = word(ONE_OF_MANY.get(rule.rule, SAME_MONTH))
    return case((place == 1, full), else_=0), case((place > 1, why_not), else_=nothing)


def _within(cap: ColumnElement[Any], amount: ColumnElement[Any]) -> ColumnElement[Any]:
    """Caps hold both ways."""
    return func.greatest(-cap, func.least(cap, amount))
