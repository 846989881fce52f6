"""`kill -9` at random moments while three streams are recorded, trials come and clients listen: what is missing.

    python -m benchmarks.kill MOMENTS [SEED]

prints what was found as JSON; the tests ask it for few moments. All moments share a data directory: each start recovers
what the kill before it left, and the trials that were not acknowledged are sent again.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.children import Service, outlets, service
from benchmarks.kill_client import Client, Heard
from benchmarks.latency import read_log
from benchmarks.outlets import lost_pushes
from benchmarks.surroundings import find_models_dir, private_lsl_world
from benchmarks.table import Row, Setting

STREAMS = ("p00", "p01", "p02")
KINDS = {"focus": "Focus-Scores", "marker": "Markers", "quality": "Focus-Quality"}
"""Topics whose messages carry a number, and where a recording has them."""

LONGEST_S = 4.0
ALLOWED_S = 1.0


@dataclass(slots=True)
class Found:
    """What all moments left.

    Parameters
    ----------
    moments
        How often the service was killed.
    missing_s
        The most that was missing at the end of any recording, by kind of stream.
    lost_pushes
        Of the outlets, within a recording: what differs from an unbroken run of what they sent, in pushes.
    acknowledged, in_journal, in_recordings, doubled
        Trials: acknowledged, those of them on disk, those of them in a recording, and how many are in recordings more
        than once.
    sessions, opened, recovered
        How many sessions there should be, how many of their files opened in pyxdf, `file:` and MNE, and how many are
        `recovered`.
    problems
        A sentence on each thing that is not as it should be.
    """

    moments: int
    missing_s: dict[str, float] = field(default_factory=dict)
    lost_pushes: int = 0
    acknowledged: int = 0
    in_journal: int = 0
    in_recordings: int = 0
    doubled: int = 0
    sessions: int = 0
    opened: int = 0
    recovered: int = 0
    problems: list[str] = field(default_factory=list)

    def miss(self, kind: str, seconds: float) -> None:
        """Take the worst."""
        self.missing_s[kind] = max(self.missing_s.get(kind, 0.0), seconds)

    @property
    def kept(self) -> bool:
        """True where everything is as the issue asks."""
        return (
            not self.problems
            and max(self.missing_s.values(), default=0.0) <= ALLOWED_S
            and self.acknowledged == self.in_journal == self.in_recordings
            and not (self.lost_pushes or self.doubled)
            and self.sessions == self.opened == self.recovered
        )


def rows(setting: Setting) -> list[Row]:
    found = kill(5 if setting.quick else 50, seed=1, models_dir=setting.models_dir)
    times = f"`kill -9` at {found.moments} random moments, {len(STREAMS)} streams of 8 ch × 250 Hz, trials and clients"
    missing = ", ".join(f"{kind} {seconds:.2f}" for kind, seconds in sorted(found.missing_s.items()))
    worst_s = max(found.missing_s.values(), default=0.0)
    trials = f"{found.in_journal} / {found.in_recordings} / {found.doubled}"
    return [
        Row(
            f"{times}: most that was missing of any stream",
            f"≤ {ALLOWED_S:g} s",
            f"{worst_s:.2f} s",
            f"{missing} s; {found.lost_pushes} pushes lost in the middle",
            worst_s <= ALLOWED_S and not found.lost_pushes,
        ),
        Row(
            "the same, acknowledged trials on disk / in a recording / there twice",
            f"{found.acknowledged} / {found.acknowledged} / 0",
            trials,
            f"{found.acknowledged} acknowledged",
            trials == f"{found.acknowledged} / {found.acknowledged} / 0",
        ),
        Row(
            "the same, files that open in pyxdf, `file:` and MNE / sessions `recovered`",
            f"{found.sessions} / {found.sessions}",
            f"{found.opened} / {found.recovered}",
            "; ".join(found.problems) or "no other problem",
            found.opened == found.recovered == found.sessions and not found.problems,
        ),
    ]


def kill(moments: int, *, seed: int, models_dir: Path) -> Found:
    """Kill the service so often, and look at what there is after the last start."""
    random = np.random.default_rng(seed)
    found = Found(moments, sessions=moments * len(STREAMS))
    heard: list[Heard] = []
    with tempfile.TemporaryDirectory(prefix="focusloop-kill-") as text:
        folder = Path(text)
        log, data_dir = folder / "pushes.log", folder / "data"
        sources = [f"{one}=lsl:name=bench-{number:02d}" for number, one in enumerate(STREAMS)]
        with outlets(log, streams=len(STREAMS)):
            for number in range(moments):
                if sys.stderr.isatty():
                    print(f"\rkill {number + 1} of {moments} …", end=" ", file=sys.stderr, flush=True)
                with service(data_dir, models_dir, *sources) as running:
                    unanswered = heard[-1].unanswered if heard else {}
                    heard.append(_until_killed(running, number, float(random.uniform(0.0, LONGEST_S)), unanswered))
        with service(data_dir, models_dir) as running:
            listed = running.get("/v1/sessions")["sessions"]
        _compare(found, listed, data_dir, heard, read_log(log))
    return found


def _until_killed(running: Service, number: int, after_s: float, unanswered: dict[str, str]) -> Heard:
    player = Client(running.ws_url, STREAMS, f"run-{number}", unanswered)
    listeners = [Client(running.ws_url, STREAMS) for _ in range(2)]
    for client in (player, *listeners):
        client.start()
    player.wait_for_everyone()
    player.play(after_s)
    running.process.kill()
    player.heard.killed_s = player.now_s()
    for client in (player, *listeners):
        client.join()
    return player.heard


def _compare(
    found: Found,
    listed: Sequence[dict[str, Any]],
    data_dir: Path,
    heard: Sequence[Heard],
    pushed: dict[int, np.ndarray],
) -> None:
    found.recovered = sum(row["state"] == "recovered" for row in listed)
    in_files: Counter[str] = Counter()
    for stream_number, stream in enumerate(STREAMS):
        mine = sorted((row for row in listed if row["participant"] == stream), key=lambda row: row["started_unix_s"])
        if len(mine) != len(heard):
            found.problems.append(f"{stream}: {len(mine)} sessions for {len(heard)} starts")
        for row, one in zip(mine, heard, strict=False):
            path = data_dir / "sessions" / row["file"]
            try:
                content = _open(path)
            except Exception as error:  # whatever a reader makes of a damaged file
                found.problems.append(f"{row['file']}: {type(error).__name__}: {error}")
                continue
            found.opened += 1
            if "EEG" in content:
                _compare_samples(found, content, one, stream_number, pushed[stream_number])
            else:
                found.miss("samples", one.killed_s - one.began_s[stream])
            _compare_messages(found, content, one, stream)
            for message in _messages(content["Trials"]):
                in_files[f"{message['run']}/{message['trial']}"] += 1
    acknowledged = {key for one in heard for key in one.acknowledged}
    found.acknowledged = len(acknowledged)
    found.in_journal = len(acknowledged & _journal(data_dir / "trials.sqlite"))
    found.in_recordings = sum(key in in_files for key in acknowledged)
    found.doubled = sum(times > 1 for times in in_files.values())


def _open(path: Path) -> dict[str, Any]:
    """Open a file in pyxdf, as a source of ours and in MNE; gives pyxdf's streams by type."""
    import mne
    import pyxdf

    from bci.files import read_recording

    streams, _ = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
    content = {stream["info"]["type"][0]: stream for stream in streams}
    if "EEG" not in content:
        return content  # killed before its first write
    values = np.asarray(content["EEG"]["time_series"])
    channels = content["EEG"]["info"]["desc"][0]["channels"][0]["channel"]
    info = mne.create_info([channel["label"][0] for channel in channels], 250.0, "eeg", verbose="error")
    assert mne.io.RawArray(values.T * 1e-6, info, verbose="error").n_times == len(values)
    assert len(read_recording(path)) == len(values)
    return content


def _compare_samples(found: Found, content: dict[str, Any], heard: Heard, stream: int, pushed_s: np.ndarray) -> None:
    stamps_s = np.asarray(content["EEG"]["time_stamps"])
    found.miss("samples", heard.killed_s - float(stamps_s[-1]))
    found.lost_pushes += lost_pushes(np.asarray(content["EEG"]["time_series"]), stream, stamps_s[0], pushed_s)


def _compare_messages(found: Found, content: dict[str, Any], heard: Heard, stream: str) -> None:
    for topic, kind in KINDS.items():
        track = content[kind]
        if topic == "focus":
            there = {int(row[10]) for row in track["time_series"]}
        else:
            there = {message["seq"] for message in _messages(track)}
        gone_s = [at_s for seq, at_s in heard.messages.get((stream, topic), ()) if seq not in there]
        found.miss(kind, heard.killed_s - min(gone_s) if gone_s else 0.0)


def _messages(track: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(row[0]) for row in track["time_series"]]


def _journal(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {f"{run}/{trial}" for run, trial in connection.execute("SELECT run, trial FROM trials")}


def main() -> None:
    moments, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as text:
        private_lsl_world(Path(text))
        found = kill(moments, seed=seed, models_dir=find_models_dir(None, Path(text))[0])
    print(json.dumps({**asdict(found), "kept": found.kept}))


if __name__ == "__main__":
    main()
