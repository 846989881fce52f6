"""The default: behaviour and focus together, and behaviour alone wherever focus shows nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from feedback.difficulty.focus_scale import WARM_UP, FocusScale
from feedback.difficulty.learner import LearnerFilter
from feedback.difficulty.reaction_times import ReactionTimes
from feedback.difficulty.task import Task
from feedback.difficulty.trial import Decision, Trial, held, moved

MOST_EFFECT = 1.2
MAX_STEP = 0.5


class Fused:
    """Sets the difficulty at which P(correct) is expected to equal the target.

    Ability and the effect β of focus on the answers come from a Kalman filter (`LearnerFilter`). β is shown as
    estimated; it moves the difficulty, clipped to 0..1.2, only where its 90 % interval does not hold 0.

    Parameters
    ----------
    task
        Target and limits.
    level
        Where it starts, 0..1: ability is then expected where this level meets the target. None expects the middle.
    max_step
        Largest change a trial, logits.
    use_focus
        False for behaviour alone, whatever focus shows.
    """

    name = "fused"

    def __init__(
        self, task: Task, level: float | None = None, *, max_step: float = MAX_STEP, use_focus: bool = True
    ) -> None:
        self._task = task
        self._max_step = max_step
        self._use_focus = use_focus
        self._learner = LearnerFilter(task)
        self._scale = FocusScale()
        self._times = ReactionTimes()
        self._focus_z = 0.0
        if level is not None:
            self._learner.ability = task.difficulty(level) + task.advantage
        self.difficulty = task.clip(self._learner.ability - task.advantage)

    @property
    def effect_used(self) -> float:
        """β where it is shown to differ from 0, clipped to 0..1.2; else 0."""
        low, high = self._learner.effect_interval()
        shown = self._use_focus and (low > 0.0 or high < 0.0)
        return min(MOST_EFFECT, max(0.0, self._learner.effect)) if shown else 0.0

    def decide(self, trial: Trial, focus: float | None = None) -> Decision:
        """Learn from the answer, and set the next difficulty for the focus of this moment."""
        before = self._task.level(self.difficulty)
        if trial.anticipated:
            return held(self.difficulty, before, self._figures())
        done_at = self.difficulty if trial.difficulty is None else self._task.clip(trial.difficulty)
        expected = self._learn(trial, done_at)
        self._focus_z = self._scale.z(focus) if self._use_focus else 0.0
        wanted = self._learner.ability + self.effect_used * self._focus_z - self._task.advantage
        step = min(self._max_step, max(-self._max_step, wanted - self.difficulty))
        tired = self._times.tired and step > 0.0
        self.difficulty = self._task.clip(self.difficulty + (step / 2.0 if tired else step))
        after = self._task.level(self.difficulty)
        reason = self._reason(trial, expected, moved(before, after), tired, focus)
        return Decision(self.difficulty, after, before, reason, self._figures())

    def _learn(self, trial: Trial, done_at: float) -> float:
        learner, focus_z = self._learner, self._focus_z
        advantage = learner.advantage(focus_z, done_at)
        rt_s = trial.usable_rt_s
        reading = None if rt_s is None else self._times.reading(rt_s)
        learner.answer(trial.correct, focus_z, done_at)
        if reading is not None:
            learner.observe(*reading, focus_z, done_at)
        if rt_s is not None:
            self._times.add(rt_s, advantage)
        return self._task.p_correct(advantage)

    def _reason(self, trial: Trial, expected: float, change: str, tired: bool, focus: float | None) -> str:
        said = "Correct" if trial.correct else "An error"
        where = {self._task.d_min: " (the easiest)", self._task.d_max: " (the hardest)"}.get(self.difficulty, "")
        parts = [f"{said} where {expected:.0%} correct was expected: {change}{where}."]
        if tired:
            parts.append("Reaction times vary much more than at the start, so only half a step harder.")
        parts.append(self._about_focus(focus))
        return " ".join(parts)

    def _about_focus(self, focus: float | None) -> str:
        if not self._use_focus:
            return "By behaviour alone, as set."
        if focus is None:
            return "There is no valid focus score, so by behaviour alone."
        if self._scale.count <= WARM_UP:
            return f"This person's usual focus is still being learned ({self._scale.count} of {WARM_UP} readings)."
        low, high = self._learner.effect_interval()
        known = f"effect {self._learner.effect:+.2f}, 90 % interval {low:+.2f} to {high:+.2f}"
        if high < 0.0:
            return f"Higher focus went with more errors ({known}), so by behaviour alone."
        if self.effect_used == 0.0:
            return f"Focus is not shown to matter for the answers ({known}), so by behaviour alone."
        usual = "above" if self._focus_z > 0.0 else "below"
        return f"Focus is {usual} this person's usual ({self._focus_z:+.1f} SD) and matters for the answers ({known})."

    def _figures(self) -> dict[str, float | bool | None]:
        low, high = self._learner.effect_interval()
        return {
            "ability": round(self._learner.ability, 4),
            "ability_sd": round(math.sqrt(self._learner.var_ability), 4),
            "effect": round(self._learner.effect, 4),
            "effect_low": round(low, 4),
            "effect_high": round(high, 4),
            "effect_used": round(self.effect_used, 4),
            "focus_z": round(self._focus_z, 3),
            "rt_cov": None if (cov := self._times.cov) is None else round(cov, 3),
            "rt_cov_fresh": None if (fresh := self._times.fresh_cov) is None else round(fresh, 3),
            "tired": self._times.tired,
        }

    def state(self) -> dict[str, Any]:
        """Give everything learned."""
        return {
            "difficulty": self.difficulty,
            "focus_z": self._focus_z,
            "learner": self._learner.state(),
            "scale": self._scale.state(),
            "times": self._times.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._learner.restore(state["learner"])
        self._scale.restore(state["scale"])
        self._times.restore(state["times"])
        self._focus_z = float(state["focus_z"])
        self.difficulty = self._task.clip(float(state["difficulty"]))
