"""QUEST+ (Watson 2017, Journal of Vision 17(3):10) by the package `questplus`, the extra `quest`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bci.errors import NotInstalledError
from feedback.difficulty.task import Task
from feedback.difficulty.trial import Decision, Trial, held, moved

if TYPE_CHECKING:
    from questplus.qp import QuestPlus as Package

GRID_LOGITS = 0.1
BEYOND_LIMITS = 2.0
_LOGISTIC_SD = 1.702
"""A normal distribution of this spread differs from the logistic function by less than .01."""


class QuestPlus:
    """Holds a posterior of ability on a grid, and sets the difficulty at which P(correct) equals the target.

    The posterior is the package's; the placement is ours: QUEST+ itself asks where it would learn most, which is not
    where a person is to practise. It takes ability for constant: it follows somebody who improves or tires only slowly.

    Parameters
    ----------
    task
        Target, guess and lapse rate, limits.
    level
        Where it starts, 0..1.

    Raises
    ------
    NotInstalledError
        Without the package.
    """

    name = "quest-plus"

    def __init__(self, task: Task, level: float = 0.5) -> None:
        self._task = task
        steps = round((task.d_max - task.d_min) / GRID_LOGITS)
        self._difficulties = np.linspace(task.d_min, task.d_max, max(2, steps + 1))
        beyond = round((task.d_max - task.d_min + 2 * BEYOND_LIMITS) / GRID_LOGITS)
        self._abilities = np.linspace(task.d_min - BEYOND_LIMITS, task.d_max + BEYOND_LIMITS, beyond + 1)
        self._quest = _make(task, self._difficulties, self._abilities)
        self.difficulty = self._on_grid(task.difficulty(level))

    def decide(self, trial: Trial, focus: float | None = None) -> Decision:
        """Update the posterior, and place the next difficulty."""
        del focus
        before = self._task.level(self.difficulty)
        if trial.anticipated:
            return held(self.difficulty, before)
        done_at = self._on_grid(self.difficulty if trial.difficulty is None else trial.difficulty)
        self._quest.update(stim={"intensity": -done_at}, outcome={"response": "right" if trial.correct else "wrong"})
        ability, sd = self._ability()
        self.difficulty = self._on_grid(ability - self._task.advantage)
        after = self._task.level(self.difficulty)
        said = "Correct" if trial.correct else "An error"
        reason = f"{said}: {moved(before, after)}; ability is put at {self._task.level(ability):.2f} of the range."
        return Decision(self.difficulty, after, before, reason, {"ability": ability, "ability_sd": sd})

    def _ability(self) -> tuple[float, float]:
        weights = self._posterior().ravel()
        mean = float(weights @ self._abilities)
        return mean, float(np.sqrt(weights @ (self._abilities - mean) ** 2))

    def _posterior(self) -> NDArray[np.float64]:
        return np.asarray(self._quest.posterior.values, np.float64)

    def _on_grid(self, difficulty: float) -> float:
        return float(self._difficulties[np.abs(self._difficulties - self._task.clip(difficulty)).argmin()])

    def state(self) -> dict[str, Any]:
        """Give difficulty and posterior."""
        return {"difficulty": self.difficulty, "posterior": self._posterior().ravel().tolist()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        weights = np.asarray(state["posterior"], np.float64)
        if weights.size != self._abilities.size or not np.all(weights >= 0.0) or abs(weights.sum() - 1.0) > 1e-6:
            msg = "the posterior is of another grid, or no distribution"
            raise ValueError(msg)
        self._quest.posterior.values[...] = weights.reshape(self._posterior().shape)  # to the last bit
        self.difficulty = self._on_grid(float(state["difficulty"]))


def _make(task: Task, difficulties: NDArray[np.float64], abilities: NDArray[np.float64]) -> Package:
    try:
        from questplus.qp import QuestPlus as Package
    except ImportError as error:
        msg = "the policy quest-plus needs questplus, an extra: pip install -c constraints.txt -e '.[quest]'"
        raise NotInstalledError(msg) from error
    spread = (abilities - task.middle) / (task.d_max - task.d_min)
    # The package's functions rise with intensity: ease is the negative of difficulty.
    return Package(
        stim_domain={"intensity": -difficulties},
        param_domain={
            "mean": -abilities,
            "sd": [_LOGISTIC_SD],
            "lower_asymptote": [task.guess_rate],
            "lapse_rate": [task.lapse_rate],
        },
        outcome_domain={"response": ["right", "wrong"]},
        prior={"mean": np.exp(-0.5 * (spread / 0.25) ** 2)},
        func="norm_cdf",
        stim_scale="linear",
    )
