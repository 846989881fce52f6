from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.ring import Ring


@given(capacity=st.integers(1, 40), sizes=st.lists(st.integers(0, 90), max_size=12), wanted=st.integers(0, 60))
def test_a_ring_is_the_end_of_a_list(capacity: int, sizes: list[int], wanted: int) -> None:
    ring = Ring(capacity, 2)
    kept: list[list[float]] = []
    for size in sizes:
        rows = [[float(len(kept) + i), -float(len(kept) + i)] for i in range(size)]
        ring.append(np.array(rows, dtype=np.float32).reshape(-1, 2))
        kept += rows
        n = min(wanted, capacity, len(kept))
        expected = np.array(kept[len(kept) - n :], dtype=np.float32).reshape(-1, 2)
        np.testing.assert_array_equal(ring.newest(wanted), expected)
        assert len(ring) == min(capacity, len(kept))
        assert ring.written == len(kept)


def test_reading_moves_nothing_and_cannot_spoil_it() -> None:
    ring = Ring(8, 3)
    ring.append(np.ones((13, 3)))
    view = ring.newest(5)
    assert view.base is not None
    assert view.flags.c_contiguous
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0] = 2.0
    ring.clear()
    assert len(ring.newest(5)) == 0


def test_a_ring_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Ring(0, 1)
