"""Before samples are expected the engine goes through the motions, once, and nothing that anybody sees changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from fake_sources import HOP, SOON_S, FakePipeline, FakeSource, Recorder

from streaming.engine import Engine
from streaming.rehearsal import AHEAD_S, MOST, Rehearsal


@dataclass
class Stream:
    heard_s: float
    streaming: bool = True


def due_in_s(now_s: float, *streams: Stream) -> float | None:
    return Rehearsal(0.04, lambda: None, lambda _error: None).due_in_s(streams, now_s)


def test_it_is_due_a_moment_before_the_next_samples_of_whichever_stream_has_them_first() -> None:
    assert due_in_s(10.001, Stream(10.0)) == pytest.approx(0.039 - AHEAD_S)
    assert due_in_s(10.001, Stream(10.0), Stream(9.99)) == pytest.approx(0.029 - AHEAD_S)


def test_it_is_not_due_where_samples_are_late_and_where_none_ever_came() -> None:
    assert due_in_s(10.039, Stream(10.0)) is None
    assert due_in_s(10.0, Stream(float("-inf"))) is None
    assert due_in_s(10.001, Stream(10.0, streaming=False)) is None
    assert due_in_s(10.0) is None
    assert due_in_s(10.001, Stream(10.0), Stream(9.9)) == pytest.approx(0.039 - AHEAD_S)


@contextmanager
def rehearsing(
    streams: int, *, fails: bool = False
) -> Iterator[tuple[Recorder, list[FakeSource], list[int], list[str]]]:
    """An engine on the real clock; how many batches had come at each rehearsal, and what was reported."""
    sink, sources = Recorder(), [FakeSource() for _ in range(streams)]
    rehearsals: list[int] = []
    reported: list[str] = []

    def rehearse() -> None:
        with sink.changed:
            rehearsals.append(len(sink.batches))
            sink.changed.notify_all()
        if fails:
            raise ZeroDivisionError

    # a hop of a second: a machine that is busy for less of it still has the time to rehearse
    engine = Engine(sink, hop_s=1.0, rehearse=rehearse, report=lambda place, _stream, _error: reported.append(place))
    engine.start()
    for number, source in enumerate(sources):
        engine.add(f"p{number}", source, FakePipeline)
    try:
        yield sink, sources, rehearsals, reported
    finally:
        engine.stop(SOON_S)


def ticks(sink: Recorder, more: int) -> None:
    """Wait until the worker has looked at the clock so often again, four times a second."""
    wanted = len(sink.ticks) + more
    sink.until(lambda: len(sink.ticks) >= wanted)


def test_each_hop_is_rehearsed_once_after_what_came_before_it_was_handed_on() -> None:
    with rehearsing(1) as (sink, (source,), rehearsals, reported):
        for hop in (1, 2):
            source.give(HOP)
            sink.until(lambda: len(rehearsals) == hop)  # noqa: B023 - waited for at once
            ticks(sink, 6)
            assert rehearsals == [*range(1, hop + 1)]
        assert sink.frames("p0") == [0, 1]
        assert not reported


def test_where_streams_are_many_nothing_is_rehearsed() -> None:
    with rehearsing(MOST + 1) as (sink, sources, rehearsals, _):
        for source in sources:
            source.give(HOP)
        sink.until(lambda: all(sink.frames(f"p{number}") for number in range(MOST + 1)))
        ticks(sink, 6)
        assert not rehearsals


def test_a_rehearsal_that_breaks_is_reported_once_and_costs_no_score() -> None:
    with rehearsing(1, fails=True) as (sink, (source,), rehearsals, reported):
        source.give(HOP)
        sink.until(lambda: bool(rehearsals))
        source.give(HOP)
        sink.until(lambda: sink.frames("p0") == [0, 1])
        ticks(sink, 6)
        assert len(rehearsals) == 1
        assert reported == ["rehearsal"]
        assert "failed" not in sink.states("p0")
