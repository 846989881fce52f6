"""Each stage of the path seen from outside: a test for each, that only passes where that stage did its work."""

from __future__ import annotations

import math
import re
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from typing import Any

import numpy as np
import pylsl
import pytest
from focusloop_process import PATIENCE_S, Serve
from live_service import Talk
from lsl_outlets import Announcement, PacedOutlet
from played_person import LABELS, RATE_HZ, person
from pythonosc.osc_bundle import OscBundle

STAGES = {"acquire", "queue", "pipeline", "model", "publish", "total"}
TONE_HZ, TONE_UV = 10.5, 40.0


class Headset:
    """An outlet of the test's own: a person, on demand with a strong 10.5 Hz tone, a flat electrode or a pause."""

    def __init__(self) -> None:
        self.announcement = Announcement()
        self.tone = self.flat = False
        self.stamps_s: deque[float] = deque(maxlen=2000)
        self.outlet = PacedOutlet(self.announcement, person(self._change), self._stamp)

    def _change(self, k: int, sample: list[float]) -> list[float]:
        if self.tone:
            added = TONE_UV * math.sin(2 * math.pi * TONE_HZ * k / RATE_HZ)
            sample = [value + added for value in sample]
        if self.flat:
            sample[1] = 0.0
        return sample

    def _stamp(self, _k: int, now_s: float) -> float:
        self.stamps_s.append(now_s)
        return now_s


@pytest.fixture(scope="module")
def headset() -> Iterator[Headset]:
    made = Headset()
    with made.outlet:
        yield made


@pytest.fixture(scope="module")
def osc() -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(PATIENCE_S)
        yield listener


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, headset: Headset, osc: socket.socket) -> Iterator[Serve]:
    with Serve(
        tmp_path_factory.mktemp("data"),
        f"cap=lsl:source_id={headset.announcement.source_id}",
        "slider=simulator:manual?seed=3",
        "holes=simulator:loss?seed=2",
        options=["--osc", f"127.0.0.1:{osc.getsockname()[1]}"],
    ) as running:
        yield running


@pytest.fixture
def client(service: Serve) -> Iterator[Talk]:
    with service.talk() as talk:
        yield talk


def is_valid(message: dict[str, Any]) -> bool:
    return message["type"] == "focus" and message["valid"]


def take(service: Serve, client: Talk, topic: str, count: int) -> list[dict[str, Any]]:
    """The next messages of a topic."""
    taken: list[dict[str, Any]] = []
    for message in service.messages(client):
        assert message["type"] != "lagged"
        if message["type"] == topic:
            taken.append(message)
        if len(taken) == count:
            return taken
    raise AssertionError(f"only {len(taken)} of {count} messages of '{topic}' came")


def gauge(service: Serve, name: str, stream: str) -> float:
    """What Prometheus reads of a stream."""
    text = service.http.get("/metrics").text
    shown = re.search(rf'^focusloop_{name}{{stream="{stream}"}} (\S+)$', text, re.MULTILINE)
    assert shown is not None, f"no {name} of {stream}"
    return float(shown[1])


def counts(service: Serve) -> dict[str, float]:
    text = service.http.get("/metrics").text
    return {stage: float(n) for stage, n in re.findall(r'stage_seconds_count\{stage="(\w+)"\} (\S+)', text)}


def test_every_stage_of_metrics_works_while_scores_flow(service: Serve, client: Talk) -> None:
    client.subscribe("focus", stream="cap")
    service.first(client, is_valid, "a valid score")
    before = counts(service)
    take(service, client, "focus", 25)
    after = counts(service)
    assert set(before) == STAGES
    assert after["publish"] - before["publish"] >= 25
    assert {stage for stage in STAGES if after[stage] <= before[stage]} == set()
    text = service.http.get("/metrics").text
    made = re.search(r'focusloop_scores_total\{stream="cap",valid="true"\} (\S+)', text)
    assert made is not None
    assert float(made[1]) >= 25
    assert "focusloop_clients 1.0" in text


def test_acquire_a_score_names_a_sample_that_the_outlet_stamped(service: Serve, headset: Headset, client: Talk) -> None:
    client.subscribe("focus", stream="cap")
    for score in take(service, client, "focus", 25):
        stamps_s = np.array(headset.stamps_s)
        assert np.abs(stamps_s - score["t_lsl_s"]).min() < 0.05
        assert -0.05 < pylsl.local_clock() - score["t_lsl_s"] < 1.0
        assert score["t_unix_s"] - score["t_lsl_s"] == pytest.approx(
            client.welcome["time"]["unix_s"] - client.welcome["time"]["lsl_s"], abs=0.05
        )


def test_timeline_lost_packets_leave_no_hole_in_the_grid_of_the_scores(service: Serve, client: Talk) -> None:
    client.subscribe("focus", stream="holes")
    service.first(client, is_valid, "a valid score")
    lost = service.http.get("/v1/streams/holes").json()["lost_samples"]
    scores = take(service, client, "focus", 25)
    while service.http.get("/v1/streams/holes").json()["lost_samples"] == lost:
        scores += take(service, client, "focus", 25)
    steps = np.diff([score["t_lsl_s"] for score in scores])
    assert np.median(np.abs(steps - 0.04)) < 0.001
    assert steps.min() > 0.0


def test_metrics_count_the_lost_samples_that_the_stream_shows(service: Serve) -> None:
    def shown() -> int:
        lost: int = service.http.get("/v1/streams/holes").json()["lost_samples"]
        return lost

    service.until(lambda: shown() > 0, "a loss")
    before, scraped, after = shown(), gauge(service, "lost_samples", "holes"), shown()
    while before != after:  # packets were lost between the two looks
        before, scraped, after = after, gauge(service, "lost_samples", "holes"), shown()
    assert scraped == before > 0


def test_metrics_tell_of_chunks_that_wait_for_the_worker(service: Serve) -> None:
    with service.stream("hasty", "simulator:focus?speed=0"):  # sends more than can be scored
        service.until(lambda: gauge(service, "queue_depth", "hasty") > 0, "a queue of chunks")
    assert 'stream="hasty"' not in service.http.get("/metrics").text


def test_pipeline_a_tone_of_10_hz_moves_the_bands_around_it_and_no_others(
    service: Serve, headset: Headset, client: Talk
) -> None:
    client.subscribe("bands", stream="cap")
    bands_hz = take(service, client, "bands", 1)[0]["bands_hz"]
    alpha = bands_hz.index([10.0, 13.0])
    beta = bands_hz.index([18.0, 25.0])
    before = np.mean([m["db"] for m in take(service, client, "bands", 4)], axis=0)
    headset.tone = True
    # 40 µV are 29 dB above 1 µV²; the person's own alpha lies near 10 dB.
    loud = service.first(
        client, lambda m: m["type"] == "bands" and min(row[alpha] for row in m["db"]) > 26.0, "a tone in the bands"
    )
    after = np.mean([loud["db"], *(m["db"] for m in take(service, client, "bands", 4))], axis=0)
    headset.tone = False
    assert (after - before)[:, alpha].min() > 10.0
    assert abs(np.median((after - before)[:, beta])) < 6.0
    assert loud["channels"] == list(LABELS)


def test_display_the_spectrum_has_its_peak_at_the_tone_and_raw_its_amplitude(
    service: Serve, headset: Headset, client: Talk
) -> None:
    client.subscribe("spectrum", "raw", stream="cap")
    headset.tone = True

    def peak_hz(message: dict[str, Any]) -> float:
        return float(message["hz"][int(np.argmax(message["db"][2]))])

    service.first(client, lambda m: m["type"] == "spectrum" and abs(peak_hz(m) - TONE_HZ) <= 0.5, "a peak at the tone")
    raw = take(service, client, "raw", 5)
    headset.tone = False
    shown = np.concatenate([np.array(m["uv"]) for m in raw], axis=1)
    assert shown.shape[0] == len(LABELS)
    assert 0.5 * TONE_UV < np.abs(shown[2:] - shown[2:].mean(axis=1, keepdims=True)).max() < 3 * TONE_UV


def test_quality_a_flat_electrode_is_named_and_left_out(service: Serve, headset: Headset, client: Talk) -> None:
    client.subscribe("quality", "focus", stream="cap")
    headset.flat = True
    flat = service.first(
        client, lambda m: m["type"] == "quality" and "flat" in m["channels"][1]["flags"], "a flat electrode"
    )
    assert [c["label"] for c in flat["channels"]] == list(LABELS)
    assert flat["channels"][1]["contact"] is False
    assert all("flat" not in c["flags"] for i, c in enumerate(flat["channels"]) if i != 1)
    service.first(client, lambda m: is_valid(m) and m["quality"] < 0.85, "a score of the other three")
    headset.flat = False
    service.first(client, lambda m: is_valid(m) and m["quality"] > 0.95, "a score of all four")


def test_model_the_score_falls_when_alpha_rises_as_with_closed_eyes(service: Serve, client: Talk) -> None:
    client.subscribe("focus", stream="slider")
    means: dict[str | None, float] = {}
    for fault in (None, "eyes-closed"):
        service.http.put("/v1/streams/slider/simulator", json={"attention": 0.5, "fault": fault}).raise_for_status()
        client.synchronise()
        take(service, client, "focus", 125)  # a whole window of what was before
        raw = [m["raw"] for m in take(service, client, "focus", 50) if m["valid"]]
        assert len(raw) > 40
        means[fault] = float(np.mean(raw))
    assert means["eyes-closed"] < means[None] - 0.1, means


def test_publish_numbers_have_no_hole_and_time_rises(service: Serve, client: Talk) -> None:
    client.subscribe("focus", stream="cap")
    scores = take(service, client, "focus", 100)
    assert [b["seq"] - a["seq"] for a, b in pairwise(scores)] == [1] * 99
    steps = np.diff([score["t_lsl_s"] for score in scores])
    np.testing.assert_allclose(steps, 0.04, atol=0.004)
    assert {score["epoch"] for score in scores} == {client.welcome["epoch"]}


def test_outlets_lsl_and_osc_say_what_the_websocket_says(service: Serve, client: Talk, osc: socket.socket) -> None:
    client.subscribe("focus", stream="cap")
    found = pylsl.resolve_byprop("name", "focusloop-cap", 1, 10.0)
    inlet = pylsl.StreamInlet(found[0])
    inlet.open_stream(10.0)
    take(service, client, "focus", 25)
    heard = {score["t_lsl_s"]: score for score in take(service, client, "focus", 50)}
    values, stamps = inlet.pull_chunk(timeout=1.0, max_samples=1024)
    matched = [(row, heard[t]) for row, t in zip(values, stamps, strict=True) if t in heard]
    assert len(matched) >= 25
    for row, score in matched:
        expected = [score["value"], score["steady"], score["confidence"], float(score["valid"])]
        np.testing.assert_allclose(row, [math.nan if v is None else v for v in expected], rtol=1e-6)
    del inlet

    sent = {
        float(message.params[0])
        for _ in range(400)
        for message in (part for part in OscBundle(osc.recv(65536)) if hasattr(part, "address"))
        if message.address == "/focusloop/cap/focus"
    }
    assert sent
    assert all(0.0 <= value <= 1.0 for value in sent)
