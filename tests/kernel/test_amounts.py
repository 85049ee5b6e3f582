"""A split gives back what it was given."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.kernel.amounts import split
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
