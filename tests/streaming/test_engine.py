"""The engine under sources that end, fail, block and flood; nothing here waits for time to pass."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci.errors import (
    ConflictError,
    NoSuchStreamError,
    SourceEndedError,
    SourceFailedError,
    SourceNotFoundError,
    UnsupportedStreamError,
)
from bci.source import SourceStatus
from bci.types import Channel, Chunk, StreamSpec
from streaming.engine import SWITCH_S, Engine
from streaming.lane import Due
from streaming.mailbox import Box, Mailbox
from streaming.reader import Demand
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
class FakeReport:
    effective_rate_hz: float | None = 250.0
    lost_samples: int = 3

    @property
    def timeline(self) -> FakeReport:
        return self


class FakePipeline:
    """A frame, numbered, for every ten samples."""

    def __init__(self, spec: StreamSpec) -> None:
        self.spec = spec
        self.report = FakeReport()
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
    on_due: Callable[[Sequence[Due]], None] = lambda batch: None
    changed: threading.Condition = field(default_factory=threading.Condition)

    def due(self, batch: Sequence[Due]) -> None:
        with self.changed:
            self.batches.append(list(batch))
            self.threads.add(threading.current_thread().name)
            self.changed.notify_all()
        self.on_due(batch)

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

    def tick(self, now_s: float) -> None:
        with self.changed:
            self.ticks.append(now_s)
            self.threads.add(threading.current_thread().name)
            self.changed.notify_all()

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


@pytest.fixture
def rig() -> Iterator[Rig]:
    sink, clock = Recorder(), FakeClock()
    engine = Engine(sink, clock=clock, retry_s=0.0, queue_limit=4)
    engine.start()
    yield Rig(engine, sink, clock)
    engine.stop(SOON_S)
    left = [t.name for t in threading.enumerate() if t.name.split(" ")[0] in ("engine", "read", "close")]
    assert not left, "threads were left behind"


def test_frames_reach_the_sink_in_order_and_on_one_thread(rig: Rig) -> None:
    source = FakeSource()
    rig.engine.add("p01", source, FakePipeline)
    for n_samples in (10, 7, 3, 25, 5):
        source.give(n_samples)
    rig.sink.until(lambda: rig.sink.frames("p01") == [0, 1, 2, 3, 4])
    assert rig.sink.threads == {"engine"}
    assert rig.sink.states("p01")[-1] == "streaming"
    stats = rig.engine.stats().streams["p01"]
    assert (stats.chunks, stats.samples, stats.frames, stats.queued) == (5, 50, 5, 0)


def test_the_last_frames_come_before_the_end(rig: Rig) -> None:
    source = FakeSource()
    seen_at_end: list[int] = []
    told = rig.sink.status

    def status(stream_id: str, status: StreamStatus) -> None:
        if status.state == "closed":
            seen_at_end.append(len(rig.sink.frames("p01")))
        told(stream_id, status)

    rig.sink.status = status
    for _ in range(4):
        source.give(HOP)
    source.fail(SourceEndedError("rest.edf has ended"))
    rig.engine.add("p01", source, FakePipeline)
    rig.sink.until(lambda: "closed" in rig.sink.states("p01"))
    assert seen_at_end == [4]
    assert rig.sink.statuses[-1][1].detail == "rest.edf has ended"
    assert source.closed.wait(SOON_S)


@pytest.mark.parametrize(
    ("broken", "detail"),
    [
        (BrokenPipeline, "internal error: ZeroDivisionError: division by zero, say"),
        (lambda spec: (_ for _ in ()).throw(UnsupportedStreamError("300 channels, at most 256")), "300 channels"),
    ],
)
def test_an_error_in_one_stream_fails_that_stream_only(
    rig: Rig, broken: Callable[[StreamSpec], FakePipeline], detail: str
) -> None:
    good, bad = FakeSource(), FakeSource()
    rig.engine.add("good", good, FakePipeline)
    rig.engine.add("bad", bad, broken)
    bad.give(HOP)
    rig.sink.until(lambda: "failed" in rig.sink.states("bad"))
    assert detail in [s.detail for i, s in rig.sink.statuses if i == "bad"][-1]
    bad.give(HOP)  # the reader lets go after this read
    assert bad.closed.wait(SOON_S)
    good.give(HOP)
    rig.sink.until(lambda: rig.sink.frames("good") == [0])
    assert rig.sink.frames("bad") == []
    rig.at(200.0)
    assert rig.sink.states("bad")[-1] == "failed"


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (SourceFailedError("came back with 4 channels, 8 expected"), "came back with 4 channels, 8 expected"),
        (OSError("usb gone"), "internal error: OSError: usb gone"),
    ],
)
def test_a_source_that_breaks_is_failed_and_closed(rig: Rig, error: Exception, detail: str) -> None:
    source = FakeSource()
    rig.engine.add("p01", source, FakePipeline)
    source.give(HOP)
    source.fail(error)
    rig.sink.until(lambda: "failed" in rig.sink.states("p01"))
    assert rig.sink.statuses[-1][1].detail == detail
    assert source.closed.wait(SOON_S)
    assert rig.sink.frames("p01") == [0]


def test_a_source_that_is_not_there_yet_is_tried_again(rig: Rig) -> None:
    source = FakeSource(openings=[SourceNotFoundError("no stream named Muse")] * 3)
    rig.engine.add("p01", source, FakePipeline)
    source.give(HOP)
    rig.sink.until(lambda: rig.sink.frames("p01") == [0])
    assert rig.sink.states("p01")[0] == "connecting"
    assert rig.sink.statuses[0][1].detail == "no stream named Muse"


def test_a_source_that_cannot_be_used_is_failed_at_once(rig: Rig) -> None:
    source = FakeSource(openings=[UnsupportedStreamError("rate 50 Hz, at least 100 needed")])
    rig.engine.add("p01", source, FakePipeline)
    rig.sink.until(lambda: "failed" in rig.sink.states("p01"))
    assert rig.sink.statuses[-1][1].detail == "rate 50 Hz, at least 100 needed"


def test_silence_is_stalled_and_ends_with_samples(rig: Rig) -> None:
    source = FakeSource()
    rig.engine.add("p01", source, FakePipeline)
    source.give(HOP)
    rig.sink.until(lambda: "streaming" in rig.sink.states("p01"))
    rig.at(100.9)
    assert rig.sink.states("p01")[-1] == "streaming"
    rig.at(101.3)
    assert rig.sink.states("p01")[-1] == "stalled"
    source.give(HOP)
    rig.sink.until(lambda: rig.sink.states("p01")[-1] == "streaming")
    source.status = SourceStatus("reconnecting", "looking for it")
    rig.at(101.8)
    assert rig.sink.statuses[-1][1].state == "reconnecting"
    assert rig.sink.statuses[-1][1].detail == "looking for it"
    source.status = SourceStatus("streaming")
    source.give(HOP)
    rig.sink.until(lambda: rig.sink.states("p01")[-1] == "streaming")


def test_an_open_source_that_never_gives_is_stalled(rig: Rig) -> None:
    source = FakeSource()
    rig.engine.add("p01", source, FakePipeline)
    rig.sink.until(lambda: rig.sink.states("p01") == ["connecting"])
    rig.at(101.5)
    assert rig.sink.states("p01")[-1] == "stalled"


def test_numbers_are_told_at_most_once_a_second_and_a_note_of_the_source_stays(rig: Rig) -> None:
    source = FakeSource()
    source.status = SourceStatus("streaming", "no unit given: µV assumed", battery=0.5, lost_samples=7)
    rig.engine.add("p01", source, FakePipeline)
    for _ in range(20):
        source.give(HOP)
    rig.sink.until(lambda: len(rig.sink.frames("p01")) == 20)
    rig.at(100.5)
    told = [s for _, s in rig.sink.statuses if s.state == "streaming"]
    assert told == [StreamStatus("streaming", "no unit given: µV assumed", 250.0, 7, 0.5)]


def test_another_specification_gets_another_pipeline(rig: Rig) -> None:
    made: list[StreamSpec] = []

    def factory(spec: StreamSpec) -> FakePipeline:
        made.append(spec)
        return FakePipeline(spec)

    source = FakeSource()
    other = StreamSpec("id", "name", "EEG", 250.0, (Channel("free"),), "fake headset")
    rig.engine.add("p01", source, factory)
    source.give(HOP)
    source.give(HOP, other)
    rig.sink.until(lambda: len(rig.sink.frames("p01")) == 2)
    assert made == [SPEC, other]


def test_what_falls_due_while_the_worker_is_busy_goes_into_one_call() -> None:
    sink, busy, go_on = Recorder(), threading.Event(), threading.Event()
    engine = Engine(sink)
    sources = [FakeSource() for _ in range(64)]

    def hold(batch: Sequence[Due]) -> None:
        if not busy.is_set():
            busy.set()
            assert go_on.wait(SOON_S)

    sink.on_due = hold
    engine.start()
    first = FakeSource()
    engine.add("first", first, FakePipeline)
    for i, source in enumerate(sources):
        engine.add(f"p{i:02}", source, FakePipeline)
    sink.until(lambda: len(sink.statuses) >= 65)
    first.give(HOP)
    assert busy.wait(SOON_S)
    for source in sources:
        source.give(HOP)
    for source in sources:
        source.until_asked(2)  # so the first chunk is in the mailbox
    go_on.set()
    sink.until(lambda: len(sink.batches) >= 2)
    assert sorted(d.stream_id for d in sink.batches[1]) == [f"p{i:02}" for i in range(64)]
    assert engine.stats().due_calls == 2
    assert engine.stop(SOON_S)


def test_a_full_queue_makes_the_reader_wait_and_is_counted() -> None:
    sink, busy, go_on = Recorder(), threading.Event(), threading.Event()
    engine = Engine(sink, queue_limit=4)

    def hold(batch: Sequence[Due]) -> None:
        busy.set()
        assert go_on.wait(SOON_S)

    sink.on_due = hold
    source = FakeSource()
    engine.add("p01", source, FakePipeline)
    engine.start()
    source.give(HOP)
    assert busy.wait(SOON_S)
    for _ in range(50):
        source.give(HOP)
    source.until_asked(6)
    deadline_s = time.monotonic() + SOON_S
    while not engine.stats().streams["p01"].reader_waits:  # from outside it shows only here
        assert time.monotonic() < deadline_s
    assert engine.stats().streams["p01"].queued == 4
    assert len(source.asked) == 6  # one processed, four queued, one in the reader's hand
    go_on.set()
    sink.until(lambda: sink.frames("p01") == list(range(51)))
    assert engine.stop(SOON_S)


def test_removed_while_running_nothing_names_it_afterwards(rig: Rig) -> None:
    stopping = threading.Event()

    class Flood(FakeSource):
        def read(self, min_samples: int, timeout_s: float) -> Chunk | None:
            if not stopping.is_set():
                self.give(HOP)
            return super().read(min_samples, timeout_s)

    source, other = Flood(), FakeSource()
    rig.engine.add("p01", source, FakePipeline)
    rig.engine.add("p02", other, FakePipeline)
    rig.sink.until(lambda: len(rig.sink.frames("p01")) > 100)
    assert rig.engine.remove("p01", SOON_S)
    stopping.set()
    with rig.sink.changed:
        n_frames, n_chunks, n_said = len(rig.sink.frames("p01")), rig.sink.chunks.count("p01"), len(rig.sink.statuses)
    assert rig.sink.states("p01")[-1] == "closed"
    other.give(HOP)
    rig.sink.until(lambda: rig.sink.frames("p02") == [0])
    rig.at(500.0)
    assert len(rig.sink.frames("p01")) == n_frames
    assert rig.sink.chunks.count("p01") == n_chunks
    assert not [i for i, _ in rig.sink.statuses[n_said:] if i == "p01"]
    assert source.closed.is_set()
    again = FakeSource()
    rig.engine.add("p01", again, FakePipeline)  # the id is free
    again.give(HOP)
    rig.sink.until(lambda: len(rig.sink.frames("p01")) == n_frames + 1)


def test_removed_from_within_the_sink(rig: Rig) -> None:
    removed = threading.Event()

    def take_off(batch: Sequence[Due]) -> None:
        rig.engine.remove("p01", SOON_S)
        removed.set()

    rig.sink.on_due = take_off
    source = FakeSource()
    rig.engine.add("p01", source, FakePipeline)
    source.give(HOP)
    assert removed.wait(SOON_S)
    rig.sink.until(lambda: rig.sink.states("p01")[-1] == "closed")
    assert "p01" not in rig.engine.stats().streams


def test_stop_returns_in_time_though_a_source_blocks_for_ever() -> None:
    sink = Recorder()
    engine = Engine(sink)
    deaf, good = DeafSource(), FakeSource()
    engine.start()
    engine.add("deaf", deaf, FakePipeline)
    engine.add("good", good, FakePipeline)
    assert deaf.reading.wait(SOON_S)
    stopper = threading.Thread(target=engine.stop, args=(0.2,))
    stopper.start()
    stopper.join(SOON_S / 2)  # the source itself would hold for twice as long
    assert not stopper.is_alive()
    assert good.closed.is_set()
    assert engine.stats().threads_left == 1
    deaf.let_go.set()
    for thread in threading.enumerate():
        if thread.name in ("read deaf", "close deaf", "engine"):
            thread.join(SOON_S)
    assert {"deaf", "good"} == {i for i, s in sink.statuses if s.state == "closed"}


def test_a_sink_that_raises_fails_the_streams_of_its_batch_and_the_worker_goes_on(rig: Rig) -> None:
    def refuse(batch: Sequence[Due]) -> None:
        if batch[0].stream_id == "p01":
            msg = "model gone"
            raise RuntimeError(msg)

    rig.sink.on_due = refuse
    one, two = FakeSource(), FakeSource()
    rig.engine.add("p01", one, FakePipeline)
    one.give(HOP)
    rig.sink.until(lambda: "failed" in rig.sink.states("p01"))
    rig.engine.add("p02", two, FakePipeline)
    two.give(HOP)
    rig.sink.until(lambda: rig.sink.frames("p02") == [0])


def test_every_error_that_is_not_ours_is_reported_with_where_and_whose() -> None:
    reported: list[tuple[str, str | None, str]] = []
    sink, clock = Recorder(), FakeClock()
    engine = Engine(sink, clock=clock, report=lambda place, stream, error: reported.append((place, stream, str(error))))
    told = sink.status

    def status(stream_id: str, status: StreamStatus) -> None:
        told(stream_id, status)
        if status.state == "connecting":
            msg = "hub gone"
            raise RuntimeError(msg)

    def tick(now_s: float) -> None:
        with sink.changed:
            sink.ticks.append(now_s)
            sink.changed.notify_all()
        msg = "outlet gone"
        raise RuntimeError(msg)

    class Stuck(FakeSource):
        def close(self) -> None:
            super().close()
            msg = "usb stuck"
            raise OSError(msg)

    sink.status, sink.tick = status, tick  # type: ignore[method-assign] - what a defect would do
    engine.start()
    source = Stuck()
    engine.add("p01", source, FakePipeline)
    source.give(HOP)
    source.fail(OSError("usb gone"))
    sink.until(lambda: "failed" in sink.states("p01"))
    Rig(engine, sink, clock).at(clock.now_s + 1.0)
    assert engine.remove("p01", SOON_S)
    assert engine.stop(SOON_S)
    assert set(reported) == {
        ("status", "p01", "hub gone"),
        ("read", "p01", "usb gone"),
        ("close", "p01", "usb stuck"),
        ("tick", None, "outlet gone"),
    }


def test_ids_are_unique_and_known(rig: Rig) -> None:
    rig.engine.add("p01", FakeSource(), FakePipeline)
    with pytest.raises(ConflictError, match="p01"):
        rig.engine.add("p01", FakeSource(), FakePipeline)
    with pytest.raises(NoSuchStreamError, match="p02"):
        rig.engine.remove("p02")
    rig.engine.remove("p01", SOON_S)
    rig.engine.stop(SOON_S)
    with pytest.raises(ConflictError, match="stopped"):
        rig.engine.add("p03", FakeSource(), FakePipeline)


def test_removed_before_the_start() -> None:
    engine = Engine(Recorder())
    source = FakeSource()
    engine.add("p01", source, FakePipeline)
    assert engine.remove("p01")
    assert not source.opened.is_set()
    assert engine.stop()


def test_the_switch_interval_is_short(rig: Rig) -> None:
    assert sys.getswitchinterval() <= SWITCH_S


def test_stages_are_timed() -> None:
    stages: list[tuple[str, float]] = []
    sink, clock = Recorder(), FakeClock()
    engine = Engine(sink, clock=clock, observe=lambda stage, seconds: stages.append((stage, seconds)))
    source = FakeSource()
    engine.add("p01", source, FakePipeline)
    engine.start()
    source.give(HOP)
    sink.until(lambda: bool(sink.batches))
    assert engine.stop(SOON_S)
    assert [stage for stage, _ in stages] == ["acquire", "queue", "pipeline", "due"]
    assert stages[0][1] == pytest.approx(100.0 - 9 / 250.0)


def test_the_reader_asks_for_what_the_next_hop_needs(rig: Rig) -> None:
    source = FakeSource()
    rig.engine.add("p01", source, FakePipeline)
    for n_done, n_samples in enumerate((HOP, 7, 3, HOP), start=1):
        source.give(n_samples)
        rig.sink.until(lambda n=n_done: len(rig.sink.chunks) == n)
    rig.sink.until(lambda: len(rig.sink.frames("p01")) == 3)
    assert source.asked[:4] == [10, 10, 3, 10]


@given(
    handed_on=st.lists(st.integers(1, 40), max_size=20),
    lag=st.integers(0, 20),
    hop=st.sampled_from([10, 10.24, 20.48, 1]),
)
def test_demand_never_asks_beyond_the_next_hop(handed_on: list[int], lag: int, hop: float) -> None:
    rate_hz = 250.0
    demand = Demand(hop / rate_hz)
    total = 0
    edges = [int(k * hop + 0.5) for k in range(1, 2000)]

    def short(position: int) -> int:
        return next(e for e in edges if e > position) - position

    positions = [0]
    for n_samples in handed_on:
        demand.hand_on(n_samples)
        total += n_samples
        positions.append(total)
        processed = positions[max(0, len(positions) - 1 - lag)]
        if processed:
            demand.met(processed, short(processed))
        asked = demand.samples(rate_hz)
        assert asked >= 1
        if lag == 0:
            assert asked == short(total)
        else:
            assert asked <= max(1, int(hop))


def test_demand_of_an_irregular_stream_is_one_sample() -> None:
    assert Demand(0.04).samples(0.0) == 1


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=60))
def test_a_mailbox_is_a_queue_for_each_box(steps: list[tuple[int, int]]) -> None:
    """Against a plain list: nothing lost, nothing doubled, order kept in each box."""
    mailbox: Mailbox[int] = Mailbox(limit=1000, share=2)
    boxes: list[Box[int]] = [Box() for _ in range(3)]
    came: dict[Box[int], list[int]] = {b: [] for b in boxes}
    gone: dict[Box[int], list[int]] = {b: [] for b in boxes}
    for number, (which, action) in enumerate(steps):
        if action:
            assert mailbox.post(boxes[which], number)
            came[boxes[which]].append(number)
        else:
            for box, item in mailbox.take(0.0):
                gone[box].append(item)
    while taken := mailbox.take(0.0):
        assert len(taken) <= 6
        for box, item in taken:
            gone[box].append(item)
    assert gone == came


def test_a_closed_box_takes_nothing_and_gives_its_last_item() -> None:
    mailbox: Mailbox[int] = Mailbox()
    box: Box[int] = Box()
    mailbox.post(box, 1)
    mailbox.close(box, 99)
    assert not mailbox.post(box, 2)
    assert mailbox.take(0.0) == [(box, 99)]
    mailbox.stop()
    assert mailbox.take(SOON_S) == []
