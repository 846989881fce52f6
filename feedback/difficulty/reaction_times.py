"""What reaction times add: how ready a person was, and whether they tire."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

SPAN = 20
"""Trials over which variability is judged."""

TIRED_RATIO = 1.5
"""Variability of a tired person against their own at the start."""

LEAST_TRIALS = 40
MEMORY = 150.0
LEAST_SPREAD = 0.05
"""Logits by which advantages must have varied (standard deviation), so that a slope over them means anything."""

_Z95 = 1.959964


class ReactionTimes:
    """Learns how log reaction time falls with ability above difficulty, and watches its variability.

    log RT = m - k * advantage + noise, by least squares over the last 150 trials or so. `k` is used only where its 95 %
    interval lies above 0: near a target the advantage hardly varies, and most sessions show nothing. Variability is
    the coefficient of variation of the last 20 reaction times, which grows as vigilance falls (e.g. Esterman et al.
    2013, Cerebral Cortex 23, 2712).
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=SPAN)
        self._fresh_cov: float | None = None
        self._count = self._weight = 0.0
        self._mean_x = self._mean_y = 0.0
        self._sxx = self._sxy = self._syy = 0.0

    @property
    def cov(self) -> float | None:
        """Coefficient of variation of the last 20 reaction times; None before there are so many."""
        if len(self._recent) < SPAN:
            return None
        mean = sum(self._recent) / SPAN
        return math.sqrt(sum((rt - mean) ** 2 for rt in self._recent) / (SPAN - 1)) / mean

    @property
    def fresh_cov(self) -> float | None:
        """The same over the first 20."""
        return self._fresh_cov

    @property
    def tired(self) -> bool:
        """True where reaction times vary much more than at the start."""
        cov = self.cov
        return cov is not None and self._fresh_cov is not None and cov > TIRED_RATIO * self._fresh_cov

    def slope_interval(self) -> tuple[float, float, float] | None:
        """Give k with its 95 % interval (k, low, high); None before there is enough to say."""
        if self._count < LEAST_TRIALS or self._sxx < self._weight * LEAST_SPREAD**2:
            return None
        k = -self._sxy / self._sxx
        half = _Z95 * math.sqrt(self._noise() / self._sxx)
        return k, k - half, k + half

    def reading(self, rt_s: float) -> tuple[float, float] | None:
        """Read the advantage out of a reaction time: value and variance, logits; None where k is not shown."""
        found = self.slope_interval()
        if found is None or found[1] <= 0.0:
            return None
        k = found[0]
        return self._mean_x + (self._mean_y - math.log(rt_s)) / k, self._noise() / k**2

    def add(self, rt_s: float, advantage: float) -> None:
        """Take one in, with the advantage that was expected before its answer."""
        self._recent.append(rt_s)
        if self._fresh_cov is None:
            self._fresh_cov = self.cov
        keep = 1.0 - 1.0 / MEMORY
        self._count += 1.0
        self._weight = keep * self._weight + 1.0
        y = math.log(rt_s)
        off_x, off_y = advantage - self._mean_x, y - self._mean_y
        self._mean_x += off_x / self._weight
        self._mean_y += off_y / self._weight
        self._sxx = keep * self._sxx + off_x * (advantage - self._mean_x)
        self._sxy = keep * self._sxy + off_x * (y - self._mean_y)
        self._syy = keep * self._syy + off_y * (y - self._mean_y)

    def _noise(self) -> float:
        left = self._syy - self._sxy**2 / self._sxx
        return max(1e-4, left / max(1.0, self._weight - 2.0))

    def state(self) -> dict[str, Any]:
        """Give everything learned."""
        sums = [self._count, self._weight, self._mean_x, self._mean_y, self._sxx, self._sxy, self._syy]
        return {"recent_s": list(self._recent), "fresh_cov": self._fresh_cov, "sums": sums}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        sums = [float(value) for value in state["sums"]]
        self._count, self._weight, self._mean_x, self._mean_y, self._sxx, self._sxy, self._syy = sums
        self._recent = deque((float(rt) for rt in state["recent_s"]), maxlen=SPAN)
        fresh = state["fresh_cov"]
        self._fresh_cov = None if fresh is None else float(fresh)
