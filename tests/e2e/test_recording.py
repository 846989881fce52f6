"""Sessions of the real service: what is on the disk after every kind of end, and what a client is told meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pytest
import pyxdf
from focusloop_process import Serve, run_focusloop
from lsl_outlets import Announcement, PacedOutlet, ramp

ROOT = Path(__file__).resolve().parents[2]


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


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_kill_9_costs_at_most_a_second_and_no_acknowledged_trial_and_the_next_start_recovers() -> None:
    """The benchmark asks the same of 50 moments."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.kill", "2", "1"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert max(found["missing_s"].values()) <= 1.0
    assert found["acknowledged"] == found["in_journal"] == found["in_recordings"] > 0
    assert (found["doubled"], found["lost_pushes"]) == (0, 0)
    assert found["opened"] == found["recovered"] == found["sessions"] == 6


@pytest.mark.parametrize("name", ["Cap one", "Lab/帽子 🧠 3"])
def test_a_proper_end_leaves_a_complete_session_with_all_that_was_sent(tmp_path: Path, name: str) -> None:
    announcement = Announcement(name=name)
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
    assert found["EEG"]["info"]["name"] == [name]
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
        assert "focusloop is at" not in second.stderr  # no address of what will not be served
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


def test_a_recording_that_is_deleted_or_shortened_is_said_and_another_one_begins(tmp_path: Path) -> None:
    sources = [f"{one}=simulator:manual?seed={seed}" for seed, one in enumerate(("p01", "p02"), start=3)]
    with Serve(tmp_path, *sources) as service, service.talk() as client:
        client.subscribe("focus")
        before = {}
        for one in ("p01", "p02"):
            service.first(client, lambda m, one=one: m["stream"] == one and m.get("recorded"), "a recorded score")
            before[one] = service.http.get(f"/v1/streams/{one}").json()["recording"]["session"]
        (tmp_path / "sessions" / f"{before['p01']}.xdf").unlink()
        os.truncate(tmp_path / "sessions" / f"{before['p02']}.xdf", 20_000)

        def others_are_recorded() -> bool:
            now = [service.http.get(f"/v1/streams/{one}").json()["recording"] for one in before]
            return all(
                one is not None and one["problem"] is None and one["session"] != old
                for one, old in zip(now, before.values(), strict=True)
            )

        service.until(others_are_recorded, "recorded again")
        for one in before:
            service.first(client, lambda m, one=one: m["stream"] == one and m.get("recorded"), "a recorded score")
    rows = {row["id"]: row for row in sessions_of(tmp_path)}
    assert sorted(row["state"] for row in rows.values()) == ["complete", "complete", "recovered", "recovered"]
    assert "was deleted" in rows[before["p01"]]["problem"]
    assert "changed underneath" in rows[before["p02"]]["problem"]
    streams_of(tmp_path / "sessions" / rows[before["p02"]]["file"])
