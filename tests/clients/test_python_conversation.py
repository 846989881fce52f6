"""The client's side of the conversation without a network: nothing is lost, nothing counted twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focusloop_client.conversation import FIRST_PINGS, RESEND_EVERY_MS, Conversation
from focusloop_client.errors import AccessDeniedError
from focusloop_client.messages import Acknowledged, Difficulty, Focus, Other, Refused

FOCUS = {
    "type": "focus", "stream": "p01", "epoch": "e1", "t_unix_s": 1.0, "t_lsl_s": 1.0, "origin": "live", "value": 0.7,
    "steady": 0.7, "relative": 0.5, "raw": 0.7, "valid": True, "reason": None, "confidence": 0.8, "quality": 0.9,
    "calibrated": True, "model": "m@1",
}  # fmt: skip


def welcome(talk: Conversation, epoch: str = "e1") -> list[dict[str, Any]]:
    talk.opened(0.0)
    talk.receive(json.dumps({"type": "welcome", "epoch": epoch, "server": "focusloop/0", "streams": []}), 1.0)
    return [json.loads(text) for text in talk.outgoing()]


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
            sent = [one["trial"] for one in welcome(talk, event) if one["type"] == "trial"]
            assert sent == open_trials[:100]
        assert talk.unacknowledged == len(open_trials)


def test_trials_given_while_there_is_no_connection_wait_for_it() -> None:
    talk = Conversation(None, "game/1")
    talk.trial({"stream": "p01", "correct": True}, 10.0)
    assert talk.outgoing() == []
    assert [one["type"] for one in welcome(talk)] == ["hello", "trial"]


def test_a_late_acknowledgement_is_asked_for_again_and_a_refused_trial_is_let_go() -> None:
    talk = Conversation(None, "game/1", run="r1")
    welcome(talk)
    talk.trial({"stream": "p01", "correct": True}, 10.0)
    talk.outgoing()
    talk.tick(RESEND_EVERY_MS + 1.0)
    assert "trial" in [json.loads(text)["type"] for text in talk.outgoing()]
    refused = hear(talk, type="error", code="no_such_stream", message="no stream", run="r1", trial=1)
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
    Conversation(None, "game/1").closed(1012, "restart")


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
