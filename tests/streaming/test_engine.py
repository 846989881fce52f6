"""The engine moves frames, says how its streams are, and batches by load; nothing here waits for time to pass."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence

import pytest
from fake_sources import HOP, SOON_S, SPEC, FakeClock, FakePipeline, FakeSource, Recorder, Rig

from bci.errors import ConflictError, NoSuchStreamError
from bci.source import SourceStatus
from bci.types import Channel, StreamSpec
from streaming.engine import SWITCH_S, Engine
from streaming.lane import Due
from streaming.types import StreamStatus


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
    rig.at(102.0)
    rig.sink.until(lambda: rig.sink.statuses[-1][1].lost_samples == 6)  # three of each


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


@pytest.mark.parametrize(("n_streams", "rests"), [(8, False), (9, True)])
def test_the_worker_rests_after_a_call_where_streams_are_many_and_scores_few_at_once(
    monkeypatch: pytest.MonkeyPatch, n_streams: int, *, rests: bool
) -> None:
    sink, rested = Recorder(), threading.Event()
    engine = Engine(sink)
    sources = [FakeSource() for _ in range(n_streams)]

    def others_give(seconds: float) -> None:
        assert 0.0 < seconds < 0.04  # less than a hop
        if not rested.is_set():
            rested.set()
            for source in sources[1:]:
                source.give(HOP)
            for source in sources[1:]:
                source.until_asked(2)

    monkeypatch.setattr("streaming.engine.time.sleep", others_give)
    engine.start()
    for i, source in enumerate(sources):
        engine.add(f"p{i}", source, FakePipeline)
    sink.until(lambda: len(sink.statuses) >= n_streams)
    sources[0].give(HOP)
    sink.until(lambda: len(sink.batches) == (2 if rests else 1))
    if rests:
        assert sorted(d.stream_id for d in sink.batches[1]) == [f"p{i}" for i in range(1, n_streams)]
    assert engine.stop(SOON_S)
    assert rested.is_set() == rests


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
