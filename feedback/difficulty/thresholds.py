"""Where a neurofeedback criterion lies: fixed from rest, moved a little between blocks, or a running percentile."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np

from bci.errors import ConfigError

Side = Literal["reward", "inhibit"]
"""A reward criterion is met at or above its threshold, an inhibit criterion at or below it."""

LEAST_BASELINE = 50
FOLLOW_EVERY = 10
"""A percentile threshold moves at every so-manieth reading: twice a second or so, which nobody sees as steps."""


class Threshold(Protocol):
    """A threshold of one feature."""

    side: Side
    value: float
    spread: float
    """Standard deviation of the readings at rest."""
    warning: str
    """What is to be known before it is used; empty for nothing."""

    def add(self, reading: float) -> None:
        """Take a reading of the running block in."""
        ...

    def end_block(self) -> str | None:
        """End a block; says in a sentence what was moved, None where nothing was."""
        ...

    def met(self, reading: float) -> bool:
        """Say whether a reading meets the criterion."""
        ...


class FixedThreshold:
    """Lies where a share of the person's rest met it, and stays: what is learned shows as more reward.

    Parameters
    ----------
    side
        Reward or inhibit.
    baseline
        Readings at rest.
    share
        Of the baseline that meets it, 0..1 exclusive.

    Raises
    ------
    ConfigError
        For a share out of range or too short a baseline.
    """

    warning = ""

    def __init__(self, side: Side, baseline: Sequence[float], share: float) -> None:
        readings = np.asarray(baseline, np.float64)
        readings = readings[np.isfinite(readings)]
        if readings.size < LEAST_BASELINE:
            msg = f"a threshold needs at least {LEAST_BASELINE} readings of rest, there are {readings.size}"
            raise ConfigError(msg)
        if not 0.0 < share < 1.0:
            msg = f"share {share:g}: expected above 0 and below 1 (0.6 to 0.8 are usual)"
            raise ConfigError(msg)
        self.side: Side = side
        self.share = share
        self.value = quantile_met(readings, side, share)
        self.spread = max(1e-9, float(readings.std()))

    def add(self, reading: float) -> None:
        """Learn nothing from it."""

    def end_block(self) -> str | None:
        """Stay."""
        return None

    def met(self, reading: float) -> bool:
        """Say whether a reading meets the criterion."""
        return reading >= self.value if self.side == "reward" else reading <= self.value


class BlockThreshold(FixedThreshold):
    """Moves between blocks towards where the wanted share would have met it, by a bounded step and within a bound.

    Parameters
    ----------
    side, baseline, share
        As for `FixedThreshold`, which it starts as.
    most_a_block, most_in_all
        Bounds, in standard deviations of the baseline.
    """

    def __init__(
        self,
        side: Side,
        baseline: Sequence[float],
        share: float,
        *,
        most_a_block: float = 0.2,
        most_in_all: float = 1.0,
    ) -> None:
        super().__init__(side, baseline, share)
        self._start = self.value
        self._step, self._reach = most_a_block * self.spread, most_in_all * self.spread
        self._block: list[float] = []

    def add(self, reading: float) -> None:
        """Take a reading of the running block in."""
        self._block.append(reading)

    def end_block(self) -> str | None:
        """Move the threshold."""
        block, self._block = self._block, []
        if len(block) < LEAST_BASELINE:
            return None
        wanted = quantile_met(np.asarray(block), self.side, self.share)
        bounded = min(self._start + self._reach, max(self._start - self._reach, wanted))
        before, met = self.value, sum(map(self.met, block)) / len(block)
        self.value += min(self._step, max(-self._step, bounded - before))
        if self.value == before:
            return None
        return f"{met:.0%} of the block met the {self.side} threshold: moved from {before:.3g} to {self.value:.3g}"


class PercentileThreshold(FixedThreshold):
    """Follows the person so that the wanted share always meets it.

    Parameters
    ----------
    side, baseline, share
        As for `FixedThreshold`, which it starts as.
    readings
        How many of the newest it looks back on.
    """

    warning = (
        "a percentile threshold hides learning: the share of reward stays the same whatever the person learns; "
        "compare the threshold itself between sessions, or take a fixed one"
    )

    def __init__(self, side: Side, baseline: Sequence[float], share: float, *, readings: int = 1500) -> None:
        super().__init__(side, baseline, share)
        self._newest: deque[float] = deque(maxlen=max(LEAST_BASELINE, readings))
        self._since_moved = 0

    def add(self, reading: float) -> None:
        """Follow."""
        self._newest.append(reading)
        self._since_moved += 1
        if len(self._newest) >= LEAST_BASELINE and self._since_moved >= FOLLOW_EVERY:
            self._since_moved = 0
            self.value = quantile_met(np.asarray(self._newest), self.side, self.share)


def quantile_met(readings: np.ndarray, side: Side, share: float) -> float:
    """Give the value that a share of the readings meets."""
    return float(np.quantile(readings, 1.0 - share if side == "reward" else share))
