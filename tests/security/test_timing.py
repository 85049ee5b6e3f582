"""S47: how long the metrics token takes to be refused tells nothing of how much is right."""

from __future__ import annotations

import gc
import random
import secrets
import time
from collections import Counter
from math import sqrt
from statistics import NormalDist
from types import SimpleNamespace

import pytest

from app.web import metrics

GUESSES = 400  # a run, half of each kind
TIMES = 250  # each of them; together 10^5 samples
SIGNIFICANT = 0.01
# On a busy machine a run may find nanoseconds where there are none, now one way, now the other, or
# miss a leak.  A leak is found by nearly every run, and always the same way.
RUNS, ENOUGH = 9, 7


def _wrong_at(token: str, place: int) -> str:
    letters = [*token]
    letters[place] = "A" if letters[place] != "A" else "B"
    return f"Bearer {''.join(letters)}"


def timed() -> tuple[list[int], list[int]]:
    """The least nanoseconds that each guess took: wrong in the first letter, and in the last alone.

    Every guess is an object of its own, and they take turns in an order that is new each time, so
    that neither the place in memory nor the time of day belongs to one kind.  Whatever else the
    machine does makes a call slower, never faster: hence the least.
    """
    token = secrets.token_urlsafe(32)
    kinds = [0, 1] * (GUESSES // 2)
    random.shuffle(kinds)
    guesses = [_wrong_at(token, -kind) for kind in kinds]
    least = [2**63] * GUESSES
    turns = [*range(GUESSES)]
    gc.disable()
    try:
        for _ in range(TIMES):
            random.shuffle(turns)
            for at in turns:
                given = guesses[at]
                started = time.perf_counter_ns()
                metrics.fits(token, given=given)
                least[at] = min(least[at], time.perf_counter_ns() - started)
    finally:
        gc.enable()
    first, last = (
        [took for took, kind in zip(least, kinds, strict=True) if kind == one]
        for one in (0, 1)
    )
    return first, last


def rank_sum(first: list[int], second: list[int]) -> float:
    """z of the Wilcoxon rank-sum test, corrected for ties; above 0: the second is slower."""
    all_of_them = Counter(first) + Counter(second)
    total, below, ties = len(first) + len(second), 0, 0
    ranks: dict[int, float] = {}
    for value in sorted(all_of_them):
        count = all_of_them[value]
        ranks[value] = below + (count + 1) / 2
        below += count
        ties += count**3 - count
    found = sum(ranks[value] for value in second)
    expected = len(second) * (total + 1) / 2
    variance = len(first) * len(second) / 12 * (total + 1 - ties / (total * (total - 1)))
    return (found - expected) / sqrt(variance) if variance else 0.0


def leaks() -> bool:
    """Whether nearly every run finds the later difference slower, or nearly every one faster."""
    found = [rank_sum(*timed()) for _ in range(RUNS)]
    clear = [z > 0 for z in found if 2 * NormalDist().cdf(-abs(z)) <= SIGNIFICANT]
    return max(sum(clear), len(clear) - sum(clear)) >= ENOUGH


def _byte_by_byte(left: bytes, right: bytes) -> bool:
    return all(one == other for one, other in zip(left, right, strict=True))


def test_s47_a_guessed_token_is_refused_in_the_same_time() -> None:
    assert not leaks()


def test_s47_a_comparison_that_stops_early_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "hmac", SimpleNamespace(compare_digest=_byte_by_byte))
    assert leaks()
