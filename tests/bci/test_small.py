"""Small arrays take another way than large ones, and the same answers come out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci.small import FEW_NUMBERS, all_finite, shifted

SIZES = pytest.mark.parametrize("size", [1, FEW_NUMBERS, FEW_NUMBERS + 1])


@SIZES
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_one_number_that_is_none_is_found_wherever_it_is(size: int, odd: float) -> None:
    numbers = np.full((size, 1), -187_500.0, np.float32)
    assert all_finite(numbers)
    for at in {0, size // 2, size - 1}:
        broken = numbers.copy()
        broken[at] = odd
        assert not all_finite(broken)


def test_infinities_of_both_signs_do_not_cancel() -> None:
    assert not all_finite(np.array([np.inf, 1.0, -np.inf], np.float32))


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=FEW_NUMBERS // 2), st.floats(-1e9, 1e9))
def test_stamps_are_shifted_to_the_same_bits_however_many_they_are(stamps: list[float], offset_s: float) -> None:
    few, many = np.array(stamps), np.resize(stamps, 2 * FEW_NUMBERS)
    one, two = shifted(few, offset_s, -1e9), shifted(many, offset_s, -1e9)
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one, two[: len(stamps)])
    np.testing.assert_array_equal(one, few + offset_s)


@SIZES
def test_stamps_before_the_limit_are_left_to_the_caller(size: int) -> None:
    stamps = np.full(size, 2.0)
    stamps[-1] = 1.0
    assert shifted(stamps, 5.0, 1.0) is not None
    assert shifted(stamps, 5.0, 1.5) is None
