"""n-down-1-up with steps of unequal size (García-Pérez 1998, Vision Research 38, 1861)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bci.errors import ConfigError
from feedback.difficulty.steps import HalvedSteps
from feedback.difficulty.task import Task
from feedback.difficulty.trial import Decision, Trial, held, moved

FIRST_STEP, LAST_STEP = 1.6, 0.4


@dataclass(frozen=True, slots=True)
class Rule:
    """One of the rules.

    Parameters
    ----------
    ratio
        Step towards harder / step towards easier.
    converges
        Share of correct answers that it converges to.
    """

    ratio: float
    converges: float


RULES = {1: Rule(0.2845, 0.7785), 2: Rule(0.5488, 0.8035), 3: Rule(0.7393, 0.8315), 4: Rule(0.8415, 0.8584)}
"""By the number of correct answers in a row that it takes. The ratios are those at which the rule converges for any
shape of the psychometric function and any size of step."""

NEAR = 0.03


def rule_for(target: float) -> int:
    """Choose the rule whose point of convergence is nearest to a target.

    Raises
    ------
    ConfigError
        If none is within .03.
    """
    down = min(RULES, key=lambda n: abs(RULES[n].converges - target))
    if abs(RULES[down].converges - target) > NEAR:
        known = ", ".join(f"{rule.converges:.2%} ({n} down)" for n, rule in RULES.items())
        msg = f"target {target:g}: n-down converges at {known} only; take 'weighted' for any other"
        raise ConfigError(msg)
    return down


class NDown:
    """Harder after `down` correct answers in a row, easier after each error.

    Parameters
    ----------
    task
        Limits; its target chooses the rule where `down` is None.
    level
        Where it starts, 0..1.
    down
        1 to 4.
    first_step, last_step
        Step after an error, logits, at the start and after enough reversals.

    Raises
    ------
    ConfigError
        For another `down`, or a target that no rule converges to.
    """

    name = "n-down"

    def __init__(
        self,
        task: Task,
        level: float = 0.5,
        *,
        down: int | None = None,
        first_step: float = FIRST_STEP,
        last_step: float = LAST_STEP,
    ) -> None:
        self._down = rule_for(task.target) if down is None else down
        if self._down not in RULES:
            msg = f"down {down}: expected one of {', '.join(map(str, RULES))}"
            raise ConfigError(msg)
        self._rule = RULES[self._down]
        self._task = task
        self._steps = HalvedSteps(first_step, last_step)
        self._in_a_row = 0
        self.difficulty = task.difficulty(level)

    def decide(self, trial: Trial, focus: float | None = None) -> Decision:
        """Count, and step where it is time."""
        del focus
        before = self._task.level(self.difficulty)
        if trial.anticipated:
            return held(self.difficulty, before)
        self._in_a_row = self._in_a_row + 1 if trial.correct else 0
        if trial.correct and self._in_a_row < self._down:
            said = f"{self._in_a_row} of {self._down} correct in a row: stays at {before:.2f}."
            return Decision(self.difficulty, before, before, said)
        if trial.correct:
            said = f"{self._down} correct in a row"
            self._in_a_row = 0
            step = self._steps.move(1) * self._rule.ratio
        else:
            said = "An error"
            step = -self._steps.move(-1)
        self.difficulty = self._task.clip(self.difficulty + step)
        after = self._task.level(self.difficulty)
        reason = f"{said}: {moved(before, after)}; the rule converges at {self._rule.converges:.2%} correct."
        return Decision(self.difficulty, after, before, reason)

    def state(self) -> dict[str, Any]:
        """Give difficulty, step and count."""
        return {"difficulty": self.difficulty, "steps": self._steps.state(), "in_a_row": self._in_a_row}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._steps.restore(state["steps"])
        self._in_a_row = int(state["in_a_row"])
        self.difficulty = self._task.clip(float(state["difficulty"]))
