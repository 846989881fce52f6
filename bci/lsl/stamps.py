"""From the stamps of an LSL stream to the host's LSL clock.

By the book a stamp is of the sender's LSL clock, and `time_correction` maps it to ours. In the field drivers stamp with
Unix time, with the time since the device was switched on, or with a clock that jumps by an hour. Such stamps are mapped
by their arrival: the smallest delay seen of late, as every delay but the shortest is queueing.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np

from bci.clock import SlewedOffset
from bci.types import SourceClock, Timestamps

_LEAD_S = 2.0  # some senders stamp a chunk before it is over; more is no stamp of this clock
_LAG_S = 15.0  # a backlog after a broken connection, at most what the inlet keeps
_JUMP_S = 5.0  # between two consecutive samples
_REMEASURE_S = 2.0
_LARGEST_S = 1e11  # beyond, float64 cannot tell one sample from the next: as little a stamp as NaN is


class ForeignStamps:
    """Continuous map of a stream's stamps to the host's LSL clock, whatever clock they are of.

    Parameters
    ----------
    rate_hz
        Nominal rate, to fill in stamps that are no numbers; 0.0 = irregular.
    """

    def __init__(self, rate_hz: float) -> None:
        self._period_s = 1.0 / rate_hz if rate_hz else 0.0
        self._offset = SlewedOffset()
        self._correction_s: float | None = None
        self._shortest_s = np.inf
        self._since_s = -np.inf
        self._previous_s: float | None = None
        self.by_arrival = False
        self.no_numbers = 0

    @property
    def steps(self) -> int:
        """How often the sender's clock stepped."""
        return self._offset.steps

    @property
    def correction_known(self) -> bool:
        """True once the sender's LSL clock was measured."""
        return self._correction_s is not None

    @property
    def correction_s(self) -> float:
        """Newest measurement of (our LSL clock - sender's); 0.0 before the first."""
        return self._correction_s or 0.0

    def of(self, stamps_s: Timestamps) -> SourceClock:
        """Tell what the stamps that were mapped last had been before.

        Parameters
        ----------
        stamps_s
            float64 (n,), n > 0, as sent; handed on, so it may not be a buffer that is filled again.
        """
        newest_s = float(stamps_s[-1])
        offset_s = self._offset.offset_at(newest_s) if math.isfinite(newest_s) else self._offset.offset_at(0.0)
        return SourceClock(stamps_s, offset_s, self._offset.newest)

    def correct(self, correction_s: float, now_s: float) -> None:
        """Take a new measurement of (our LSL clock - sender's LSL clock), made at `now_s` of our clock."""
        self._correction_s = correction_s
        if not self.by_arrival:
            self._offset.measure(correction_s, now_s - correction_s)

    def map(self, stamps_s: Timestamps, now_s: float) -> Timestamps:
        """Map the stamps of samples that came just now.

        Parameters
        ----------
        stamps_s
            float64 (n,), n > 0, as sent.
        now_s
            LSL clock of the host.

        Returns
        -------
        ndarray
            float64 (n,), finite, on the host's LSL clock; jitter, repeats and small jumps are left as they are.
        """
        # Plain floats: in the pauses of a real stream every numpy call is a cold one, tens of microseconds.
        values = cast("list[float]", stamps_s.tolist())
        if math.isfinite(sum(values)) and max(values) - min(values) < _JUMP_S and abs(values[-1]) < _LARGEST_S:
            self._previous_s = values[-1]
            return self._map_run(stamps_s, now_s)
        stamps_s = self._finite(stamps_s, now_s)
        self._previous_s = float(stamps_s[-1])
        jumps = np.flatnonzero(np.abs(np.diff(stamps_s)) > _JUMP_S)
        return np.concatenate([self._map_run(run, now_s) for run in np.split(stamps_s, jumps + 1)])

    def _map_run(self, stamps_s: Timestamps, now_s: float) -> Timestamps:
        newest_s = float(stamps_s[-1])
        delay_s = now_s - newest_s
        if not (self._offset.measured and _plausible(delay_s - self._offset.offset_at(newest_s))):
            self.by_arrival = self._correction_s is None or not _plausible(delay_s - self._correction_s)
            self._offset.measure(delay_s if self.by_arrival else self.correction_s, newest_s)
            self._shortest_s, self._since_s = delay_s, now_s
        elif self.by_arrival:
            self._shortest_s = min(self._shortest_s, delay_s)
            if now_s - self._since_s >= _REMEASURE_S:
                self._offset.measure(self._shortest_s, newest_s)
                self._shortest_s, self._since_s = np.inf, now_s
        return self._offset.apply(stamps_s)

    def _finite(self, stamps_s: Timestamps, now_s: float) -> Timestamps:
        bad = ~(np.abs(stamps_s) < _LARGEST_S)
        if not bad.any():
            return stamps_s
        self.no_numbers += int(bad.sum())
        filled = stamps_s.copy()
        previous_s = now_s if self._previous_s is None else self._previous_s
        for i in range(filled.size):
            if bad[i]:
                filled[i] = previous_s + self._period_s
            previous_s = filled[i]
        return filled


def _plausible(lag_s: float) -> bool:
    return -_LEAD_S <= lag_s <= _LAG_S
