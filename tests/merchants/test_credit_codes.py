"""Unified social credit codes (GB 32100)."""

from __future__ import annotations

import pytest

from app.merchants.credit_codes import (
    CreditCodeInvalid,
    check_character,
    parse_credit_code,
)

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
GOOD = "91350100M000100Y43"  # the example of the standard


def test_the_standards_example_is_good() -> None:
    assert check_character(GOOD[:-1]) == GOOD[-1]
    assert parse_credit_code(GOOD) == GOOD


@pytest.mark.parametrize(
    "dress",
    [GOOD.lower(), f" {GOOD} ", "９１３５０１００Ｍ０００１００Ｙ４３", "91350100 M000100Y4 3"],
)
def test_other_spellings_are_the_same_code(dress: str) -> None:
    assert parse_credit_code(dress) == GOOD


def test_every_other_last_character_is_wrong() -> None:
    for character in set(ALPHABET) - {GOOD[-1]}:
        with pytest.raises(CreditCodeInvalid):
            parse_credit_code(GOOD[:-1] + character)


@pytest.mark.parametrize("bad", ["", GOOD[:-1], GOOD + "0", GOOD.replace("M", "I"), "9" * 18])
def test_other_texts_are_no_codes(bad: str) -> None:
    with pytest.raises(CreditCodeInvalid):
        parse_credit_code(bad)


def test_swapped_neighbours_are_found() -> None:
    for place in range(17):
        if GOOD[place] != GOOD[place + 1]:
            swapped = GOOD[:place] + GOOD[place + 1] + GOOD[place] + GOOD[place + 2 :]
            with pytest.raises(CreditCodeInvalid):
                parse_credit_code(swapped)


def test_an_identity_number_is_never_taken_for_one() -> None:
    number = "330702198503122223"  # made up, and one of those whose last digit fits both
    assert check_character(number[:-1]) == number[-1]
    with pytest.raises(CreditCodeInvalid):
        parse_credit_code(number)
