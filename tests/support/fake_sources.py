"""Sources, pipelines and a sink for tests of the engine: they do what the test says, and nothing waits for time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bci.source import SourceStatus
from bci.types import Channel, Chunk, StreamSpec
from streaming.engine import Engine
from streaming.lane import Due
from streaming.types import StreamStatus

SOON_S = 20.0
"""Bound of every wait: reached only by a defect."""

HOP = 10
SPEC = StreamSpec("id", "name", "EEG", 250.0, (Channel("Cz", position_m=(0.0, 0.0, 0.1)),), "fake headset")


class FakeSource:
    """Gives what the test puts in, and remembers what was asked of it."""

    def __init__(self, spec: StreamSpec = SPEC, openings: Sequence[Exception] = ()) -> None:
        self.spec = spec
        self.status = SourceStatus("streaming")
        self.asked: list[int] = []
        self.closed = threading.Event()
        self.opened = threading.Event()
        self._openings = list(openings)
        self._items: queue.SimpleQueue[Chunk | Exception | None] = queue.SimpleQueue()
        self._asking = threading.Condition()
        self._n_samples = 0

    def until_asked(self, times: int) -> None:
        with self._asking:
            assert self._asking.wait_for(lambda: len(self.asked) >= times, SOON_S)

    def give(self, n_samples: int, spec: StreamSpec | None = None) -> None:
        uv = np.zeros((n_samples, len((spec or self.spec).channels)), dtype=np.float32)
        stamps_s = (self._n_samples + np.arange(n_samples)) / 250.0
        self._items.put(Chunk(spec or self.spec, uv, stamps_s, self._n_samples))
        self._n_samples += n_samples

    def fail(self, error: Exception) -> None:
        self._items.put(error)

    def open(self, timeout_s: float = 10.0) -> StreamSpec:
        if self._openings:
            raise self._openings.pop(0)
        self.opened.set()
        return self.spec

    def read(self, min_samples: int, timeout_s: float) -> Chunk | None:
        with self._asking:
            self.asked.append(min_samples)
            self._asking.notify_all()
        item = self._items.get()
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        self.closed.set()
        self._items.put(None)


class HoldingSource(FakeSource):
    """Holds what came until it is asked, as `bci.source.Takeable` says; the test decides whether it is calm."""

    def __init__(self) -> None:
        super().__init__()
        self.calm = True
        self.takers: set[str] = set()

    @property
    def waiting(self) -> int:
        return HOP * self._items.qsize()

    def take(self, min_samples: int, now_s: float) -> Chunk | None:
        self.takers.add(threading.current_thread().name)
        if not self.calm:
            return None
        try:
            item = self._items.get_nowait()
        except queue.Empty:
            return None
        if isinstance(item, Exception):
            raise item
        return item


class DeafSource(FakeSource):
    """A vendor library at its worst: neither read nor close returns until the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()
        self.reading = threading.Event()

    def read(self, min_samples: int, timeout_s: float) -> Chunk | None:
        self.reading.set()
        self.let_go.wait(SOON_S)
        return None

    def close(self) -> None:
        self.let_go.wait(SOON_S)


@dataclass
class FakeTimeline:
    effective_rate_hz: float | None = 250.0
    lost_samples: int = 3


class FakePipeline:
    """A frame, numbered, for every ten samples."""

    def __init__(self, spec: StreamSpec) -> None:
        self.spec = spec
        self.timeline = FakeTimeline()
        self.advanced: list[float] = []
        self._n_samples = 0

    @property
    def samples_to_next_hop(self) -> int:
        return HOP - self._n_samples % HOP

    def process(self, chunk: Chunk) -> list[object]:
        before = self._n_samples // HOP
        self._n_samples += len(chunk)
        return list(range(before, self._n_samples // HOP))

    def advance(self, now_s: float) -> None:
        self.advanced.append(now_s)


class BrokenPipeline(FakePipeline):
    def process(self, chunk: Chunk) -> list[object]:
        msg = "division by zero, say"
        raise ZeroDivisionError(msg)


@dataclass
class FakeClock:
    """Time that passes when the test says so."""

    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Recorder:
    """A sink that remembers, and lets the test wait for what it wants to see."""

    batches: list[list[Due]] = field(default_factory=list)
    statuses: list[tuple[str, StreamStatus]] = field(default_factory=list)
    chunks: list[str] = field(default_factory=list)
    ticks: list[float] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    on_due: Callable[[Sequence[Due]], Mapping[str, Exception] | None] = lambda batch: None
    changed: threading.Condition = field(default_factory=threading.Condition)

    def due(self, batch: Sequence[Due]) -> Mapping[str, Exception]:
        with self.changed:
            self.batches.append(list(batch))
            self.threads.add(threading.current_thread().name)
            self.changed.notify_all()
        return self.on_due(batch) or {}

    def chunk(self, stream_id: str, chunk: Chunk) -> None:
        with self.changed:
            self.chunks.append(stream_id)
            self.threads.add(threading.current_thread().name)
            self.changed.notify_all()

    def status(self, stream_id: str, status: StreamStatus) -> None:
        with self.changed:
            self.statuses.append((stream_id, status))
            self.threads.add(threading.current_thread().name)
            self.changed.notify_all()

    def tick(self, now_s: float) -> Mapping[str, Exception]:
        with self.changed:
            self.ticks.append(now_s)
            self.threads.add(threading.current_thread().name)
            self.changed.notify_all()
        return {}

    def until(self, seen: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(seen, SOON_S), f"never seen: {self.statuses} {self.batches}"

    def states(self, stream_id: str) -> list[str]:
        return [s.state for i, s in self.statuses if i == stream_id]

    def frames(self, stream_id: str) -> list[object]:
        return [f for b in self.batches for d in b if d.stream_id == stream_id for f in d.frames]


@dataclass
class Rig:
    engine: Engine
    sink: Recorder
    clock: FakeClock

    def at(self, now_s: float) -> None:
        """Let time pass, and the engine notice."""
        n_ticks = len(self.sink.ticks)
        self.clock.now_s = now_s
        self.engine.wake()
        self.sink.until(lambda: len(self.sink.ticks) > n_ticks)
