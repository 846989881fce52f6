"""The whole path, from sources that are not ours to a plain client."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from focusloop_process import Serve

from bci.simulator.scenarios import SCENARIOS

SUPPORT = Path(__file__).resolve().parents[1] / "support"


@pytest.fixture
def edf(tmp_path: Path) -> Path:
    """A real recording where there is one, else one that MNE writes."""
    real = Path(os.environ.get("FOCUSLOOP_DATA", SUPPORT.parents[2] / "shared" / "data")) / "eegmat" / "Subject03_1.edf"
    return real if real.is_file() else written_edf(tmp_path / "simulated.edf")


def written_edf(path: Path) -> Path:
    import mne

    from bci.registry import open_source

    assert "focus" in SCENARIOS
    source = open_source("simulator:focus?seed=4&speed=0")
    spec = source.open()
    pieces: list[np.ndarray] = []
    while sum(len(piece) for piece in pieces) < 60 * 250:
        chunk = source.read(2500, 1.0)
        assert chunk is not None
        pieces.append(chunk.data)
    source.close()
    labels = [f"EEG {channel.label}" for channel in spec.channels]
    info = mne.create_info(labels, 250.0, "eeg")
    raw = mne.io.RawArray(np.concatenate(pieces).T.astype(float) * 1e-6, info, verbose="error")
    mne.export.export_raw(path, raw, fmt="edf", verbose="error")
    return path


@contextmanager
def playing(edf: Path, source_id: str) -> Iterator[None]:
    command = [sys.executable, str(SUPPORT / "play_edf.py"), str(edf), source_id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as player:
        assert player.stdout is not None
        assert player.stdout.readline().strip() == "playing"
        try:
            yield
        finally:
            player.kill()


def test_a_recording_played_by_another_program_is_scored(edf: Path, tmp_path: Path) -> None:
    source_id = f"edf-{uuid.uuid4().hex}"
    with playing(edf, source_id), Serve(tmp_path, f"p01=lsl:source_id={source_id}") as service:
        with service.talk() as client:
            client.subscribe("focus", "quality", stream="p01")
            score = service.first(client, lambda m: m["type"] == "focus" and m["valid"], "a valid score")
            following = service.first(client, lambda m: m["type"] == "focus", "the next score")
        view = service.http.get("/v1/streams/p01").json()
    assert 0.0 <= score["value"] <= 1.0
    assert score["origin"] == "live"
    assert following["seq"] == score["seq"] + 1
    assert following["t_lsl_s"] - score["t_lsl_s"] == pytest.approx(0.04, abs=0.005)
    assert view["state"] == "streaming"
    assert {"Fp1", "O2"} <= set(view["montage"])
    assert not {"A2-A1", "ECG"} & set(view["montage"])


def test_a_brainflow_board_is_judged_scored_and_released_at_sigterm(tmp_path: Path) -> None:
    """Its channels are sine waves of 5, 10, 15 … 80 Hz, the n-th of n * 10 µV rms: four could be EEG, twelve not."""
    four = f"brainflow:synthetic?other_info=2&montage=Fz,C3,Cz,C4{',-' * 12}"
    with Serve(tmp_path, "all=brainflow:synthetic", f"four={four}") as service, service.talk() as client:
        client.subscribe("focus", "calibration")

        def verdict(stream: str) -> dict[str, object]:
            waiting = ("no_data", "stale", "warming_up")
            return service.first(
                client,
                lambda m: m["type"] == "focus" and m["stream"] == stream and m["reason"] not in waiting,
                f"a judgement of {stream}",
            )

        assert verdict("all")["reason"] == "poor_contact"
        assert verdict("four")["reason"] == "out_of_distribution"  # a head where each electrode hears one tone

        rest = {"seconds": 15, "phases": ["eyes_open"]}
        assert service.http.post("/v1/streams/four/calibration", json=rest).status_code == 202
        done = service.first(client, lambda m: m["type"] == "calibration" and m["state"] != "running", "its end")
        assert (done["state"], done["code"]) == ("done", None)
        scored = service.first(
            client, lambda m: m["type"] == "focus" and m["stream"] == "four" and m["valid"], "a valid score"
        )
        assert 0.0 <= scored["value"] <= 1.0
        assert (scored["origin"], scored["calibrated"]) == ("simulator", True)
        assert verdict("all")["reason"] == "poor_contact"
        view = service.http.get("/v1/streams/four").json()
        assert (view["state"], view["profile"]) == ("streaming", "brainflow_synthetic")
        assert view["montage"] == ["Fz", "C3", "Cz", "C4"]

        took_s = service.stop(signal.SIGTERM)  # a client connected, two boards streaming
        assert service.exit_code == 0
        assert took_s < 5.0
        assert client.close_code() == 1012
