"""Nobody gets less than the baseline, whatever a catalogue says."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.benefits.values import VALUE_WORDS, Better, is_at_least, lint_benefit, value_for

TIERS = ("A", "AA", "AAA")
LIBRARY = {"books": 15, "deposit_waived": False}


def words() -> st.SearchStrategy[dict[str, Any]]:
    numbers = st.integers(0, 100)
    return st.fixed_dictionaries(
        {"books": numbers, "price_percent": numbers, "deposit_waived": st.booleans()}
    )


@given(baseline=words(), tiers=st.tuples(words(), words(), words()))
def test_what_the_linter_lets_through_only_ever_adds(
    baseline: dict[str, Any], tiers: tuple[dict[str, Any], ...]
) -> None:
    by_tier = dict(zip(TIERS, tiers, strict=True))
    if lint_benefit(baseline=baseline, tiers=by_tier, tier_order=TIERS):
        return
    got = [value_for(baseline=baseline, tiers=by_tier, tier=tier) for tier in (None, *TIERS)]
    for lower, higher in pairwise(got):
        assert is_at_least(higher, lower)
    for value in got:
        assert value["books"] >= baseline["books"]
        assert value["price_percent"] <= baseline["price_percent"]
        assert value["deposit_waived"] >= baseline["deposit_waived"]


@given(baseline=words(), better=st.tuples(words(), words(), words()))
def test_the_linter_lets_every_growing_ladder_through(
    baseline: dict[str, Any], better: tuple[dict[str, Any], ...]
) -> None:
    ladder, below = {}, baseline
    for tier, wish in zip(TIERS, better, strict=True):
        below = {
            "books": max(below["books"], wish["books"]),
            "price_percent": min(below["price_percent"], wish["price_percent"]),
            "deposit_waived": below["deposit_waived"] or wish["deposit_waived"],
        }
        ladder[tier] = below
    assert lint_benefit(baseline=baseline, tiers=ladder, tier_order=TIERS) == []


@pytest.mark.parametrize(
    ("tier", "value", "problem"),
    [
        ("AA", {"books": 14, "deposit_waived": False}, "worse than tier A"),
        ("A", {"books": 15}, "other words"),
        ("AAA", {"books": 25, "deposit_waived": True, "delay_days": 3}, "not in the vocabulary"),
        ("A", {"books": 15.0, "deposit_waived": False}, "whole number"),
        ("A", {"books": True, "deposit_waived": False}, "whole number"),
        ("A", {"books": 15, "deposit_waived": 1}, "yes or no"),
        ("A", {"books": -1, "deposit_waived": False}, "out of range"),
        ("A", {}, "no value"),
        ("AAAA", LIBRARY, "unknown"),
    ],
)
def test_the_linter_names_what_is_wrong(
    tier: str, value: dict[str, Any], problem: str
) -> None:
    tiers = {"A": LIBRARY, "AA": LIBRARY, "AAA": LIBRARY, tier: value}
    problems = lint_benefit(baseline=LIBRARY, tiers=tiers, tier_order=TIERS)
    assert any(problem in found for found in problems), problems


def test_a_tier_without_a_value_is_named() -> None:
    assert lint_benefit(baseline=LIBRARY, tiers={"A": LIBRARY}, tier_order=TIERS) == [
        "tier AA has no value", "tier AAA has no value",
    ]  # fmt: skip


def test_the_vocabulary_has_no_word_to_deny_delay_or_publish() -> None:
    assert set(VALUE_WORDS) == {
        "books", "deposit_waived", "tickets", "free_minutes", "price_percent"
    }
    assert VALUE_WORDS["price_percent"] is Better.LESS
