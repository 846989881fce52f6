"""What may be proposed in a session: a rest, the next task, a new baseline. Each has evidence; none acts by itself."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["rest", "next_task", "recalibration"]
Domain = Literal["sustained", "selective", "working-memory"]
DOMAINS: tuple[Domain, ...] = ("sustained", "selective", "working-memory")

LATEST_REST_S = 25 * 60.0
"""Nobody is left without the offer of a rest for longer."""

ENOUGH_S: Mapping[Domain, float] = {"sustained": 8 * 60.0, "selective": 10 * 60.0, "working-memory": 10 * 60.0}
"""No rest is proposed sooner. Sustained attention falls soonest: most of the vigilance decrement shows within the
first 15 minutes (Teichner 1974, Human Factors 16, 339)."""

NEARLY_DONE_S = 3 * 60.0
REFUSED_FOR_S = 5 * 60.0
SPAN = 30
"""Trials that are compared: the first of the stretch against the newest."""

FOCUS_FALL_SD, COV_RISE = 0.5, 1.3
LEAST_TRIALS = 20
MISMATCH_SHARE = 0.5
OLD_BASELINE_S = 4 * 3600.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """Something that a person may accept or refuse.

    Parameters
    ----------
    kind
        What is proposed.
    text
        A sentence with its reason.
    evidence
        The numbers behind it.
    """

    kind: Kind
    text: str
    evidence: Mapping[str, float | str | None]


@dataclass(slots=True)
class _Half:
    focus: deque[float]
    rts_s: deque[float]

    def cov(self) -> float | None:
        if len(self.rts_s) < SPAN:
            return None
        return statistics.stdev(self.rts_s) / statistics.fmean(self.rts_s)

    def mean_focus(self) -> float | None:
        return statistics.fmean(self.focus) if len(self.focus) >= SPAN // 2 else None


@dataclass(slots=True)
class Stretch:
    """Work since the last rest: what the proposal of a rest is made from.

    Parameters
    ----------
    began_s
        Its start, LSL clock.
    """

    began_s: float
    _fresh: _Half = field(default_factory=lambda: _Half(deque(), deque()))
    _newest: _Half = field(default_factory=lambda: _Half(deque(maxlen=SPAN), deque(maxlen=SPAN)))

    def add(self, focus: float | None, rt_s: float | None) -> None:
        """Take the focus and reaction time of a trial in; None where there is none."""
        for value, fresh, newest in (
            (focus, self._fresh.focus, self._newest.focus),
            (rt_s, self._fresh.rts_s, self._newest.rts_s),
        ):
            if value is None or not math.isfinite(value):
                continue
            if len(fresh) < SPAN:
                fresh.append(value)
            else:
                newest.append(value)

    def focus_fall_sd(self) -> float | None:
        """By how many standard deviations of its start focus has fallen; None where too few scores were valid."""
        before, now = self._fresh.mean_focus(), self._newest.mean_focus()
        if before is None or now is None:
            return None
        return (before - now) / max(0.01, statistics.stdev(self._fresh.focus))

    def cov_rise(self) -> float | None:
        """Variability of reaction times now / at the start; None where there are too few."""
        before, now = self._fresh.cov(), self._newest.cov()
        return None if not before or now is None else now / before


class Proposals:
    """Decides what to propose, and remembers what was refused. Stamps are its only clock."""

    def __init__(self) -> None:
        self._silent_until_s: dict[Kind, float] = {}

    def refuse(self, kind: Kind, now_s: float) -> None:
        """Note that a person said no: the same is not proposed again for five minutes."""
        self._silent_until_s[kind] = now_s + REFUSED_FOR_S

    def rest(self, stretch: Stretch, domain: Domain, now_s: float, left_s: float | None) -> Proposal | None:
        """Propose a rest where focus falls and reaction times scatter, and at the latest after 25 minutes.

        Parameters
        ----------
        stretch
            Work since the last rest.
        domain
            What the running task asks for.
        now_s
            Moment, LSL clock.
        left_s
            What is left of the plan, seconds; None where there is no plan.
        """
        worked_s = now_s - stretch.began_s
        fall, rise = stretch.focus_fall_sd(), stretch.cov_rise()
        evidence: dict[str, float | str | None] = {
            "worked_s": round(worked_s, 1),
            "left_s": left_s,
            "focus_fall_sd": fall,
            "rt_cov_rise": rise,
            "domain": domain,
        }
        if self._silent("rest", now_s):
            return None
        if worked_s >= LATEST_REST_S:
            return Proposal("rest", f"{worked_s / 60:.0f} minutes without a rest: time for one.", evidence)
        if left_s is not None and left_s < NEARLY_DONE_S:
            return None
        if worked_s < ENOUGH_S[domain] or fall is None or rise is None or fall < FOCUS_FALL_SD or rise < COV_RISE:
            return None
        text = (
            f"Focus has fallen by {fall:.1f} standard deviations and reaction times scatter {rise:.1f} times "
            f"as much as {worked_s / 60:.0f} minutes ago: a short rest?"
        )
        return Proposal("rest", text, evidence)

    def next_task(
        self,
        levels: Mapping[Domain, tuple[float, float, int]],
        now_s: float,
        open_tasks: Mapping[Domain, str] | None = None,
    ) -> Proposal | None:
        """Propose the kind of task in which this person is weakest.

        Parameters
        ----------
        levels
            By domain: level 0..1, its standard error, and the number of trials behind it.
        now_s
            Moment, LSL clock.
        open_tasks
            Task of the plan that has time left, by domain: nothing else is proposed; None without a plan.
        """
        known: dict[Domain, tuple[float, float, int]] = {
            domain: one for domain, one in levels.items() if one[2] >= LEAST_TRIALS
        }
        if len(known) < 2 or self._silent("next_task", now_s):
            return None
        ordered = sorted(known, key=lambda domain: known[domain][0])
        weakest, second = ordered[0], ordered[1]
        apart = known[second][0] - known[weakest][0]
        if apart <= math.hypot(known[weakest][1], known[second][1]):
            return None
        evidence: dict[str, float | str | None] = {domain: round(known[domain][0], 3) for domain in ordered}
        weakness = f"{weakest} attention is weakest ({known[weakest][0]:.2f} against {known[second][0]:.2f})"
        if open_tasks is None:
            return Proposal("next_task", f"{weakness}: train it next?", evidence)
        task = open_tasks.get(weakest)
        if task is None:
            return None  # the plan has nothing left that trains it
        return Proposal("next_task", f"{weakness}: '{task}' of the plan next?", {**evidence, "task": task})

    def recalibration(
        self, baseline_age_s: float | None, mismatch_share: float, unlike_share: float, now_s: float
    ) -> Proposal | None:
        """Propose a new baseline where the one in use does not fit any more, is old, or there is none.

        Parameters
        ----------
        baseline_age_s
            Age of the baseline in use; None where there is none.
        mismatch_share, unlike_share
            Shares of the last two minutes' scores with the reasons `baseline_mismatch` and `out_of_distribution`.
        now_s
            Moment, LSL clock.
        """
        if self._silent("recalibration", now_s):
            return None
        evidence: dict[str, float | str | None] = {
            "baseline_age_s": baseline_age_s,
            "mismatch_share": mismatch_share,
            "out_of_distribution_share": unlike_share,
        }
        if baseline_age_s is None:
            text = "There is no baseline: half a minute of rest makes the score comparable with this person's own."
        elif mismatch_share > MISMATCH_SHARE:
            text = f"{mismatch_share:.0%} of the last two minutes do not fit the baseline: record a new one?"
        elif unlike_share > MISMATCH_SHARE:
            text = f"{unlike_share:.0%} of the last two minutes are unlike what the model knows: look at the headset."
        elif baseline_age_s > OLD_BASELINE_S:
            text = f"The baseline is {baseline_age_s / 3600:.0f} hours old: record a new one?"
        else:
            return None
        return Proposal("recalibration", text, evidence)

    def _silent(self, kind: Kind, now_s: float) -> bool:
        return now_s < self._silent_until_s.get(kind, -math.inf)
