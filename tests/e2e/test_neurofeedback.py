"""Neurofeedback through the real service: rest, thresholds, rewards that follow the simulated rhythms, none without."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import pyxdf
from focusloop_process import PATIENCE_S, Serve
from live_service import Talk
from pylsl import StreamInlet, resolve_byprop

ALPHA = {"criteria": [{"side": "reward", "band_hz": [8, 13], "share": 0.6}], "rest_s": 5.0, "refractory_s": 0.2}
PATH = "/v1/streams/p01/neurofeedback"


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    with Serve(tmp_path_factory.mktemp("data"), "p01=simulator:manual?seed=4") as running:
        yield running


@pytest.fixture
def client(serve: Serve) -> Iterator[Talk]:
    with serve.talk() as talking:
        talking.subscribe("neurofeedback", stream="p01")
        yield talking
    serve.http.delete(PATH)
    serve.http.put("/v1/streams/p01/simulator", json={"attention": 0.5, "fault": None}).raise_for_status()


def heard(serve: Serve, client: Talk, **wanted: object) -> dict[str, Any]:
    def matches(message: dict[str, Any]) -> bool:
        return message["type"] == "neurofeedback" and all(message[key] == value for key, value in wanted.items())

    return serve.first(client, matches, str(wanted))


def running(serve: Serve, client: Talk, asked: dict[str, Any]) -> dict[str, Any]:
    """Begin a protocol, and rest."""
    serve.http.put(PATH, json=asked).raise_for_status()
    assert heard(serve, client, state="rest")["rewarded"] is False
    return heard(serve, client, state="running", valid=True)


def share_met(serve: Serve, client: Talk, attention: float, seconds: float = 8.0) -> float:
    """Give the share of moments at which the criteria held, once attention has been so for two seconds."""
    serve.http.put("/v1/streams/p01/simulator", json={"attention": attention}).raise_for_status()
    began_s = heard(serve, client, valid=True)["t_lsl_s"]
    met: list[bool] = []
    for message in serve.messages(client):
        if message["type"] != "neurofeedback" or message["t_lsl_s"] - began_s < 2.0:
            continue
        if message["t_lsl_s"] - began_s > 2.0 + seconds:
            break
        if message["valid"]:
            met.append(all(one["met"] for one in message["criteria"]))
    return sum(met) / len(met)


def test_rewards_follow_the_rhythm_that_attention_moves(serve: Serve, client: Talk) -> None:
    first = running(serve, client, ALPHA)
    assert first["origin"] == "simulator"
    assert first["detail"].startswith("At rest all criteria held 60% of the time")
    assert first["warnings"] == []
    assert first["brightness"] is None
    assert [(one["name"], one["unit"]) for one in first["criteria"]] == [("8-13 Hz", "dB")]
    relaxed, busy = share_met(serve, client, 0.0), share_met(serve, client, 1.0)
    assert busy < 0.6, "less than at rest"
    assert relaxed > busy + 0.1, (relaxed, busy)
    inlet = StreamInlet(resolve_byprop("name", "focusloop-p01-markers", timeout=PATIENCE_S)[0])
    inlet.open_stream(PATIENCE_S)
    serve.http.put("/v1/streams/p01/simulator", json={"attention": 0.0}).raise_for_status()
    text, stamp_s = inlet.pull_sample(timeout=PATIENCE_S)
    assert text is not None
    marker = json.loads(text[0])
    assert (marker["type"], marker["rewarded"], marker["t_lsl_s"]) == ("neurofeedback", True, pytest.approx(stamp_s))
    rewarded = heard(serve, client, rewarded=True)
    assert rewarded["valid"] is True
    assert serve.http.get(PATH).json()["rewards"] >= rewarded["rewards"] >= 1


def test_nothing_is_rewarded_without_a_signal_and_the_reason_is_told(serve: Serve, client: Talk) -> None:
    running(serve, client, ALPHA)
    serve.http.put("/v1/streams/p01/simulator", json={"attention": 0.0, "fault": "not_worn"}).raise_for_status()
    heard(serve, client, valid=False, reason="not_worn")
    serve.http.put("/v1/streams/p01/simulator", json={"fault": "stale"}).raise_for_status()
    stale = heard(serve, client, reason="stale")
    assert (stale["valid"], stale["rewarded"], stale["criteria"][0]["reading"]) == (False, False, None)


def test_the_focus_is_a_feature_too_and_feedback_may_be_continuous(serve: Serve, client: Talk) -> None:
    asked = {"criteria": [{"share": 0.6}], "feedback": "continuous", "rest_s": 5.0}
    message = running(serve, client, asked)
    assert 0.0 <= message["brightness"] <= 1.0
    assert message["rewarded"] is False
    assert [(one["name"], one["unit"]) for one in message["criteria"]] == [("focus", "1")]


def test_what_is_to_be_known_of_a_protocol_is_warned_of(serve: Serve, client: Talk) -> None:
    unlikely = [
        {"side": "reward", "band_hz": [8, 13], "share": 0.3, "threshold": "percentile"},
        {"side": "inhibit", "band_hz": [18, 30], "share": 0.3},
    ]
    warnings = running(serve, client, {"criteria": unlikely, "rest_s": 5.0})["warnings"]
    assert any("hides learning" in one for one in warnings)
    assert any("below 50%" in one for one in warnings)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"criteria": []}, "at least 1 item"),
        ({"criteria": [{"band_hz": [7, 13]}]}, "expected two of the edges"),
        ({"criteria": [{"band_hz": [8, 13], "channels": ["Q9"]}]}, "no electrode Q9 is scored here; there are Fp1"),
        ({"criteria": [{"channels": ["Fz"]}]}, "`channels` go with `band_hz`"),
        ({"criteria": [{}, {}]}, "'reward focus' is given twice"),
        ({"criteria": [{"share": 1.5}]}, "less than 1"),
        ({"criteria": [{}], "dwell": 2}, "not permitted"),
    ],
)
def test_a_protocol_that_cannot_be_is_refused_with_what_to_give(serve: Serve, asked: dict[str, Any], said: str) -> None:
    answer = serve.http.put(PATH, json=asked)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert serve.http.get(PATH).json() == {"state": "none"}


def test_it_is_recorded_as_it_was_sent(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("recorded")
    with Serve(folder, "p01=simulator:manual?seed=4") as serve, serve.talk() as client:
        client.subscribe("neurofeedback", stream="p01")
        running(serve, client, ALPHA)
        serve.http.delete("/v1/streams/p01").raise_for_status()
    file = next(folder.rglob("*.xdf"))
    streams, _ = pyxdf.load_xdf(str(file), synchronize_clocks=False, dejitter_timestamps=False)
    sent = next(one for one in streams if one["info"]["name"][0].endswith("sent"))
    kept = [json.loads(row[0]) for row in sent["time_series"]]
    assert {one["state"] for one in kept if one["type"] == "neurofeedback"} == {"rest", "running"}


def test_the_configuration_begins_a_protocol(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("configured")
    config = folder / "focusloop.toml"
    config.write_text(
        '[[participant]]\nid = "p01"\nsources = ["simulator:manual"]\n[participant.neurofeedback]\nrest_s = 5.0\n'
        "[[participant.neurofeedback.criteria]]\nband_hz = [8, 13]\n[participant.plan]\n"
        'tasks = [{task = "n-back", minutes = 10}]\n'
    )
    with Serve(folder / "data", options=("--config", str(config))) as serve:
        assert serve.http.get("/v1/streams/p01/plan").json()["left_s"] == 600.0
        serve.until(lambda: serve.http.get(PATH).json()["state"] == "running", "measured at rest")
