"""Nobody gets less than the baseline, whatever a catalogue says."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.benefits.catalogue import lint_catalogue, parse_catalogue
from app.benefits.values import VALUE_WORDS, Better, is_at_least, value_for
from tests.redemptions.builders import benefit_toml

TIERS = ("A", "AA", "AAA")
LIBRARY = {"books": 15, "deposit_waived": False}


def words() -> st.SearchStrategy[dict[str, Any]]:
    numbers = st.integers(0, 100)
    return st.fixed_dictionaries(
        {"books": numbers, "price_percent": numbers, "deposit_waived": st.booleans()}
    )


def better_of(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {
        "books": max(one["books"], other["books"]),
        "price_percent": min(one["price_percent"], other["price_percent"]),
        "deposit_waived": one["deposit_waived"] or other["deposit_waived"],
    }


@given(baseline=words(), tiers=st.tuples(words(), words(), words()))
def test_r5_tiers_that_the_linter_lets_through_only_ever_add(
    baseline: dict[str, Any], tiers: tuple[dict[str, Any], ...]
) -> None:
    by_tier = dict(zip(TIERS, tiers, strict=True))
    if lint_catalogue(benefit_toml("thing", values={"baseline": baseline, **by_tier})):
        return
    got = [value_for(baseline=baseline, tiers=by_tier, tier=tier) for tier in (None, *TIERS)]
    for lower, higher in pairwise(got):
        assert is_at_least(higher, lower)
    for value in got:
        assert value["books"] >= baseline["books"]
        assert value["price_percent"] <= baseline["price_percent"]
        assert value["deposit_waived"] >= baseline["deposit_waived"]


@given(
    baseline=words(),
    steps=st.lists(st.tuples(st.integers(0, 1000), words()), min_size=1, max_size=4),
    totals=st.tuples(st.integers(0, 1000), st.integers(0, 1000)),
)
def test_a_higher_score_never_gives_less(
    baseline: dict[str, Any], steps: list[tuple[int, dict[str, Any]]], totals: tuple[int, int]
) -> None:
    lines = [{"least_score": least, "value": value} for least, value in steps]
    file = benefit_toml("thing", values={"baseline": baseline}, step=lines)
    if lint_catalogue(file):
        return
    (entry,) = parse_catalogue(file)
    low, high = (
        value_for(baseline=baseline, tiers={}, steps=entry.score_steps, tier="A", total=total)
        for total in sorted(totals)
    )
    assert is_at_least(high, low)
    assert is_at_least(low, baseline)


@given(baseline=words(), wishes=st.tuples(words(), words(), words()))
def test_the_linter_lets_every_growing_ladder_through(
    baseline: dict[str, Any], wishes: tuple[dict[str, Any], ...]
) -> None:
    ladder, below = {}, baseline
    for tier, wish in zip(TIERS, wishes, strict=True):
        ladder[tier] = below = better_of(below, wish)
    assert lint_catalogue(benefit_toml("thing", values={"baseline": baseline, **ladder})) == ()
    lines = [{"least_score": at, "value": ladder[tier]} for at, tier in enumerate(TIERS)]
    stepped = benefit_toml("thing", values={"baseline": baseline}, step=lines)
    assert lint_catalogue(stepped) == ()


@pytest.mark.parametrize(
    ("tier", "value", "problem"),
    [
        ("AA", {"books": 14, "deposit_waived": False}, "worse than tier A"),
        ("A", {"books": 15}, "other words"),
        ("AAA", {"books": 25, "deposit_waived": True, "delay_days": 3}, "unknown key"),
        ("A", {"books": 15.0, "deposit_waived": False}, "whole number"),
        ("A", {"books": True, "deposit_waived": False}, "whole number"),
        ("A", {"books": 15, "deposit_waived": 1}, "true or false"),
        ("A", {"books": -1, "deposit_waived": False}, "whole number, not negative"),
        ("A", {"books": 2_000_000, "deposit_waived": False}, "more than 1000000"),
        ("A", {}, "other words"),
    ],
)
def test_r7_the_linter_names_what_is_wrong(
    tier: str, value: dict[str, Any], problem: str
) -> None:
    tiers = {"A": LIBRARY, "AA": LIBRARY, "AAA": LIBRARY, tier: value}
    faults = lint_catalogue(benefit_toml("thing", values={"baseline": LIBRARY, **tiers}))
    assert any(problem in fault.reason for fault in faults), faults


def test_r7_a_price_above_the_ordinary_one_cannot_be_written() -> None:
    (fault,) = lint_catalogue(benefit_toml("thing", values={"baseline": {"price_percent": 110}}))
    assert fault.reason == "more than 100"


def test_a_tier_without_a_value_and_one_that_nobody_knows_are_named() -> None:
    file = benefit_toml("thing", values={"baseline": LIBRARY, "A": LIBRARY})
    more = file.replace('tiers = ["A"]', 'tiers = ["AA"]')
    assert [fault.reason for fault in lint_catalogue(more)] == [
        "tier AA has no value", "tier A is unknown",
    ]  # fmt: skip


def test_steps_stand_in_order_and_alone() -> None:
    step = {"least_score": 600, "value": LIBRARY}
    twice = benefit_toml("thing", values={"baseline": LIBRARY}, step=[step, step])
    assert [fault.place for fault in lint_catalogue(twice)] == [
        "catalogue.benefit thing.step[1].least_score"
    ]
    both = benefit_toml("thing", values={"baseline": LIBRARY, "A": LIBRARY}, step=[step])
    assert [fault.reason for fault in lint_catalogue(both)] == ["either tiers or steps"]


def test_r7_the_vocabulary_has_no_word_to_deny_delay_or_publish() -> None:
    assert set(VALUE_WORDS) == {
        "books", "childrens_books_deposit_free", "deposit_waived", "deposit_waived_up_to_fen",
        "tickets", "free_minutes", "price_percent", "pay_later_up_to_fen", "pay_later_days",
        "next_day_entry", "tier_statement",
    }  # fmt: skip
    lesser = {name for name, word in VALUE_WORDS.items() if word.better is Better.LESS}
    assert lesser == {"price_percent"}
