"""The client's side of the conversation without a network: nothing is lost, nothing counted twice."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focusloop_client.conversation import (
    CLOCK_PATIENCE_MS,
    CLOCK_PONGS,
    FIRST_PINGS,
    PONG_PATIENCE_MS,
    RESEND_EVERY_MS,
    Conversation,
)
from focusloop_client.errors import AccessDeniedError
from focusloop_client.messages import (
    Acknowledged,
    Calibration,
    CountedTrial,
    Difficulty,
    Focus,
    Marker,
    Other,
    Proposal,
    Quality,
    Refused,
)

FOCUS = {
    "type": "focus", "stream": "p01", "epoch": "e1", "t_unix_s": 1.0, "t_lsl_s": 1.0, "origin": "live", "value": 0.7,
    "steady": 0.7, "relative": 0.5, "raw": 0.7, "valid": True, "reason": None, "confidence": 0.8, "quality": 0.9,
    "calibrated": True, "model": "m@1",
}  # fmt: skip


def welcome(talk: Conversation, epoch: str = "e1", streams: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    talk.opened(0.0)
    views = [{"id": name} for name in streams]
    talk.receive(json.dumps({"type": "welcome", "epoch": epoch, "server": "focusloop/0", "streams": views}), 1.0)
    return said(talk)


def said(talk: Conversation) -> list[dict[str, Any]]:
    return [json.loads(text) for text in talk.outgoing()]


def said_trials(talk: Conversation) -> list[int]:
    return [one["trial"] for one in said(talk) if one["type"] == "trial"]


def set_the_clock(talk: Conversation) -> list[int]:
    """Let so many pongs come that trials are sent; gives their numbers."""
    sent: list[int] = []
    for n in range(CLOCK_PONGS):
        assert sent == []
        talk.tick(1.0 + n * 50.0)
        hear(talk, type="pong", t0=1.0 + n * 50.0, t1=1.0, t2=1.0)
        sent += said_trials(talk)
    return sent


def hear(talk: Conversation, **fields: Any) -> object:  # noqa: ANN401 - whatever JSON holds
    return talk.receive(json.dumps(fields), 1.0)


def test_hello_comes_first_and_subscriptions_on_each_connection() -> None:
    talk = Conversation("secret", "game/1")
    talk.subscribe("focus", rate_hz=10)
    first = welcome(talk)
    assert [one["type"] for one in first] == ["hello", "subscribe"]
    assert first[0]["token"] == "secret"  # noqa: S105 - of this test
    talk.closed(1006, "")
    again = welcome(talk)
    assert [one["type"] for one in again] == ["hello", "subscribe"]
    assert "since" not in again[1]


def test_it_resumes_by_epoch_and_number() -> None:
    talk = Conversation(None, "game/1")
    talk.subscribe("focus")
    welcome(talk)
    for seq in (5, 6):
        assert isinstance(hear(talk, **FOCUS, seq=seq), Focus)
    assert welcome(talk)[1]["since"] == {"epoch": "e1", "p01": {"focus": 6}}
    assert hear(talk, **FOCUS, seq=6) is None
    assert talk.missed == 0
    hear(talk, **FOCUS, seq=9)
    assert talk.missed == 2
    assert "since" not in welcome(talk, "e2")[1]
    assert isinstance(hear(talk, **{**FOCUS, "epoch": "e2"}, seq=1), Focus)
    assert talk.missed == 2


@given(st.lists(st.sampled_from(["trial", "ack", "lose", "restart"]), max_size=40))
def test_a_trial_is_sent_until_it_is_acknowledged(events: list[str]) -> None:
    talk = Conversation(None, "game/1", run="r1")
    welcome(talk)
    set_the_clock(talk)
    open_trials: list[int] = []
    for event in events:
        if event == "trial":
            open_trials.append(talk.trial({"stream": "p01", "correct": True}, 10.0))
            assert json.loads(talk.outgoing()[-1])["trial"] == open_trials[-1]
        elif event == "ack" and open_trials:
            number = open_trials.pop(0)
            assert isinstance(hear(talk, type="ack", run="r1", trial=number, duplicate=False), Acknowledged)
        else:
            talk.closed(1006, "")
            assert [one["type"] for one in welcome(talk, event)] == ["hello"]
            assert set_the_clock(talk) == open_trials[:100]
        assert talk.unacknowledged == len(open_trials)


def test_trials_given_while_there_is_no_connection_wait_for_it() -> None:
    talk = Conversation(None, "game/1")
    talk.trial({"stream": "p01", "correct": True}, 10.0)
    assert talk.outgoing() == []
    assert [one["type"] for one in welcome(talk)] == ["hello"]
    assert talk.trial({"stream": "p01", "correct": True}, 20.0) == 2
    assert set_the_clock(talk) == [1, 2]


def test_trials_do_not_wait_for_pongs_for_ever() -> None:
    talk = Conversation(None, "game/1")
    welcome(talk)
    talk.trial({"stream": "p01", "correct": True}, 10.0)
    talk.tick(CLOCK_PATIENCE_MS)
    assert said_trials(talk) == []
    talk.tick(1.0 + CLOCK_PATIENCE_MS)
    assert said_trials(talk) == [1]


def test_each_of_the_first_pings_tells_of_the_pong_before_it_on_a_slow_line_too() -> None:
    talk = Conversation(None, "game/1")
    welcome(talk)
    talk.tick(1.0)
    assert [one["type"] for one in said(talk)] == ["ping"]
    talk.tick(200.0)
    assert said(talk) == []
    talk.receive(json.dumps({"type": "pong", "t0": 1.0, "t1": 1.0, "t2": 1.0}), 250.0)
    talk.tick(250.0)
    assert [one["previous"] for one in said(talk)] == [{"t0": 1.0, "t3": 250.0}]
    talk.tick(300.0 + PONG_PATIENCE_MS)
    assert [one["type"] for one in said(talk)] == ["ping"]


@pytest.mark.parametrize("wrong", [math.nan, math.inf, object()])
def test_what_cannot_be_sent_is_not_kept(wrong: object) -> None:
    talk = Conversation(None, "game/1")
    welcome(talk)
    with pytest.raises((ValueError, TypeError)):
        talk.trial({"stream": "p01", "correct": True, "rt_ms": wrong}, 10.0)
    assert talk.unacknowledged == 0
    assert talk.trial({"stream": "p01", "correct": True, "rt_ms": 500.0}, 10.0) == 1
    assert set_the_clock(talk) == [1]


def no_such_stream(talk: Conversation, trial: int) -> object:
    return hear(talk, type="error", code="no_such_stream", message="no stream", run="r1", trial=trial)


def test_a_trial_waits_for_a_stream_that_is_gone_and_is_sent_when_it_is_back() -> None:
    talk = Conversation(None, "game/1", run="r1")
    welcome(talk)
    for _ in range(3):
        talk.trial({"stream": "added", "correct": True}, 10.0)
    talk.trial({"stream": "p01", "correct": True}, 10.0)
    assert set_the_clock(talk) == [1, 2, 3, 4]
    hear(talk, type="ack", run="r1", trial=4, duplicate=False)
    assert isinstance(no_such_stream(talk, 1), Refused)
    assert [no_such_stream(talk, trial) for trial in (2, 3)] == [None, None]
    talk.trial({"stream": "added", "correct": True}, 10.0)
    assert said_trials(talk) == []
    talk.tick(RESEND_EVERY_MS + 1.0)
    assert said_trials(talk) == [1]  # asks for the stream
    assert no_such_stream(talk, 1) is None
    assert talk.unacknowledged == 4
    talk.tick(2 * RESEND_EVERY_MS + 2.0)
    assert said_trials(talk) == [1]
    hear(talk, type="ack", run="r1", trial=1, duplicate=False)
    assert said_trials(talk) == [2, 3, 5]
    talk.drop(2)
    assert talk.unacknowledged == 2


def test_a_stream_that_a_welcome_names_is_there_again() -> None:
    talk = Conversation(None, "game/1", run="r1")
    welcome(talk)
    for _ in range(2):
        talk.trial({"stream": "added", "correct": True}, 10.0)
    set_the_clock(talk)
    no_such_stream(talk, 1)
    welcome(talk, "e2")
    assert set_the_clock(talk) == [1]
    welcome(talk, "e3", ("added",))
    assert set_the_clock(talk) == [1, 2]


def test_topics_of_a_stream_that_is_not_there_yet_are_asked_for_again() -> None:
    talk = Conversation(None, "game/1")
    talk.subscribe("focus", "difficulty", stream="added")
    welcome(talk)
    refused = [{"topic": topic, "code": "no_such_stream", "message": "…"} for topic in ("focus", "difficulty")]
    assert isinstance(hear(talk, type="subscribed", id=1, accepted=[], refused=refused), Other)
    talk.tick(RESEND_EVERY_MS + 1.0)
    assert [one["topics"] for one in said(talk) if one["type"] == "subscribe"] == [["focus", "difficulty"]]
    assert hear(talk, type="subscribed", id=1, accepted=[], refused=refused) is None
    talk.tick(2 * RESEND_EVERY_MS + 2.0)
    assert [one["topics"] for one in said(talk) if one["type"] == "subscribe"] == [["focus", "difficulty"]]
    assert isinstance(hear(talk, type="subscribed", id=1, accepted=["focus", "difficulty"], refused=[]), Other)
    talk.tick(3 * RESEND_EVERY_MS + 3.0)
    assert "subscribe" not in [one["type"] for one in said(talk)]


def test_a_late_acknowledgement_is_asked_for_again_and_a_refused_trial_is_let_go() -> None:
    talk = Conversation(None, "game/1", run="r1")
    welcome(talk)
    set_the_clock(talk)
    talk.trial({"stream": "p01", "correct": True}, 10.0)
    talk.outgoing()
    talk.tick(RESEND_EVERY_MS + 1.0)
    assert "trial" in [json.loads(text)["type"] for text in talk.outgoing()]
    refused = hear(talk, type="error", code="bad_message", message="level", run="r1", trial=1)
    assert isinstance(refused, Refused)
    assert talk.unacknowledged == 0
    talk.trial({"stream": "p01", "correct": True}, 10.0)
    hear(talk, type="error", code="rate_limited", message="slowly")
    hear(talk, type="error", code="too_many", message="the disk takes nothing", run="r1", trial=2)
    assert talk.unacknowledged == 1


def test_pings_tell_when_the_pong_was_heard() -> None:
    talk = Conversation(None, "game/1")
    welcome(talk)
    pings: list[dict[str, Any]] = []
    for n in range(FIRST_PINGS + 3):
        talk.tick(n * 60.0)
        pings += (heard := [json.loads(text) for text in talk.outgoing()])
        if heard:
            talk.receive(json.dumps({"type": "pong", "t0": heard[0]["t0"], "t1": 1.0, "t2": 1.0}), n * 60.0 + 4.0)
    assert len(pings) == FIRST_PINGS
    assert pings[3]["previous"] == {"t0": pings[2]["t0"], "t3": pings[2]["t0"] + 4.0}
    talk.trial({"stream": "p01", "correct": True}, 1000.0)
    assert json.loads(talk.outgoing()[0])["uncertainty_ms"] == 2.0


@pytest.mark.parametrize("code", [4400, 4401, 4403])
def test_who_is_not_let_in_does_not_try_for_ever(code: int) -> None:
    with pytest.raises(AccessDeniedError, match="wrong token"):
        Conversation(None, "game/1").closed(code, "wrong token")
    for passing, why in ((1012, "restart"), (4429, "too many wrong tokens from 10.0.0.5; try again in 5 s")):
        Conversation(None, "game/1").closed(passing, why)


def test_null_stays_none_and_unknown_messages_are_kept() -> None:
    talk = Conversation(None, "game/1")
    welcome(talk)
    invalid = {**FOCUS, "value": None, "valid": False, "reason": "not_worn", "origin": "simulator"}
    score = hear(talk, **invalid, seq=1)
    assert isinstance(score, Focus)
    assert score.value is None
    assert str(score) == "SIMULATED p01 no score: not_worn"
    assert isinstance(hear(talk, type="something_new", x=1), Other)
    following = {"type": "difficulty", "stream": "p01", "epoch": "e1", "seq": 1, "t_unix_s": 1.0, "level": 0.4}
    difficulty = hear(
        talk, **following, previous=0.5, reason="An error.", policy="fused", after={"run": "r1", "trial": 3}
    )
    assert isinstance(difficulty, Difficulty)
    assert difficulty.after == ("r1", 3)


def test_every_message_that_a_game_acts_on_has_its_type() -> None:
    talk = Conversation(None, "game/1")
    welcome(talk)
    head = {"stream": "p01", "epoch": "e1", "seq": 1, "t_unix_s": 1.0, "t_lsl_s": 1.0}
    stamp = {"uncertainty_ms": None, "stamped": "arrival"}
    trial = {"run": "r1", "trial": 3, "task": "", "block": None, "correct": True, "rt_ms": None, "level": 0.5}
    counted = hear(talk, type="trial", **head, **stamp, **trial)
    assert isinstance(counted, CountedTrial)
    assert (counted.run, counted.trial, counted.rt_ms) == ("r1", 3, None)
    marker = hear(talk, type="marker", **head, **stamp, label="level-up")
    assert isinstance(marker, Marker)
    assert marker.label == "level-up"
    proposal = hear(talk, type="proposal", **head, kind="rest", text="Rest.", evidence={"minutes": 25.0})
    assert isinstance(proposal, Proposal)
    assert proposal.kind == "rest"
    progress = {"state": "running", "phase": "eyes_open", "progress": 0.5, "code": None, "message": ""}
    calibration = hear(talk, type="calibration", **head, **progress)
    assert isinstance(calibration, Calibration)
    assert calibration.phase == "eyes_open"
    channel = {"label": "Fz", "contact": True, "flags": ["blink"], "usable": 0.9}
    quality = hear(talk, type="quality", **head, channels=[channel])
    assert isinstance(quality, Quality)
    assert quality.channels[0].flags == ("blink",)
