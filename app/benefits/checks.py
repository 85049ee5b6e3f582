"""What must hold between the keys of a benefit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from app.benefits.keys import CLAIMED_KINDS
from app.benefits.values import Rung, check_ladder
from app.kernel.keyed_documents import Finding

WORD: Final = r"[a-z][a-z0-9_]{1,39}"
WEEKDAYS: Final = range(1, 8)
NAME_MAX_CHARS: Final = 100
Said = Iterator[tuple[str, str]]


def check_catalogue(read: Mapping[str, Any], findings: list[Finding]) -> None:
    """Add what is wrong; benefits whose keys are wrong already are not looked at further."""
    broken = {one.path[:2] for one in findings}
    known: set[tuple[str, int]] = set()
    for at, one in enumerate(read.get("benefit", ())):
        path = ("benefit", at)
        if path in broken:
            continue
        said = (*_facts(one), *_money(one), *_use(one))
        findings += [Finding((*path, key), reason) for key, reason in said]
        rungs, ladder_findings = _rungs(one, path, read.get("tiers", ()))
        findings += [*ladder_findings, *check_ladder(rungs)]
        if (one["code"], one["version"]) in known:
            findings.append(Finding((*path, "version"), "this version stands here twice"))
        known.add((one["code"], one["version"]))


def _facts(one: Mapping[str, Any]) -> Said:
    for key in ("code", "consent_purpose", "stacking_group"):
        if key in one and not re.fullmatch(WORD, one[key]):
            yield key, "small letters, digits and _ expected, at most 40"
    if len(one["name"]) > NAME_MAX_CHARS or not one["name"].isprintable():
        yield "name", f"at most {NAME_MAX_CHARS} printable characters expected"
    for key in ("version", "voucher_life_seconds"):
        if one[key] == 0:
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
    if "claim_limit" in one and one["claim_limit"]["count"] == 0:
        yield "claim_limit", "more than 0 expected: a limit denies nobody"


def _use(one: Mapping[str, Any]) -> Said:
    claimed = one["kind"] in CLAIMED_KINDS
    if not claimed:
        for key in ("price_points", "stock", "claim_limit", "budget_fen", "stacking_group"):
            if key in one:
                yield key, f"a {one['kind']} is not claimed"
    limited = any(key in one for key in ("stock", "budget_fen", "price_points"))
    if one.get("offline_allowed") and (limited or not claimed):
        yield "offline_allowed", "what is limited, priced, lent or stated needs the network"
    told = one["kind"] != "ticket" and ("tiers" in one or "step" in one)
    if told and "consent_purpose" not in one:
        yield "kind", "the receiver learns of the tier: consent_purpose is missing"


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
    return rungs, findings
