"""Rules and lines in the words of the citizen they are about.  Pure functions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

from app.scoring.scheme import Indicator, Rule, Unit

_WHY_NOT = {
    "older": "已有更新的一期结果，只计最新一期",
    "best_of": "已有更高的一项，只计最高一项",
    "once": "同类只计一次",
    "same_month": "当月已计一次",
}
_NOTES = {Rule.BEST_OF: "（只计最高一项）", Rule.ONCE: "（只计一次）"}


def plain(number: Decimal) -> str:
    """A decimal number as the shortest text without an exponent."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def describe_line(
    rule: Indicator, *, event_on: date, item: str | None, quantity: Decimal, value: Decimal
) -> str:
    """What a record is worth and why: `志愿服务时长：3 小时 × 0.5 = 1.5 分`."""
    worth = worth_of(rule, item)
    if worth is None or value != worth * quantity:
        said = _amount(rule, event_on, item, quantity)
        return f"{rule.name}：{said}，计 {plain(value)} 分"
    said = f"{_amount(rule, event_on, item, quantity)} × {plain(worth)} = {plain(value)} 分"
    return f"{rule.name}：{said}{_NOTES.get(rule.rule, '')}"


def describe_not_counted(reason: str | None) -> str | None:
    """Why a line is worth nothing."""
    return None if reason is None else _WHY_NOT.get(reason, "按已公布的规则不重复计分")


def describe_unit(rule: Indicator) -> str:
    """What one more of an indicator is: `1 小时`, `每满 100 元`, `1 次`."""
    if rule.rule is Rule.PER_UNIT and rule.unit is not None:
        return {
            Unit.RECORD: "1 次", Unit.HOUR: "1 小时", Unit.HUNDRED_YUAN: "每满 100 元",
            Unit.MONTH: "1 个月",
        }[rule.unit]
    return "1 项"


def describe_rule(rule: Indicator) -> str:
    """A published rule in one line: `每 1 小时 0.5 分；最多 80 分；自发生之日起 365 天内计分`."""
    if rule.rule is Rule.BASE and rule.value is not None:
        return f"起始 {plain(rule.value)} 分"
    worths = (
        f"{describe_unit(rule)} {plain(rule.value)} 分" if rule.value is not None
        else "、".join(f"{_short(item)} {plain(worth)} 分" for item, worth in rule.items.items())
    )  # fmt: skip
    if rule.rule is Rule.FACTOR and rule.value is not None:
        worths = f"最新一期评价结果 × {plain(rule.value)}"
    lasts = (
        "长期有效" if rule.validity_days is None
        else f"自发生之日起 {rule.validity_days} 天内计分"
    )  # fmt: skip
    return f"{worths}{_NOTES.get(rule.rule, '')}；最多 {rule.cap} 分；{lasts}"


def worth_of(rule: Indicator, item: str | None) -> Decimal | None:
    """What one unit of a record is worth by the rule."""
    return rule.items.get(item, rule.value) if item is not None else rule.value


def _amount(rule: Indicator, event_on: date, item: str | None, quantity: Decimal) -> str:
    count = plain(quantity)
    by_unit: dict[Unit, Callable[[], str]] = {
        Unit.HOUR: lambda: f"{count} 小时",
        Unit.HUNDRED_YUAN: lambda: f"{count} 元（按累计每满 100 元计）",
        Unit.MONTH: lambda: f"{event_on.year} 年 {event_on.month} 月 1 次",
    }
    if rule.unit in by_unit:
        return by_unit[rule.unit]()
    if rule.rule is Rule.FACTOR:
        return f"评价结果 {count}"
    return f"{_short(item or rule.name)} {count} 次"


def _short(item: str) -> str:
    """`四星` of `文明家庭/四星`: the indicator's name stands before it."""
    return item.rpartition("/")[2]
