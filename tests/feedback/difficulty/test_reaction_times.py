"""What reaction times may tell: a slope only where advantages varied, whatever the numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from feedback.difficulty.policies import make_policy
from feedback.difficulty.reaction_times import ReactionTimes
from feedback.difficulty.trial import Trial


def test_a_slope_is_found_where_there_is_one() -> None:
    rng = np.random.default_rng(1)
    times = ReactionTimes()
    for advantage in rng.normal(1.0, 0.5, 400):
        times.add(0.6 * math.exp(-0.3 * advantage + 0.1 * rng.normal()), advantage)
    found = times.slope_interval()
    assert found is not None
    k, low, high = found
    assert low < 0.3 < high
    assert k == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("dust", [0.0, 1e-15, 1e-3])
def test_advantages_that_do_not_vary_tell_no_slope(dust: float) -> None:
    rng = np.random.default_rng(2)
    times = ReactionTimes()
    for _ in range(400):
        times.add(0.6 * math.exp(0.3 * rng.normal()), 1.4 + dust * rng.normal())
    assert times.slope_interval() is None
    assert times.reading(0.5) is None


@pytest.mark.parametrize("seed", range(8))
def test_a_steady_learner_at_the_target_leaves_the_filter_sound(seed: int) -> None:
    policy, task = make_policy("fused", None, {}, {})
    rng = np.random.default_rng(seed)
    for _ in range(400):
        correct = bool(rng.random() < task.p_correct(0.3 - policy.difficulty))
        figures = policy.decide(Trial(correct, 0.6 * math.exp(0.05 * rng.normal())), None).figures
        assert figures["ability_sd"] > 0.01
