"""The last window of one stream, kept as features, so that a window is gathered without moving anything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.normalise import Features, relative_log_power
from streaming.types import FeatureFrame

USABLE = 0.5
"""A channel of a token is used where at least this share of the token's time is clean."""


@dataclass(frozen=True, slots=True)
class Window:
    """Five tokens of all scored channels, oldest first.

    Parameters
    ----------
    relative
        float32 (channels, tokens, bands).
    usable
        bool (channels, tokens).
    quality
        float32 (channels, tokens).
    flags
        uint8 (channels, tokens).
    bridged
        Share of the window's time that was bridged or missing.
    settled
        bool (tokens,): False before the stream began, and while the filters were still settling.
    """

    relative: Features
    usable: NDArray[np.bool_]
    quality: NDArray[np.float32]
    flags: NDArray[np.uint8]
    bridged: float
    settled: NDArray[np.bool_]

    @property
    def full(self) -> bool:
        """True where every token has settled."""
        return bool(self.settled.all())


class FrameHistory:
    """Ring of the frames that a window can need.

    Parameters
    ----------
    channels
        Scored channels of the stream.
    columns
        Which bands of a frame the model sees, in its order.
    tokens, hops_per_token
        Geometry of the window.
    """

    def __init__(self, channels: int, columns: NDArray[np.intp], tokens: int, hops_per_token: int) -> None:
        self._columns = columns
        self._offsets = np.arange(-(tokens - 1) * hops_per_token, 1, hops_per_token)
        self._size = (tokens - 1) * hops_per_token + 1
        self._relative = np.zeros((self._size, channels, len(columns)), np.float32)
        self._quality = np.zeros((self._size, channels), np.float32)
        self._flags = np.zeros((self._size, channels), np.uint8)
        self._settled = np.zeros(self._size, np.bool_)
        self._bridged = np.zeros(self._size)
        self._generation = -1
        self._pushed = 0

    def push(self, frame: FeatureFrame) -> Features:
        """Take a frame in; a frame of a new generation forgets all before it.

        Returns
        -------
        Its relative log powers, float32 (channels, bands of the model).
        """
        if frame.generation != self._generation:
            self._generation = frame.generation
            self.forget()
        slot = self._pushed % self._size
        relative = relative_log_power(frame.values[:, self._columns])
        self._relative[slot] = relative
        self._quality[slot] = frame.quality
        self._flags[slot] = frame.flags
        self._settled[slot] = frame.settled
        self._bridged[slot] = frame.bridged
        self._pushed += 1
        return relative

    def forget(self) -> None:
        """Start anew: the next window is full after `window_s`."""
        self._pushed = 0
        self._settled[:] = False
        self._quality[:] = 0.0

    def window(self) -> Window:
        """Gather the window that ends at the newest frame."""
        # `take` and `sum` rather than indexing and `mean`: half the time, on arrays this small.
        slots = (self._pushed - 1 + self._offsets) % self._size
        quality = self._quality.take(slots, axis=0).T
        settled = self._settled.take(slots)
        return Window(
            relative=self._relative.take(slots, axis=0).transpose(1, 0, 2),
            usable=(quality >= USABLE) & settled,
            quality=quality,
            flags=self._flags.take(slots, axis=0).T,
            bridged=float(self._bridged.take(slots).sum()) / len(slots),
            settled=settled,
        )
