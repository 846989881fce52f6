"""Exporting sessions, and their report: an hour of 64 channels at 500 Hz, twelve hours of 8 at 250 Hz."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import psutil

from bci.montage import eeg_channel, known_labels
from bci.types import Chunk, StreamSpec
from benchmarks.outlets import eeg_like
from benchmarks.surroundings import ROOT
from benchmarks.table import Row, Setting
from inference.types import REASONS
from streaming.recording.session import SessionFile
from streaming.recording.tracks import HEADER_FIELDS, session_tracks

RATE_HZ, CHANNELS = 500.0, 64
MINUTES, QUICK_MINUTES = 60, 5
LONG_RATE_HZ, LONG_CHANNELS, LONG_MINUTES = 250.0, 8, 720
SECONDS, MEGABYTES = 60.0, 1000.0
CHUNK_S = 0.6
BESIDE = ("edf", "fif", "parquet")


def rows(setting: Setting) -> list[Row]:
    minutes = QUICK_MINUTES if setting.quick else MINUTES
    with tempfile.TemporaryDirectory(prefix="focusloop-export-bench-") as text:
        folder = Path(text)
        path = write_session(folder, minutes, RATE_HZ, CHANNELS)
        said = {name: _export(path, folder, name) for name in ("bids", *BESIDE)}
        said["report"] = _report(path, folder)
        path.unlink()
        long_minutes = QUICK_MINUTES if setting.quick else LONG_MINUTES
        path = write_session(folder, long_minutes, LONG_RATE_HZ, LONG_CHANNELS)
        of_long = {name: _export(path, folder, name) for name in ("bids", "csv", *BESIDE)}
        of_long["report"] = _report(path, folder)
    seconds, megabytes = said.pop("bids")
    return [
        Row(
            f"`focusloop export --to bids`, {minutes} min of {CHANNELS} ch × {RATE_HZ:g} Hz, start of Python included",
            f"≤ {SECONDS:g} s, ≤ {MEGABYTES:g} MB",
            f"{seconds:.1f} s, {megabytes:.0f} MB of memory at most",
            _told(said),
            None if setting.quick else seconds <= SECONDS and megabytes <= MEGABYTES,
        ),
        Row(
            f"the same, {long_minutes / 60:.3g} h of {LONG_CHANNELS} ch × {LONG_RATE_HZ:g} Hz",
            "",
            _told({"bids": of_long.pop("bids")}),
            _told(of_long),
        ),
    ]


def _told(said: Mapping[str, tuple[float, float]]) -> str:
    return ", ".join(f"{name} {seconds:.0f} s and {megabytes:.0f} MB" for name, (seconds, megabytes) in said.items())


class _Listener:
    def on_disk(self, receipts: Sequence[object]) -> None: ...

    def on_trouble(self, problem: str | None, receipts: Sequence[object]) -> None: ...

    def on_lost(self, problem: str, receipts: Sequence[object]) -> None: ...


def write_session(folder: Path, minutes: int, rate_hz: float, channels: int) -> Path:
    """Write a session as the service does, with jitter, losses, scores at 25 Hz, trials and markers."""
    path = folder / "20261125T210000Z-p01-be9c.xdf"
    about = {
        "session": path.stem,
        "participant": "p01",
        "started": "2026-11-25T21:00:00+00:00",
        "model": "focus-attention@1.0.0",
        "unix_s": "1795640400.0",
        "lsl_s": "1000.0",
        "versions": {"focusloop": "0.1.0"},
    }
    tracks = session_tracks("p01", 25.0, REASONS, lambda row: row, "focus-attention@1.0.0")
    session = SessionFile(path, about, HEADER_FIELDS, tracks, _Listener())
    session.set_field("ended", "2026-11-25T22:00:00+00:00")
    labels = [label for label in known_labels() if not label.endswith("h")][:channels]
    spec = StreamSpec("cap", "Cap", "EEG", rate_hz, tuple(eeg_channel(label) for label in labels), "Cap")
    minute = np.resize(eeg_like(rate_hz, channels, seconds=60), (int(60 * rate_hz), channels)).astype(np.float32)
    random = np.random.default_rng(1)
    n = round(CHUNK_S * rate_hz)
    first = 0
    for number in range(round(minutes * 60 / CHUNK_S)):
        first += 20 if number % 1000 == 999 else 0
        own_s = 1000.0 + (first + np.arange(n)) / rate_hz + random.normal(0.0, 1e-4, n)
        at = (number * n) % (len(minute) - n)
        session.chunk(Chunk(spec, minute[at : at + n].copy(), own_s, first))
        first += n
        now_s = float(own_s[-1])
        for score in range(15):
            row = (0.5, 0.5, 0.5, 0.5, 1.0, -1.0, 0.8, 1.0, 1.0, 1.4, float(number * 15 + score), now_s)
            session.add("scores", now_s - CHUNK_S + score / 25, row)
        if number % 4 == 0:
            session.add(
                "trials", now_s, {"type": "trial", "run": "r", "trial": number, "task": "n-back", "correct": True}
            )
            session.add("markers", now_s, {"type": "marker", "label": "level-up"})
        session.write()
    session.finish()
    return path


def _export(path: Path, folder: Path, name: str) -> tuple[float, float]:
    out = folder / name
    measured = _measure(folder, "export", str(path), "--to", name, "--out", str(out))
    shutil.rmtree(out)
    return measured


def _report(path: Path, folder: Path) -> tuple[float, float]:
    return _measure(folder, "sessions", "report", str(path), "--out", str(folder / "report.html"))


def _measure(folder: Path, *arguments: str) -> tuple[float, float]:
    """Give the seconds that the command takes, and the most memory that it held, MB."""
    command = [sys.executable, "-m", "feedback.cli.main", *arguments]
    began_s = time.monotonic()
    process = subprocess.Popen([*command, "--data-dir", str(folder / "data")], cwd=ROOT, stderr=subprocess.PIPE)
    most = 0
    child = psutil.Process(process.pid)
    while process.poll() is None:
        most = max(most, _peak_bytes(child))
        time.sleep(0.02)
    seconds = time.monotonic() - began_s
    said = process.stderr.read().decode() if process.stderr else ""
    assert process.returncode == 0, said
    return seconds, most / 1e6


def _peak_bytes(child: psutil.Process) -> int:
    """Give the peak of resident memory where the system keeps it, else what is resident now."""
    status = Path(f"/proc/{child.pid}/status")
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if os.name == "posix" else None
        return int(found[1]) * 1024 if found else int(child.memory_info().rss)
    except (OSError, psutil.NoSuchProcess):
        return 0


if __name__ == "__main__":  # a recording for whoever wants to try: python -m benchmarks.export_cost FOLDER MINUTES
    print(write_session(Path(sys.argv[1]), int(sys.argv[2])))
