"""Streams with stamps of a test's own making, given to a timeline in chunks cut at will."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from bci.types import Channel, Chunk, StreamSpec
from streaming.timeline import RegularBlock, Timeline

RATE_HZ = 250.0
PERIOD_S = 1.0 / RATE_HZ


def spec_of(n_channels: int = 2, rate_hz: float = RATE_HZ) -> StreamSpec:
    channels = tuple(Channel(f"C{i}", position_m=(0.0, 0.0, 0.1)) for i in range(n_channels))
    return StreamSpec("id", "name", "EEG", rate_hz, channels, "test headset")


def ramp(n_samples: int, n_channels: int = 2) -> NDArray[np.float32]:
    """Samples that carry their own number, so that none can be lost or doubled unseen."""
    return np.arange(n_samples, dtype=np.float32)[:, None] + 1000.0 * np.arange(n_channels, dtype=np.float32)


def feed(
    timeline: Timeline,
    uv: NDArray[np.float32],
    stamps_s: NDArray[np.float64],
    cuts: list[int] | None = None,
    counter: NDArray[np.int64] | None = None,
) -> list[RegularBlock]:
    """Give samples in chunks cut at will, and always where the counter jumps."""
    numbers = np.arange(len(stamps_s)) if counter is None else counter
    jumps = np.flatnonzero(np.diff(numbers) != 1) + 1
    edges = sorted({0, len(stamps_s), *jumps.tolist(), *(c for c in cuts or [] if c < len(stamps_s))})
    blocks: list[RegularBlock] = []
    for begin, end in itertools.pairwise(edges):
        chunk = Chunk(timeline.spec, uv[begin:end].copy(), stamps_s[begin:end].copy(), int(numbers[begin]))
        blocks += timeline.process(chunk)
    return blocks


def joined(blocks: list[RegularBlock]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]:
    return (
        np.concatenate([b.samples_uv for b in blocks]),
        np.concatenate([b.times_s for b in blocks]),
        np.concatenate([b.state for b in blocks]),
    )


def regular(n_samples: int, rate_hz: float = RATE_HZ) -> NDArray[np.float64]:
    return 1000.0 + np.arange(n_samples) / rate_hz
