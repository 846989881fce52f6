"""Weighted up-down (Kaernbach 1991, Perception & Psychophysics 49, 227): any target with one step a trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from feedback.difficulty.steps import HalvedSteps
from feedback.difficulty.task import Task
from feedback.difficulty.trial import Decision, Trial, held, moved

FIRST_STEP, LAST_STEP = 1.6, 0.4


class WeightedUpDown:
    """Easier by a step after an error, harder by step * (1 - target) / target after a correct answer.

    In equilibrium the steps of both directions cancel, which is where P(correct) equals the target, whatever the shape
    of the psychometric function.

    Parameters
    ----------
    task
        Target and limits.
    level
        Where it starts, 0..1.
    first_step, last_step
        Step after an error, logits, at the start and after enough reversals.
    """

    name = "weighted"

    def __init__(
        self, task: Task, level: float = 0.5, *, first_step: float = FIRST_STEP, last_step: float = LAST_STEP
    ) -> None:
        self._task = task
        self._steps = HalvedSteps(first_step, last_step)
        self.difficulty = task.difficulty(level)

    def decide(self, trial: Trial, focus: float | None = None) -> Decision:
        """Step."""
        del focus
        before = self._task.level(self.difficulty)
        if trial.anticipated:
            return held(self.difficulty, before)
        size = self._steps.move(1 if trial.correct else -1)
        harder = size * (1.0 - self._task.target) / self._task.target
        self.difficulty = self._task.clip(self.difficulty + (harder if trial.correct else -size))
        after = self._task.level(self.difficulty)
        said = "Correct" if trial.correct else "An error"
        reason = f"{said}: {moved(before, after)}; the steps balance at {self._task.target:.0%} correct."
        return Decision(self.difficulty, after, before, reason)

    def state(self) -> dict[str, Any]:
        """Give difficulty and step."""
        return {"difficulty": self.difficulty, "steps": self._steps.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._steps.restore(state["steps"])
        self.difficulty = self._task.clip(float(state["difficulty"]))
