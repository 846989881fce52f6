"""One clock: the host's LSL clock, and the continuous map of every other clock to it.

Inside focusloop a timestamp is a float64 of the host's LSL clock in seconds, monotonic since boot. Device, remote-LSL
and Unix time become LSL time in the adapters, through `SlewedOffset`; UTC appears only at the outer edge, through one
`ClockAnchor`.
"""

from __future__ import annotations

import bisect
import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bci.small import shifted
from bci.types import Timestamps

_KNOTS = 32
_BELIEVABLE_LEAD_S = 10.0  # a stamp further ahead of its own clock is a driver's mistake


@functools.cache
def _liblsl_clock() -> Callable[[], float]:
    # Not at import time: whoever only wants `--help` does not wait for liblsl.
    from bci.lsl.quick import clock

    return clock()


def lsl_now_s() -> float:
    """Read the host's LSL clock, seconds (`lsl_local_clock`)."""
    return _liblsl_clock()()


@dataclass(frozen=True, slots=True)
class ClockAnchor:
    """The one pair of simultaneous readings that turns LSL time into UTC.

    Parameters
    ----------
    unix_s
        Unix time, seconds.
    lsl_s
        LSL clock at the same moment, seconds.
    """

    unix_s: float
    lsl_s: float

    @classmethod
    def now(cls) -> ClockAnchor:
        """Read both clocks, of five tries the one that no task switch came between."""
        best_width, best = math.inf, (0.0, 0.0)
        for _ in range(5):
            before = lsl_now_s()
            unix_s = time.time()
            after = lsl_now_s()
            if after - before < best_width:
                best_width, best = after - before, (unix_s, (before + after) / 2.0)
        return cls(*best)

    def to_unix(self, lsl_s: float) -> float:
        """Unix time of a moment of the LSL clock, seconds."""
        return self.unix_s + (lsl_s - self.lsl_s)


class SlewedOffset:
    """Continuous map from a foreign clock to the LSL clock.

    The offset between two clocks is measured again and again, each time with some error. Applying each measurement as
    it comes would make stamps step; so the applied offset moves towards the newest measurement no faster than
    `max_slew`, as `adjtime` does, and is a function of the foreign stamp alone: cutting the stamps into other chunks
    changes nothing. Only a *step* of the foreign clock (it was set, or its device restarted), more than `step_s` away,
    is followed at once; it is counted, and the caller reports it.

    Parameters
    ----------
    max_slew
        Seconds of offset a second of stamps; 5e-4 is ten times the drift of a poor crystal.
    step_s
        Distance of a measurement from the offset in use beyond which the foreign clock has stepped.
    """

    def __init__(self, max_slew: float = 5e-4, step_s: float = 0.1) -> None:
        if not 0.0 < max_slew < 1.0 or step_s <= 0.0:
            msg = f"max_slew={max_slew} must be in (0, 1), step_s={step_s} above 0"
            raise ValueError(msg)
        self._max_slew = max_slew
        self._step_s = step_s
        # Foreign stamps and the offset there, linear between, constant outside. The last two are the present ramp;
        # the older ones stay for samples that were under way while a measurement was made.
        self._knots_s: list[float] = []
        self._offsets_s: list[float] = []
        self._newest_s = -math.inf
        self.steps = 0
        self.newest: tuple[float, float] | None = None
        """The newest measurement: foreign clock when it was made, and the offset."""

    @property
    def measured(self) -> bool:
        """True once there is an offset to apply."""
        return bool(self._knots_s)

    def offset_at(self, stamp_s: float) -> float:
        """Offset in use at a foreign stamp, seconds."""
        self._require_measurement()
        if stamp_s >= self._knots_s[-1]:
            return self._offsets_s[-1]
        return float(np.interp(stamp_s, self._knots_s, self._offsets_s))

    def measure(self, offset_s: float, at_s: float) -> bool:
        """Take a new measurement of (LSL clock - foreign clock).

        Parameters
        ----------
        offset_s
            The measured offset, seconds.
        at_s
            Foreign clock when it was measured.

        Returns
        -------
        bool
            True where the foreign clock has stepped; counted in `steps`.

        Raises
        ------
        ValueError
            If either is not finite.
        """
        if not math.isfinite(offset_s) or not math.isfinite(at_s):
            msg = f"clock offset {offset_s} s at {at_s} s is no measurement"
            raise ValueError(msg)
        self.newest = (at_s, offset_s)
        if not self.measured:
            self._begin(at_s, offset_s)
            return False
        if abs(offset_s - self.offset_at(at_s)) > self._step_s:
            self.steps += 1
            self._begin(at_s, offset_s)
            return True
        self._ramp(at_s, offset_s)
        return False

    def apply(self, stamps_s: Timestamps) -> Timestamps:
        """Map foreign stamps to the LSL clock.

        Parameters
        ----------
        stamps_s
            float64 (n,), foreign clock, seconds.

        Returns
        -------
        ndarray
            float64 (n,), LSL clock, seconds; strictly increasing where `stamps_s` is, between steps.

        Raises
        ------
        ValueError
            If nothing was measured yet.
        """
        self._require_measurement()
        if stamps_s.size:
            self._newest_s = float(stamps_s[-1])
            mapped_s = shifted(stamps_s, self._offsets_s[-1], self._knots_s[-1])
            if mapped_s is not None:  # nearly always: ramps are short, and this is on the way of a sample
                return mapped_s
        return stamps_s + np.interp(stamps_s, self._knots_s, self._offsets_s)

    def _begin(self, at_s: float, offset_s: float) -> None:
        self._knots_s, self._offsets_s = [at_s], [offset_s]

    def _ramp(self, at_s: float, target_s: float) -> None:
        # What was mapped stays mapped: the new ramp begins where the stamps have got to, if those are to be believed.
        if 0.0 < self._newest_s - at_s < _BELIEVABLE_LEAD_S:
            at_s = self._newest_s
        current_s = self.offset_at(at_s)
        keep = bisect.bisect_left(self._knots_s, at_s)
        first = max(0, keep - _KNOTS)
        ramp_s = abs(target_s - current_s) / self._max_slew
        self._knots_s = [*self._knots_s[first:keep], at_s, at_s + ramp_s]
        self._offsets_s = [*self._offsets_s[first:keep], current_s, target_s]

    def _require_measurement(self) -> None:
        if not self._knots_s:
            msg = "no clock offset was measured yet"
            raise ValueError(msg)
