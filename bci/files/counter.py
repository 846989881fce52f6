"""What a device's sample counter says of loss, where a clock beside it tells how often the counter went round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci.types import Timestamps

DEFAULT_MODULUS = 256
"""One byte, as in OpenBCI's protocol; used where a recording is too short to see the counter wrap."""


@dataclass(frozen=True, slots=True)
class CounterReading:
    """Running sample numbers, and how they came about.

    Parameters
    ----------
    numbers
        int64 (samples,), from 0, rising by at least 1; a jump is a loss.
    lost
        Samples that never came.
    restarts
        How often the counter began anew without a gap in time. Told from a loss only where it skips more than half
        a turn: arrival times are no better than that.
    repeats
        Samples that bear the number of the one before; counted as samples of their own.
    """

    numbers: NDArray[np.int64]
    lost: int
    restarts: int
    repeats: int

    @property
    def notes(self) -> list[str]:
        """Sentences for `Recording.notes`."""
        gaps = int(np.count_nonzero(np.diff(self.numbers) > 1))
        notes: list[str] = []
        if self.lost:
            notes.append(f"{self.lost} samples lost in {gaps} gaps (by the sample index)")
        if self.restarts:
            notes.append(f"the sample index began anew {self.restarts} times without a gap in time")
        if self.repeats:
            notes.append(f"{self.repeats} samples repeat the index of the one before; kept")
        return notes


def running_numbers(index: NDArray[np.int64], clock_s: Timestamps, rate_hz: float) -> CounterReading:
    """Unwrap a sample counter.

    Parameters
    ----------
    index
        int64 (samples,), as the device counts. Step and modulus are found from it (a Daisy counts by 2, a Ganglion
        gives two samples one number).
    clock_s
        float64 (samples,), arrival times, NaN where there are none. May come in bursts: a loss shows in them as a
        lasting delay, so medians over a second before and after are compared.
    rate_hz
        Nominal rate.
    """
    n = index.size
    if n < 2:
        return CounterReading(np.zeros(n, dtype=np.int64), 0, 0, 0)
    index = _one_number_a_sample(index)
    steps = np.diff(index)
    step = max(1, _mode(steps[steps > 0], 1))
    modulus = max(_mode(step - steps[steps < 0], DEFAULT_MODULUS) // step, 2)
    repeats = steps == 0
    missing = ((steps - step) // step) % modulus
    long_gap = np.diff(clock_s) * rate_hz > modulus / 2  # NaN compares false
    restarts = seen_twice = 0
    numbers = np.arange(n, dtype=np.int64)
    for at in np.flatnonzero((missing > 0) | long_gap):
        late = _lasting_delay(clock_s, numbers, int(at) + 1, rate_hz)
        lost = int(missing[at])
        if np.isfinite(late):
            lost += modulus * round((late - lost) / modulus)
        elif repeats[at]:
            lost = -1  # a sample given twice is likelier than the loss of a whole turn
        seen_twice += lost == -1
        restarts += lost < -1
        numbers[at + 1 :] += max(lost, 0)
    return CounterReading(numbers, int(numbers[-1]) + 1 - n, restarts, seen_twice)


def _one_number_a_sample(index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Tell the two samples of one packet apart (Ganglion); leave single repeats alone."""
    repeat = np.diff(index, prepend=index[0] - 1) == 0
    return 2 * index + repeat if repeat.mean() > 0.4 else index


def _mode(values: NDArray[np.int64], default: int) -> int:
    if not values.size:
        return default
    found, counts = np.unique(values, return_counts=True)
    return int(found[np.argmax(counts)])


def _lasting_delay(clock_s: Timestamps, numbers: NDArray[np.int64], at: int, rate_hz: float) -> float:
    """By how many samples the clock runs later after `at` than before, beyond what the numbers explain."""
    window = round(rate_hz)
    late = clock_s[max(0, at - window) : at + window] * rate_hz - numbers[max(0, at - window) : at + window]
    before, after = late[: min(at, window)], late[min(at, window) :]
    if not np.isfinite(before).any() or not np.isfinite(after).any():
        return np.nan
    return float(np.nanmedian(after) - np.nanmedian(before))
