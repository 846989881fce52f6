"""One stream as the worker sees it: its pipeline, its state, and what has been counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bci.types import Chunk, SourceState, StreamSpec
from streaming.mailbox import Box
from streaming.reader import Arrived, Demand, Item, Reader
from streaming.types import FeatureFrame, StreamStatus

STALLED_S = 1.0
STATUS_S = 1.0


class TimelineLike(Protocol):
    """What the status of a stream says about its timeline."""

    @property
    def effective_rate_hz(self) -> float | None:
        """Measured; None before it is known."""
        ...

    @property
    def lost_samples(self) -> int:
        """Samples that never came."""
        ...


class PipelineLike(Protocol):
    """What the engine needs of a pipeline; `streaming.pipeline.Pipeline` is one."""

    @property
    def samples_to_next_hop(self) -> int:
        """Samples that the next hop still needs, at least 1."""
        ...

    @property
    def timeline(self) -> TimelineLike:
        """Loss and effective rate."""
        ...

    def process(self, chunk: Chunk) -> Sequence[FeatureFrame]:
        """Take samples and give the frames of the hops that they complete."""
        ...

    def advance(self, now_s: float) -> object:
        """Notice that time goes on."""
        ...


PipelineFactory = Callable[[StreamSpec], PipelineLike]


@dataclass(frozen=True, slots=True)
class Due:
    """The hops of one stream that have fallen due.

    Parameters
    ----------
    stream_id
        Of the stream.
    frames
        Oldest first, at least one.
    arrived_s
        When the reader had the newest of their samples, LSL clock.
    """

    stream_id: str
    frames: Sequence[FeatureFrame]
    arrived_s: float


@dataclass(frozen=True, slots=True)
class LaneStats:
    """What a stream has cost so far.

    Parameters
    ----------
    queued
        Chunks that wait for the worker now; where the reader is parked, hops whose samples do.
    chunks, samples, frames
        Processed.
    reader_waits
        How often its reader waited because its queue was full.
    pipeline_s
        Seconds in the pipeline, in all.
    """

    queued: int
    chunks: int
    samples: int
    frames: int
    reader_waits: int
    pipeline_s: float


class Lane:
    """One stream. Touched by the worker alone, but for its `reader`, `box` and `demand`."""

    def __init__(
        self, stream_id: str, factory: PipelineFactory, box: Box[Item], demand: Demand, reader: Reader
    ) -> None:
        self.stream_id = stream_id
        self.box = box
        self.reader = reader
        self.state: SourceState = "connecting"
        self.detail = ""
        self.over = False
        self._factory = factory
        self._demand = demand
        self._pipeline: PipelineLike | None = None
        self._lost_before = 0
        self._spec: StreamSpec | None = None
        self._heard_s: float | None = None
        self._said: StreamStatus | None = None
        self._said_s = float("-inf")
        self._n_chunks = self._n_samples = self._n_frames = 0
        self._pipeline_s = 0.0

    def opened(self, now_s: float) -> None:
        """Count silence from here."""
        self._heard_s = now_s
        self.detail = "connected, no samples yet"

    @property
    def streaming(self) -> bool:
        """True where samples come."""
        return self.state == "streaming"

    @property
    def heard_s(self) -> float:
        """When it last had samples, or was opened, LSL clock; long ago before that."""
        return float("-inf") if self._heard_s is None else self._heard_s

    def end(self, state: SourceState, detail: str) -> None:
        """Close or fail; the reader goes by itself, and what it still leaves is dropped."""
        self.over = True
        self.state, self.detail = state, detail
        self.reader.end()

    def process(self, arrived: Arrived) -> Sequence[FeatureFrame]:
        """Run the pipeline on a chunk; a chunk of another specification gets a pipeline of its own."""
        began_s = time.perf_counter()
        chunk = arrived.chunk
        self._heard_s = arrived.arrived_s
        if self.state != "streaming":
            self.state, self.detail = "streaming", self.reader.source.status.detail
        pipeline = self._pipeline
        if pipeline is None or (chunk.spec is not self._spec and chunk.spec != self._spec):
            if pipeline is not None:
                self._lost_before += pipeline.timeline.lost_samples
            pipeline = self._pipeline = self._factory(chunk.spec)
        self._spec = chunk.spec
        frames = pipeline.process(chunk)
        self._n_chunks += 1
        self._n_samples += len(chunk)
        self._n_frames += len(frames)
        self._demand.met(self._n_samples, pipeline.samples_to_next_hop)
        self._pipeline_s += time.perf_counter() - began_s
        return frames

    def advance(self, now_s: float) -> None:
        """Notice silence, and what the source says of itself."""
        if self.over:
            return
        if self._pipeline is not None:
            self._pipeline.advance(now_s)
        if self._heard_s is None:
            return
        told = self.reader.source.status
        silent_s = now_s - self._heard_s
        if told.state == "reconnecting":
            self.state, self.detail = "reconnecting", told.detail
        elif silent_s >= STALLED_S and not self.box.items and not self.reader.waiting_hops:
            self.state = "stalled"
            self.detail = told.detail or "no samples for more than a second: is it switched on and in reach?"
        elif self._pipeline is not None:
            self.state, self.detail = "streaming", told.detail

    def status(self, now_s: float) -> StreamStatus | None:
        """Give what there is to say: a new state or detail at once, new numbers once a second, else None."""
        said = self._said
        changed = said is None or (said.state, said.detail) != (self.state, self.detail)
        if not changed and now_s - self._said_s < STATUS_S:
            return None
        self._said_s = now_s
        status = self._snapshot()
        if status == said:
            return None
        self._said = status
        return status

    def _snapshot(self) -> StreamStatus:
        timeline = self._pipeline.timeline if self._pipeline is not None else None
        told = self.reader.source.status
        lost = max(self._lost_before + (timeline.lost_samples if timeline else 0), told.lost_samples)
        rate_hz = timeline.effective_rate_hz if timeline else None
        rate_hz = round(rate_hz, 2) if rate_hz is not None else None
        return StreamStatus(self.state, self.detail, rate_hz, lost, told.battery)

    @property
    def stats(self) -> LaneStats:
        """What it has cost so far."""
        return LaneStats(
            queued=len(self.box.items) + self.reader.waiting_hops,
            chunks=self._n_chunks,
            samples=self._n_samples,
            frames=self._n_frames,
            reader_waits=self.box.waits,
            pipeline_s=self._pipeline_s,
        )
