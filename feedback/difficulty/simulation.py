"""Simulated learners: who answers, how attention wanders, and what the focus score makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from feedback.difficulty.task import Task
from feedback.difficulty.trial import Policy, Trial

Values = NDArray[np.float64]
FocusKind = Literal["attention", "load", "eyes", "muscle", "none"]

N_TRIALS = 400
SETTLED = 100
"""Trials before anything is judged."""

ATTENTION_MEMORY = 0.8
"""Of attention from trial to trial: with a trial in 3 s, a time constant of 13 s."""

RT_S, RT_SPREAD, RT_PER_LOGIT = 0.6, 0.25, 0.1


@dataclass(frozen=True, slots=True)
class Learner:
    """Who is simulated: a logistic learner of a two-alternative task.

    P(correct) = γ + (1 - γ - λ) σ(ability + attention_effect * attention - d); attention is a first-order
    autoregression of unit variance, ability is drawn from N(0, 1).

    Parameters
    ----------
    attention_effect
        Logits a standard deviation of attention.
    attention_memory
        Autocorrelation of attention, and of the noise of the focus score, from trial to trial.
    focus
        What the focus score is made of: `attention` at `correlation`, mental `load` (it rises with the difficulty),
        `eyes` (a slow wave of its own), `muscle` (bursts after errors), or `none`.
    correlation
        Between the focus score and attention.
    trend
        Logits by which ability changes over the session.
    random_from, random_to
        Trials answered at random.
    off_from
        Trial from which there is no valid focus score.
    returns_at, lower_by
        Trial at which somebody who had stopped comes back, so many logits less able.
    """

    attention_effect: float = 1.0
    attention_memory: float = ATTENTION_MEMORY
    focus: FocusKind = "attention"
    correlation: float = 0.0
    trend: float = 0.0
    random_from: int = 0
    random_to: int = 0
    off_from: int = N_TRIALS
    returns_at: int = N_TRIALS
    lower_by: float = 0.0


@dataclass(frozen=True, slots=True)
class Session:
    """What happened, by trial.

    Parameters
    ----------
    p
        float64 (n,), the learner's probability of a correct answer.
    correct
        bool (n,).
    off_ideal
        float64 (n,), difficulty above the one at which P would be the target, logits.
    judged
        bool (n,), trials that count: settled, and not answered at random.
    levels
        float64 (n,), 0..1.
    """

    p: Values
    correct: NDArray[np.bool_]
    off_ideal: Values
    judged: NDArray[np.bool_]
    levels: Values

    def rmse(self, target: float) -> float:
        """Root mean square of P from a target over the judged trials."""
        return float(np.sqrt(np.mean((self.p[self.judged] - target) ** 2)))

    @property
    def share_correct(self) -> float:
        """Share of correct answers over the judged trials."""
        return float(self.correct[self.judged].mean())

    @property
    def drift(self) -> float:
        """Mean distance from the ideal difficulty over the last 50 trials, logits: what a run-away would show in."""
        return float(np.abs(self.off_ideal[-50:].mean()))


def simulate(learner: Learner, make: Callable[[], tuple[Policy, Task]], seed: int) -> Session:
    """Have a learner do a session under a policy; the same seed gives the same person, whatever the policy."""
    policy, task = make()
    rng = np.random.default_rng(seed)
    ability = rng.normal() + learner.trend * np.arange(N_TRIALS) / N_TRIALS
    ability[learner.returns_at :] -= learner.lower_by
    luck = rng.random(N_TRIALS)
    attention = _wander(rng.normal(size=N_TRIALS + 1), learner.attention_memory)
    noise = _wander(rng.normal(size=N_TRIALS + 1), learner.attention_memory)
    rt_noise = rng.normal(size=N_TRIALS)
    p, correct, off_ideal, levels = np.empty(N_TRIALS), np.empty(N_TRIALS, bool), np.empty(N_TRIALS), np.empty(N_TRIALS)
    burst = 0.0
    for n in range(N_TRIALS):
        difficulty = policy.difficulty
        x = float(ability[n] + learner.attention_effect * attention[n] - difficulty)
        at_random = learner.random_from <= n < learner.random_to
        p[n] = task.guess_rate if at_random else task.p_correct(x)
        correct[n] = luck[n] < p[n]
        off_ideal[n] = task.advantage - x
        levels[n] = task.level(difficulty)
        rt_s = RT_S * np.exp(RT_SPREAD * rt_noise[n] - RT_PER_LOGIT * x)
        burst = 0.7 * burst + (0.0 if correct[n] else 1.5)
        focus = _focus(learner, n, float(attention[n + 1]), float(noise[n + 1]), difficulty, burst)
        policy.decide(Trial(bool(correct[n]), float(rt_s)), focus)
    trials = np.arange(N_TRIALS)
    judged = (trials >= SETTLED) & ~((learner.random_from <= trials) & (trials < learner.random_to))
    return Session(p, correct, off_ideal, judged, levels)


def _wander(steps: Values, memory: float) -> Values:
    out = np.empty_like(steps)
    out[0] = steps[0]
    fresh = np.sqrt(1.0 - memory**2)
    for n in range(1, len(steps)):
        out[n] = memory * out[n - 1] + fresh * steps[n]
    return out


def _focus(learner: Learner, n: int, attention: float, noise: float, difficulty: float, burst: float) -> float | None:
    """Give the focus score before the next trial, 0..1."""
    if n >= learner.off_from or learner.focus == "none":
        return None
    made = {
        "attention": learner.correlation * attention + float(np.sqrt(1.0 - learner.correlation**2)) * noise,
        "load": difficulty + 0.5 * noise,
        "eyes": float(np.sin(n / 15.0)) + 0.7 * noise,
        "muscle": burst + 0.7 * noise,
    }[learner.focus]
    return min(1.0, max(0.0, 0.5 + 0.12 * made))
