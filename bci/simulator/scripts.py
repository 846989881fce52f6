"""Who says what the simulated participant does: the table of scenarios, or a person at a slider."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bci.simulator.faults import Fault
from bci.simulator.scenarios import attention_at

_INERTIA_S = 0.4
"""How fast rhythms follow a slider: a person cannot change faster."""


@dataclass(frozen=True, slots=True)
class ScenarioScript:
    """A scenario of the table with all its faults."""

    name: str
    seed: int
    plan: tuple[Fault, ...] = ()

    def attention(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Attention by the scenario's curve."""
        return attention_at(self.name, t_s, self.seed)

    def faults(self, t_s: float) -> Sequence[Fault]:
        """All of them: each knows when it holds."""
        del t_s
        return self.plan


@dataclass(frozen=True, slots=True)
class CuedScript:
    """Someone who does what a list of cues says, as fast as a person can: a guided calibration without a clock.

    Parameters
    ----------
    cues
        (moment of the simulation in s, attention 0..1), in order; the first holds from the start.
    plan
        What goes wrong meanwhile.
    """

    cues: tuple[tuple[float, float], ...]
    plan: tuple[Fault, ...] = ()

    def attention(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Attention on its way to what the last cue asked for."""
        level = np.full(t_s.shape, self.cues[0][1])
        for (_, before), (moment_s, after) in pairwise(self.cues):
            since_s = t_s - moment_s
            level += (after - before) * np.where(
                since_s > 0.0, 1.0 - np.exp(-np.maximum(since_s, 0.0) / _INERTIA_S), 0.0
            )
        return level

    def faults(self, t_s: float) -> Sequence[Fault]:
        """All of them: each knows when it holds."""
        del t_s
        return self.plan


class ManualScript:
    """What somebody sets while the simulation runs, from any thread.

    Parameters
    ----------
    attention
        At the start, 0..1.
    faults
        At the start.
    """

    def __init__(self, attention: float = 0.5, faults: Sequence[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._target = self._level = attention
        self._plan = tuple(faults)
        self._plan_is_new = False
        self._last_s = 0.0

    def set_attention(self, attention: float) -> None:
        """Set attention, 0..1; the rhythms follow within half a second.

        Raises
        ------
        ValueError
            If it lies outside 0..1.
        """
        if not (math.isfinite(attention) and 0.0 <= attention <= 1.0):
            msg = f"attention {attention}: expected a number from 0 to 1"
            raise ValueError(msg)
        with self._lock:
            self._target = attention

    def set_faults(self, plan: Sequence[Fault]) -> None:
        """Replace the faults; their spans count from now."""
        with self._lock:
            self._plan, self._plan_is_new = tuple(plan), True

    def attention(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Attention on its way to what was set."""
        with self._lock:
            target = self._target
        way = target + (self._level - target) * np.exp((self._last_s - t_s) / _INERTIA_S)
        self._level, self._last_s = float(way[-1]), float(t_s[-1])
        return way

    def faults(self, t_s: float) -> Sequence[Fault]:
        """Give what was set last, its spans counted from the block after."""
        with self._lock:
            if self._plan_is_new:
                self._plan = tuple(replace(fault, since_s=t_s) for fault in self._plan)
                self._plan_is_new = False
            return self._plan
