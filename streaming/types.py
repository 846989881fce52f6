"""What flows out of the signal path: feature frames, and what a stream says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from bci.types import SourceState


class Flag(IntFlag):
    """What is wrong with a channel during a token; several may hold at once."""

    NONE = 0
    RAILED = 1
    """At the converter's rail, or beyond what EEG can be."""
    FLAT = 2
    """No signal: an open or shorted input, a dead channel."""
    LINE = 4
    """Mains hum dominates: the electrode hangs in the air."""
    MUSCLE = 8
    """EMG dominates the EEG bands."""
    BLINK = 16
    """A blink or large eye movement."""
    POP = 32
    """An electrode pop or cable movement: a step no brain makes."""
    CONTACT = 64
    """Poor contact: drift or broadband noise far above EEG over seconds."""
    MISSING = 128
    """Samples of the token never came."""


@dataclass(frozen=True, slots=True)
class FeatureFrame:
    """Log band powers of the token (the last `token_s` seconds) that ends at a hop.

    Parameters
    ----------
    values
        float32 (channels, bands): natural log of the mean band power in µV². The model's window takes every
        `token_s / hop_s`-th frame.
    quality
        float32 (channels,): share of the token's time in which the channel is usable, 0..1.
    flags
        uint8 (channels,): `Flag` bits that hold in the token.
    end_s
        Corrected stamp of the newest sample used, LSL clock.
    schema_id
        Of the feature schema; a model trained on another one is refused.
    hop
        Running number of the hop since the last reset of the pipeline, from 0.
    generation
        Counts resets: frames of different generations never share a window.
    settled
        False while the filters are still settling or the first token is not full yet.
    bridged
        Share of the token that was bridged or missing, 0..1.
    """

    values: NDArray[np.float32]
    quality: NDArray[np.float32]
    flags: NDArray[np.uint8]
    end_s: float
    schema_id: str
    hop: int
    generation: int
    settled: bool
    bridged: float


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """The `status` topic of one stream, without its address.

    Parameters
    ----------
    state
        `connecting`, `streaming`, `stalled`, `reconnecting`, `closed` or `failed`.
    detail
        One sentence for a person; empty where all is well.
    rate_hz
        Effective rate, measured; None before it is known.
    lost_samples
        Samples that never came, since the stream opened.
    battery
        0..1, or None.
    """

    state: SourceState
    detail: str = ""
    rate_hz: float | None = None
    lost_samples: int = 0
    battery: float | None = None
