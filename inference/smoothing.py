"""What a person sees of a score over time: smoothed, steady over 20 s, and relative to their own session."""

from __future__ import annotations

import math
from array import array

VALUE_S = 1.0
"""Time constant of `value`."""

STEADY_S = 20.0
_BINS = 1000


class ScoreTrack:
    """Causal smoothing of the valid scores of one person.

    A gap never bridges: after a score that was not valid the smoothing starts anew, so that no old value is given as
    if it were fresh. `steady` and `relative` look over gaps, as they are defined.

    Parameters
    ----------
    hop_s
        Time between two scores, s.
    smoothing_s
        Time constant of `value`, s.
    """

    def __init__(self, hop_s: float, smoothing_s: float) -> None:
        self._gain = 1.0 - math.exp(-hop_s / smoothing_s)
        self._span = round(STEADY_S / hop_s)
        self._recent = array("d", [math.nan]) * self._span  # by hop; NaN where a hop had no valid score
        self._newest_hop = 0
        self._sum = 0.0
        self._held = 0
        self._generation = -1
        self._value: float | None = None
        self._counts = array("Q", [0]) * _BINS
        self._total = 0
        self._place = 0
        self._below = 0

    def restart(self) -> None:
        """Forget the smoothed value."""
        self._value = None

    def add(self, raw: float, hop: int, generation: int) -> tuple[float, float, float]:
        """Take in a valid raw score.

        Parameters
        ----------
        raw
            0..1.
        hop, generation
            Of the frame that it belongs to.

        Returns
        -------
        value, steady, relative; each 0..1.
        """
        self._value = raw if self._value is None else self._value + self._gain * (raw - self._value)
        self._make_room(hop, generation)
        self._recent[hop % self._span] = raw
        self._sum += raw
        self._held += 1
        steady = min(1.0, max(0.0, self._sum / self._held))
        return self._value, steady, self._rank(self._value)

    def _make_room(self, hop: int, generation: int) -> None:
        """Let go of what is older than `STEADY_S` before this hop."""
        passed = min(hop - self._newest_hop, self._span)
        if generation != self._generation:
            self._generation, passed = generation, self._span
        self._newest_hop = hop
        for place in range(hop - passed + 1, hop + 1):
            old = self._recent[place % self._span]
            if old == old:  # not NaN
                self._recent[place % self._span] = math.nan
                self._sum -= old
                self._held -= 1
        if not self._held:
            self._sum = 0.0

    def _rank(self, value: float) -> float:
        """Note a value, and give its place among all so far: how many lie below, and half of those that are as high.

        The count below is carried from one value to the next; smoothed values are neighbours.
        """
        counts, place = self._counts, min(_BINS - 1, int(value * _BINS))
        if place > self._place:
            self._below += sum(counts[self._place : place])
        else:
            self._below -= sum(counts[place : self._place])
        self._place = place
        counts[place] += 1
        self._total += 1
        return (self._below + 0.5 * counts[place]) / self._total
