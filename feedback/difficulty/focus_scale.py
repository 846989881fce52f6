"""Focus against this person's own focus: a running z-score over trials that nothing invalid enters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WARM_UP = 20
"""Readings before a z-score is given; until then it is 0, as where there is no valid score."""

MEMORY = 100.0
"""Trials over which mean and spread are forgotten: a slow change of the day is no change of attention."""

MOST = 2.5
_LEAST_SD = 0.01


@dataclass(slots=True)
class FocusScale:
    """Mean and spread of the focus scores at this person's trials."""

    count: int = 0
    mean: float = 0.0
    variance: float = 0.0

    def z(self, focus: float | None) -> float:
        """Take a reading in; give it in units of the readings before, within ±2.5, and 0 where there is none."""
        if focus is None or not math.isfinite(focus):
            return 0.0
        z = 0.0
        if self.count >= WARM_UP:
            z = (focus - self.mean) / max(_LEAST_SD, math.sqrt(self.variance))
        self.count += 1
        share = 1.0 / min(float(self.count), MEMORY)
        off = focus - self.mean
        self.mean += share * off
        self.variance = (1.0 - share) * (self.variance + share * off * off)
        return min(MOST, max(-MOST, z))

    def state(self) -> dict[str, Any]:
        """Give count, mean and variance."""
        return {"count": self.count, "mean": self.mean, "variance": self.variance}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.count, self.mean = int(state["count"]), float(state["mean"])
        self.variance = max(0.0, float(state["variance"]))
