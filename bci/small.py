"""Arrays so small that plain floats beat numpy.

Between two chunks of a stream the processor's caches fill with other things, and the first call of a numpy function
then costs tens of microseconds, a loop over a few floats some ten.
"""

from __future__ import annotations

import math

import numpy as np

from bci.types import FloatSamples, Timestamps

FEW_NUMBERS = 128
"""So many are looked at one by one: ten samples of a dozen channels."""


def all_finite(numbers: FloatSamples) -> bool:
    """Say whether no number is NaN or infinite; where they are many, False also if the sum of their squares overflows.

    Parameters
    ----------
    numbers
        float32, of any shape, contiguous.
    """
    flat = numbers.reshape(-1)
    return math.isfinite(sum(flat.tolist()) if flat.size <= FEW_NUMBERS else np.dot(flat, flat))


def shifted(stamps_s: Timestamps, offset_s: float, not_before_s: float) -> Timestamps | None:
    """Add an offset to stamps, float64 (n,), n > 0, seconds; None where one of them is before `not_before_s`."""
    if stamps_s.size <= FEW_NUMBERS:
        values: list[float] = stamps_s.tolist()
        return np.array([value + offset_s for value in values]) if min(values) >= not_before_s else None
    return stamps_s + offset_s if stamps_s.min() >= not_before_s else None
