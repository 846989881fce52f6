"""Controllers of a service: nothing is counted twice, silence is said, states outlive a restart."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fake_participants import FOCUS
from hypothesis import given, settings
from hypothesis import strategies as st

from bci.errors import ConfigError
from feedback.loop.controller import HOLD_AFTER_S, Controller, ControllerSettings, TrialKey
from feedback.loop.controllers import Controllers
from feedback.loop.proposer import Proposer
from feedback.loop.trial_desk import TrialDesk
from feedback.loop.trial_journal import TrialJournal
from feedback.service.trial_clock import Stamp
from feedback.service.wire.client_messages import SendTrial

PATIENCE_S = 10.0


class Desk:
    """Controllers on a clock of the test."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 1000.0
        self.said: list[dict[str, Any]] = []
        self.path = folder / "trials.sqlite"
        self.journal = TrialJournal(self.path)
        self.trials: list[dict[str, Any]] = []
        self.controllers = Controllers(self.journal, self._tell, clock=lambda: self.now_s)
        self.proposer = Proposer(self._tell, lambda _: None, clock=lambda: self.now_s)
        self.desk = TrialDesk(self.controllers, self.proposer, self.journal, self._tell, lambda _: None)

    def _tell(self, stream: str, topic: str, fields: Mapping[str, Any]) -> int:
        {"difficulty": self.said, "trial": self.trials}[topic].append({"stream": stream, **fields})
        return 1

    def trial(self, number: int, *, run: str = "r1", correct: bool = True, rt_ms: float = 500) -> bool:
        """Send a trial; True where it was new."""
        sent = SendTrial(type="trial", stream="p01", run=run, trial=number, correct=correct, rt_ms=rt_ms)
        return not self.desk.accept(sent, Stamp(999.5, 0.002, "client"), lambda: None)

    def restarted(self) -> Desk:
        """Start again on what is on disk."""
        self.journal.close(PATIENCE_S)
        return Desk(self.path.parent)

    def rewrite(self, state: str) -> None:
        """Change what is on disk behind the service's back."""
        self.journal.close(PATIENCE_S)
        with closing(sqlite3.connect(self.path)) as connection, connection:
            assert connection.execute("UPDATE controllers SET state = ?", (state,)).rowcount == 1


def test_each_trial_is_told_and_followed_by_one_difficulty(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.controllers.set("p01", ControllerSettings("weighted"))
    assert desk.trial(1)
    assert [one["reason"].split(":")[0] for one in desk.said] == [
        "Difficulty is controlled by weighted; the level is 0.50.",
        "Correct",
    ]
    last = desk.said[-1]
    assert last["previous"] == 0.5 < last["level"]
    assert last["after"] == {"run": "r1", "trial": 1, "t_trial_lsl_s": 999.5, "uncertainty_s": 0.002}
    assert [(one["run"], one["trial"], one["t_lsl_s"]) for one in desk.trials] == [("r1", 1, 999.5)]


def test_a_stream_without_a_controller_gets_none_and_its_trials_are_kept(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert desk.trial(1)
    assert not desk.restarted().trial(1)
    assert desk.said == []
    assert desk.controllers.view("p01") is None


@settings(deadline=None, max_examples=40)  # each example waits for a disk
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.booleans()), max_size=40))
def test_a_trial_counts_once_however_often_and_in_whatever_order_it_comes(
    tmp_path_factory: pytest.TempPathFactory, sent: list[tuple[str, int, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("controllers")
    desk = Desk(folder)
    desk.controllers.set("p01", ControllerSettings())
    keys: set[tuple[str, int]] = set()
    for position, (run, number, correct) in enumerate(sent):
        if position == len(sent) // 2:
            desk = desk.restarted()
            desk.controllers.reopen("p01")
        assert desk.trial(number, run=run, correct=correct) == ((run, number) not in keys)
        keys.add((run, number))
    view = desk.controllers.view("p01")
    assert view is not None
    assert view["trials"] == len(keys)
    assert 0.0 <= view["level"] <= 1.0
    desk.journal.close(PATIENCE_S)


def test_a_restart_changes_no_decision(tmp_path: Path) -> None:
    steady, restarted = Desk(tmp_path / "a"), Desk(tmp_path / "b")
    for desk in (steady, restarted):
        desk.controllers.set("p01", ControllerSettings())
    for number in range(60):
        if number % 20 == 10:
            restarted = restarted.restarted()
            restarted.controllers.reopen("p01")
            assert "Goes on after a restart" in restarted.said[-1]["reason"]
        for desk in (steady, restarted):
            desk.controllers.on_score("p01", {**FOCUS, "value": 0.5 + 0.01 * (number % 7)})
            desk.trial(number, correct=number % 4 != 0)
        assert restarted.said[-1]["level"] == steady.said[-1]["level"]
        assert restarted.said[-1]["reason"] == steady.said[-1]["reason"]


def test_it_goes_on_by_behaviour_alone_while_the_score_is_not_valid_and_says_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.controllers.set("p01", ControllerSettings())
    desk.controllers.on_score("p01", FOCUS)
    desk.trial(1)
    assert "still being learned" in desk.said[-1]["reason"]
    invalid = {**FOCUS, "value": None, "valid": False, "reason": "not_worn", "quality": None}
    for number, score in enumerate((invalid, {**FOCUS, "quality": 0.2}), start=2):
        desk.controllers.on_score("p01", score)
        desk.trial(number)
        assert "no valid focus score, so by behaviour alone" in desk.said[-1]["reason"]
        assert desk.said[-1]["level"] > desk.said[-1]["previous"]
    desk.controllers.on_score("p01", FOCUS)
    desk.now_s += 3.0  # the stream stalls: the last good score is not fresh for ever
    desk.trial(9)
    assert "no valid focus score" in desk.said[-1]["reason"]


def test_it_holds_when_trials_stop_says_so_once_and_goes_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.controllers.set("p01", ControllerSettings())
    desk.controllers.tick()
    desk.trial(1)
    level, told = desk.said[-1]["level"], len(desk.said)
    desk.now_s += HOLD_AFTER_S + 1.0
    for _ in range(3):
        desk.controllers.tick()
    assert len(desk.said) == told + 1
    held = desk.said[-1]
    assert (held["state"], held["level"], held["previous"]) == ("holding", level, level)
    assert held["reason"].startswith("No trial for 31 s: holding")
    desk.trial(2)
    assert desk.said[-1]["state"] == "running"


def test_reaction_times_that_cannot_be_break_no_look_at_tiredness(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for number in range(100):
        desk.trial(number, rt_ms=0)
    assert desk.proposer.tick() == {}


def test_a_stream_that_fails_leaves_the_others_their_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path)
    for stream in ("bad", "p01"):
        desk.controllers.set(stream, ControllerSettings())
    desk.controllers.tick()
    bad = desk.controllers._by_stream["bad"]

    def fail(_now_s: float) -> str | None:
        raise ValueError("on purpose")

    monkeypatch.setattr(bad, "silence", fail)
    desk.now_s += HOLD_AFTER_S + 1.0
    assert [*desk.controllers.tick()] == ["bad"]
    assert desk.said[-1]["state"] == "holding"


def test_a_restart_with_other_settings_keeps_what_was_learned_and_holds_without_trials(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.controllers.set("p01", ControllerSettings(target=0.8))
    for number in range(30):
        desk.trial(number)
    desk.controllers.set("p01", ControllerSettings(target=0.75))
    level = desk.said[-1]["level"]
    again = desk.restarted()
    again.controllers.set("p01", ControllerSettings(target=0.8))
    view = again.controllers.view("p01")
    assert view is not None
    assert (view["target"], view["trials"]) == (0.8, 30)
    assert view["level"] == pytest.approx(level)
    again.controllers.tick()
    again.now_s += HOLD_AFTER_S + 1.0
    again.controllers.tick()
    assert again.said[-1]["state"] == "holding"


def test_settings_change_while_it_runs_and_what_was_learned_stays(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.controllers.set("p01", ControllerSettings())
    for number in range(40):
        desk.trial(number, correct=number % 3 != 0)
    before = desk.said[-1]["level"]
    desk.controllers.set("p01", ControllerSettings(target=0.9))
    assert desk.said[-1]["level"] == pytest.approx(before)
    assert "what was learned is kept" in desk.said[-1]["reason"]
    desk.trial(40)
    assert desk.said[-1]["level"] < before  # 90 % needs it easier
    desk.controllers.set("p01", ControllerSettings("weighted"))
    assert "it learns anew" in desk.said[-1]["reason"]
    assert desk.said[-1]["level"] == pytest.approx(desk.said[-2]["level"])
    assert not desk.trial(40)


def test_a_change_that_cannot_be_leaves_everything_as_it_was(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.controllers.set("p01", ControllerSettings())
    desk.trial(1)
    before = desk.controllers.view("p01")
    for bad in (ControllerSettings("staircase"), ControllerSettings(target=1.5), ControllerSettings(params={"x": 1.0})):
        with pytest.raises(ConfigError):
            desk.controllers.set("p01", bad)
    assert desk.controllers.view("p01") == before


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"settings":{"speed":1}}'])
def test_a_broken_state_is_no_end(tmp_path: Path, broken: str) -> None:
    desk = Desk(tmp_path)
    desk.controllers.set("p01", ControllerSettings())
    desk.rewrite(broken)
    again = Desk(tmp_path)
    again.controllers.reopen("p01")
    again.controllers.set("p01", ControllerSettings())
    assert again.trial(1)


def test_a_state_of_another_policy_learns_anew(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.controllers.set("p01", ControllerSettings())
    desk.trial(1)
    desk.journal.close(PATIENCE_S)
    state = json.loads(desk.journal.state("p01") or "")
    state["policy"] = {"difficulty": "hard"}
    desk.rewrite(json.dumps(state))
    again = Desk(tmp_path)
    again.controllers.set("p01", ControllerSettings())
    assert again.said[-1]["level"] == desk.said[0]["level"]


def test_a_disk_that_takes_nothing_does_not_stop_the_loop(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    desk = Desk(blocked / "controllers")
    desk.controllers.set("p01", ControllerSettings())
    assert desk.trial(1)
    assert desk.said[-1]["level"] > desk.said[-1]["previous"]


def test_an_ended_controller_is_forgotten_and_a_closed_stream_is_not(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.controllers.set("p01", ControllerSettings())
    desk.trial(1)
    desk.controllers.remove("p01")
    desk.controllers.reopen("p01")
    view = desk.controllers.view("p01")
    assert view is not None
    assert view["trials"] == 1
    desk.controllers.end("p01")
    again = desk.restarted()
    again.controllers.reopen("p01")
    assert again.controllers.view("p01") is None


def test_the_state_of_a_long_session_stays_small() -> None:
    controller = Controller("p01", ControllerSettings())
    for number in range(5000):
        controller.count(TrialKey("r", number), correct=True, rt_s=0.5, level=None, now_s=float(number))
    assert len(json.dumps(controller.state())) < 16_000
