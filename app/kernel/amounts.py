"""Whole amounts: points and fen are integers, and a split gives back exactly what it was given."""

from __future__ import annotations

from collections.abc import Sequence

FEN_PER_YUAN = 100


def in_yuan(amount_fen: int) -> str:
    """An amount as people read it: 1205 is `12.05`."""
    yuan, fen = divmod(abs(amount_fen), FEN_PER_YUAN)
    return f"{'-' if amount_fen < 0 else ''}{yuan}.{fen:02}"


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
