"""What is known of a person's ability and of what focus does to it: an extended Kalman filter of two numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from feedback.difficulty.task import Task

ABILITY_DRIFT = 0.01
EFFECT_DRIFT = 1e-5
"""Q, a trial: how far ability and the effect of focus may wander."""

ABILITY_SD, EFFECT_SD = 1.0, 0.3
BEYOND_LIMITS = 2.0
"""Ability is kept so many logits within reach of the limits: it cannot wind up while someone answers at random."""

_Z90 = 1.644854
_LEAST_VARIANCE = 1e-3


@dataclass(slots=True)
class LearnerFilter:
    """Estimates [ability, effect] from answers; P(correct) = γ + (1 - γ - λ) σ(ability + effect * f - d).

    The filter is the extended Kalman filter with a Bernoulli observation, its variance p (1 - p) taken at the
    prediction (Jazwinski 1970; for learners, e.g. Smith et al. 2004, J. Neurosci. 24, 447).

    Parameters
    ----------
    task
        γ, λ and limits.
    """

    task: Task
    ability: float = 0.0
    effect: float = 0.0
    var_ability: float = ABILITY_SD**2
    covariance: float = 0.0
    var_effect: float = EFFECT_SD**2

    def __post_init__(self) -> None:
        """Expect the middle of the task."""
        self.ability = self.task.middle

    def advantage(self, focus_z: float, difficulty: float) -> float:
        """Give the expected logits above the difficulty."""
        return self.ability + self.effect * focus_z - difficulty

    def effect_interval(self) -> tuple[float, float]:
        """Give the 90 % interval of the effect, unclipped."""
        half = _Z90 * math.sqrt(self.var_effect)
        return self.effect - half, self.effect + half

    def answer(self, correct: bool, focus_z: float, difficulty: float) -> None:
        """Learn from one answer."""
        self.var_ability += ABILITY_DRIFT
        self.var_effect += EFFECT_DRIFT
        x = self.advantage(focus_z, difficulty)
        p = self.task.p_correct(x)
        noise = max(_LEAST_VARIANCE, p * (1.0 - p))
        self._update(self.task.slope(x), focus_z, (1.0 if correct else 0.0) - p, noise)

    def observe(self, advantage: float, variance: float, focus_z: float, difficulty: float) -> None:
        """Learn from a direct reading of the advantage, such as a reaction time gives.

        Parameters
        ----------
        advantage
            Logits above the difficulty, as read.
        variance
            Of the reading.
        """
        self._update(1.0, focus_z, advantage - self.advantage(focus_z, difficulty), variance)

    def _update(self, gain: float, focus_z: float, innovation: float, noise: float) -> None:
        to_ability = gain * (self.var_ability + focus_z * self.covariance)
        to_effect = gain * (self.covariance + focus_z * self.var_effect)
        total = gain * (to_ability + focus_z * to_effect) + noise
        self.ability += to_ability / total * innovation
        self.effect += to_effect / total * innovation
        self.var_ability -= to_ability * to_ability / total
        self.covariance -= to_ability * to_effect / total
        self.var_effect -= to_effect * to_effect / total
        low, high = self.task.d_min - BEYOND_LIMITS, self.task.d_max + BEYOND_LIMITS
        self.ability = min(high, max(low, self.ability))

    def state(self) -> dict[str, Any]:
        """Give the five numbers."""
        return {
            "ability": self.ability,
            "effect": self.effect,
            "covariance": [self.var_ability, self.covariance, self.var_effect],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        variances = [float(value) for value in state["covariance"]]
        var_ability, covariance, var_effect = variances
        if not (var_ability > 0.0 and var_effect > 0.0 and covariance**2 <= var_ability * var_effect):
            msg = f"{variances} is no covariance"
            raise ValueError(msg)
        self.ability, self.effect = float(state["ability"]), float(state["effect"])
        self.var_ability, self.covariance, self.var_effect = var_ability, covariance, var_effect
