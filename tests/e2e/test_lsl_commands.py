"""`relay`, `simulate` and `devices` as running processes, seen through plain pylsl."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pylsl
import pytest
from focusloop_process import PATIENCE_S, Serve, command, run_focusloop
from lsl_outlets import fresh_id

needs_sigterm = pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM to send")


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A command and the first line that it says."""
    with subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            yield process, process.stderr.readline()
        finally:
            process.kill()


def samples_of(source_id: str, n: int) -> tuple[pylsl.StreamInfo, np.ndarray, np.ndarray]:
    """Description, samples and stamps of a stream, by a client that is not ours."""
    (found,) = pylsl.resolve_byprop("source_id", source_id, timeout=PATIENCE_S)
    inlet = pylsl.StreamInlet(found)
    try:
        info = inlet.info(PATIENCE_S)
        pulled = [inlet.pull_sample(PATIENCE_S) for _ in range(n)]
    finally:
        inlet.close_stream()
    return info, np.array([sample for sample, _ in pulled]), np.array([stamp for _, stamp in pulled])


@needs_sigterm
def test_simulate_is_a_headset_on_the_network_until_a_signal_ends_it() -> None:
    source_id = fresh_id()
    with running("simulate", "--scenario", "focus", "--montage", "Fp1,Fp2,O1,O2", "--source-id", source_id) as (
        process,
        said,
    ):
        assert f"lsl:source_id={source_id}" in said
        assert "SIMULATED" in said
        info, samples, stamps_s = samples_of(source_id, 250)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    assert (info.type(), info.channel_count(), info.nominal_srate()) == ("EEG", 4, 250.0)
    assert info.get_channel_labels() == ["Fp1", "Fp2", "O1", "O2"]
    assert info.desc().child("focusloop").child_value("origin") == "simulator"
    assert np.isfinite(samples).all()
    assert samples.std(axis=0).min() > 1.0
    assert np.polyfit(np.arange(250), stamps_s, 1)[0] == pytest.approx(1 / 250, rel=0.05)


@needs_sigterm
def test_relay_says_what_it_publishes_once_it_can_be_found_and_gives_it_on() -> None:
    source_id = fresh_id()
    uri = "simulator:focus?seed=3&montage=Fp1,Fp2,O1,O2"
    with running("relay", uri, "--name", "Relayed Cap", "--source-id", source_id) as (process, said):
        assert uri in said
        assert "'Relayed Cap', type EEG" in said
        assert f"source_id {source_id}" in said
        info, samples, _ = samples_of(source_id, 50)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr is not None
        assert f"focusloop serve --source 'lsl:source_id={source_id}'" in process.stderr.read()
    assert info.name() == "Relayed Cap"
    assert samples.shape == (50, 4)


def test_relay_of_what_is_not_there_says_so_and_nothing_of_relaying(tmp_path: Path) -> None:
    done = run_focusloop("relay", f"file:{tmp_path / 'gone.edf'}")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("focusloop relay: ")
    assert "gone.edf: does not exist" in line


@needs_sigterm
def test_what_devices_offers_can_be_served_and_the_scores_of_a_service_are_not_offered(tmp_path: Path) -> None:
    source_id = fresh_id()
    with running("simulate", "--source-id", source_id), Serve(tmp_path, "p01=simulator:focus") as service:
        service.until(lambda: service.http.get("/v1/streams/p01").json()["state"] == "streaming", "streaming")
        listed = json.loads(run_focusloop("devices", "--json", "--wait", "3").stdout)["here"]
        shown = run_focusloop("devices", "--wait", "3").stdout
        (headset,) = [one for one in listed if source_id in one["uri"]]
        (scores,) = [one for one in listed if one["name"].startswith("focusloop-p01 ")]
        assert scores["uri"] == ""
        assert "no source" in scores["note"]
        assert "--source 'lsl:name=focusloop-p01" not in shown
        (pasted,) = re.findall(rf"focusloop serve --source '(\S*{source_id}\S*)'", shown)
        assert pasted == headset["uri"]
        with service.stream("pasted", pasted) as view:
            assert view["origin"] in ("live", "simulator")
            service.until(lambda: service.http.get("/v1/streams/pasted").json()["state"] == "streaming", "streaming")
