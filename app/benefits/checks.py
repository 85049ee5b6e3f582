"""What must hold between the keys of a benefit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import time
from itertools import pairwise
from typing import Any, Final

from app.benefits.keys import CLAIMED_KINDS, PERIODS
from app.benefits.values import Rung, check_ladder
from app.kernel.keyed_documents import Finding

WORD: Final = r"[a-z][a-z0-9_]{1,39}"
WEEKDAYS: Final = range(1, 8)
NAME_MAX_CHARS: Final = 100
HOURS_OF_A_DAY: Final = 24
SECONDS_OF_AN_HOUR: Final = 3600
DAYS_AHEAD_MAX: Final = 366
CLAIM_KEYS: Final = (
    "price_points", "stock", "claim_limit", "claim_limits", "slots", "budget_fen",
)  # fmt: skip
Said = Iterator[tuple[str, str]]


def check_catalogue(read: Mapping[str, Any], findings: list[Finding]) -> None:
    """Add what is wrong; benefits whose keys are wrong already are not looked at further."""
    broken = {one.path[:2] for one in findings}
    known: set[tuple[str, int]] = set()
    for at, one in enumerate(read.get("benefit", ())):
        path = ("benefit", at)
        if path in broken:
            continue
        said = (
            *_facts(one), *_money(one), *_limits(one), *_slots(one), *_use(one), *_offline(one),
        )  # fmt: skip
        findings += [Finding((*path, key), reason) for key, reason in said]
        rungs, ladder_findings = _rungs(one, path, read.get("tiers", ()))
        findings += [*ladder_findings, *check_ladder(rungs)]
        if (one["code"], one["version"]) in known:
            findings.append(Finding((*path, "version"), "this version stands here twice"))
        known.add((one["code"], one["version"]))


def second_of_day(moment: time) -> int:
    """How many seconds after midnight."""
    return (moment.hour * 60 + moment.minute) * 60 + moment.second


def _facts(one: Mapping[str, Any]) -> Said:
    for key in ("code", "consent_purpose", "stacking_group"):
        if key in one and not re.fullmatch(WORD, one[key]):
            yield key, "small letters, digits and _ expected, at most 40"
    if len(one["name"]) > NAME_MAX_CHARS or not one["name"].isprintable():
        yield "name", f"at most {NAME_MAX_CHARS} printable characters expected"
    for key in ("version", "voucher_life_seconds"):
        if one.get(key) == 0:
            yield key, "more than 0 expected"
    if one.get("valid_to", one["valid_from"]) < one["valid_from"]:
        yield "valid_to", "before valid_from"
    days = one.get("weekdays", [1])
    if not days or len(set(days)) < len(days) or not set(days) <= set(WEEKDAYS):
        yield "weekdays", "different numbers from 1 to 7 expected"
    opens, closes = one.get("open_from"), one.get("open_until")
    if (opens is None) != (closes is None):
        yield "open_from" if opens else "open_until", "open_from and open_until come together"
    elif opens is not None and opens >= closes:
        yield "open_until", "open_from and open_until: it closes before it opens"


def _money(one: Mapping[str, Any]) -> Said:
    subsidy_fen = one.get("subsidy", {"fen": None})["fen"]
    if subsidy_fen == 0:
        yield "subsidy", "more than 0 fen expected; without a subsidy leave it out"
    if "budget_fen" in one:
        if subsidy_fen is None:
            yield "budget_fen", "a budget needs a subsidy"
        elif one["budget_fen"] < subsidy_fen:
            yield "budget_fen", "less than one subsidy"


def _limits(one: Mapping[str, Any]) -> Said:
    limits = one.get("claim_limits", [])
    if "claim_limit" in one:
        if limits:
            yield "claim_limits", "either claim_limit or claim_limits"
        limits = [one["claim_limit"]]
    key = "claim_limit" if "claim_limit" in one else "claim_limits"
    if any(limit["count"] == 0 for limit in limits):
        yield key, "more than 0 expected: a limit denies nobody"
    for lower, higher in pairwise(limits):
        if PERIODS.index(lower["period"]) >= PERIODS.index(higher["period"]):
            yield key, "different periods expected, the shortest first"
        elif lower["count"] >= higher["count"]:
            yield key, f"the limit of a {lower['period']} is never reached: {higher['period']}"


def _slots(one: Mapping[str, Any]) -> Said:
    slots = one.get("slots")
    if slots is None:
        if "voucher_life_seconds" not in one:
            yield "voucher_life_seconds", "missing"
        return
    if "voucher_life_seconds" in one:
        yield "voucher_life_seconds", "a voucher is good in its slot: leave it out"
    if slots["capacity"] == 0:
        yield "slots", "more than 0 places expected"
    if slots["days_ahead"] > DAYS_AHEAD_MAX:
        yield "slots", f"at most {DAYS_AHEAD_MAX} days ahead"
    open_seconds = HOURS_OF_A_DAY * SECONDS_OF_AN_HOUR
    if "open_from" in one and "open_until" in one:
        open_seconds = second_of_day(one["open_until"]) - second_of_day(one["open_from"])
    hours = slots.get("hours")
    if hours is not None and (hours == 0 or open_seconds % (hours * SECONDS_OF_AN_HOUR)):
        yield "slots", "whole slots expected from open_from until open_until"


def _use(one: Mapping[str, Any]) -> Said:
    claimed = one["kind"] in CLAIMED_KINDS
    if not claimed:
        for key in (*CLAIM_KEYS, "stacking_group"):
            if key in one:
                yield key, f"a {one['kind']} is not claimed"
    if "confirm_above_fen" in one and one["kind"] != "guarantee":
        yield "confirm_above_fen", f"nobody charges an amount for a {one['kind']}"
    told = one["kind"] != "ticket" and any(key in one for key in ("tiers", "step", "honour"))
    if told and "consent_purpose" not in one:
        yield "kind", "the receiver learns of the tier: consent_purpose is missing"
    for honour in one.get("honour", ()):
        if not re.fullmatch(WORD, honour["record_type"]):
            yield "honour", "a record type is small letters, digits and _"
        items = honour.get("items", [""])
        if not items or len(set(items)) < len(items):
            yield "honour", "different items expected; where any will do leave them out"


def _offline(one: Mapping[str, Any]) -> Said:
    limited = any(key in one for key in ("stock", "budget_fen", "price_points", "slots"))
    allowed = one.get("offline_allowed", False)
    if allowed and (limited or one["kind"] not in CLAIMED_KINDS):
        yield "offline_allowed", "what is limited, priced, lent or stated needs the network"
    for key in ("offline_worth_fen", "offline_unsent_max"):
        if key in one and not allowed:
            yield key, "nothing is used off line: leave it out"
        elif one.get(key) == 0:
            yield key, "more than 0 expected"
    if "subsidy" in one and "offline_worth_fen" in one:
        yield "offline_worth_fen", "the subsidy says what a use costs: leave it out"
    elif allowed and "subsidy" not in one and "offline_worth_fen" not in one:
        yield "offline_worth_fen", "missing: without a subsidy it says what a wrong use costs"


def _rungs(
    one: Mapping[str, Any], path: tuple[str, int], order: Sequence[str]
) -> tuple[list[Rung], list[Finding]]:
    rungs = [Rung((*path, "baseline"), "the baseline", one["baseline"])]
    findings = []
    if "tiers" in one:
        tiers = one["tiers"]
        if "step" in one:
            findings.append(Finding((*path, "step"), "either tiers or steps"))
        findings += [
            Finding((*path, "tiers"), f"tier {tier} has no value")
            for tier in order if tier not in tiers
        ]  # fmt: skip
        findings += [
            Finding((*path, "tiers", tier), f"tier {tier} is unknown")
            for tier in tiers if tier not in order
        ]  # fmt: skip
        rungs += [
            Rung((*path, "tiers", tier), f"tier {tier}", tiers[tier])
            for tier in order if tier in tiers
        ]  # fmt: skip
    steps = one.get("step", ())
    for at, (lower, higher) in enumerate(pairwise(steps)):
        if lower["least_score"] >= higher["least_score"]:
            place = (*path, "step", at + 1, "least_score")
            findings.append(Finding(place, "steps stand in the order of their scores"))
    rungs += [
        Rung((*path, "step", at, "value"), f"step {step['least_score']}", step["value"])
        for at, step in enumerate(steps)
    ]
    rungs += [
        Rung((*path, "honour", at, "value"), f"honour {at + 1}", honour["value"])
        for at, honour in enumerate(one.get("honour", ()))
    ]
    return rungs, findings
