"""The fused policy: what it learns of a person, and when it leaves focus alone."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.difficulty.focus_scale import WARM_UP, FocusScale
from feedback.difficulty.fused import MOST_EFFECT, Fused
from feedback.difficulty.learner import BEYOND_LIMITS, LearnerFilter
from feedback.difficulty.reaction_times import SPAN, ReactionTimes
from feedback.difficulty.task import Task
from feedback.difficulty.trial import Decision, Trial


def session(policy: Fused, ability: float, effect: float, n: int, seed: int = 1) -> Iterator[Decision]:
    """Have somebody with this ability do trials, whose focus matters by `effect` logits a standard deviation."""
    rng = random.Random(seed)  # noqa: S311 - a simulation
    task, attention = Task(), 0.0
    for _ in range(n):
        p = task.p_correct(ability + effect * attention - policy.difficulty)
        correct = rng.random() < p
        attention = 0.8 * attention + 0.6 * rng.gauss(0.0, 1.0)
        yield policy.decide(Trial(correct, 0.5), 0.5 + 0.1 * attention)


def test_ability_is_found() -> None:
    for ability in (-2.0, 0.0, 2.0):
        policy = Fused(Task())
        last = list(session(policy, ability, 0.0, 300))[-1]
        figures = last.figures
        assert abs(float(figures["ability"] or 0.0) - ability) < 3.0 * float(figures["ability_sd"] or 0.0)
        assert policy.difficulty == pytest.approx(ability - Task().advantage, abs=1.0)


def test_a_focus_that_matters_is_found_shown_and_used() -> None:
    last = list(session(Fused(Task()), 0.0, 1.0, 400))[-1]
    assert 0.0 < float(last.figures["effect_low"] or 0.0) < float(last.figures["effect"] or 0.0)
    assert 0.0 < float(last.figures["effect_used"] or 0.0) <= MOST_EFFECT
    assert "matters for the answers" in last.reason


def test_a_focus_that_goes_with_errors_is_shown_as_it_is_and_not_used() -> None:
    last = list(session(Fused(Task()), 0.0, -1.0, 400))[-1]
    assert float(last.figures["effect_high"] or 0.0) < 0.0
    assert last.figures["effect_used"] == 0.0
    assert "went with more errors" in last.reason


def test_a_focus_that_shows_nothing_is_not_used_and_behaviour_goes_on() -> None:
    last = list(session(Fused(Task()), 0.0, 0.0, 400, seed=3))[-1]
    assert last.figures["effect_used"] == 0.0
    assert "not shown to matter" in last.reason


def test_without_a_valid_score_it_goes_on_by_behaviour_alone_and_says_so() -> None:
    policy = Fused(Task())
    list(session(policy, 0.0, 1.0, 400))
    decisions = [policy.decide(Trial(True, 0.5), None) for _ in range(60)]
    assert all("no valid focus score" in one.reason for one in decisions)
    assert all(one.figures["focus_z"] == 0.0 for one in decisions)
    assert decisions[-1].level > decisions[0].previous


def test_behaviour_alone_never_looks_at_focus() -> None:
    one, other = Fused(Task(), use_focus=False), Fused(Task(), use_focus=False)
    seen = [one.decide(Trial(n % 4 != 0, 0.5), 0.01 * (n % 100)).difficulty for n in range(200)]
    blind = [other.decide(Trial(n % 4 != 0, 0.5), None).difficulty for n in range(200)]
    assert seen == blind


def test_no_wind_up_while_somebody_answers_at_random() -> None:
    policy, task = Fused(Task()), Task()
    rng = random.Random(2)  # noqa: S311 - a simulation
    for _ in range(600):
        policy.decide(Trial(rng.random() < 0.5, 0.6), 0.5)
    assert policy.difficulty == task.d_min
    assert policy.state()["learner"]["ability"] >= task.d_min - BEYOND_LIMITS
    for _ in range(100):
        policy.decide(Trial(rng.random() < task.p_correct(1.0 - policy.difficulty), 0.6), 0.5)
    assert abs(task.p_correct(1.0 - policy.difficulty) - task.target) < 0.15


@given(st.lists(st.booleans(), min_size=1, max_size=200), st.floats(0.05, 1.0))
def test_a_trial_never_moves_it_by_more_than_the_largest_step(answers: list[bool], max_step: float) -> None:
    policy = Fused(Task(), max_step=max_step)
    for correct in answers:
        before = policy.difficulty
        policy.decide(Trial(correct, 0.5), 0.5)
        assert abs(policy.difficulty - before) <= max_step + 1e-12


def test_a_trial_done_at_another_level_is_judged_at_that_level() -> None:
    easy, hard = Fused(Task()), Fused(Task())
    for _ in range(20):
        easy.decide(Trial(True, 0.5, -3.0))
        hard.decide(Trial(True, 0.5, 3.0))
    assert hard.difficulty > easy.difficulty + 1.0


def test_scattered_reaction_times_slow_the_rise() -> None:
    fresh, tired = Fused(Task()), Fused(Task())
    for n in range(40):
        fresh.decide(Trial(n % 4 != 0, 0.5 + 0.05 * (n % 3)))
        tired.decide(Trial(n % 4 != 0, (0.5 + 0.05 * (n % 3)) if n < SPAN else 0.3 + 0.5 * (n % 3)))
    calm, slowed = fresh.decide(Trial(True, 0.5)), tired.decide(Trial(True, 0.5))
    assert slowed.figures["tired"]
    assert not calm.figures["tired"]
    assert 0.0 < slowed.level - slowed.previous < calm.level - calm.previous
    assert "only half a step" in slowed.reason


@given(
    st.lists(
        st.tuples(st.booleans(), st.floats(-2.5, 2.5), st.floats(-4.0, 4.0), st.none() | st.floats(0.05, 10.0)),
        max_size=300,
    ),
    st.sampled_from([(0.5, 0.02), (0.0, 0.0), (0.25, 0.1)]),
)
def test_the_filter_keeps_a_covariance_and_its_limits(
    answers: list[tuple[bool, float, float, float | None]], rates: tuple[float, float]
) -> None:
    task = Task(0.8, *rates)
    learner = LearnerFilter(task)
    for correct, focus_z, difficulty, variance in answers:
        learner.answer(correct, focus_z, difficulty)
        if variance is not None:
            learner.observe(0.5, variance, focus_z, difficulty)
        assert learner.var_ability > 0.0
        assert learner.var_effect > 0.0
        assert learner.covariance**2 <= learner.var_ability * learner.var_effect * (1.0 + 1e-9)
        assert task.d_min - BEYOND_LIMITS <= learner.ability <= task.d_max + BEYOND_LIMITS
        assert math.isfinite(learner.effect)


@given(st.lists(st.none() | st.floats(0.0, 1.0) | st.just(math.nan), max_size=200))
def test_invalid_readings_leave_no_trace_in_the_scale(readings: list[float | None]) -> None:
    every, valid = FocusScale(), FocusScale()
    scored = [every.z(one) for one in readings]
    kept = [valid.z(one) for one in readings if one is not None and math.isfinite(one)]
    assert every == valid
    assert [z for z, one in zip(scored, readings, strict=True) if one is not None and math.isfinite(one)] == kept
    assert all(z == 0.0 for z, one in zip(scored, readings, strict=True) if one is None)


def test_the_scale_says_how_far_from_usual() -> None:
    scale = FocusScale()
    assert [scale.z(0.5 + 0.1 * (-1) ** n) for n in range(WARM_UP)] == [0.0] * WARM_UP
    assert scale.z(0.6) == pytest.approx(1.0, abs=0.1)
    assert scale.z(1.0) == 2.5


def test_reaction_times_are_read_only_where_they_are_shown_to_tell_something() -> None:
    rng = random.Random(4)  # noqa: S311 - a simulation
    telling, idle = ReactionTimes(), ReactionTimes()
    for _ in range(150):
        advantage = rng.uniform(-1.0, 2.0)
        telling.add(0.6 * math.exp(-0.2 * advantage + rng.gauss(0.0, 0.2)), advantage)
        idle.add(0.6 * math.exp(rng.gauss(0.0, 0.2)), advantage)
    assert idle.reading(0.6) is None
    reading = telling.reading(0.6 * math.exp(-0.2))
    assert reading is not None
    assert reading[0] == pytest.approx(1.0, abs=0.5)
    assert reading[1] == pytest.approx(1.0, abs=0.5)
