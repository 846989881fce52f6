"""Filters that remember: noise becomes a rhythm, a step a decay; fed block after block, a channel a column."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bci.compiled import compile_function

log = logging.getLogger(__name__)

Samples = NDArray[np.float64]

SIGNATURE = "void(float64[:,::1], float64[:,::1], float64[:,:,::1])"


def run_sections(x: Samples, sections: Samples, state: Samples) -> None:
    """Filter in place: x (n, channels), sections (sections, 6) b0 b1 b2 1 a1 a2, state (sections, 2, channels)."""
    for i in range(x.shape[0]):
        for s in range(sections.shape[0]):
            b0, b1, b2, a1, a2 = sections[s, 0], sections[s, 1], sections[s, 2], sections[s, 4], sections[s, 5]
            for c in range(x.shape[1]):
                into = x[i, c]
                out = b0 * into + state[s, 0, c]
                state[s, 0, c] = b1 * into - a1 * out + state[s, 1, c]
                state[s, 1, c] = b2 * into - a2 * out
                x[i, c] = out


class Cascade:
    """Second-order sections in a row (transposed direct form II), with what they remember of each channel.

    Parameters
    ----------
    sections
        float64 (sections, 6): b0 b1 b2 1 a1 a2, as SciPy writes them.
    n_channels
        Columns of what comes.
    """

    def __init__(self, sections: Samples, n_channels: int) -> None:
        self._sections = np.ascontiguousarray(sections, dtype=np.float64)
        self._state = np.zeros((len(self._sections), 2, n_channels))
        self._run = _runner()

    @property
    def ringing(self) -> bool:
        """True while something of a hundredth or more would still come out without input."""
        return bool(np.abs(self._state).max() > 0.01)

    def remember(self, first: Samples) -> None:
        """Go on from what the first section would add to the next sample, (channels,)."""
        self._state[0, 0] = first

    def follow(self, x: Samples) -> Samples:
        """Filter the next samples, (n, channels); gives a new array."""
        y = np.array(x, dtype=np.float64, order="C")
        self._run(y, self._sections, self._state)
        return y


def warm_up() -> None:
    """Compile the filters now, or find them in the cache: a participant simulated later shall not wait for it."""
    compile_function(run_sections, SIGNATURE)


def one_pole(forget: float, gain: float = 1.0) -> Samples:
    """Give sections of y[n] = forget·y[n-1] + gain·x[n]."""
    return np.array([[gain, 0.0, 0.0, 1.0, -forget, 0.0]])


@cache
def _runner() -> Callable[[Samples, Samples, Samples], None]:
    kernel = compile_function(run_sections, SIGNATURE)
    if kernel.compiled:
        return kernel.function
    log.warning("the simulated participant's filters run by SciPy, several times slower: %s", "; ".join(kernel.notes))
    return _run_by_scipy


def _run_by_scipy(x: Samples, sections: Samples, state: Samples) -> None:
    from scipy.signal import sosfilt

    x[:], state[:] = sosfilt(sections, x, axis=0, zi=state)
