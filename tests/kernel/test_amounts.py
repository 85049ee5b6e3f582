"""A split gives back what it was given."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kernel.amounts import in_yuan, split
from tests.conftest import Sized

WEIGHTS = st.lists(st.integers(0, 10_000), min_size=1, max_size=30).filter(any)


def test_a_split_always_sums_to_its_amount(sized: Sized) -> None:
    @settings(max_examples=sized(ci=1_000, full=100_000), deadline=None)
    @given(st.integers(-(10**12), 10**12), WEIGHTS)
    def check(total: int, weights: list[int]) -> None:
        shares = split(total, weights)
        assert sum(shares) == total
        for share, weight in zip(shares, weights, strict=True):
            assert abs(share * sum(weights) - total * weight) < sum(weights)

    check()


def test_the_unit_that_is_over_goes_to_the_largest_remainder() -> None:
    assert split(10, [1, 1, 1]) == [4, 3, 3]
    assert split(100, [1, 2]) == [33, 67]
    assert split(-10, [1, 1, 1]) == [-4, -3, -3]
    assert split(5, [0, 1]) == [0, 5]


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1]])
def test_weights_that_share_nothing_are_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        split(1, weights)


@pytest.mark.parametrize(
    ("amount_fen", "said"),
    [(0, "0.00"), (5, "0.05"), (1205, "12.05"), (-5, "-0.05"), (-1205, "-12.05"),
     (2**53 * 100 + 1, "9007199254740992.01")],
)  # fmt: skip
def test_l13_an_amount_is_told_to_the_fen(amount_fen: int, said: str) -> None:
    assert in_yuan(amount_fen) == said
