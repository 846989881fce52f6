"""What the policies reach, gain and cost in simulation. Simulated learners are not people: this is no proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from feedback.difficulty.policies import make_policy
from feedback.difficulty.simulation import Learner, Session, simulate
from feedback.difficulty.task import Task
from feedback.difficulty.trial import Policy

Maker = Callable[[], tuple[Policy, Task]]

TARGET = 0.80
NO_WORSE = 0.005
"""By how much, RMSE of P, focus may cost where it tells nothing."""

REPETITIONS = 400
RUN_AWAY = 3.0
"""Logits off the ideal difficulty at the end of a session, on average over 50 trials, that count as run away."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy and the share of correct answers that it is to reach.

    Parameters
    ----------
    label
        For the table.
    make
        Makes the policy.
    wanted, within
        Share of correct answers after trial 100.
    """

    label: str
    make: Maker
    wanted: float
    within: float = 0.01


@dataclass(frozen=True, slots=True)
class Reached:
    """What a rule reached with a logistic learner, lapse rate .02."""

    label: str
    wanted: float
    within: float
    share_correct: float
    error: float
    """Standard error over learners."""

    @property
    def holds(self) -> bool:
        """True where the share is within bounds."""
        return abs(self.share_correct - self.wanted) <= self.within


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of learner, and what focus is to do for it.

    Parameters
    ----------
    label
        For the table.
    learner
        Who.
    helps
        True where the RMSE is to be lower with focus; else it may be higher by `NO_WORSE` at most.
    """

    label: str
    learner: Learner
    helps: bool = False


@dataclass(frozen=True, slots=True)
class Compared:
    """Fused against behaviour alone: root mean square of P from .80 after trial 100, the same learners twice."""

    label: str
    helps: bool
    behaviour: float
    fused: float
    difference: float
    error: float
    """Standard error of the difference over learners."""
    worst: float
    """Largest cost to a single learner."""
    drift: float
    """Largest |difficulty - ideal| over the last 50 trials of any learner, logits; its behaviour-only counterpart is
    `drift_behaviour`."""
    drift_behaviour: float
    levels: tuple[float, float]
    """Least and greatest level that was set."""

    @property
    def holds(self) -> bool:
        """True where focus does what it is to do, and nothing ran away."""
        gain = self.difference < 0.0 if self.helps else self.difference <= NO_WORSE
        return gain and self.drift <= RUN_AWAY and 0.0 <= self.levels[0] <= self.levels[1] <= 1.0


def _maker(name: str, target: float = TARGET, **params: float | bool) -> Maker:
    return lambda: make_policy(name, target, None, params)


STILL = Learner(attention_effect=0.0, focus="none")
RULES = (
    Rule("weighted, target .75", _maker("weighted", 0.75), 0.75),
    Rule("weighted, target .80", _maker("weighted", 0.80), 0.80),
    Rule("weighted, target .85", _maker("weighted", 0.85), 0.85),
    Rule("2-down, ratio .5488", _maker("n-down", down=2), 0.80),
    Rule("3-down, ratio .7393", _maker("n-down", down=3), 0.83),
    Rule("fused, target .80", _maker("fused"), 0.80),
)

SCENARIOS = (
    Scenario("focus unrelated to attention", Learner(correlation=0.0)),
    Scenario("correlation .5", Learner(correlation=0.5), helps=True),
    Scenario("correlation .7", Learner(correlation=0.7), helps=True),
    Scenario("correlation .7, attention changes slowly", Learner(correlation=0.7, attention_memory=0.97)),
    Scenario("focus rises with difficulty (load)", Learner(focus="load")),
    Scenario("focus is only eyes", Learner(focus="eyes")),
    Scenario("focus is only muscle, after errors", Learner(focus="muscle")),
    Scenario("improves by 2 logits", Learner(correlation=0.5, trend=2.0)),
    Scenario("tires by 2 logits", Learner(correlation=0.5, trend=-2.0)),
    Scenario("stops, comes back 1 logit less able", Learner(correlation=0.5, returns_at=200, lower_by=1.0)),
    Scenario("answers at random, trials 150-250", Learner(correlation=0.5, random_from=150, random_to=250)),
    Scenario("headset falls off at trial 200", Learner(correlation=0.7, off_from=200)),
    Scenario("attention does not matter", Learner(attention_effect=0.0, correlation=0.7)),
)


def reach(rule: Rule, repetitions: int, seed: int) -> Reached:
    """Run a rule with many learners whose attention does not wander."""
    shares = np.array([simulate(STILL, rule.make, seed + n).share_correct for n in range(repetitions)])
    return Reached(rule.label, rule.wanted, rule.within, float(shares.mean()), _standard_error(shares))


def compare(scenario: Scenario, repetitions: int, seed: int) -> Compared:
    """Run the same learners with focus and without."""
    with_focus, without = _maker("fused"), _maker("fused", use_focus=False)
    fused: list[Session] = []
    alone: list[Session] = []
    for n in range(repetitions):
        fused.append(simulate(scenario.learner, with_focus, seed + n))
        alone.append(simulate(scenario.learner, without, seed + n))
    errors = np.array([session.rmse(TARGET) for session in fused])
    errors_alone = np.array([session.rmse(TARGET) for session in alone])
    difference = errors - errors_alone
    return Compared(
        scenario.label,
        scenario.helps,
        float(errors_alone.mean()),
        float(errors.mean()),
        float(difference.mean()),
        _standard_error(difference),
        float(difference.max()),
        max(session.drift for session in fused),
        max(session.drift for session in alone),
        (min(float(s.levels.min()) for s in fused), max(float(s.levels.max()) for s in fused)),
    )


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


@dataclass(frozen=True, slots=True)
class DifficultyReport:
    """The whole evaluation."""

    seed: int
    repetitions: int
    reached: tuple[Reached, ...]
    compared: tuple[Compared, ...]

    @property
    def holds(self) -> bool:
        """True where every row does."""
        return all(row.holds for row in (*self.reached, *self.compared))


def evaluate_difficulty(
    repetitions: int = REPETITIONS, seed: int = 1, advance: Callable[[str, float], None] | None = None
) -> DifficultyReport:
    """Run everything.

    Parameters
    ----------
    repetitions
        Learners for each row.
    seed
        Learner `n` of every row has the seed `seed + n`.
    advance
        Told what is done next, and the share that is done.
    """
    todo, done = len(RULES) + 2 * len(SCENARIOS), 0
    reached: list[Reached] = []
    compared: list[Compared] = []
    for rule in RULES:
        if advance is not None:
            advance(rule.label, done / todo)
        reached.append(reach(rule, repetitions, seed))
        done += 1
    for scenario in SCENARIOS:
        if advance is not None:
            advance(scenario.label, done / todo)
        compared.append(compare(scenario, repetitions, seed))
        done += 2
    return DifficultyReport(seed, repetitions, tuple(reached), tuple(compared))
