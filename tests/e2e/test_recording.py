"""Sessions of the real service: what is on the disk after every kind of end, and what a client is told meanwhile."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pylsl
import pytest
import pyxdf
from focusloop_process import Serve, run_focusloop
from lsl_outlets import Announcement, PacedOutlet, ramp

NAMES = {"p01": "Cap one", "p02": "帽子 🧠", "p03": "Lab/cap 3"}


def streams_of(path: Path) -> dict[str, Any]:
    streams, header = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
    return {"": header["info"], **{s["info"]["type"][0]: s for s in streams}}


def sessions_of(data_dir: Path) -> list[dict[str, Any]]:
    done = run_focusloop("sessions", "--json", "--data-dir", str(data_dir))
    assert done.returncode == 0, done.stderr
    listed: list[dict[str, Any]] = json.loads(done.stdout)["sessions"]
    return listed


def check_samples(path: Path) -> dict[str, Any]:
    """See that the file holds an unbroken run of what the outlet sent, as MNE takes it, too."""
    found = streams_of(path)
    raw = found["EEG"]
    values = np.asarray(raw["time_series"])
    expected = np.array([ramp(round(float(row[0])), 4) for row in values])
    np.testing.assert_array_equal(values, expected.astype(np.float32))
    assert set(np.diff(values[:, 0])) <= {1.0, -999.0}, "a sample is missing in the middle"
    labels = [c["label"][0] for c in raw["info"]["desc"][0]["channels"][0]["channel"]]
    opened = mne.io.RawArray(values.T * 1e-6, mne.create_info(labels, 250.0, "eeg"), verbose="error")
    assert opened.n_times == len(values)
    return found


class Outlets:
    """Three headsets, each under a name of its own, and a marker of when the process was killed."""

    def __init__(self) -> None:
        self.announcements = {one: Announcement(name=name) for one, name in NAMES.items()}
        self._outlets = [PacedOutlet(a) for a in self.announcements.values()]

    def sources(self) -> list[str]:
        return [f"{one}=lsl:source_id={a.source_id}" for one, a in self.announcements.items()]

    def __enter__(self) -> Outlets:
        for outlet in self._outlets:
            outlet.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for outlet in self._outlets:
            outlet.__exit__()


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_costs_at_most_a_second_and_the_next_start_recovers(tmp_path: Path, seed: int) -> None:
    moment_s = float(np.random.default_rng(seed).uniform(1.0, 4.0))
    with Outlets() as outlets:
        with Serve(tmp_path, *outlets.sources()) as service, service.talk() as client:
            client.subscribe("focus", "trial", "marker")
            heard = {m["stream"] for m in _until_everyone(service, client)}
            assert heard == set(NAMES)
            _trials(service, client, moment_s)
            newest = {one: _newest(service, client, one) for one in NAMES}
            killed_lsl_s = pylsl.local_clock()
            service.stop(signal.SIGKILL)
        assert all(row["state"] == "recording" for row in sessions_of(tmp_path))
        with Serve(tmp_path) as service:
            listed = service.http.get("/v1/sessions").json()
    rows = {row["participant"]: row for row in listed["sessions"]}
    assert set(rows) == set(NAMES)
    assert listed["disk"]["used_bytes"] >= sum(row["bytes"] for row in rows.values()) > 0
    for one, row in rows.items():
        assert row["state"] == "recovered"
        assert "interrupted" in row["problem"]
        found = check_samples(tmp_path / "sessions" / row["file"])
        last_s = float(found["EEG"]["time_stamps"][-1])
        assert killed_lsl_s - last_s < 1.0
        assert found["EEG"]["info"]["name"] == [NAMES[one]]
        assert float(found["Focus-Scores"]["time_stamps"][-1]) > newest[one] - 1.0
        assert "footer" in found["EEG"]
        assert row["samples"] == len(found["EEG"]["time_stamps"])


def _until_everyone(service: Serve, client: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - a Talk
    heard: dict[str, dict[str, Any]] = {}
    for message in service.messages(client):
        if message["type"] == "focus" and message["t_lsl_s"] is not None:
            assert message["recorded"] is True
            heard[message["stream"]] = message
        if len(heard) == len(NAMES):
            break
    return list(heard.values())


def _trials(service: Serve, client: Any, seconds: float) -> None:  # noqa: ANN401 - a Talk
    until_s = pylsl.local_clock() + seconds
    number = 0
    for message in service.messages(client):
        if message["type"] == "focus" and message["seq"] % 10 == 0:
            number += 1
            client.say(type="trial", stream="p01", run="r", trial=number, task="n-back", correct=True, rt_ms=400)
            client.say(type="marker", stream="p02", label=f"标记 {number}")
        if pylsl.local_clock() > until_s:
            return


def _newest(service: Serve, client: Any, stream: str) -> float:  # noqa: ANN401 - a Talk
    message = service.first(client, lambda m: m["type"] == "focus" and m["stream"] == stream, "a score")
    return float(message["t_lsl_s"])


def test_a_proper_end_leaves_a_complete_session_with_all_that_was_sent(tmp_path: Path) -> None:
    announcement = Announcement(name="Cap one")
    with PacedOutlet(announcement):
        with Serve(tmp_path, f"p01=lsl:source_id={announcement.source_id}") as service, service.talk() as client:
            client.subscribe("focus", stream="p01")
            client.say(type="marker", stream="p01", label="level-up 🧠")
            seen = [
                message
                for message, _ in zip(
                    (m for m in service.messages(client) if m["type"] == "focus"), range(50), strict=False
                )
            ]
            shown = service.http.get("/v1/streams/p01").json()["recording"]
            assert shown["problem"] is None
            assert shown["bytes"] > 0
            scraped = service.http.get("/metrics").text
            assert "focusloop_recordings 1.0" in scraped
        assert service.exit_code == 0
    (row,) = sessions_of(tmp_path)
    assert (row["state"], row["problem"], row["id"]) == ("complete", None, shown["session"])
    assert row["scores"] >= 50
    found = check_samples(tmp_path / "sessions" / row["file"])
    assert row["samples"] == len(found["EEG"]["time_stamps"])
    scores = {int(values[10]): values for values in found["Focus-Scores"]["time_series"].tolist()}
    reasons = found["Focus-Scores"]["info"]["desc"][0]["focusloop"][0]["reasons"][0]["reason"]
    for message in seen:
        values = scores[message["seq"]]
        assert bool(values[4]) is message["valid"]
        assert message["reason"] == (None if values[5] < 0 else reasons[int(values[5])])
        if message["valid"]:
            assert values[0] == message["value"]
    assert "level-up 🧠" in found["Markers"]["time_series"][0][0]
    ours = found[""]["focusloop"][0]
    assert ours["participant"] == ["p01"]
    assert "Fp1 Fp2 O1 O2" in ours["montage"][0]
    stale = reasons.index("stale")
    ages_ms = [values[9] for values in scores.values() if not np.isnan(values[9]) and values[5] != stale]
    for name, share in (("latency_p50_ms", 50), ("latency_p95_ms", 95)):
        # An age is counted in a bin of 2 % of it, from .01 ms (also what is ahead of now) to 10 s. The last
        # scores, at most those of one turn of the writer, reach the file only with the end and are not in the figure.
        among = [np.percentile(ages_ms[: len(ages_ms) - n], share, method="inverted_cdf") for n in range(25)]
        figure = float(ours[name][0])
        assert any(abs(figure - one) <= 0.021 * one for one in (max(0.01, one) for one in among))
    assert len(ours["configuration"][0]) == 64
    assert ours["versions"][0]["numpy"] == [np.__version__]


def test_a_second_service_on_a_data_directory_is_refused_and_no_record_records_nothing(tmp_path: Path) -> None:
    with Serve(tmp_path, "p01=simulator:manual?seed=3", options=["--no-record"]) as service, service.talk() as client:
        client.subscribe("focus", stream="p01")
        message = service.first(client, lambda m: m["type"] == "focus" and m["t_lsl_s"] is not None, "a score")
        assert message["recorded"] is False
        assert service.http.get("/v1/streams/p01").json()["recording"] is None
        second = run_focusloop("serve", "--port", "0", "--data-dir", str(tmp_path))
        assert second.returncode == 1
        assert "another focusloop service uses" in second.stderr
        assert "--data-dir" in second.stderr
        assert "Traceback" not in second.stderr
    assert sessions_of(tmp_path) == []
    assert list((tmp_path / "sessions").iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="a full disk is made with prlimit")
def test_a_disk_that_is_full_for_a_while_is_said_and_costs_no_sample(tmp_path: Path) -> None:
    from resource import RLIM_INFINITY, RLIMIT_FSIZE, prlimit

    announcement = Announcement(name="Cap one")
    with (
        PacedOutlet(announcement),
        Serve(tmp_path, f"p01=lsl:source_id={announcement.source_id}") as service,
        service.talk() as client,
    ):
        client.subscribe("focus", "status", stream="p01")
        service.first(client, lambda m: m["type"] == "focus" and m["recorded"], "a recorded score")
        prlimit(service.process.pid, RLIMIT_FSIZE, (0, RLIM_INFINITY))

        def problem_of(message: dict[str, Any]) -> str | None:
            return (message.get("recording") or {}).get("problem")

        said = problem_of(service.first(client, lambda m: problem_of(m) is not None, "a problem"))
        assert "free some space" in str(said)
        service.first(client, lambda m: m["type"] == "focus" and not m["recorded"], "a score not recorded")
        prlimit(service.process.pid, RLIMIT_FSIZE, (RLIM_INFINITY, RLIM_INFINITY))
        service.first(client, lambda m: m["type"] == "focus" and m["recorded"], "a recorded score again")
    (row,) = sessions_of(tmp_path)
    assert (row["state"], row["problem"]) == ("complete", None)
    check_samples(tmp_path / "sessions" / row["file"])


def test_a_limit_that_is_reached_is_said_and_the_scores_go_on(tmp_path: Path) -> None:
    options = ["--record-limit", "0.0002"]  # 200 kB
    with Serve(tmp_path, "p01=simulator:manual?seed=3", options=options) as service, service.talk() as client:
        client.subscribe("focus", "status", stream="p01")

        def says_so(message: dict[str, Any]) -> bool:
            recording = message.get("recording")
            return message["type"] == "status" and recording is not None and recording["problem"] is not None

        status = service.first(client, says_so, "a problem of the recording")
        assert "reached their limit of 0.0002 GB" in status["recording"]["problem"]
        after = service.first(client, lambda m: m["type"] == "focus" and not m["recorded"], "a score not recorded")
        assert after["t_lsl_s"] is not None
        assert service.http.get("/v1/streams/p01").json()["state"] == "streaming"
    assert service.exit_code == 0
    (row,) = sessions_of(tmp_path)
    assert row["state"] == "recovered"
