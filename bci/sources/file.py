"""`file:`: a recording played as if it were a headset, at its own rate, faster, or as fast as it is read."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from bci.clock import lsl_now_s
from bci.errors import SourceEndedError, SourceError, UriError
from bci.files.playback import NotedOnTheWay, Playback, schedule
from bci.files.reading import read_recording
from bci.files.recording import Recording, contiguous_until
from bci.source import SourceStatus
from bci.types import Chunk, SourceState, StreamSpec
from bci.uri import SourceUri

_UNPACED_CHUNK_S = 1.0
_LONGEST_CHUNK_S = 10.0


class FileSource:
    """`file:PATH?speed=1.0&loop=0&stream=NAME`, as a source.

    Stamps are those of a headset that was switched on when the source was opened: its clock then, plus the recording's
    own seconds. So at speed 1 a chunk comes when its last sample is due, never before, and its stamps are near now. A
    higher speed shortens the waiting, not the time between samples: a filter made for 250 Hz needs samples 4 ms apart,
    so stamps run ahead of the host's clock, as they do at `speed=0` (`max`), where nothing waits.

    Parameters
    ----------
    uri
        A parsed `file:` URI. `montage` names the EEG columns in the order of the file.
    now_s
        The clock that paces, seconds; the LSL clock unless a test replaces it.
    wait
        Waits until the event is set or so many seconds have passed.

    Raises
    ------
    UriError
        For an unknown parameter, or a speed that cannot be.
    """

    def __init__(
        self,
        uri: SourceUri,
        *,
        now_s: Callable[[], float] = lsl_now_s,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        uri.allow("speed", "loop", "stream")
        self._uri = uri
        self._speed = _speed(uri)
        self._loop = _flag(uri, "loop")
        self._now_s = now_s
        self._wait = wait
        self._closed = threading.Event()
        self._state: SourceState = "connecting"
        self._detail = ""
        self._spec: StreamSpec | None = None
        self._recording: Recording | None = None
        self._playback: Playback | None = None
        self._noted: NotedOnTheWay | None = None
        self._rewind()

    @property
    def spec(self) -> StreamSpec:
        """What the file holds; valid once open."""
        if self._spec is None:
            msg = f"{self._uri.text}: not open yet"
            raise SourceError(msg)
        return self._spec

    @property
    def status(self) -> SourceStatus:
        """A snapshot; `detail` says what was cleaned."""
        steps = self._recording.clock_steps if self._recording is not None else 0
        return SourceStatus(self._state, self._detail, self._lost, self._repaired, None, steps)

    def open(self, timeout_s: float = 10.0) -> StreamSpec:
        """Read the file into memory; playing starts now.

        Raises
        ------
        RecordingNotFoundError, AmbiguousSourceError, FileFormatError, UnsupportedStreamError
            As `bci.files.read_recording` does.
        """
        del timeout_s  # a disk does not keep anyone waiting for a headset
        self._closed.clear()
        self._state, self._detail = "connecting", ""
        try:
            recording = read_recording(self._uri.target, self._uri.params.get("stream"), montage=self._uri.montage)
        except SourceError:
            self._state = "failed"
            raise
        self._recording, self._spec = recording, recording.spec
        self._playback = schedule(recording) if self._speed else _as_recorded(recording)
        self._noted = NotedOnTheWay(recording, self._playback)
        self._detail = "; ".join((*recording.notes, *filter(None, [self._playback.detail])))
        self._rewind()
        self._start_s = self._now_s()
        self._state = "closed" if self._closed.is_set() else "streaming"
        return recording.spec

    def read(self, min_samples: int, timeout_s: float) -> Chunk | None:
        """Wait until `min_samples` are due and give what is; a chunk ends where samples were lost.

        Raises
        ------
        SourceEndedError
            After the last sample, unless `loop=1`.
        """
        recording, playback = self._recording, self._playback
        if recording is None or playback is None or self._closed.is_set():
            return None
        deadline_s = self._now_s() + timeout_s
        rate_hz = recording.spec.nominal_rate_hz or 100.0
        wanted = max(1, min(min_samples, int(_LONGEST_CHUNK_S * rate_hz)))
        if self._next >= len(recording):
            self._start_again(recording, playback)
        # A run ends where samples were lost, or with the recording: more than that cannot be waited for.
        most = max(wanted, int((_LONGEST_CHUNK_S if self._speed else _UNPACED_CHUNK_S) * rate_hz))
        run_end = contiguous_until(playback.numbers, self._next, min(self._next + most, len(recording)))
        target = min(self._next + wanted, run_end)
        while not self._closed.is_set():
            now_s = self._now_s()
            due = self._due(playback, now_s, run_end)
            if due >= target or (due > self._next and now_s >= deadline_s):
                return self._take(recording, playback, due)
            if now_s >= deadline_s:
                return None
            due_s = self._start_s + (self._passed_s + float(playback.due_s[target - 1])) / self._speed
            self._wait(self._closed, max(0.0005, min(due_s, deadline_s) - now_s))
        return None

    def close(self) -> None:
        """Stop playing and let go of the samples; a read that waits returns at once."""
        self._state = "closed"
        self._closed.set()
        self._recording = self._playback = self._noted = None

    def _rewind(self) -> None:
        self._next = 0
        self._passed_s = 0.0
        self._passed_samples = 0
        self._lost = 0
        self._repaired = 0
        self._start_s = 0.0

    def _due(self, playback: Playback, now_s: float, run_end: int) -> int:
        """Up to which sample of the run, exclusive, the recording has been played by now."""
        if not self._speed:
            return run_end
        played_s = (now_s - self._start_s) * self._speed - self._passed_s
        return self._next + int(np.searchsorted(playback.due_s[self._next : run_end], played_s, side="right"))

    def _take(self, recording: Recording, playback: Playback, stop: int) -> Chunk:
        start, self._next = self._next, stop
        first = int(playback.numbers[start])
        self._lost += first - (int(playback.numbers[start - 1]) + 1) if start else 0
        samples = recording.samples[start:stop]
        self._repaired += int(np.isnan(samples).any(axis=1).sum())
        start_s = self._start_s + self._passed_s
        noted = self._noted.between(start, stop, start_s) if self._noted is not None else ()
        stamps_s = playback.stamps_s[start:stop] + start_s
        return Chunk(recording.spec, samples, stamps_s, first + self._passed_samples, noted=noted)

    def _start_again(self, recording: Recording, playback: Playback) -> None:
        if not self._loop:
            self._state = "closed"
            msg = f"{recording.spec.device}: the recording ended after {recording.duration_s:.1f} s"
            raise SourceEndedError(msg)
        rate_hz = recording.spec.nominal_rate_hz
        self._passed_s += float(playback.due_s[-1]) + (1.0 / rate_hz if rate_hz else 0.01)
        self._passed_samples += int(playback.numbers[-1]) + 1
        self._next = 0


def _as_recorded(recording: Recording) -> Playback:
    return Playback(recording.stamps_s, recording.stamps_s, recording.sample_numbers, "")


def _speed(uri: SourceUri) -> float:
    if uri.params.get("speed") == "max":
        return 0.0
    speed = uri.number("speed", 1.0, low=0.0, high=1000.0)
    if 0.0 < speed < 1.0:
        msg = f"{uri.text}: speed={speed:g}, expected 1 to 1000, or 0 or max; slower, every score would be stale"
        raise UriError(msg)
    return speed


def _flag(uri: SourceUri, key: str) -> bool:
    text = uri.params.get(key, "0").casefold()
    if text not in ("0", "1", "true", "false"):
        msg = f"{uri.text}: {key}={text}, expected 0 or 1"
        raise UriError(msg)
    return text in ("1", "true")
