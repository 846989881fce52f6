"""Recordings as feature frames: one person at rest and at a task, through the online pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bci.files.recording import Recording
from bci.types import StreamSpec
from inference.normalise import Features, RunningMean, relative_log_power
from inference.window_kernel import USABLE
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline
from streaming.types import FeatureFrame

HOP_S = 0.1
MODEL_BANDS = tuple(band for band in SCHEMA.bands_hz if band[0] >= 4.0 and band[1] <= 38.0)
"""What the model sees. Below 4 Hz there are the eyes; 30-38 Hz stays while the score can do without it
(docs/decisions/0005), what is above is mostly muscle."""

_CHUNK_S = 1.0

View = Literal["re-referenced", "below 30 Hz"]
"""Other looks at the same recordings: four electrodes against the mean of Fp1 and Fp2; nothing above 30 Hz."""


@dataclass(frozen=True, slots=True)
class FrameSeries:
    """All frames of one recording.

    Parameters
    ----------
    relative
        float32 (frames, channels, bands of the model): log shares.
    usable
        bool (frames, channels): settled, and clean for at least half of the token.
    flags
        uint8 (frames, channels).
    labels
        Electrodes.
    positions_m
        float32 (channels, 3).
    seams
        Frames from 1 on that begin another piece, in order: no window reaches over one.
    """

    relative: Features
    usable: NDArray[np.bool_]
    flags: NDArray[np.uint8]
    labels: tuple[str, ...]
    positions_m: NDArray[np.float32]
    seams: tuple[int, ...] = ()

    def __len__(self) -> int:
        """Count frames."""
        return len(self.relative)

    def mean(self, start: int, stop: int) -> Features:
        """Mean of the usable frames [start, stop) per channel and band: a baseline, (channels, bands).

        A channel that was never usable there takes the mean of the others.
        """
        usable = self.usable[start:stop, :, None]
        sums = np.where(usable, self.relative[start:stop], 0.0).sum(0, dtype=np.float64)
        count = usable.sum(0)
        usual = sums.sum(0) / max(int(count.sum()), 1)
        return np.where(count > 0, sums / np.maximum(count, 1), usual).astype(np.float32)

    def running(self, population: Sequence[float], before: FrameSeries | None = None) -> Features:
        """Compute the running reference at each frame, (frames, channels, bands), as the scorer computes it.

        Parameters
        ----------
        population
            Usual log share of each band, where the mean starts.
        before
            What the same person did just before, through the same mean.
        """
        shape = (self.relative.shape[1], self.relative.shape[2])
        running = RunningMean(shape, HOP_S, population)
        if before is not None:
            for relative, usable in zip(before.relative, before.usable, strict=True):
                running.update(relative, usable)
        out = np.empty_like(self.relative)
        for index, (relative, usable) in enumerate(zip(self.relative, self.usable, strict=True)):
            running.update(relative, usable)
            out[index] = running.mean
        return out


@dataclass(frozen=True, slots=True)
class Person:
    """Rest and task of one person.

    Parameters
    ----------
    id
        As the data set names the person.
    rest, task
        Frames; the rest came first.
    counts_well
        By the data set's own judgement of the arithmetic; None where it does not say.
    views
        Rest and task as they look otherwise.
    """

    id: str
    rest: FrameSeries
    task: FrameSeries
    counts_well: bool | None = None
    views: Mapping[View, tuple[FrameSeries, FrameSeries]] = field(default_factory=dict)

    def seen(self, view: View | None) -> Person:
        """Give the same person by another look at the recordings; None for the recordings as they are.

        Raises
        ------
        KeyError
            If the person has no such view.
        """
        if view is None:
            return self
        rest, task = self.views[view]
        return Person(self.id, rest, task, self.counts_well)


def series_of(recording: Recording) -> FrameSeries:
    """Run a recording through the online pipeline; everything after a reset of the pipeline is dropped.

    Raises
    ------
    UnsupportedStreamError
        If it cannot be scored.
    """
    return segments_of(recording)[0]


def segments_of(recording: Recording) -> list[FrameSeries]:
    """Run a recording through the online pipeline; a reset begins a new series, for windows never reach over it.

    Raises
    ------
    UnsupportedStreamError
        If it cannot be scored.
    """
    frames = frames_of(recording)
    return [stacked(list(some), recording.spec) for _, some in groupby(frames, lambda frame: frame.generation)]


def frames_of(recording: Recording) -> list[FeatureFrame]:
    """Run a recording through the online pipeline.

    Raises
    ------
    UnsupportedStreamError
        If it cannot be scored.
    """
    pipeline = Pipeline(recording.spec, hop_s=HOP_S)
    frames: list[FeatureFrame] = []
    for chunk in recording.chunks(max(1, round(recording.spec.nominal_rate_hz * _CHUNK_S))):
        frames.extend(pipeline.process(chunk))
    return frames


def stacked(frames: Sequence[FeatureFrame], spec: StreamSpec, seams: tuple[int, ...] = ()) -> FrameSeries:
    """Put frames of a stream together, at least one."""
    channels = [spec.channels[i] for i in spec.scored]
    columns = [SCHEMA.bands_hz.index(band) for band in MODEL_BANDS]
    quality = np.stack([frame.quality for frame in frames])
    settled = np.array([frame.settled for frame in frames])
    return FrameSeries(
        relative=relative_log_power(np.stack([frame.values[:, columns] for frame in frames])),
        usable=(quality >= USABLE) & settled[:, None],
        flags=np.stack([frame.flags for frame in frames]),
        labels=tuple(channel.label for channel in channels),
        positions_m=np.array([channel.position_m for channel in channels], np.float32),
        seams=seams,
    )
