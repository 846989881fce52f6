"""Loss from the numbers that a board gives its packets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bci.firmware_profile import Counter

_ALMOST = 0.75
"""Share of a round of the counter that has to be unexplained to be one: stamps of arrival jitter."""

_SET_S = 60.0
"""A board is given up long before: a step this long is a clock that was set."""


class PacketCounter:
    """Count the samples that never came, by packet numbers that wrap.

    Between two numbers lie (difference modulo `modulus`) / `step` packets. What is lost beyond one round of the counter
    is invisible to it; there the stamps say how many rounds went by.

    Parameters
    ----------
    counter
        Modulus, step and samples a packet, from the firmware profile.
    rate_hz
        Nominal rate, samples per second.
    """

    def __init__(self, counter: Counter, rate_hz: float) -> None:
        self._modulus = counter.modulus
        self._step = counter.step
        self._samples = counter.samples
        self._rate_hz = rate_hz
        self._last: tuple[float, float] | None = None  # packet number and stamp of the newest sample seen

    def reset(self) -> None:
        """Forget the last number: the board was opened anew."""
        self._last = None

    def missing(self, numbers: NDArray[np.float64], stamps_s: NDArray[np.float64]) -> NDArray[np.int64]:
        """Tell how many samples are missing before each of these.

        Parameters
        ----------
        numbers
            float64 (n,), packet number of each sample, in order of arrival, n >= 1.
        stamps_s
            float64 (n,), seconds on any clock that runs at the speed of time.

        Returns
        -------
        ndarray
            int64 (n,): samples lost just before each sample; 0 where it follows its predecessor.
        """
        number, stamp = self._last if self._last is not None else (numbers[0], stamps_s[0])
        difference = np.diff(numbers, prepend=number)
        if self._modulus is not None:
            difference %= self._modulus
        # The same number again is the next sample of its packet; where each has its own, it is one too few, and a whole
        # round less one was lost if the stamps say so.
        again = 0 if self._samples > 1 else -1
        packets = np.floor(difference / self._step)
        missing = np.where(packets > 0, (packets - 1) * self._samples, again).astype(np.int64)
        if self._last is None:
            missing[0] = 0
        self._add_whole_rounds(missing, np.diff(stamps_s, prepend=stamp), stamps_s)
        self._last = float(numbers[-1]), float(stamps_s[-1])
        return np.maximum(missing, 0)

    def _add_whole_rounds(
        self, missing: NDArray[np.int64], steps_s: NDArray[np.float64], stamps_s: NDArray[np.float64]
    ) -> None:
        if self._modulus is None:
            return
        round_samples = self._modulus // self._step * self._samples
        long = (steps_s * self._rate_hz > _ALMOST * round_samples) & (steps_s < _SET_S)
        for i in np.flatnonzero(long):
            # A stall that ends in a burst has a long step, too, but its samples are all there: so what counts is the
            # time from before the gap to the newest sample, less everything that came or is known to be lost.
            elapsed = (stamps_s[-1] - stamps_s[i] + steps_s[i]) * self._rate_hz
            unexplained = elapsed - missing[i:].sum() - (len(stamps_s) - i)
            rounds = int(np.floor(unexplained / round_samples + 1.0 - _ALMOST))
            missing[i] += max(0, rounds) * round_samples
