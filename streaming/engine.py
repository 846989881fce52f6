"""Moves everything: readers get what comes from the sources, one worker processes it and hands on what fell due."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bci.clock import lsl_now_s
from bci.errors import ConflictError, FocusloopError, NoSuchStreamError
from bci.source import Source
from bci.types import SourceState
from streaming.batching import FEW, GROUP, LOOK_S, rest_s
from streaming.defects import Place, Report, report_nothing
from streaming.lane import Due, Lane, LaneStats, PipelineFactory
from streaming.mailbox import Box, Mailbox
from streaming.parking import Parking
from streaming.reader import Arrived, Connecting, Demand, Ended, Item, Opened, Parked, Reader, Removed, sentence
from streaming.rehearsal import Rehearsal
from streaming.sink import EngineSink

log = logging.getLogger(__name__)

SWITCH_S = 0.0005
TICK_S = 0.25


@dataclass(frozen=True, slots=True)
class EngineStats:
    """What the engine has done since it started.

    Parameters
    ----------
    streams
        By id.
    due_calls, due_streams
        Calls of `EngineSink.due`, and the streams in them: their quotient is the batching.
    threads_left
        Threads that did not end when their stream was removed, because a source held them.
    """

    streams: dict[str, LaneStats]
    due_calls: int
    due_streams: int
    threads_left: int


def _ignore(_stage: str, _seconds: float) -> None:
    """Time nothing."""


class Engine:
    """Streams from their sources to the sink, batched by load; many of them also by a rest (`streaming.batching`).

    Each source has a thread that waits for it. Where streams are many, those that can hold what comes until they are
    asked (`bci.source.Takeable`) have one only while something is wrong: 64 threads that wake for each chunk cost more
    than its filters.

    Parameters
    ----------
    sink
        Takes what falls due.
    hop_s
        Of the pipelines, seconds: sets how many samples a reader waits for.
    report
        Takes every error that is not ours, after it was logged.
    observe
        Called with a stage and seconds, for histograms: `acquire` newest stamp → reader, `queue` reader → worker,
        `pipeline` one chunk, `due` one call of the sink.
    clock
        LSL clock, seconds.
    retry_s
        Between two tries to find a source that is not there yet.
    queue_limit
        Chunks of one stream that wait for the worker before its reader waits.
    rehearse
        Called on the worker's thread where streams are very few, a moment before samples are expected
        (`streaming.rehearsal`).
    """

    def __init__(
        self,
        sink: EngineSink,
        *,
        hop_s: float = 0.04,
        report: Report = report_nothing,
        observe: Callable[[str, float], None] = _ignore,
        clock: Callable[[], float] = lsl_now_s,
        retry_s: float = 2.0,
        queue_limit: int = 32,
        rehearse: Callable[[], None] | None = None,
    ) -> None:
        self._sink = sink
        self._hop_s = hop_s
        self._report = report
        self._observe = observe
        self._clock = clock
        self._retry_s = retry_s
        self._mailbox: Mailbox[Item] = Mailbox(limit=queue_limit)
        self._lanes: dict[str, Lane] = {}
        self._by_box: dict[Box[Item], Lane] = {}
        self._lock = threading.Lock()
        self._running = False
        self._parking = Parking()  # the worker's
        self._rehearsal = Rehearsal(hop_s, rehearse, lambda error: self._defect("rehearsal", None, error))
        self._n_due_calls = self._n_due_streams = self._n_threads_left = 0
        self._worker = threading.Thread(target=self._work, name="engine", daemon=True)

    def start(self) -> None:
        """Start the worker and the readers of streams added before; an engine starts once."""
        if sys.getswitchinterval() > SWITCH_S:
            sys.setswitchinterval(SWITCH_S)
        with self._lock:
            self._worker.start()
            self._running = True
            for lane in self._lanes.values():
                lane.reader.start()

    def add(self, stream_id: str, source: Source, pipeline_factory: PipelineFactory) -> None:
        """Open a source on a thread of its own and process what it gives. Returns at once.

        Parameters
        ----------
        stream_id
            Of the participant.
        source
            Not yet open. The engine closes it.
        pipeline_factory
            Makes a pipeline for the specification of the stream; called on the worker's thread at the first chunk,
            and again if the source comes back with another specification. An error that it raises fails the stream.

        Raises
        ------
        ConflictError
            If there is a stream of that id, or the engine has stopped.
        """
        box: Box[Item] = Box()
        demand = Demand(self._hop_s)
        reader = Reader(
            stream_id,
            source,
            lambda item: self._post(box, item),
            self._clock,
            demand,
            self._retry_s,
            lambda place, error: self._defect(place, stream_id, error),
            lambda: len(self._lanes) > FEW,
        )
        lane = Lane(stream_id, pipeline_factory, box, demand, reader)
        with self._lock:
            if self._mailbox.stopped:
                msg = f"{stream_id}: the engine has stopped"
                raise ConflictError(msg)
            if stream_id in self._lanes:
                msg = f"{stream_id}: there is a stream of that id already; remove it first"
                raise ConflictError(msg)
            self._lanes[stream_id] = lane
            self._by_box[box] = lane
            if self._running:
                reader.start()

    def remove(self, stream_id: str, timeout_s: float = 2.0) -> bool:
        """Close a stream and forget it: after a last status `closed` no call of the sink names it any more.

        Called from the sink, on the worker's thread, it returns before that.

        Returns
        -------
        bool
            False where a thread of the source did not end in time; it is left behind, and counted.

        Raises
        ------
        NoSuchStreamError
            If there is none of that id.
        """
        with self._lock:
            lane = self._lanes.get(stream_id)
        if lane is None:
            msg = f"no stream '{stream_id}'"
            raise NoSuchStreamError(msg)
        return self._remove([lane], time.monotonic() + timeout_s)

    def stop(self, timeout_s: float = 3.0) -> bool:
        """Close every stream and end the worker, within `timeout_s` even where a source blocks.

        Returns
        -------
        bool
            True where every thread has ended.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._lock:
            lanes = list(self._lanes.values())
        clean = self._remove(lanes, deadline_s)
        self._mailbox.stop()
        if self._running and threading.current_thread() is not self._worker:
            self._worker.join(max(0.0, deadline_s - time.monotonic()))
            clean = clean and not self._worker.is_alive()
        return clean

    def wake(self) -> None:
        """Let the worker look at the clock now, not at its next tick."""
        self._mailbox.wake()

    def stats(self) -> EngineStats:
        """Count what was done; from any thread."""
        with self._lock:
            lanes = list(self._lanes.values())
        return EngineStats(
            streams={lane.stream_id: lane.stats for lane in lanes},
            due_calls=self._n_due_calls,
            due_streams=self._n_due_streams,
            threads_left=self._n_threads_left,
        )

    def _post(self, box: Box[Item], item: Item) -> bool:
        return self._mailbox.post(box, item, bounded=isinstance(item, Arrived))

    def _remove(self, lanes: Sequence[Lane], deadline_s: float) -> bool:
        removals: list[threading.Event] = []
        for lane in lanes:
            removed = Removed(threading.Event())
            removals.append(removed.done)
            self._mailbox.close(lane.box, removed)
            lane.reader.stop()
        clean = True
        for lane in lanes:
            if not lane.reader.join(deadline_s - time.monotonic()):
                clean = False
                self._n_threads_left += 1
                log.warning("stream %s: its source did not let go in time", lane.stream_id)
        if not self._running:
            for lane in lanes:
                self._forget(lane)
        elif threading.current_thread() is not self._worker:
            for done in removals:
                done.wait(max(0.0, deadline_s - time.monotonic()))
        return clean

    def _forget(self, lane: Lane) -> None:
        with self._lock:
            self._lanes.pop(lane.stream_id, None)
            self._by_box.pop(lane.box, None)

    def _work(self) -> None:
        next_tick_s = self._clock() + TICK_S
        look_s = LOOK_S
        while True:
            patience_s = look_s if self._parking else TICK_S
            items = self._wait(min(patience_s, next_tick_s - self._clock()))
            look_s = LOOK_S
            batch: dict[str, Due] = {}
            self._process(items, batch)
            taken = self._parking.taken(self._clock()) if self._parking else []
            self._process(taken, batch)
            if batch:
                # What fell due while those were processed goes into the same call; once, so that nothing waits.
                self._process(self._mailbox.take(0.0), batch)
                self._hand_on(batch)
                look_s = 0.0
                if len(taken) < GROUP and (rest := rest_s(len(self._lanes))):
                    time.sleep(rest)
            now_s = self._clock()
            if now_s >= next_tick_s:
                next_tick_s = max(next_tick_s + TICK_S, now_s)
                self._tick(now_s)
            if self._mailbox.stopped and not items:
                return

    def _wait(self, patience_s: float) -> list[tuple[Box[Item], Item]]:
        """Wait for items; where the time comes to rehearse, do that and give none."""
        now_s = self._clock()
        with self._lock:
            moment_s = self._rehearsal.next_s(self._lanes.values(), now_s)
        if moment_s is None or moment_s - now_s > patience_s:
            return self._mailbox.take(patience_s)
        items = self._mailbox.take(moment_s - now_s)
        now_s = self._clock()
        if not items and now_s >= moment_s:
            self._rehearsal.run(now_s)
        return items

    def _process(self, items: Sequence[tuple[Box[Item], Item]], batch: dict[str, Due]) -> None:
        for box, item in items:
            lane = self._by_box.get(box)
            if lane is None:
                continue
            match item:
                case Arrived():
                    self._run(lane, item, batch)
                case Parked():
                    self._parking.park(lane)
                    continue
                case Connecting(detail):
                    lane.detail = detail
                case Opened():
                    lane.opened(self._clock())
                case Ended(state, detail):
                    self._hand_on(batch)  # what came before the end is scored before it
                    self._end(lane, state, detail)
                case Removed(done):
                    batch.pop(lane.stream_id, None)
                    lane.end("closed", "removed")
                    self._say(lane)
                    self._forget(lane)
                    done.set()
                    continue
            self._say(lane)

    def _run(self, lane: Lane, arrived: Arrived, batch: dict[str, Due]) -> None:
        if lane.over:
            return
        chunk = arrived.chunk
        began_s = self._clock()
        self._observe("acquire", arrived.arrived_s - float(chunk.timestamps_s[-1]))
        self._observe("queue", began_s - arrived.arrived_s)
        try:
            self._sink.chunk(lane.stream_id, chunk)
            frames = lane.process(arrived)
        except Exception as error:
            self._fail(lane, "pipeline", error)
            return
        self._observe("pipeline", self._clock() - began_s)
        if frames:
            before = batch.get(lane.stream_id)
            merged = [*before.frames, *frames] if before is not None else frames
            batch[lane.stream_id] = Due(lane.stream_id, merged, arrived.arrived_s)

    def _hand_on(self, batch: dict[str, Due]) -> None:
        if not batch:
            return
        dues = list(batch.values())
        batch.clear()
        began_s = self._clock()
        self._n_due_calls += 1
        self._n_due_streams += len(dues)
        try:
            failures = self._sink.due(dues)
        except Exception as error:
            # Whose fault it is cannot be told from here; no stream of the batch may look alive without scores.
            for due in dues:
                self._fail_named("score", due.stream_id, error)
        else:
            self._fail_each("score", failures)
        self._observe("due", self._clock() - began_s)

    def _tick(self, now_s: float) -> None:
        with self._lock:
            lanes = list(self._lanes.values())
        for lane in lanes:
            try:
                lane.advance(now_s)
            except Exception as error:
                self._fail(lane, "tick", error)
            else:
                self._say(lane)
        try:
            failures = self._sink.tick(now_s)
        except Exception as error:
            self._defect("tick", None, error)
        else:
            self._fail_each("tick", failures)

    def _defect(self, place: Place, stream_id: str | None, error: Exception) -> None:
        log.error("stream %s: an error that is not ours (%s)", stream_id or "any", place, exc_info=error)
        self._report(place, stream_id, error)

    def _fail_each(self, place: Place, failures: Mapping[str, Exception]) -> None:
        for stream_id, error in failures.items():
            self._fail_named(place, stream_id, error)

    def _fail_named(self, place: Place, stream_id: str, error: Exception) -> None:
        lane = self._lanes.get(stream_id)
        if lane is None:
            self._defect(place, stream_id, error)
        else:
            self._fail(lane, place, error)

    def _fail(self, lane: Lane, place: Place, error: Exception) -> None:
        if lane.state == "failed":
            return  # it says so already; its ticks go on, and would log the same each second
        if not isinstance(error, FocusloopError):
            self._defect(place, lane.stream_id, error)
        self._end(lane, "failed", sentence(error))

    def _end(self, lane: Lane, state: SourceState, detail: str) -> None:
        if lane.over:
            return
        lane.end(state, detail)
        self._say(lane)

    def _say(self, lane: Lane) -> None:
        try:
            status = lane.status(self._clock())
            if status is not None:
                self._sink.status(lane.stream_id, status)
        except Exception as error:
            self._defect("status", lane.stream_id, error)
