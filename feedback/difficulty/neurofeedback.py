"""Neurofeedback: criteria that must hold together, for how long, and what the person sees."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bci.errors import ConfigError
from feedback.difficulty.thresholds import Threshold

LEAST_REWARD = 0.5
"""Below this share of reward people lose the thread of what is rewarded; a protocol that predicts less is warned of."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What one reading leads to.

    Parameters
    ----------
    met
        Which criteria hold.
    brightness
        Continuous feedback, 0..1: 0.5 at the threshold of the criterion that is met worst. None where there is no
        valid reading: the display then says so, it does not go dark.
    rewarded
        Discrete feedback: True at the moment of a reward.
    """

    met: Mapping[str, bool]
    brightness: float | None
    rewarded: bool


class Neurofeedback:
    """Rewards while all criteria hold.

    Parameters
    ----------
    criteria
        Thresholds by the name of their feature.
    dwell_s
        How long all must hold before a reward.
    refractory_s
        How long after a reward there is no other.
    discrete
        True for rewards as events; False for brightness alone.

    Raises
    ------
    ConfigError
        Without criteria, or with a negative time.
    """

    def __init__(
        self,
        criteria: Mapping[str, Threshold],
        *,
        dwell_s: float = 0.5,
        refractory_s: float = 1.0,
        discrete: bool = True,
    ) -> None:
        if not criteria:
            msg = "a neurofeedback protocol needs at least one criterion"
            raise ConfigError(msg)
        if not (dwell_s >= 0.0 and refractory_s >= 0.0):
            msg = f"dwell {dwell_s:g} s, refractory {refractory_s:g} s: expected 0 or more"
            raise ConfigError(msg)
        self._criteria = dict(criteria)
        self._dwell_s, self._refractory_s, self._discrete = dwell_s, refractory_s, discrete
        self._held_since_s: float | None = None
        self._rewarded_s = -math.inf

    def predicted_rate(self, baseline: Mapping[str, Sequence[float]]) -> float:
        """Predict the share of time in which all criteria hold, from readings at rest taken together.

        The share is counted, not multiplied: features of one head are not independent.

        Parameters
        ----------
        baseline
            Readings by feature, all of the same moments.

        Raises
        ------
        ConfigError
            If a feature is missing or the lengths differ.
        """
        columns: list[np.ndarray] = []
        for name, threshold in self._criteria.items():
            if name not in baseline:
                msg = f"the baseline has no '{name}'; it has {', '.join(baseline) or 'nothing'}"
                raise ConfigError(msg)
            readings = np.asarray(baseline[name], np.float64)
            held = readings >= threshold.value if threshold.side == "reward" else readings <= threshold.value
            columns.append(held)
        if len({column.size for column in columns}) > 1 or not columns[0].size:
            msg = "the features of the baseline must be of the same moments: their lengths differ"
            raise ConfigError(msg)
        return float(np.logical_and.reduce(columns).mean())

    def warnings(self, baseline: Mapping[str, Sequence[float]]) -> list[str]:
        """Say what is to be known before this protocol is used."""
        said = [f"{name}: {threshold.warning}" for name, threshold in self._criteria.items() if threshold.warning]
        rate = self.predicted_rate(baseline)
        if rate < LEAST_REWARD:
            said.append(
                f"all criteria together would have held {rate:.0%} of the time at rest: below {LEAST_REWARD:.0%} "
                "reward gets rare; lower a threshold or drop a criterion"
            )
        return said

    def read(self, t_s: float, readings: Mapping[str, float | None]) -> Shown:
        """Take the readings of a moment in.

        Parameters
        ----------
        t_s
            Stamp of the readings, seconds; any monotonic clock.
        readings
            By feature; None, or left out, where there is no valid one: nothing is rewarded then, and dwelling starts
            anew.
        """
        met: dict[str, bool] = {}
        worst = math.inf
        valid = True
        for name, threshold in self._criteria.items():
            reading = readings.get(name)
            if reading is None or not math.isfinite(reading):
                met[name], valid = False, False
                continue
            met[name] = threshold.met(reading)
            margin = reading - threshold.value if threshold.side == "reward" else threshold.value - reading
            worst = min(worst, margin / threshold.spread)
            threshold.add(reading)
        rewarded = self._reward(t_s, valid and all(met.values()))
        brightness = 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, 2.0 * worst)))) if valid else None
        return Shown(met, brightness, rewarded)

    def end_block(self) -> list[str]:
        """End a block; gives what was moved, in sentences."""
        moved = ((name, threshold.end_block()) for name, threshold in self._criteria.items())
        return [f"{name}: {said}" for name, said in moved if said is not None]

    def _reward(self, t_s: float, held: bool) -> bool:
        if not held:
            self._held_since_s = None
            return False
        if self._held_since_s is None:
            self._held_since_s = t_s
        if not self._discrete or t_s - self._held_since_s < self._dwell_s:
            return False
        if t_s - self._rewarded_s < self._refractory_s:
            return False
        self._rewarded_s = t_s
        self._held_since_s = t_s
        return True
