"""Whole amounts: points and fen are integers, and a split gives back exactly what it was given."""

from __future__ import annotations

from collections.abc import Sequence


def split(total_units: int, weights: Sequence[int]) -> list[int]:
    """Share out an amount by weights, by largest remainder; the shares always sum to the amount.

    Of equal remainders the earlier share gets the unit.  Weights are whole, not negative and not
    all zero; the amount may be negative.
    """
    if min(weights, default=-1) < 0 or sum(weights) == 0:
        raise ValueError("weights are not negative and not all zero")
    sign = -1 if total_units < 0 else 1
    whole = sum(weights)
    parts = [divmod(abs(total_units) * weight, whole) for weight in weights]
    missing = abs(total_units) - sum(share for share, _ in parts)
    by_remainder = sorted(range(len(parts)), key=lambda place: -parts[place][1])
    lucky = set(by_remainder[:missing])
    return [sign * (share + (place in lucky)) for place, (share, _) in enumerate(parts)]
