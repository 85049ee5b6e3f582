"""What a benefit gives, in a closed vocabulary, and the rule that more standing only ever adds.

Every word says which way is better.  A word that is not here cannot be written into a catalogue:
there is no way to say deny, delay, charge more or publish.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from app.kernel.keyed_documents import Finding, Key, Kind
from app.kernel.source_lines import Path


class Better(Enum):
    """Which way a value improves for the citizen."""

    MORE = "more"
    LESS = "less"
    YES = "yes"  # true is better than false


@dataclass(frozen=True)
class Word:
    """A word of the vocabulary: which way is better, what it means, the most it may say."""

    better: Better
    says: str
    most: int = 1_000_000


ORDINARY_PRICE_PERCENT: Final = 100
VALUE_WORDS: Final[dict[str, Word]] = {
    "books": Word(Better.MORE, "How many books may be borrowed at once."),
    "childrens_books_deposit_free": Word(
        Better.MORE, "How many children's books may be borrowed without a deposit."
    ),
    "deposit_waived": Word(Better.YES, "No deposit is asked for."),
    "deposit_waived_up_to_fen": Word(
        Better.MORE, "No deposit is asked for things whose deposit is at most this."
    ),
    "tickets": Word(Better.MORE, "How many tickets."),
    "free_minutes": Word(Better.MORE, "Minutes that cost nothing."),
    "price_percent": Word(
        Better.LESS, "Of the ordinary price, which is 100.", ORDINARY_PRICE_PERCENT
    ),
    "pay_later_up_to_fen": Word(
        Better.MORE, "Bills up to this may be paid later; the bank or hospital carries the line."
    ),
    "pay_later_days": Word(Better.MORE, "Days in which such a bill is paid."),
    "next_day_entry": Word(Better.YES, "Who signs up today may come tomorrow."),
    "tier_statement": Word(Better.YES, "A signed statement of the tier can be given."),
}
VALUE_KEYS: Final = {
    name: Key(Kind.FLAG if word.better is Better.YES else Kind.WHOLE, word.says, needed=False)
    for name, word in VALUE_WORDS.items()
}
Value = Mapping[str, Any]


@dataclass(frozen=True)
class Rung:
    """A value of a benefit as it stands in a file: where, under which name."""

    path: Path
    name: str
    value: Value


def value_for(
    *,
    baseline: Value,
    tiers: Mapping[str, Value],
    steps: Sequence[Mapping[str, Any]] = (),
    honour: Mapping[str, Any] | None = None,
    tier: str | None,
    total: int | None = None,
) -> Value:
    """What somebody with this tier and total (None: no card) gets; as `benefit_value` says.

    `honour` is the last of the benefit's honours that they hold; it goes before their standing.
    """
    if honour is not None:
        value: Value = honour["value"]
        return value
    if steps:
        reached = [step for step in steps if total is not None and step["least_score"] <= total]
        best = max(reached, key=lambda step: int(step["least_score"]), default=None)
        return baseline if best is None else best["value"]
    return tiers.get(tier, baseline) if tier is not None else baseline


def is_at_least(value: Value, least: Value) -> bool:
    """Whether no word of `value` is worse than in `least`."""
    return all(
        word in value and not _is_worse(word, value[word], floor) for word, floor in least.items()
    )


def check_ladder(rungs: Sequence[Rung]) -> Iterator[Finding]:
    """What is wrong with values of which the first is the baseline: each at least the one below."""
    baseline, below = rungs[0], rungs[0]
    if not baseline.value:
        yield Finding(baseline.path, "there is no value")
    for rung in rungs:
        for word, given in rung.value.items():
            if int(given) > VALUE_WORDS[word].most:
                yield Finding((*rung.path, word), f"more than {VALUE_WORDS[word].most}")
        if set(rung.value) != set(baseline.value):
            yield Finding(rung.path, f"{rung.name} has other words than the baseline")
            continue
        for word, floor in below.value.items():
            if _is_worse(word, rung.value[word], floor):
                yield Finding((*rung.path, word), f"{rung.name} is worse than {below.name}")
        below = rung


def _is_worse(word: str, value: Any, floor: Any) -> bool:
    if VALUE_WORDS[word].better is Better.LESS:
        return bool(value > floor)
    return bool(value < floor)
