"""The engine under sources and sinks that end, fail, block and flood; no stream takes another along."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import pytest
from fake_sources import HOP, SOON_S, BrokenPipeline, DeafSource, FakeClock, FakePipeline, FakeSource, Recorder, Rig

from bci.errors import SourceEndedError, SourceFailedError, SourceNotFoundError, UnsupportedStreamError
from bci.types import Chunk, StreamSpec
from streaming.engine import Engine
from streaming.lane import Due
from streaming.types import StreamStatus


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


def test_an_error_that_the_sink_lays_at_one_stream_fails_that_stream_only(rig: Rig) -> None:
    def blame(batch: Sequence[Due]) -> Mapping[str, Exception]:
        return {due.stream_id: ValueError("7 bands, 8 expected") for due in batch if due.stream_id == "bad"}

    rig.sink.on_due = blame
    good, bad = FakeSource(), FakeSource()
    rig.engine.add("good", good, FakePipeline)
    rig.engine.add("bad", bad, FakePipeline)
    rig.sink.until(lambda: {"good", "bad"} <= {i for i, _ in rig.sink.statuses})
    for source in (good, bad):
        source.give(HOP)
    rig.sink.until(lambda: "failed" in rig.sink.states("bad"))
    assert [s.detail for i, s in rig.sink.statuses if i == "bad"][
        -1
    ] == "internal error: ValueError: 7 bands, 8 expected"
    good.give(HOP)
    rig.sink.until(lambda: rig.sink.frames("good") == [0, 1])
    assert "failed" not in rig.sink.states("good")


def test_a_sink_that_raises_and_blames_nobody_fails_its_batch_and_the_worker_goes_on(rig: Rig) -> None:
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

    def tick(now_s: float) -> Mapping[str, Exception]:
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
    sink.on_due = lambda batch: {due.stream_id: ValueError("no model") for due in batch if due.stream_id == "p02"}
    engine.start()
    stuck, scored = Stuck(), FakeSource()
    engine.add("p01", stuck, FakePipeline)
    stuck.fail(OSError("usb gone"))
    engine.add("p02", scored, FakePipeline)
    scored.give(HOP)
    sink.until(lambda: "failed" in sink.states("p01") and "failed" in sink.states("p02"))
    Rig(engine, sink, clock).at(clock.now_s + 1.0)
    assert engine.remove("p01", SOON_S)
    assert engine.stop(SOON_S)
    assert set(reported) - {("status", "p02", "hub gone")} == {
        ("status", "p01", "hub gone"),
        ("read", "p01", "usb gone"),
        ("close", "p01", "usb stuck"),
        ("score", "p02", "no model"),
        ("tick", None, "outlet gone"),
    }


def test_removed_before_the_start() -> None:
    engine = Engine(Recorder())
    source = FakeSource()
    engine.add("p01", source, FakePipeline)
    assert engine.remove("p01")
    assert not source.opened.is_set()
    assert engine.stop()
