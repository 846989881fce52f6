"""Sessions' files for tests: what is given to them, a listener that remembers, and a disk that is full on demand."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyxdf

from bci.types import Channel, Chunk, SourceClock, StreamSpec
from streaming.recording.session import SessionFile, Track
from streaming.recording.tracks import HEADER_FIELDS, session_tracks

TRACKS = (
    Track("scores", "p01 scores", "Focus-Scores", ("value", "valid"), 25.0),
    Track("trials", "p01 trials", "Trials"),
)
FIELDS = {"device": 64, "latency_p50_ms": 12}


def spec(n_channels: int = 4, rate_hz: float = 250.0, name: str = "Cap") -> StreamSpec:
    channels = tuple(Channel(label, position_m=(0.01, 0.02, 0.03)) for label in ("Fp1", "Fp2", "O1", "O2")[:n_channels])
    return StreamSpec("cap-1", name, "EEG", rate_hz, channels, "Test cap", rails_uv=(-187500.02, 187500.02))


def chunks(
    n_chunks: int, *, of: StreamSpec | None = None, foreign: bool = False, seed: int = 1, start_s: float = 100.0
) -> list[Chunk]:
    """Make chunks of ten samples, by a foreign clock that is slewed where asked for."""
    of = of or spec()
    random = np.random.default_rng(seed)
    made: list[Chunk] = []
    first = 0
    for number in range(n_chunks):
        first += 3 if number and number % 7 == 0 else 0  # the device counts what it lost
        own_s = start_s + (first + np.arange(10)) / of.nominal_rate_hz + random.normal(0.0, 1e-4, 10)
        data = random.normal(0.0, 20.0, (10, len(of.channels))).astype(np.float32)
        if foreign:
            offset_s = 5e4 + 1e-5 * (number // 5)
            ramp = np.linspace(-1e-6, 0.0, 10) if number % 5 == 0 else np.zeros(10)
            clock = SourceClock(own_s, offset_s, (start_s + number // 5, offset_s))
            made.append(Chunk(of, data, own_s + (offset_s + ramp), first, clock))
        else:
            made.append(Chunk(of, data, own_s, first))
        first += 10
    return made


class Remembering:
    """A `FileListener` that keeps what it was told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str | None]] = []
        self.changed = threading.Condition()

    def _note(self, what: str, problem: str | None) -> None:
        with self.changed:
            self.told.append((what, problem))
            self.changed.notify_all()

    def on_trouble(self, problem: str | None) -> None:
        self._note("over" if problem is None else "trouble", problem)

    def on_lost(self, problem: str) -> None:
        self._note("lost", problem)

    def wait_for(self, what: str) -> str | None:
        """Wait for `trouble`, its end (`over`) or `lost`; gives the problem that was told first."""
        with self.changed:
            assert self.changed.wait_for(lambda: any(t[0] == what for t in self.told), 10.0), self.told
            return next(problem for told, problem in self.told if told == what)


def new_session(folder: Path, listener: Remembering | None = None, **more: Any) -> SessionFile:  # noqa: ANN401 - passed on
    about = {"participant": "p01", "started": "2026-11-25T21:00:00+00:00"}
    return SessionFile(folder / "s.xdf", about, FIELDS, TRACKS, listener or Remembering(), **more)


def load(path: Path) -> dict[str, Any]:
    """Read a file with pyxdf as it comes; streams by name, the header as `""`."""
    streams, header = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
    return {"": header["info"], **{s["info"]["name"][0]: s for s in streams}}


class Disk:
    """Stands between a test and `os.write`: takes so many bytes, then it is full, in the middle of a write."""

    def __init__(self, patch: pytest.MonkeyPatch, room: int | None = None) -> None:
        self.room = room
        self._write: Callable[[int, Any], int] = os.write
        patch.setattr("streaming.recording.file.os.write", self._take)

    def _take(self, descriptor: int, content: Any) -> int:  # noqa: ANN401 - bytes or a view of them
        if self.room is None:
            return self._write(descriptor, content)
        if self.room <= 0 and len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = self._write(descriptor, memoryview(content)[: self.room])
        self.room -= taken
        return taken


class Failing:
    """Stands before each call by which a recording reaches the disk: the n-th is refused, a write half done."""

    CALLS = ("write", "ftruncate", "lseek", "fdatasync", "fsync")

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._left = 0
        for name in self.CALLS:
            patch.setattr(f"streaming.recording.file.os.{name}", self._instead_of(name))

    @property
    def failed(self) -> bool:
        """True once the call that was to fail has come."""
        return self._left <= 0

    def fail_at(self, n: int) -> None:
        """Refuse the n-th call from now on."""
        self._left = n

    def _instead_of(self, name: str) -> Callable[..., Any]:
        call: Callable[..., Any] = getattr(os, name)

        def called(descriptor: int, *arguments: Any) -> Any:  # noqa: ANN401 - as os has them
            self._left -= 1
            if self._left != 0:
                return call(descriptor, *arguments)
            if name == "write":
                call(descriptor, memoryview(arguments[0])[: len(arguments[0]) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        return called


HEADER = {
    "session": "20261125T210000Z-p01-ab12",
    "participant": "p01",
    "started": "2026-11-25T21:00:00+00:00",
    "sources": {"source": ["lsl:name=Cap"]},
    "model": "focus-attention@1.0.0",
    "unix_s": "1795640400.5",
    "lsl_s": "100.0",
    "configuration": "0" * 64,
    "versions": {"focusloop": "0.1.0"},
}
REASONS = ("paused", "no_data", "stale")


def recorded(
    folder: Path,
    parts: Sequence[Chunk],
    *,
    header: Mapping[str, Any] | None = None,
    messages: Mapping[str, Sequence[tuple[float, Mapping[str, Any]]]] | None = None,
    scores: Sequence[tuple[float, Sequence[float]]] = (),
    fields: Mapping[str, str] | None = None,
    finish: bool = True,
    every: int = 6,
) -> Path:
    """Write a session with all its tracks, as the service does, with a write every so many chunks."""
    about = {**HEADER, **(header or {})}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{about['session']}.xdf"
    given = session_tracks(about["participant"], 25.0, REASONS, lambda row: row, about["model"])
    session = SessionFile(path, about, HEADER_FIELDS, given, Remembering())
    for name, text in (fields or {"device": "Test cap", "origin": "live", "montage": "Fp1 Fp2 O1 O2"}).items():
        session.set_field(name, text)
    for key, said in (messages or {}).items():
        for stamp_s, message in said:
            session.add(key, stamp_s, message)
    for stamp_s, row in scores:
        session.add("scores", stamp_s, row)
    for number, chunk in enumerate(parts, start=1):
        assert session.chunk(chunk)
        if number % every == 0:
            session.write()
    session.write()
    if finish:
        session.finish()
    return path
