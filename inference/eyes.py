"""Are the eyes open or closed? Judged from alpha, so that nobody is scored against a baseline of the other state.

Closing the eyes raises alpha over the whole head (Berger 1929; Barry et al., Clin. Neurophysiol. 118, 2007). The index
is the log share of alpha (8-13 Hz) in 4-30 Hz, mean over electrodes. In 20 people of `closed_vs_open.csv` and 8 of
`openbci-luab` it falls by 0.26 to 1.42 when the eyes open; its median is -0.6 closed and -1.6 open.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bci.compiled import compile_function
from inference.normalise import Features
from inference.types import EyeState
from inference.window_kernel import ALPHA_SIGNATURE, alpha_index

CLOSED_ABOVE = -1.1
"""Between the medians of the two states: how an unnamed baseline is labelled."""

SURELY_CLOSED_ABOVE = -0.65
SURELY_OPEN_BELOW = -1.5
"""A calibration that asked for the other state is refused beyond these; few people look so in the state asked for
(`python -m benchmarks eye_state` counts them)."""

LEAST_RISE = 0.25
"""Where the same person's open eyes are known, closed ones have to raise the index by this at least, half of `CHANGE`.
Those whose alpha does not rise lose little: no score could be told to stand against the wrong state."""

CHANGE = 0.5
"""A change of the index against the baseline that says that the eyes opened or closed."""

SMOOTHING_S = 6.0
"""Time constant of the index while scoring; alpha waxes and wanes over seconds."""


class AlphaIndex:
    """Computes the index for a model's bands.

    Parameters
    ----------
    bands_hz
        The bands of the relative powers, in order.
    """

    def __init__(self, bands_hz: Sequence[tuple[float, float]]) -> None:
        self.alpha = np.array([low >= 8.0 and high <= 13.0 for low, high in bands_hz])
        self.every = np.array([low >= 4.0 and high <= 30.0 for low, high in bands_hz])

    def of(self, relative: Features, usable: NDArray[np.bool_]) -> float | None:
        """Index of one frame.

        Parameters
        ----------
        relative
            float32 (channels, bands).
        usable
            bool (channels,).

        Returns
        -------
        Log share, <= 0; None where no channel is usable.
        """
        function = compile_function(alpha_index, ALPHA_SIGNATURE).function
        index = float(function(relative, usable, self.alpha, self.every))
        return None if math.isnan(index) else index


def eye_state(index: float) -> EyeState:
    """Judge the eye state of a resting recording that nobody has labelled."""
    return "closed" if index > CLOSED_ABOVE else "open"


def denies(index: float, asked: EyeState, open_index: float | None = None) -> bool:
    """Tell whether a rest shows clearly that the eyes were not as the person was asked to keep them.

    Parameters
    ----------
    index
        Of the rest.
    asked
        State that the person was asked for.
    open_index
        Of the same person, headset and montage with open eyes, which closed ones are held against; None where it is
        not known: then people in general are. Open eyes are always held against people in general: they are the
        default, and who has no alpha to lose must not be locked out.
    """
    if asked == "open":
        return index > SURELY_CLOSED_ABOVE
    return index < SURELY_OPEN_BELOW if open_index is None else index - open_index < LEAST_RISE


def contradicts(index: float, baseline_index: float, baseline_eyes: EyeState) -> bool:
    """Tell whether the eyes are in the other state than in the baseline."""
    change = index - baseline_index
    return change > CHANGE if baseline_eyes == "open" else change < -CHANGE
