"""Random spans of time: bursts of muscle, lost packets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


class Spells:
    """A train of spans with random pauses, asked for block after block.

    Parameters
    ----------
    pause, length
        Each gives the next pause or length in samples.
    """

    def __init__(self, pause: Callable[[], float], length: Callable[[], float]) -> None:
        self._pause, self._length = pause, length
        self._spans: list[tuple[int, int]] = []
        self._known_to = 0

    def inside(self, first_sample: int, n: int) -> NDArray[np.bool_]:
        """Say for n samples from `first_sample` on whether they lie in a span; calls only go forward."""
        end = first_sample + n
        while self._known_to < end:
            start = max(self._known_to, first_sample) + 1 + int(self._pause())
            stop = start + 1 + int(self._length())
            self._spans.append((start, stop))
            self._known_to = stop
        inside = np.zeros(n, dtype=bool)
        for start, stop in self._spans:
            inside[max(0, start - first_sample) : max(0, stop - first_sample)] = True
        self._spans = [span for span in self._spans if span[1] > end]
        return inside
