"""A difficulty that nobody changes: the control condition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from feedback.difficulty.task import Task
from feedback.difficulty.trial import Decision, Trial


class Fixed:
    """Stays where it was put.

    Parameters
    ----------
    task
        Limits.
    level
        Where it stays, 0..1.
    """

    name = "fixed"

    def __init__(self, task: Task, level: float = 0.5) -> None:
        self._task = task
        self.difficulty = task.difficulty(level)

    def decide(self, trial: Trial, focus: float | None = None) -> Decision:
        """Leave the difficulty as it is."""
        del trial, focus
        level = self._task.level(self.difficulty)
        return Decision(self.difficulty, level, level, f"The difficulty is fixed at {level:.2f}.")

    def state(self) -> dict[str, Any]:
        """Give the difficulty."""
        return {"difficulty": self.difficulty}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the difficulty."""
        self.difficulty = self._task.clip(float(state["difficulty"]))
