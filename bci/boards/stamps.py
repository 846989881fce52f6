"""From a board's Unix stamps to the LSL clock."""

from __future__ import annotations

from collections import deque
from typing import Literal

from bci.clock import ClockAnchor, SlewedOffset
from bci.types import SourceClock, Timestamps

_DELAY_WINDOW_S = 10.0
"""Over this long the smallest delay of a device's packets is taken to be the same."""


class BoardClock:
    """Map stamps that BrainFlow gives to the LSL clock, the offset measured again at each poll and slewed.

    Parameters
    ----------
    stamps
        `host`: BrainFlow stamped samples on arrival with this machine's Unix clock; the offset between the two clocks
        is read. `device`: the stamps are of the headset's own clock; the offset is that of the packet that came with
        the smallest delay of the last ten seconds, since delay only ever adds.
    """

    def __init__(self, stamps: Literal["host", "device"]) -> None:
        self._of_device = stamps == "device"
        self._offset = SlewedOffset(step_s=1.0 if self._of_device else 0.1)
        self._smallest: deque[tuple[float, float]] = deque()  # (LSL time, offset), offsets rising
        self._newest_s: float | None = None

    @property
    def steps(self) -> int:
        """How often the board's clock stepped."""
        return self._offset.steps

    def of(self, unix_s: Timestamps) -> SourceClock:
        """Tell what stamps that were mapped in the last poll had been before, float64 (n,), n >= 1."""
        return SourceClock(unix_s, self._offset.offset_at(float(unix_s[-1])), self._offset.newest)

    def to_lsl(self, unix_s: Timestamps) -> Timestamps:
        """Map the stamps of one poll, float64 (n,), n >= 1, taken just now."""
        anchor = ClockAnchor.now()
        if self._of_device:
            offset_s = self._smallest_delay(anchor.lsl_s, anchor.lsl_s - float(unix_s[-1]))
        else:
            offset_s = anchor.lsl_s - anchor.unix_s
        # Measured "at" the newest stamp already mapped, so that the slew covers the new ones and the past stays put.
        if self._offset.measure(offset_s, self._newest_s if self._newest_s is not None else float(unix_s[0])):
            self._smallest.clear()
        self._newest_s = float(unix_s[-1])
        return self._offset.apply(unix_s)

    def _smallest_delay(self, now_s: float, offset_s: float) -> float:
        while self._smallest and self._smallest[-1][1] >= offset_s:
            self._smallest.pop()
        self._smallest.append((now_s, offset_s))
        while self._smallest[0][0] < now_s - _DELAY_WINDOW_S:
            self._smallest.popleft()
        return self._smallest[0][1]
