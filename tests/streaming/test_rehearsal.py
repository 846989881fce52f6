"""Before samples are expected the engine goes through the motions, once, and nothing that anybody sees changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from fake_sources import HOP, SOON_S, FakeClock, FakePipeline, FakeSource, Recorder, Rig

from streaming.engine import Engine
from streaming.rehearsal import AHEAD_S, MOST, TAKES_S, Rehearsal


@dataclass
class Stream:
    heard_s: float
    streaming: bool = True


def next_s(now_s: float, *streams: Stream) -> float | None:
    return Rehearsal(0.04, lambda: None, lambda _error: None).next_s(streams, now_s)


def test_it_is_due_a_moment_before_the_next_samples_of_whichever_stream_has_them_first() -> None:
    assert next_s(10.001, Stream(10.0)) == pytest.approx(10.04 - AHEAD_S)
    assert next_s(10.001, Stream(10.0), Stream(9.99)) == pytest.approx(10.03 - AHEAD_S)


def test_it_is_not_due_where_samples_are_late_and_where_none_ever_came() -> None:
    assert next_s(10.041, Stream(10.0)) is None
    assert next_s(10.0, Stream(float("-inf"))) is None
    assert next_s(10.001, Stream(10.0, streaming=False)) is None
    assert next_s(10.0) is None
    assert next_s(10.001, Stream(10.0), Stream(9.9)) == pytest.approx(10.04 - AHEAD_S)


def test_a_moment_that_a_busy_worker_missed_is_made_up_for_while_there_is_time() -> None:
    in_time_s = 10.04 - AHEAD_S + 0.9 * (AHEAD_S - TAKES_S)
    assert next_s(in_time_s, Stream(10.0)) == pytest.approx(10.04 - AHEAD_S)
    assert next_s(10.04 - 0.9 * TAKES_S, Stream(10.0)) is None


def test_one_rehearsal_serves_all_whose_moment_it_covers() -> None:
    rehearsal = Rehearsal(0.04, lambda: None, lambda _error: None)
    near, far = Stream(10.0 + 0.9 * TAKES_S), Stream(10.0 + 1.1 * TAKES_S)
    rehearsal.run(10.04 - AHEAD_S)
    assert rehearsal.next_s([Stream(10.0), near], 10.0386) is None
    assert rehearsal.next_s([near, far], 10.0386) == pytest.approx(far.heard_s + 0.04 - AHEAD_S)


@dataclass
class WatchedClock(FakeClock):
    """Counts how often it was looked at."""

    looks: int = 0
    looked: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self) -> float:
        with self.looked:
            self.looks += 1
            self.looked.notify_all()
            return self.now_s

    def until_looked(self, times: int) -> None:
        with self.looked:
            wanted = self.looks + times
            assert self.looked.wait_for(lambda: self.looks >= wanted, SOON_S)


@dataclass
class Rehearsing:
    """An engine with a hop of a second on the test's clock; how many batches had come at each rehearsal."""

    rig: Rig
    clock: WatchedClock
    sources: list[FakeSource]
    rehearsals: list[int]
    reported: list[str]

    @property
    def sink(self) -> Recorder:
        return self.rig.sink

    def hop(self, number: int) -> None:
        """Let every source give a hop, at a time of its own, and wait until they were handed on."""
        self.rig.at(100.0 + 2 * number)
        for source in self.sources:
            source.give(HOP)
        self.sink.until(lambda: all(len(self.sink.frames(f"p{n}")) == number for n in range(len(self.sources))))

    def before_the_next(self, number: int) -> None:
        """Let it be the moment to rehearse, until the worker has looked again and again."""
        self.rig.at(101.0 + 2 * number - (AHEAD_S + TAKES_S) / 2)
        self.clock.until_looked(12)


@contextmanager
def rehearsing(streams: int, *, fails: bool = False) -> Iterator[Rehearsing]:
    sink, clock = Recorder(), WatchedClock()
    rehearsals: list[int] = []
    reported: list[str] = []

    def rehearse() -> None:
        with sink.changed:
            rehearsals.append(len(sink.batches))
            sink.changed.notify_all()
        if fails:
            raise ZeroDivisionError

    engine = Engine(
        sink, hop_s=1.0, rehearse=rehearse, report=lambda place, _stream, _error: reported.append(place), clock=clock
    )
    engine.start()
    sources = [FakeSource() for _ in range(streams)]
    for number, source in enumerate(sources):
        engine.add(f"p{number}", source, FakePipeline)
    try:
        yield Rehearsing(Rig(engine, sink, clock), clock, sources, rehearsals, reported)
    finally:
        engine.stop(SOON_S)


def test_each_hop_is_rehearsed_once_after_what_came_before_it_was_handed_on() -> None:
    with rehearsing(1) as one:
        for hop in (1, 2):
            one.hop(hop)
            assert len(one.rehearsals) == hop - 1
            one.before_the_next(hop)
            assert one.rehearsals == [*range(1, hop + 1)]
        assert not one.reported


def test_where_streams_are_many_nothing_is_rehearsed() -> None:
    with rehearsing(MOST + 1) as many:
        many.hop(1)
        many.before_the_next(1)
        assert not many.rehearsals


def test_a_rehearsal_that_breaks_is_reported_once_and_costs_no_score() -> None:
    with rehearsing(1, fails=True) as one:
        one.hop(1)
        one.before_the_next(1)
        one.hop(2)
        one.before_the_next(2)
        one.hop(3)
        assert len(one.rehearsals) == 1
        assert one.reported == ["rehearsal"]
        assert "failed" not in one.sink.states("p0")
