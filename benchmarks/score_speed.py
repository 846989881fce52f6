"""Scoring a recording: ten minutes of 8 channels, ten scores a second, on one core, against real time."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.children import ChildError, pin, run_module
from benchmarks.outlets import LABELS, eeg_like
from benchmarks.surroundings import ROOT
from benchmarks.table import Row, Setting

MINUTES = 10
RATE_HZ = 250.0
FACTOR = 500.0
FORMATS = ("fif", "edf")


def rows(setting: Setting) -> list[Row]:
    minutes = 2 if setting.quick else MINUTES
    found: list[Row] = []
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        for kind, path in _write(folder, minutes).items():
            arguments = (str(path), str(setting.models_dir), "1" if setting.quick else "3")
            try:
                said = run_module("benchmarks.score_speed", *arguments, core=1, timeout_s=300.0)
            except ChildError as error:
                found.append(Row(f"scoring a recording ({kind})", f"≥ {FACTOR:g} ×", "not run", str(error)))
                continue
            found.append(_row(kind, minutes, said, _command_s(folder, path, setting)))
    return found


def _row(kind: str, minutes: int, said: dict[str, float], command_s: float) -> Row:
    signal_s = minutes * 60.0
    factor = signal_s / said["score_s"]
    return Row(
        f"scoring a recording, {minutes} min of 8 ch, 10 scores/s, one core ({kind})",
        f"≥ {FACTOR:g} × real time",
        f"{factor:.0f} ×",
        f"reading included {signal_s / (said['read_s'] + said['score_s']):.0f} ×; whole `focusloop score`, "
        f"start of Python and writing of the table included, {signal_s / command_s:.0f} × ({command_s:.1f} s); "
        f"{said['valid']:.0%} of {said['scores']:.0f} scores valid",
        factor >= FACTOR,
    )


def _write(folder: Path, minutes: int) -> dict[str, Path]:
    import mne

    info = mne.create_info(list(LABELS), RATE_HZ, "eeg")
    uv = np.concatenate([eeg_like(RATE_HZ, len(LABELS), seconds=60)] * minutes)
    raw = mne.io.RawArray(uv.T * 1e-6, info, verbose="error")
    paths = {kind: folder / f"bench_{'raw' if kind == 'fif' else 'eeg'}.{kind}" for kind in FORMATS}
    raw.save(paths["fif"], verbose="error")
    mne.export.export_raw(paths["edf"], raw, physical_range=(-3200.0, 3200.0), verbose="error")
    return paths


def _command_s(folder: Path, path: Path, setting: Setting) -> float:
    """Time the command as a person runs it, once the machine has run it before."""
    import subprocess

    command = [*pin(1), sys.executable, "-m", "feedback.cli.main", "score", str(path), "--out", str(folder / "out.csv")]
    command += ["--models-dir", str(setting.models_dir)]
    began_s = time.monotonic()
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return time.monotonic() - began_s


def main() -> None:
    """Measure in this process, which its parent keeps on one core; the least of some repeats."""
    from bci.files import read_recording
    from inference.bundle import DEFAULT_MODEL, find_model
    from inference.offline import RecordingScorer
    from inference.session import FocusSession

    path, models_dir, repeats = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    scorer = RecordingScorer(FocusSession(find_model(DEFAULT_MODEL, models_dir)))
    read_s: list[float] = []
    score_s: list[float] = []
    scores = valid = 0
    for _ in range(repeats + 1):  # the first warms up
        began_s = time.perf_counter()
        recording = read_recording(path)
        read_s.append(time.perf_counter() - began_s)
        began_s = time.perf_counter()
        scores = valid = 0
        for score in scorer.score(recording):
            scores += 1
            valid += score.valid
        score_s.append(time.perf_counter() - began_s)
    said = {"read_s": min(read_s[1:]), "score_s": min(score_s[1:]), "scores": scores, "valid": valid / scores}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
