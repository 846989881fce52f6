"""The closed loop as programs meet it: trials in, difficulty out, and every kind of bad input beside."""

from __future__ import annotations

import json
import random
import re
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from focusloop_process import PATIENCE_S, TOKEN, Serve, command, run_focusloop
from live_service import Talk
from websockets.sync.client import connect


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    with Serve(tmp_path_factory.mktemp("data"), "p01=simulator:manual") as running:
        yield running


@pytest.fixture
def stream(serve: Serve, request: pytest.FixtureRequest) -> Iterator[str]:
    name = re.sub(r"[^A-Za-z0-9]", "-", request.node.name)[:60]
    with serve.stream(name, "simulator:manual"):
        serve.http.put(f"/v1/streams/{name}/controller", json={}).raise_for_status()
        yield name


def send(serve: Serve, client: Talk, stream: str, number: int, *, run: str = "r", **more: object) -> dict[str, Any]:
    """Send a trial; gives its acknowledgement or error."""
    fields = {"type": "trial", "stream": stream, "run": run, "trial": number, "correct": True, "rt_ms": 500}
    client.say(**{**fields, **more})
    return serve.first(client, lambda m: m.get("trial") == number and m["type"] in ("ack", "error"), "an answer")


def followed(serve: Serve, client: Talk, number: int) -> dict[str, Any]:
    """Give the difficulty that follows a trial."""
    return serve.first(
        client, lambda m: m["type"] == "difficulty" and (m["after"] or {}).get("trial") == number, "a difficulty"
    )


def shown(serve: Serve, stream: str) -> dict[str, Any]:
    view: dict[str, Any] = serve.http.get(f"/v1/streams/{stream}/controller").json()
    return view


def test_difficulty_follows_a_trial_with_its_reason_and_resumes_by_number(serve: Serve, stream: str) -> None:
    with serve.talk() as client:
        client.subscribe("difficulty", stream=stream)
        send(serve, client, stream, 1)
    with serve.talk() as late:
        late.subscribe("difficulty", stream=stream)
        newest = serve.first(late, lambda m: m["type"] == "difficulty", "the newest difficulty")
        assert newest["after"]["trial"] == 1
        assert "correct was expected" in newest["reason"]
        send(serve, late, stream, 2)
    with serve.talk() as again:
        since = {"epoch": newest["epoch"], stream: {"difficulty": newest["seq"]}}
        again.subscribe("difficulty", stream=stream, since=since)
        missed = serve.first(again, lambda m: m["type"] == "difficulty", "what was missed")
        assert (missed["seq"], missed["after"]["trial"]) == (newest["seq"] + 1, 2)
        assert missed["previous"] == newest["level"]


def test_twice_late_and_out_of_order_each_counts_once(serve: Serve, stream: str) -> None:
    with serve.talk() as client:
        for number in (3, 1, 2):
            assert send(serve, client, stream, number, t_client_ms=-1e9)["duplicate"] is False
        for number in (1, 2, 3):
            assert send(serve, client, stream, number)["duplicate"] is True
    assert shown(serve, stream)["trials"] == 3


@pytest.mark.parametrize("rt_ms", [-5, 1e9, 0, None])
def test_an_impossible_reaction_time_loses_no_trial(serve: Serve, stream: str, rt_ms: float | None) -> None:
    with serve.talk() as client:
        assert send(serve, client, stream, 1, rt_ms=rt_ms)["type"] == "ack"
    view = shown(serve, stream)
    assert view["trials"] == 1
    assert 0.0 <= view["level"] <= 1.0


def test_a_stream_that_is_gone_is_said_and_the_talk_goes_on(serve: Serve) -> None:
    with serve.talk() as client:
        with serve.stream("gone", "simulator:manual"):
            assert send(serve, client, "gone", 1)["type"] == "ack"
        refused = send(serve, client, "gone", 2)
        assert (refused["code"], refused["run"]) == ("no_such_stream", "r")
        assert send(serve, client, "p01", 3)["type"] == "ack"


def test_a_participant_whose_stream_is_gone_is_told_so_and_the_talk_goes_on(serve: Serve) -> None:
    issued = serve.http.post("/v1/tokens", json={"scope": "participant:left", "hours": 1}).json()
    with serve.talk(issued["token"]) as client:
        with serve.stream("left", "simulator:manual"):
            assert send(serve, client, "left", 1)["type"] == "ack"
        refused = send(serve, client, "left", 2)
        assert (refused["code"], refused["run"]) == ("no_such_stream", "r")
        client.say(type="marker", stream="left", label="x")
        assert serve.first(client, lambda m: m["type"] == "error", "an error")["code"] == "no_such_stream"
        assert client.ask(type="ping", t0=1)["type"] == "pong"


def test_a_held_key_moves_nothing(serve: Serve, stream: str) -> None:
    before = shown(serve, stream)["level"]
    with serve.talk() as client:
        for number in range(60):
            send(serve, client, stream, number, correct=number % 2 == 0, rt_ms=30)
    assert shown(serve, stream)["level"] == before


def test_who_holds_the_right_key_with_plausible_times_ends_at_the_hardest_and_stays_in_bounds(
    serve: Serve, stream: str
) -> None:
    with serve.talk() as client:
        client.subscribe("difficulty", stream=stream)
        for number in range(120):
            client.say(type="trial", stream=stream, run="r", trial=number, correct=True, rt_ms=400)
            assert 0.0 <= followed(serve, client, number)["level"] <= 1.0
    assert shown(serve, stream)["level"] > 0.9


def test_a_stream_holds_when_its_trials_stop_whatever_another_one_sent(serve: Serve, stream: str) -> None:
    with serve.talk() as client, serve.stream("beside", "simulator:manual"):
        serve.http.put("/v1/streams/beside/controller", json={}).raise_for_status()
        for number in range(31):
            send(serve, client, stream, number, rt_ms=0)
        send(serve, client, "beside", 1)
        client.subscribe("difficulty")
        waited_for = {stream, "beside"}
        while waited_for:
            held = serve.first(
                client,
                lambda m: m["type"] == "difficulty" and m["stream"] in waited_for and m["state"] == "holding",
                f"{waited_for} holding",
            )
            waited_for.remove(held["stream"])
            assert "holding the level" in held["reason"]
            assert held["level"] == held["previous"]


def test_random_answers_end_at_the_easiest_and_stay_in_bounds(serve: Serve, stream: str) -> None:
    rng = random.Random(3)  # noqa: S311 - a simulation
    with serve.talk() as client:
        client.subscribe("difficulty", stream=stream)
        for number in range(150):
            client.say(type="trial", stream=stream, run="r", trial=number, correct=rng.random() < 0.5, rt_ms=400)
            told = followed(serve, client, number)
            assert 0.0 <= told["level"] <= 1.0
    assert shown(serve, stream)["level"] < 0.2


def test_a_flood_is_limited_and_what_was_acknowledged_is_counted(serve: Serve, stream: str) -> None:
    with serve.talk() as client:
        for number in range(300):
            client.say(type="trial", stream=stream, run="r", trial=number, correct=True, rt_ms=400)
        answers = [serve.first(client, lambda m: m["type"] in ("ack", "error"), "an answer") for _ in range(300)]
    acknowledged = sum(one["type"] == "ack" for one in answers)
    # How many are refused depends on how fast this machine sends; none is refused for anything else.
    assert {one["code"] for one in answers if one["type"] == "error"} <= {"rate_limited"}
    assert acknowledged >= 200
    assert shown(serve, stream)["trials"] == acknowledged


def test_two_clients_for_one_stream_both_count(serve: Serve, stream: str) -> None:
    with serve.talk() as one, serve.talk() as other:
        for number in range(10):
            assert send(serve, one, stream, number, run="one", level=0.2)["duplicate"] is False
            assert send(serve, other, stream, number, run="other", level=0.8)["duplicate"] is False
    assert shown(serve, stream)["trials"] == 20


def test_what_cannot_be_a_controller_is_refused_and_the_old_one_stays(serve: Serve, stream: str) -> None:
    before = shown(serve, stream)
    for asked, said in (
        ({"policy": "staircase"}, "known are fixed, weighted, n-down, quest-plus, fused"),
        ({"target": 1.5}, "target 1.5"),
        ({"limits": {"d_min": 3, "d_max": -3}}, "limits 3 to -3"),
        ({"params": {"speed": 2}}, "unknown 'speed'"),
    ):
        answer = serve.http.put(f"/v1/streams/{stream}/controller", json=asked)
        assert answer.status_code == 422, answer.text
        assert said in answer.json()["detail"]
    assert shown(serve, stream) == before


def test_while_focus_is_null_it_goes_on_by_behaviour_and_says_so(serve: Serve, stream: str) -> None:
    serve.http.put(f"/v1/streams/{stream}/simulator", json={"fault": "not_worn"}).raise_for_status()
    with serve.talk() as client:
        client.subscribe("focus", "difficulty", stream=stream)
        serve.first(client, lambda m: m["type"] == "focus" and m["reason"] == "not_worn", "not_worn")
        for number in range(40):
            client.say(type="trial", stream=stream, run="r", trial=number, correct=number % 4 != 0, rt_ms=500)
            told = followed(serve, client, number)
            assert "no valid focus score, so by behaviour alone" in told["reason"]
            assert told["level"] != told["previous"]


def test_trials_and_markers_are_told_to_everyone_and_over_lsl(serve: Serve, stream: str) -> None:
    from pylsl import StreamInlet, resolve_byprop

    inlet = StreamInlet(resolve_byprop("name", f"focusloop-{stream}-markers", timeout=PATIENCE_S)[0])
    inlet.open_stream(PATIENCE_S)
    with serve.talk() as listener, serve.talk() as client:
        listener.subscribe("trial", "marker", stream=stream)
        send(serve, client, stream, 1, task="flanker", rt_ms=420)
        send(serve, client, stream, 1, task="flanker", rt_ms=420)
        client.say(type="marker", stream=stream, label="level-up")
        trial = serve.first(listener, lambda m: m["type"] == "trial", "a trial")
        marker = serve.first(listener, lambda m: m["type"] in ("trial", "marker"), "a marker")
    assert (trial["run"], trial["trial"], trial["task"], trial["rt_ms"]) == ("r", 1, "flanker", 420)
    assert (marker["type"], marker["label"], marker["seq"], marker["stamped"]) == ("marker", "level-up", 1, "arrival")
    heard: dict[str, dict[str, Any]] = {}
    while "marker" not in heard:
        text, stamp_s = inlet.pull_sample(timeout=PATIENCE_S)
        assert text is not None
        message = json.loads(text[0])
        heard[message["type"]] = message
        assert stamp_s == pytest.approx(message["t_lsl_s"], abs=1e-6)
    assert set(heard) == {"trial", "difficulty", "marker"}
    assert heard["marker"]["label"] == "level-up"


def test_a_marker_for_a_stream_that_is_gone_is_an_error(serve: Serve) -> None:
    with serve.talk() as client:
        client.say(type="marker", stream="nobody", label="x")
        refused = serve.first(client, lambda m: m["type"] == "error", "an error")
        assert refused["code"] == "no_such_stream"


def test_a_baseline_is_proposed_and_can_be_refused(serve: Serve, stream: str) -> None:
    with serve.talk() as client:
        client.subscribe("proposal", stream=stream)
        send(serve, client, stream, 1)
        told = serve.first(client, lambda m: m["type"] == "proposal", "a proposal")
        assert (told["kind"], told["evidence"]["baseline_age_s"]) == ("recalibration", None)
        assert "There is no baseline" in told["text"]
    answer = {"kind": told["kind"], "accepted": False}
    assert serve.http.post(f"/v1/streams/{stream}/proposals", json=answer).status_code == 204
    assert serve.http.post(f"/v1/streams/{stream}/proposals", json={**answer, "kind": "lunch"}).status_code == 422
    assert serve.http.post("/v1/streams/nobody/proposals", json=answer).status_code == 404


def test_every_decision_is_in_the_log(serve: Serve, stream: str) -> None:
    with serve.talk() as client:
        send(serve, client, stream, 7, run="logged-run")
    serve.until(
        lambda: any(
            "logged-run" in line and "correct was expected" in line and "next_level" in line for line in serve.lines
        ),
        "in the log",
    )


def test_a_restart_goes_on_where_the_killed_service_stopped(tmp_path: Path) -> None:
    config = tmp_path / "focusloop.toml"
    config.write_text(
        '[[participant]]\nid = "p01"\nsources = ["simulator:manual"]\n'
        '[participant.controller]\npolicy = "fused"\ntarget = 0.75\nparams = { guess_rate = 0.5 }\n'
    )
    with Serve(tmp_path / "data", options=("--config", str(config))) as before:
        with before.talk() as client:
            for number in range(20):
                send(before, client, "p01", number, correct=number % 3 != 0)
        view = shown(before, "p01")
        assert view["target"] == 0.75
        before.stop(signal.SIGKILL)
    with closing(sqlite3.connect(tmp_path / "data" / "trials.sqlite")) as journal:
        assert journal.execute("SELECT trial FROM trials ORDER BY trial").fetchall() == [(n,) for n in range(20)]
    with Serve(tmp_path / "data", options=("--config", str(config))) as after:
        assert shown(after, "p01") == {**view, "state": "running"}
        with after.talk() as client:
            assert send(after, client, "p01", 19)["duplicate"] is True
            assert send(after, client, "p01", 20)["duplicate"] is False


def test_a_configuration_with_a_policy_that_does_not_exist_is_one_sentence(tmp_path: Path) -> None:
    config = tmp_path / "focusloop.toml"
    config.write_text(
        '[[participant]]\nid = "p01"\nsources = ["simulator:manual"]\n[participant.controller]\npolicy = "magic"\n'
    )
    done = run_focusloop("serve", "--port", "0", "--config", str(config), "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 2, done.stderr
    assert "policy 'magic': known are" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_does_trials_whose_difficulty_follows(tmp_path: Path) -> None:
    arguments = ("demo", "--no-browser", "--port", "0", "--token", TOKEN, "--data-dir", str(tmp_path))
    with subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as demo:
        watchdog = threading.Timer(2 * PATIENCE_S, demo.kill)
        watchdog.start()
        assert demo.stderr is not None
        url = ""
        for line in demo.stderr:
            if found := re.search(r"focusloop is at (http://\S+?)/#", line):
                url = found.group(1)
                break
        drained = threading.Thread(target=demo.stderr.read)
        drained.start()
        with Talk(connect(url.replace("http", "ws") + "/v1/ws", subprotocols=["focusloop.v1.json"])) as client:  # type: ignore[list-item]
            client.say(type="hello", token=TOKEN)
            client.subscribe("difficulty", stream="demo")
            levels: list[float] = []
            while len(levels) < 4:
                message = client.hear(PATIENCE_S)
                if message["type"] == "difficulty" and message["after"]:
                    levels.append(message["level"])
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(PATIENCE_S) == 0
        drained.join()
        watchdog.cancel()
    assert len(set(levels)) > 1
