"""A session of the real service played into the real service: what it scores, tells, and does not count."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyxdf
from focusloop_process import Serve, run_focusloop
from played_person import LABELS, SECONDS, recorded_uv
from written_files import write_edf

from streaming.recording.tracks import SCORE_COLUMNS

SPEED = 5
REST_S = 15.0
COMPARED = SCORE_COLUMNS[: SCORE_COLUMNS.index("age_ms")]
"""All that is not of the moment of sending."""


@dataclass
class Lives:
    """The session as it was live, and its replay under another name."""

    live: Path
    replay: Path
    heard: list[dict[str, Any]]
    notes: list[str]
    journal_before: int
    journal_after: int


def play(service: Serve, client: Any, stream: str) -> list[dict[str, Any]]:  # noqa: ANN401 - a Talk
    """Listen until the file has ended."""
    heard: list[dict[str, Any]] = []
    for message in service.messages(client):
        heard.append(message)
        if message["type"] == "status" and message["stream"] == stream and "recording ended" in message["detail"]:
            return heard
    raise AssertionError(heard[-1])


def journal(data_dir: Path) -> int:
    with closing(sqlite3.connect(data_dir / "trials.sqlite")) as connection:
        found: int = connection.execute("SELECT count(*) FROM trials").fetchone()[0]
    return found


def session_of(data_dir: Path, participant: str) -> Path:
    done = run_focusloop("sessions", "--json", "--data-dir", str(data_dir))
    (row,) = (one for one in json.loads(done.stdout)["sessions"] if one["participant"] == participant)
    assert (row["state"], row["problem"]) == ("complete", None)
    return data_dir / "sessions" / row["file"]


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Lives:
    folder = tmp_path_factory.mktemp("replay")
    data_dir = folder / "data 数据 🧠"
    rest = write_edf(folder / "rest.edf", recorded_uv(), LABELS)
    with Serve(data_dir, f"live=file:{rest}?speed={SPEED}") as service, service.talk() as client:
        client.subscribe("focus", "status", "calibration", stream="live")
        service.first(client, lambda m: m["type"] == "focus" and m["valid"], "a valid score")
        service.http.post("/v1/streams/live/calibration", json={"seconds": REST_S}).raise_for_status()
        client.say(type="marker", stream="live", label="level-up 🧠")
        for number in range(3):
            client.say(type="trial", stream="live", run="r", trial=number, task="n-back", correct=True, rt_ms=400)
        ended = play(service, client, "live")
        ends = [(m["state"], m["code"]) for m in ended if m["type"] == "calibration" and m["state"] != "running"]
        assert ends == [("done", None)]
        assert any(m["type"] == "focus" and m["calibrated"] for m in ended)
    live = session_of(data_dir, "live")
    before = journal(data_dir)
    with Serve(data_dir, f"again=file:{live}?speed={SPEED}") as service, service.talk() as client:
        client.subscribe("focus", "status", "marker", "trial", "difficulty", stream="again")
        heard = play(service, client, "again")
        notes = service.http.get("/v1/streams/again").json()["fallbacks"]
    return Lives(live, session_of(data_dir, "again"), heard, notes, before, journal(data_dir))


def scores_of(path: Path) -> dict[int, np.ndarray]:
    """Give the scores by the hop that they end at, in thousandths of a second since the first sample."""
    streams, _ = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
    by_kind = {stream["info"]["type"][0]: stream for stream in streams}
    eeg_s, track = by_kind["EEG"]["time_stamps"], by_kind["Focus-Scores"]
    reasons = track["info"]["desc"][0]["focusloop"][0]["reasons"][0]["reason"]
    silent = {reasons.index("stale"), reasons.index("no_data")}
    return {
        round(1e3 * (at_s - eeg_s[0])): values[: len(COMPARED)]
        for at_s, values in zip(track["time_stamps"], np.asarray(track["time_series"]), strict=True)
        if values[SCORE_COLUMNS.index("reason")] not in silent
    }


def test_a_replay_has_the_scores_of_the_session_with_the_baseline_from_its_moment_on(lives: Lives) -> None:
    before, after = scores_of(lives.live), scores_of(lives.replay)
    assert len(before) > 20 * (SECONDS - 10)
    assert before.keys() == after.keys()
    calibrated = [values[COMPARED.index("calibrated")] for _, values in sorted(before.items())]
    assert {0.0, 1.0} == set(calibrated)
    for at_ms, values in before.items():
        np.testing.assert_allclose(after[at_ms], values, rtol=0.0, atol=1e-5, equal_nan=True)
    assert any("baseline as recorded: " in note for note in lives.notes)


def test_markers_and_trials_of_a_session_are_told_again_and_counted_nowhere(lives: Lives) -> None:
    told = {kind: [m for m in lives.heard if m["type"] == kind] for kind in ("marker", "trial", "difficulty")}
    assert [m["label"] for m in told["marker"]] == ["level-up 🧠"]
    assert [(m["run"], m["trial"], m["rt_ms"]) for m in told["trial"]] == [("r", n, 400) for n in range(3)]
    assert {m["stamped"] for m in (*told["marker"], *told["trial"])} == {"file"}
    assert told["difficulty"] == []
    assert lives.journal_before == lives.journal_after == 3


def test_the_command_says_which_baseline_a_session_is_scored_with(lives: Lives, tmp_path: Path) -> None:
    done = run_focusloop("score", str(lives.live), "--out", str(tmp_path / "scores.csv"))
    assert done.returncode == 0, done.stderr
    assert "baseline as recorded: 15 s of clean rest" in done.stderr
