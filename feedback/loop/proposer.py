"""Proposals of a running service: what each stream's trials and scores give reason for, said once, never acted on."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bci.clock import ClockAnchor, lsl_now_s
from bci.config import PlanConfig
from feedback.difficulty.proposals import Domain, Kind, Proposal, Proposals, Stretch
from feedback.loop.plan import Plan
from feedback.loop.task_kinds import domain_of

BREAK_S = 120.0
"""Without a trial or neurofeedback for so long a person has rested: what comes next begins a new stretch of work."""

RECENT_S = 120
FRESH_S = 2.0
LEVELS = 40


@dataclass(slots=True)
class _Second:
    at_s: float
    scores: int = 0
    mismatched: int = 0
    unlike: int = 0


@dataclass(slots=True)
class _Person:
    proposals: Proposals = field(default_factory=Proposals)
    stretch: Stretch | None = None
    domain: Domain = "sustained"
    last_trial_s: float = -math.inf
    last_work_s: float = -math.inf
    """By a trial or by neurofeedback."""
    focus: float | None = None
    focus_s: float = -math.inf
    levels: dict[Domain, deque[float]] = field(default_factory=dict)
    recent: deque[_Second] = field(default_factory=lambda: deque(maxlen=RECENT_S))

    def work(self, now_s: float) -> Stretch:
        """Go on with the stretch of work; after a break begin a new one."""
        if self.stretch is None or now_s - self.last_work_s >= BREAK_S:
            self.stretch = Stretch(now_s)
        self.last_work_s = now_s
        return self.stretch


class Proposer:
    """Listens to trials and scores of all streams; an outlet of the scorer, too.

    A person works while trials come or neurofeedback runs. Meanwhile it looks once a second whether a rest, the next
    task or a new baseline should be proposed. What was proposed or refused is not proposed again for five minutes.

    Parameters
    ----------
    tell
        Sends a message: stream, topic, fields.
    baseline_age_s
        Age of the baseline that a stream is scored against, seconds; None where there is none.
    clock
        LSL clock, seconds.
    """

    def __init__(
        self,
        tell: Callable[[str, str, Mapping[str, Any]], object],
        baseline_age_s: Callable[[str], float | None],
        clock: Callable[[], float] = lsl_now_s,
    ) -> None:
        self._tell = tell
        self._baseline_age_s = baseline_age_s
        self._clock = clock
        self._people: dict[str, _Person] = {}
        self._plans: dict[str, Plan] = {}

    def set_plan(self, stream: str, asked: PlanConfig) -> dict[str, Any]:
        """Give a person a plan, of which nothing is done yet; one that was there is forgotten."""
        self._plans[stream] = Plan(asked)
        return self.plan(stream)

    def plan(self, stream: str) -> dict[str, Any]:
        """Show a plan and what is left of it; without tasks where there is none."""
        plan = self._plans.get(stream)
        return {"tasks": [], "left_s": None} if plan is None else plan.view()

    def end_plan(self, stream: str) -> None:
        """Forget a plan."""
        self._plans.pop(stream, None)

    def on_trial(self, stream: str, task: str, rt_s: float | None, level: float | None) -> None:
        """Take a counted trial in."""
        now_s = self._clock()
        person = self._people.setdefault(stream, _Person())
        plan = self._plans.get(stream)
        if plan is not None and person.stretch is not None and now_s - person.last_trial_s < BREAK_S:
            plan.work(task, now_s - person.last_trial_s)
        person.last_trial_s = now_s
        stretch = person.work(now_s)
        person.domain = domain_of(task) if plan is None else plan.kind(task)
        stretch.add(person.focus if now_s - person.focus_s <= FRESH_S else None, rt_s)
        if level is not None:
            person.levels.setdefault(person.domain, deque(maxlen=LEVELS)).append(level)

    def answer(self, stream: str, kind: Kind, *, accepted: bool) -> None:
        """Take a person's answer in: a rest that was accepted begins a new stretch, a refusal is kept for a while."""
        person = self._people.get(stream)
        if person is None:
            return
        person.proposals.refuse(kind, self._clock())
        if accepted and kind == "rest":
            person.stretch = None

    def tick(self, training: Iterable[str] = ()) -> dict[str, Exception]:
        """Look at everyone who is working; gives errors by the stream that each belongs to.

        Parameters
        ----------
        training
            Streams in which neurofeedback runs: work, too.
        """
        now_s = self._clock()
        for stream in training:
            self._people.setdefault(stream, _Person()).work(now_s)
        failures: dict[str, Exception] = {}
        for stream, person in list(self._people.items()):
            try:
                self._look(stream, person, now_s)
            except Exception as error:
                failures[stream] = error
        return failures

    def _look(self, stream: str, person: _Person, now_s: float) -> None:
        stretch = person.stretch
        if stretch is None or now_s - person.last_work_s >= BREAK_S:
            return
        plan = self._plans.get(stream)
        left_s = None if plan is None else plan.all_left_s
        open_tasks = None if plan is None else plan.open_tasks()
        found = (
            person.proposals.rest(stretch, person.domain, now_s, left_s),
            person.proposals.next_task(_levels(person), now_s, open_tasks),
            self._recalibration(stream, person, now_s),
        )
        for proposal in found:
            if proposal is not None:
                person.proposals.refuse(proposal.kind, now_s)
                self._say(stream, proposal, now_s)

    def _recalibration(self, stream: str, person: _Person, now_s: float) -> Proposal | None:
        recent = [one for one in list(person.recent) if now_s - one.at_s <= RECENT_S]
        scores = sum(one.scores for one in recent)
        if not scores:
            return None
        mismatched = sum(one.mismatched for one in recent) / scores
        unlike = sum(one.unlike for one in recent) / scores
        return person.proposals.recalibration(self._baseline_age_s(stream), mismatched, unlike, now_s)

    def _say(self, stream: str, proposal: Proposal, now_s: float) -> None:
        evidence = {name: round(one, 4) if isinstance(one, float) else one for name, one in proposal.evidence.items()}
        fields = {"kind": proposal.kind, "text": proposal.text, "evidence": evidence}
        self._tell(stream, "proposal", {"t_unix_s": ClockAnchor.now().to_unix(now_s), "t_lsl_s": now_s, **fields})

    # As an outlet of the scorer

    def open(self, stream: str, *, origin: str = "live", model: str = "") -> None:
        """Nothing to open."""

    def on_score(self, stream: str, score: Mapping[str, Any]) -> None:
        """Hear of focus, on the worker's thread."""
        person = self._people.get(stream)
        if person is None or score["t_lsl_s"] is None:
            return  # nobody works here yet, or no sample has come: what it will be scored against is not known
        now_s = self._clock()
        if not person.recent or now_s - person.recent[-1].at_s >= 1.0:
            person.recent.append(_Second(now_s))
        second = person.recent[-1]
        second.scores += 1
        second.mismatched += score["reason"] == "baseline_mismatch"
        second.unlike += score["reason"] == "out_of_distribution"
        if score["valid"] and score["value"] is not None:
            person.focus, person.focus_s = float(score["value"]), now_s

    def remove(self, stream: str) -> None:
        """Forget a stream that was closed."""
        self._people.pop(stream, None)
        self._plans.pop(stream, None)

    def close(self) -> None:
        """Nothing is open."""


def _levels(person: _Person) -> dict[Domain, tuple[float, float, int]]:
    return {
        domain: (statistics.fmean(levels), statistics.stdev(levels) / math.sqrt(len(levels)), len(levels))
        for domain, levels in person.levels.items()
        if len(levels) > 1
    }
