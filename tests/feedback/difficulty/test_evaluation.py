"""The evaluation by simulation with fewer learners, and that its bounds can fail."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from focusloop_process import run_focusloop

from feedback.difficulty import fused
from feedback.difficulty.evaluation import NO_WORSE, RULES, SCENARIOS, Rule, Scenario, compare, reach
from feedback.difficulty.fused import Fused
from feedback.difficulty.policies import make_policy
from feedback.difficulty.simulation import Learner, simulate

LEARNERS, SEED = 40, 1


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.label)
def test_each_rule_reaches_the_share_that_it_promises(rule: Rule) -> None:
    reached = reach(rule, LEARNERS, SEED)
    assert reached.holds, reached


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.label)
def test_focus_helps_where_it_tells_something_and_costs_little_where_it_does_not(scenario: Scenario) -> None:
    compared = compare(scenario, LEARNERS, SEED)
    assert compared.holds, compared


def test_a_rule_with_the_wrong_step_ratio_is_found_out() -> None:
    wrong = Rule("2-down with steps of one size", lambda: make_policy("weighted", 0.78), 0.80)
    assert not reach(wrong, LEARNERS, SEED).holds


def test_trusting_a_focus_that_tells_nothing_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fused, "effect_used", property(lambda self: 0.0 if not self._use_focus else fused.MOST_EFFECT))
    for scenario in (SCENARIOS[0], replace(SCENARIOS[4])):
        compared = compare(scenario, 20, SEED)
        assert compared.difference > NO_WORSE
        assert not compared.holds


def test_the_same_seed_is_the_same_person_under_any_policy() -> None:
    one, again = (simulate(Learner(correlation=0.5), lambda: make_policy("fused"), 7) for _ in range(2))
    np.testing.assert_array_equal(one.p, again.p)
    level = {"level": 0.3}
    two = [
        simulate(Learner(correlation=0.5), lambda n=n: make_policy(n, None, {}, level), 7) for n in ("fused", "fixed")
    ]
    assert two[0].p[0] == two[1].p[0]


def test_the_command_prints_the_table_with_its_seeds() -> None:
    done = run_focusloop("evaluate", "difficulty", "--repetitions", "2", "--seed", "5")
    assert done.returncode == 0, done.stderr
    assert "2 learners a row, seeds 5 to 6" in done.stdout
    for row in (*RULES, *SCENARIOS):
        assert f"| {row.label} |" in done.stdout
    assert "no harm in simulation" in done.stdout.lower()
    assert "proven" not in done.stdout
    found = json.loads(run_focusloop("evaluate", "difficulty", "--repetitions", "2", "--json").stdout)
    assert len(found["reached"]) == len(RULES)
    assert len(found["compared"]) == len(SCENARIOS)
    refused = run_focusloop("evaluate", "difficulty", "--repetitions", "1")
    assert refused.returncode == 2
