"""What a person is to do today, and what is left of it."""

from __future__ import annotations

from typing import Any

from bci.config import PlanConfig
from feedback.difficulty.proposals import Domain
from feedback.loop.task_kinds import domain_of


class Plan:
    """Counts the time that was worked on each planned task.

    Parameters
    ----------
    asked
        Tasks with their minutes and kinds.
    """

    def __init__(self, asked: PlanConfig) -> None:
        self._tasks = {one.task: one for one in asked.tasks}
        self._worked_s = dict.fromkeys(self._tasks, 0.0)

    def kind(self, task: str) -> Domain:
        """Say what a task asks for: as planned, else by its name."""
        planned = self._tasks.get(task)
        return domain_of(task) if planned is None or planned.kind is None else planned.kind

    def work(self, task: str, seconds: float) -> None:
        """Count work on a task; one that was not planned uses nothing of the plan up."""
        if task in self._worked_s:
            self._worked_s[task] += seconds

    def left_s(self, task: str) -> float:
        """Give what is left of a task, seconds; 0 for one that was not planned."""
        planned = self._tasks.get(task)
        return 0.0 if planned is None else max(0.0, planned.minutes * 60.0 - self._worked_s[task])

    @property
    def all_left_s(self) -> float:
        """Give what is left of all tasks, seconds."""
        return sum(map(self.left_s, self._tasks))

    def open_tasks(self) -> dict[Domain, str]:
        """Give the task with most time left for each kind of attention that has any."""
        by_left = sorted((task for task in self._tasks if self.left_s(task) > 0.0), key=self.left_s)
        return {self.kind(task): task for task in by_left}

    def view(self) -> dict[str, Any]:
        """Show it."""
        return {
            "tasks": [
                {
                    "task": task,
                    "minutes": one.minutes,
                    "kind": self.kind(task),
                    "worked_s": round(self._worked_s[task], 1),
                    "left_s": round(self.left_s(task), 1),
                }
                for task, one in self._tasks.items()
            ],
            "left_s": round(self.all_left_s, 1),
        }
