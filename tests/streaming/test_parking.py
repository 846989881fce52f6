"""Where streams are many, sources that hold what comes have a thread only while something is wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from fake_sources import HOP, SOON_S, FakeClock, FakePipeline, HoldingSource, Recorder

from bci.clock import lsl_now_s
from bci.errors import SourceEndedError, SourceFailedError
from streaming.batching import FEW, GROUP
from streaming.engine import Engine
from streaming.lane import Due, Lane
from streaming.mailbox import Box
from streaming.parking import Parking
from streaming.reader import Demand, Reader

MANY = FEW + 1


class Classroom:
    """An engine with many sources."""

    def __init__(self, n_streams: int, clock: Callable[[], float] = lsl_now_s) -> None:
        self.sink = Recorder()
        self.engine = Engine(self.sink, clock=clock)
        self.sources = {f"p{i:02}": HoldingSource() for i in range(n_streams)}
        self.engine.start()
        for name, source in self.sources.items():
            self.engine.add(name, source, FakePipeline)
        for source in self.sources.values():
            assert source.opened.wait(SOON_S)

    def give_all(self) -> None:
        for source in self.sources.values():
            source.give(HOP)

    def until_frames(self, n_frames: int, names: Sequence[str] = ()) -> None:
        self.sink.until(lambda: all(len(self.sink.frames(n)) == n_frames for n in names or self.sources))

    def until_parked(self) -> None:
        """Each gives a hop; its reader's thread ends then."""
        readers = self.readers()
        self.give_all()
        for thread in readers:
            thread.join(SOON_S)
            assert not thread.is_alive()
        self.until_frames(1)

    def hold_worker(self, name: str) -> threading.Event:
        """Let one stream give a hop, and the worker be busy with it until the event is set."""
        busy, go_on = threading.Event(), threading.Event()

        def hold(_batch: Sequence[Due]) -> None:
            if not busy.is_set():
                busy.set()
                assert go_on.wait(SOON_S)

        self.sink.on_due = hold
        self.sources[name].give(HOP)
        assert busy.wait(SOON_S)
        return go_on

    @staticmethod
    def readers() -> list[threading.Thread]:
        return [t for t in threading.enumerate() if t.name.startswith("read ")]


@pytest.fixture
def classroom() -> Iterator[Classroom]:
    room = Classroom(MANY)
    yield room
    assert room.engine.stop(SOON_S)
    assert all(source.closed.is_set() for source in room.sources.values())
    assert room.engine.stats().threads_left == 0


def test_the_worker_takes_what_comes_and_no_thread_waits_for_it(classroom: Classroom) -> None:
    classroom.until_parked()
    classroom.give_all()
    classroom.give_all()
    classroom.until_frames(3)
    assert classroom.readers() == []
    assert all(source.takers == {"engine"} and len(source.asked) == 1 for source in classroom.sources.values())
    assert all(classroom.sink.frames(name) == [0, 1, 2] for name in classroom.sources)


def test_what_waits_in_a_parked_source_is_counted_as_queued(classroom: Classroom) -> None:
    classroom.until_parked()
    go_on = classroom.hold_worker("p00")
    for _ in range(3):
        classroom.sources["p01"].give(HOP)
    streams = classroom.engine.stats().streams
    assert (streams["p01"].queued, streams["p02"].queued) == (3, 0)
    go_on.set()
    classroom.until_frames(4, ["p01"])
    assert classroom.engine.stats().streams["p01"].queued == 0


def test_few_streams_keep_their_threads() -> None:
    room = Classroom(FEW)
    for n_frames in (1, 2, 3):
        room.give_all()
        room.until_frames(n_frames)
    assert len(room.readers()) == FEW
    assert not any(source.takers for source in room.sources.values())
    assert room.engine.stop(SOON_S)


def test_those_that_are_left_get_their_threads_back_when_the_others_have_gone(classroom: Classroom) -> None:
    classroom.until_parked()
    gone = classroom.sources.pop("p00")
    assert classroom.engine.remove("p00", SOON_S)
    assert gone.closed.is_set()
    assert classroom.sink.states("p00")[-1] == "closed"
    for source in classroom.sources.values():
        source.until_asked(2)
    classroom.give_all()
    classroom.until_frames(2)


def test_a_source_with_trouble_gets_its_thread_back_until_it_is_calm(classroom: Classroom) -> None:
    classroom.until_parked()
    troubled = classroom.sources["p03"]
    troubled.calm = False
    troubled.until_asked(2)
    (thread,) = classroom.readers()
    assert thread.name == "read p03"
    troubled.give(HOP)
    classroom.until_frames(2, ["p03"])
    troubled.until_asked(3)
    troubled.calm = True
    troubled.give(HOP)
    thread.join(SOON_S)
    assert not thread.is_alive()
    troubled.give(HOP)
    classroom.until_frames(4, ["p03"])
    assert len(troubled.asked) == 3


@pytest.mark.parametrize(
    ("error", "state"),
    [(SourceEndedError("it is over"), "closed"), (SourceFailedError("it broke"), "failed"), (OSError("odd"), "failed")],
)
def test_a_parked_source_that_ends_or_fails_does_so_alone(classroom: Classroom, error: Exception, state: str) -> None:
    classroom.until_parked()
    classroom.sources["p03"].give(HOP)
    classroom.until_frames(2, ["p03"])
    classroom.sources["p03"].fail(error)
    classroom.sink.until(lambda: classroom.sink.states("p03")[-1] == state)
    assert str(error) in [s.detail for name, s in classroom.sink.statuses if name == "p03"][-1]
    assert classroom.sources["p03"].closed.wait(SOON_S)
    others = [name for name in classroom.sources if name != "p03"]
    for name in others:
        classroom.sources[name].give(HOP)
    classroom.until_frames(2, others)
    assert classroom.readers() == []


def test_a_source_is_looked_at_again_when_half_of_the_next_hop_has_gone_by() -> None:
    source, demand, parking = HoldingSource(), Demand(HOP / 250.0), Parking()
    reader = Reader("p", source, lambda _: True, lambda: 100.0, demand, 1.0, lambda *_: None, lambda: True)
    parking.park(Lane("p", FakePipeline, Box(), demand, reader))
    source.give(HOP)
    source.give(HOP)
    assert len(parking.taken(100.0)) == 1
    assert parking.taken(100.019) == []
    assert len(parking.taken(100.021)) == 1


def test_what_fell_due_is_handed_on_in_groups_and_nobody_is_passed_over() -> None:
    room = Classroom(2 * GROUP + 1)
    room.until_parked()
    go_on = room.hold_worker("p00")
    n_batches = len(room.sink.batches)
    for _ in range(2):
        for name in list(room.sources)[1:]:
            room.sources[name].give(HOP)
    go_on.set()
    room.until_frames(3, list(room.sources)[1:])
    batches = room.sink.batches[n_batches:]
    assert [len(batch) for batch in batches] == [GROUP] * 4
    once = [due.stream_id for batch in batches[:2] for due in batch]
    assert sorted(once) == list(room.sources)[1:], "each once, before any has its second turn"
    assert room.engine.stop(SOON_S)


def test_streams_whose_samples_wait_for_a_late_worker_are_not_called_stalled() -> None:
    clock = FakeClock()
    room = Classroom(2 * GROUP + 1, clock)
    room.until_parked()
    clock.now_s += 0.5
    go_on = room.hold_worker("p00")
    others = list(room.sources)[1:]
    for name in others:
        room.sources[name].give(HOP)
    clock.now_s += 2.0
    go_on.set()
    room.until_frames(2, others)
    room.sink.until(lambda: room.sink.states("p00")[-1] == "stalled")  # nothing waits there
    assert not any("stalled" in room.sink.states(name) for name in others)
    assert room.engine.stop(SOON_S)
