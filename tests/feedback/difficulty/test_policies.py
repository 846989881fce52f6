"""Laws that hold for every policy, whatever a person or a client does."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci.errors import ConfigError, NotInstalledError
from feedback.difficulty.policies import POLICIES, make_policy
from feedback.difficulty.task import Task
from feedback.difficulty.trial import Decision, Trial

trials = st.builds(
    Trial,
    correct=st.booleans(),
    rt_s=st.none() | st.floats(allow_nan=True, allow_infinity=True) | st.floats(0.15, 3.0),
    difficulty=st.none() | st.floats(-30.0, 30.0),
)
focus = st.none() | st.floats(0.0, 1.0) | st.just(math.nan)
steps = st.lists(st.tuples(trials, focus), max_size=120)
tasks = st.fixed_dictionaries({"level": st.floats(0.0, 1.0), "guess_rate": st.sampled_from([0.0, 0.25, 0.5])})
CHEAP = tuple(name for name in POLICIES if name != "quest-plus")
"""A posterior costs milliseconds a trial; its laws are tested on shorter sessions."""


def run(name: str, done: list[tuple[Trial, float | None]], params: dict[str, Any] | None = None) -> list[Decision]:
    policy, _ = make_policy(name, 0.80, None, params)
    return [policy.decide(trial, score) for trial, score in done]


@pytest.mark.parametrize("name", CHEAP)
@given(done=steps, params=tasks)
def test_the_level_stays_in_0_to_1_whatever_comes(
    name: str, done: list[tuple[Trial, float | None]], params: dict[str, Any]
) -> None:
    policy, task = make_policy(name, 0.80, {"d_min": -2.0, "d_max": 3.0}, params)
    before = task.level(policy.difficulty)
    for trial, score in done:
        decision = policy.decide(trial, score)
        assert 0.0 <= decision.level <= 1.0
        assert decision.previous == before
        assert task.d_min <= decision.difficulty == policy.difficulty <= task.d_max
        assert decision.reason.endswith(".")
        assert "nan" not in decision.reason
        before = decision.level


@pytest.mark.parametrize("name", CHEAP)
@given(done=steps, cut=st.integers(0, 120))
def test_a_restart_in_between_changes_nothing(name: str, done: list[tuple[Trial, float | None]], cut: int) -> None:
    whole = run(name, done)
    first, _ = make_policy(name)
    pieces = [first.decide(trial, score) for trial, score in done[:cut]]
    second, _ = make_policy(name)
    second.restore(json.loads(json.dumps(first.state())))
    pieces += [second.decide(trial, score) for trial, score in done[cut:]]
    assert pieces == whole


def test_quest_plus_keeps_the_same_laws() -> None:
    done = [(Trial(n % 5 != 0, 0.5), None) for n in range(30)] + [(Trial(False, -5.0, 99.0), None)] * 10
    whole = run("quest-plus", done)
    assert all(0.0 <= one.level <= 1.0 for one in whole)
    first, _ = make_policy("quest-plus")
    pieces = [first.decide(*one) for one in done[:17]]
    second, _ = make_policy("quest-plus")
    second.restore(json.loads(json.dumps(first.state())))
    assert [*pieces, *(second.decide(*one) for one in done[17:])] == whole


@pytest.mark.parametrize("name", ["weighted", "n-down", "quest-plus", "fused"])
def test_right_answers_make_it_harder_and_errors_easier(name: str) -> None:
    start = make_policy(name)[0].difficulty
    assert run(name, [(Trial(True), None)] * 12)[-1].difficulty > start
    assert run(name, [(Trial(False), None)] * 4)[-1].difficulty < start


@pytest.mark.parametrize("name", ["weighted", "n-down", "fused"])
def test_an_answer_before_the_stimulus_could_be_seen_is_no_evidence(name: str) -> None:
    held_key = [(Trial(n % 2 == 0, 0.03), 0.5) for n in range(200)]
    decisions = run(name, [(Trial(True, 0.5), 0.5)] * 5 + held_key)
    assert {one.difficulty for one in decisions[5:]} == {decisions[4].difficulty}
    assert "no evidence" in decisions[-1].reason


@pytest.mark.parametrize("rt_s", [1e9, math.inf])
def test_an_impossible_reaction_time_leaves_the_answer_counted(rt_s: float) -> None:
    usual = [(Trial(n % 5 != 0, 0.5), 0.5) for n in range(60)]
    with_it = run("fused", [*usual, (Trial(True, rt_s), 0.5)])[-1]
    without = run("fused", [*usual, (Trial(True, None), 0.5)])[-1]
    assert with_it == without
    assert with_it.level != with_it.previous


def test_fixed_never_moves() -> None:
    levels = [one.level for one in run("fixed", [(Trial(False), 0.1)] * 50, {"level": 0.25})]
    assert levels == [0.25] * 50


def test_n_down_moves_only_after_so_many_in_a_row() -> None:
    decisions = run("n-down", [(Trial(True), None)] * 6, {"down": 3})
    assert [one.level > one.previous for one in decisions] == [False, False, True, False, False, True]
    assert "1 of 3 correct in a row" in decisions[3].reason


def test_weighted_steps_balance_at_the_target() -> None:
    policy, task = make_policy("weighted", 0.75, None, {"first_step": 0.4})
    start = policy.difficulty
    for correct in (True, True, True, False):
        policy.decide(Trial(correct))
    assert policy.difficulty == pytest.approx(start)
    assert task.level(start) == 0.5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("staircase",), "policy 'staircase': known are fixed, weighted, n-down, quest-plus, fused"),
        (("fused", 1.5), "target 1.5"),
        (("fused", 0.5), "target 0.5"),
        (("fused", math.nan), "target nan"),
        (("n-down", 0.6), "n-down converges at"),
        (("fused", 0.8, {"d_min": 3.0, "d_max": -3.0}), "limits 3 to -3"),
        (("fused", 0.8, {"d_min": math.nan}), "limits nan"),
        (("fused", 0.8, {"hardest": 3.0}), "limits: unknown 'hardest'"),
        (("fused", 0.8, None, {"speed": 1.0}), "unknown 'speed'"),
        (("fused", 0.8, None, {"guess_rate": 0.8}), "target 0.8"),
        (("fused", 0.8, None, {"guess_rate": -1.0}), "guess_rate -1"),
        (("fused", 0.8, None, {"level": 2.0}), "level 2"),
        (("fused", 0.8, None, {"max_step": 0.0}), "max_step 0"),
        (("n-down", 0.8, None, {"down": 7}), "down 7"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_what_can(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        make_policy(*arguments)
    assert said in str(refused.value)


@pytest.mark.parametrize("name", POLICIES)
def test_a_state_of_something_else_is_refused(name: str) -> None:
    policy, _ = make_policy(name)
    with pytest.raises((KeyError, TypeError, ValueError)):
        policy.restore({"difficulty": "hard", "steps": 3, "posterior": [], "learner": None})


@given(level=st.floats(0.0, 1.0), target=st.floats(0.55, 0.95))
def test_level_and_difficulty_are_each_others_inverse(level: float, target: float) -> None:
    task = Task(target, d_min=-3.0, d_max=5.0)
    assert task.level(task.difficulty(level)) == pytest.approx(level, abs=1e-12)
    assert task.p_correct(task.advantage) == pytest.approx(target)


def test_without_its_package_quest_plus_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "questplus.qp", None)
    with pytest.raises(NotInstalledError, match=r"pip install -c constraints.txt -e '.\[quest\]'"):
        make_policy("quest-plus")
