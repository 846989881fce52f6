"""Proposals in a session: said once with their evidence, refused for a while, a rest begins anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from fake_participants import FOCUS

from bci.config import PlanConfig
from feedback.loop.proposer import Proposer
from feedback.loop.task_kinds import domain_of


class Session:
    """One person at work on a clock of the test."""

    def __init__(self, baseline_age_s: float | None = 60.0) -> None:
        self.now_s = 1000.0
        self.said: list[tuple[str, Mapping[str, Any]]] = []
        self.proposer = Proposer(self._tell, lambda _: baseline_age_s, clock=lambda: self.now_s)

    def _tell(self, stream: str, topic: str, fields: Mapping[str, Any]) -> None:
        assert (stream, topic) == ("p01", "proposal")
        self.said.append((fields["kind"], fields))

    def work(self, minutes: float, *, task: str = "sart", level: float = 0.5, score: Mapping[str, Any] = FOCUS) -> None:
        """Do a trial each two seconds."""
        for number in range(round(minutes * 30)):
            self.now_s += 2.0
            self.proposer.on_score("p01", score)
            self.proposer.on_trial("p01", task, 0.5, level + 0.01 * (number % 2))
            self.proposer.tick()

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.said]


def test_nobody_works_25_minutes_without_the_offer_of_a_rest() -> None:
    session = Session()
    session.work(24.9)
    assert session.kinds() == []
    session.work(0.2)
    assert session.kinds() == ["rest"]
    assert session.said[0][1]["text"] == "25 minutes without a rest: time for one."
    session.work(4.5)
    assert session.kinds() == ["rest"]
    session.work(1.0)
    assert session.kinds() == ["rest", "rest"], "after five minutes it is offered again"


def test_a_rest_that_was_taken_begins_a_new_stretch() -> None:
    accepted, paused = Session(), Session()
    for session in (accepted, paused):
        session.work(25.1)
    accepted.proposer.answer("p01", "rest", accepted=True)
    paused.now_s += 150.0
    for session in (accepted, paused):
        session.work(24.5)
        assert session.kinds() == ["rest"]
        session.work(0.6)
        assert session.kinds() == ["rest", "rest"]


def test_a_trial_each_61_seconds_is_work() -> None:
    session = Session()
    for _ in range(30):
        session.now_s += 61.0
        session.proposer.on_trial("p01", "sart", 0.5, None)
        session.proposer.tick()
    assert "rest" in session.kinds()


def test_neurofeedback_without_trials_is_work_and_a_rest_is_offered_after_25_minutes() -> None:
    session = Session()
    for _ in range(25 * 60):
        session.proposer.tick(["p01"])
        session.now_s += 1.0
    assert session.kinds() == []
    session.proposer.tick(["p01"])
    assert session.kinds() == ["rest"]


def test_neurofeedback_beside_trials_takes_no_time_from_the_plan() -> None:
    session = Session()
    session.proposer.set_plan("p01", PlanConfig.model_validate({"tasks": [{"task": "sart", "minutes": 10}]}))
    for second in range(121):
        if second % 2 == 0:
            session.proposer.on_trial("p01", "sart", 0.5, None)
        session.proposer.tick(["p01"])
        session.now_s += 1.0
    assert session.proposer.plan("p01")["left_s"] == 8 * 60


def test_a_refusal_holds_for_five_minutes() -> None:
    session = Session()
    session.work(25.1)
    session.work(4.0)
    session.proposer.answer("p01", "rest", accepted=False)
    session.work(4.9)
    assert session.kinds() == ["rest"]
    session.work(0.3)
    assert session.kinds() == ["rest", "rest"]


def test_the_weakest_kind_of_attention_is_proposed_next() -> None:
    session = Session()
    session.work(1.0, task="2-back", level=0.3)
    session.work(1.0, task="flanker", level=0.7)
    assert session.kinds() == ["next_task"]
    assert session.said[0][1]["text"].startswith("working-memory attention is weakest (0.30 against 0.7")


def test_a_baseline_is_proposed_where_there_is_none_or_it_does_not_fit() -> None:
    without = Session(baseline_age_s=None)
    without.work(0.2)
    assert "There is no baseline" in without.said[0][1]["text"]
    unfit = Session()
    unfit.work(1.0, score={**FOCUS, "value": None, "valid": False, "reason": "baseline_mismatch"})
    assert "do not fit the baseline" in unfit.said[0][1]["text"]
    assert unfit.said[0][1]["evidence"]["mismatch_share"] == 1.0


def test_before_the_first_sample_nobody_knows_whether_there_is_a_baseline() -> None:
    session = Session(baseline_age_s=None)
    session.work(0.5, score={**FOCUS, "value": None, "valid": False, "reason": "no_data", "t_lsl_s": None})
    assert session.said == []
    session.work(0.1)
    assert session.kinds() == ["recalibration"]


def test_nothing_is_proposed_to_someone_who_does_nothing() -> None:
    session = Session(baseline_age_s=None)
    session.work(0.2)
    told = len(session.said)
    for _ in range(3600):
        session.now_s += 1.0
        session.proposer.on_score("p01", FOCUS)
        session.proposer.tick()
    assert len(session.said) == told


@pytest.mark.parametrize(
    ("task", "domain"),
    [("2-back", "working-memory"), ("Flanker_v2", "selective"), ("CPT", "sustained"), ("", "sustained")],
)
def test_a_task_is_known_by_a_part_of_its_name(task: str, domain: str) -> None:
    assert domain_of(task) == domain


def planned(*tasks: dict[str, object]) -> PlanConfig:
    return PlanConfig.model_validate({"tasks": list(tasks)})


def tire(session: Session, minutes: float, task: str) -> None:
    """Work until focus and reaction times have fallen apart."""
    steady = round(minutes * 30)
    for number in range(steady + 40):
        tired = number >= steady
        session.now_s += 2.0
        session.proposer.on_score("p01", dict(FOCUS) | {"value": 0.1 if tired else 0.7})
        session.proposer.on_trial("p01", task, 0.5 + (0.3 if tired else 0.02) * (number % 2), None)
        session.proposer.tick()


def test_near_the_end_of_a_plan_no_rest_is_proposed_and_before_it_is() -> None:
    for minutes, kinds in ((12.0, []), (40.0, ["rest"])):
        session = Session()
        session.proposer.set_plan("p01", planned({"task": "sart", "minutes": minutes}))
        tire(session, 9.0, "sart")
        assert [one for one in session.kinds() if one == "rest"] == kinds, minutes
    assert session.said[-1][1]["evidence"]["left_s"] == pytest.approx(1800.0, abs=120.0)


def test_the_plan_says_what_kind_a_task_is() -> None:
    tired = []
    for kind in ("sustained", "selective"):
        session = Session()
        session.proposer.set_plan("p01", planned({"task": "stars", "minutes": 60, "kind": kind}))
        tire(session, 7.5, "stars")
        tired.append("rest" in session.kinds())
    assert tired == [True, False], "sustained attention falls sooner"


def test_the_next_task_is_one_that_the_plan_has_left() -> None:
    asked = planned(
        {"task": "n-back", "minutes": 3},
        {"task": "stars", "minutes": 30, "kind": "selective"},
        {"task": "sart", "minutes": 0.5},
    )
    session = Session()
    session.proposer.set_plan("p01", asked)
    session.work(2.0, task="n-back", level=0.8)
    session.work(2.0, task="stars", level=0.3)
    assert session.kinds() == ["next_task"]
    assert session.said[0][1]["text"].endswith("'stars' of the plan next?")
    assert session.said[0][1]["evidence"]["task"] == "stars"

    used_up = Session()
    used_up.proposer.set_plan("p01", asked)
    used_up.work(2.0, task="stars", level=0.8)
    used_up.work(3.5, task="n-back", level=0.8)
    used_up.said.clear()
    used_up.work(3.0, task="sart", level=0.2)
    assert "next_task" not in used_up.kinds(), "what the plan has no time left for is not proposed"


def test_a_plan_counts_work_and_not_pauses_nor_other_tasks() -> None:
    session = Session()
    session.proposer.set_plan("p01", planned({"task": "n-back", "minutes": 10}))
    session.work(2.0, task="n-back")
    session.now_s += 600.0
    session.work(2.0, task="n-back")
    session.work(2.0, task="flanker")
    view = session.proposer.plan("p01")
    assert view["left_s"] == pytest.approx(360.0, abs=5.0)
    assert [(one["task"], one["kind"]) for one in view["tasks"]] == [("n-back", "working-memory")]
    session.proposer.end_plan("p01")
    assert session.proposer.plan("p01") == {"tasks": [], "left_s": None}


def test_a_task_is_planned_once() -> None:
    with pytest.raises(ValueError, match="planned twice"):
        planned({"task": "a", "minutes": 1}, {"task": "a", "minutes": 2})
