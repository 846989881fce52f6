"""The last window of one stream, kept as features, so that a window is gathered without moving anything."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci.compiled import compile_function
from inference import window_kernel as k
from inference.eyes import AlphaIndex
from inference.noise import SpectralSlope
from inference.normalise import Features
from streaming.types import FeatureFrame


@dataclass(frozen=True, slots=True)
class Window:
    """The tokens of a window, of all scored channels, oldest first, and what the rules of validity ask about them.

    Parameters
    ----------
    relative
        float32 (channels, tokens, bands): log shares.
    usable
        bool (channels, tokens): settled, and clean for at least half of the token.
    quality
        Share of usable channel-time, 0..1.
    bridged
        Share of the window's time that was bridged or missing.
    alpha_index
        `inference.eyes` index of the newest token; None where no channel of it is usable.
    lifted
        Share of channels that do not touch a head in the newest token.
    touching
        Share of channels that touch a head in most settled tokens.
    clean
        Share of the settled tokens' channels that are usable.
    settled
        True where the newest token is: before, the filters still ring.
    full
        True where every token is.
    slope
        `inference.noise` slope of the spectrum; NaN where nothing is usable.
    """

    relative: Features
    usable: NDArray[np.bool_]
    quality: float
    bridged: float
    alpha_index: float | None
    lifted: float
    touching: float
    clean: float
    settled: bool
    full: bool
    slope: float


class FrameHistory:
    """Ring of the frames that a window can need.

    Parameters
    ----------
    channels
        Scored channels of the stream.
    columns
        Which bands of a frame the model sees, in its order.
    index, slope
        Alpha index and spectral slope for those bands.
    tokens, hops_per_token
        Geometry of the window.
    """

    def __init__(
        self,
        channels: int,
        columns: NDArray[np.int64],
        index: AlphaIndex,
        slope: SpectralSlope,
        tokens: int,
        hops_per_token: int,
    ) -> None:
        size = (tokens - 1) * hops_per_token + 1
        self._columns = columns
        self._index = index
        self._slope = slope
        self._slopes = np.empty(channels)
        self._offsets = np.arange(1 - size, 1, hops_per_token, dtype=np.int64)
        self._shape = (channels, tokens, len(columns))
        self._rings = (
            np.zeros((size, channels, len(columns)), np.float32),
            np.zeros((size, channels), np.float32),
            np.zeros((size, channels), np.uint8),
            np.zeros(size, np.bool_),
            np.zeros(size),
        )
        self._numbers = k.new_numbers()
        self._generation = -1
        self._pushed = 0
        self._advance = compile_function(k.advance, k.ADVANCE_SIGNATURE, (k.alpha_index, k.median_slope)).function

    def push(self, frame: FeatureFrame) -> Window:
        """Take a frame in and give the window that ends with it; a new generation forgets all frames before."""
        if frame.generation != self._generation:
            self._generation = frame.generation
            self._forget()
        relative = np.empty(self._shape, np.float32)
        usable = np.empty(self._shape[:2], np.bool_)
        self._advance(
            frame.values,
            frame.quality,
            frame.flags,
            self._columns,
            self._index.alpha,
            self._index.every,
            self._slope.weights,
            frame.settled,
            frame.bridged,
            self._pushed,
            self._offsets,
            *self._rings,
            relative,
            usable,
            self._slopes,
            self._numbers,
        )
        self._pushed += 1
        good, holes, alpha, lifted, touching, clean, settled, full, slope = self._numbers.tolist()
        return Window(
            relative,
            usable,
            good,
            holes,
            None if math.isnan(alpha) else alpha,
            lifted,
            touching,
            clean,
            settled > 0.0,
            full > 0.0,
            slope - self._slope.offset,
        )

    def _forget(self) -> None:
        self._pushed = 0
        for ring in self._rings:
            ring[:] = 0
