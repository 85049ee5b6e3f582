"""S47: how long a comparison of secrets takes does not tell how much of a guess is right."""

from __future__ import annotations

import gc
import hmac
import secrets
import time
from collections import Counter
from collections.abc import Callable
from math import sqrt
from statistics import NormalDist

SAMPLES = 100_000
SECRET_BYTES = 32
SIGNIFICANT = 0.01
# On a busy machine a run may find nanoseconds where there are none, now one way, now the other.
# A leak is found by every run, and always the same way.
RUNS = 8

Compare = Callable[[bytes, bytes], bool]


def _wrong_at(secret: bytes, place: int) -> bytes:
    guess = bytearray(secret)
    guess[place] ^= 0xFF
    return bytes(guess)


def timed(compare: Compare) -> tuple[list[int], list[int]]:
    """Nanoseconds of guesses that are wrong in the first byte, and in the last byte alone.

    Every guess is an object of its own and the order is random, so that neither the place in
    memory nor the time of day belongs to one kind.
    """
    secret = secrets.token_bytes(SECRET_BYTES)
    kinds = [secrets.randbits(1) for _ in range(SAMPLES)]
    guesses = [_wrong_at(secret, -kind) for kind in kinds]
    took: tuple[list[int], list[int]] = ([], [])
    gc.disable()
    try:
        for kind, guess in zip(kinds, guesses, strict=True):
            started = time.perf_counter_ns()
            compare(secret, guess)
            took[kind].append(time.perf_counter_ns() - started)
    finally:
        gc.enable()
    return took


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
    return (found - expected) / sqrt(variance)


def leaks(compare: Compare) -> bool:
    """Whether every one of the runs finds the later difference slower (or every one faster)."""
    signs = set()
    for _ in range(RUNS):
        z = rank_sum(*timed(compare))
        if 2 * NormalDist().cdf(-abs(z)) > SIGNIFICANT:
            return False
        signs.add(z > 0)
    return len(signs) == 1


def _byte_by_byte(left: bytes, right: bytes) -> bool:
    return all(one == other for one, other in zip(left, right, strict=True))


def test_s47_the_comparison_of_secrets_takes_the_same_time() -> None:
    assert not leaks(hmac.compare_digest)


def test_s47_a_comparison_that_stops_early_is_found() -> None:
    assert leaks(_byte_by_byte)
