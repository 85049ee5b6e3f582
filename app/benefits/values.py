"""What a benefit gives, in a closed vocabulary, and the rule that a tier only ever adds.

Every word says which way is better.  A word that is not here cannot be written into a catalogue:
there is no way to say deny, delay, charge more or publish.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final


class Better(Enum):
    """Which way a value improves for the citizen."""

    MORE = "more"
    LESS = "less"
    YES = "yes"  # true is better than false


VALUE_WORDS: Final[dict[str, Better]] = {
    "books": Better.MORE,  # how many may be borrowed at once
    "deposit_waived": Better.YES,
    "tickets": Better.MORE,
    "free_minutes": Better.MORE,
    "price_percent": Better.LESS,  # of the ordinary price, which is 100
}
ORDINARY_PRICE_PERCENT: Final = 100
Value = Mapping[str, Any]


def value_for(*, baseline: Value, tiers: Mapping[str, Value], tier: str | None) -> Value:
    """What somebody with this tier (None: no tier, no card) gets."""
    return tiers.get(tier, baseline) if tier is not None else baseline


def is_at_least(value: Value, least: Value) -> bool:
    """Whether no word of `value` is worse than in `least`."""
    return all(
        word in value and not _is_worse(word, value[word], floor) for word, floor in least.items()
    )


def lint_benefit(
    *, baseline: Value, tiers: Mapping[str, Value], tier_order: Sequence[str]
) -> list[str]:
    """What is wrong with the values of a benefit: every tier must be at least the one below."""
    problems = [f"baseline: {problem}" for problem in _lint_words(baseline)]
    below, below_name = baseline, "the baseline"
    for tier in tier_order:
        value = tiers.get(tier)
        if value is None:
            problems.append(f"tier {tier} has no value")
            continue
        problems += [f"tier {tier}: {problem}" for problem in _lint_words(value)]
        if set(value) != set(baseline):
            problems.append(f"tier {tier} has other words than the baseline")
        elif not is_at_least(value, below):
            problems.append(f"tier {tier} is worse than {below_name}")
        below, below_name = value, f"tier {tier}"
    problems += [f"tier {tier} is unknown" for tier in tiers if tier not in tier_order]
    return problems


def _is_worse(word: str, value: Any, floor: Any) -> bool:
    if VALUE_WORDS[word] is Better.LESS:
        return bool(value > floor)
    return bool(value < floor)


def _lint_words(value: Value) -> list[str]:
    if not value:
        return ["there is no value"]
    return [problem for word, given in value.items() if (problem := _lint_word(word, given))]


def _lint_word(word: str, given: object) -> str | None:
    better = VALUE_WORDS.get(word)
    if better is None:
        return f"{word} is not in the vocabulary"
    wanted = bool if better is Better.YES else int
    if type(given) is not wanted:
        return f"{word} must be a {'yes or no' if wanted is bool else 'whole number'}"
    if wanted is int and not 0 <= int(str(given)) <= _most(word):
        return f"{word} is out of range"
    return None


def _most(word: str) -> int:
    return ORDINARY_PRICE_PERCENT if word == "price_percent" else 1_000_000
