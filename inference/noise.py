"""Is there a head under the electrodes, or noise? Judged from how power falls with frequency.

The power density of EEG falls about as 1/f to 1/f² (Pritchard, Int. J. Neurosci. 66, 1992); that of an amplifier whose
electrodes touch nothing is the same at every frequency. `python -m benchmarks noise` counts how often this errs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inference.normalise import Features

FLAT_ABOVE = -0.15
"""A spectrum whose slope lies above this is no EEG's, of a rest or of a window. Set without labels: half minutes of
white noise lie from -0.1 to 0.15, of 438 rests of heads the flattest at -0.37, the next at -0.56."""


class SpectralSlope:
    """Computes the slope for a model's bands, without alpha, whose peak is no part of it, and what is below 4 Hz.

    Parameters
    ----------
    bands_hz
        The bands of the relative powers, in order.
    """

    def __init__(self, bands_hz: Sequence[tuple[float, float]]) -> None:
        low, high = np.array(bands_hz).T
        columns = (low >= 4.0) & ((high <= 8.0) | (low >= 13.0))
        log_hz = np.log(np.sqrt(low * high))
        centred = np.where(columns, log_hz - log_hz[columns].mean(), 0.0)
        self.weights = centred / (centred @ centred)
        """float64 (bands,): of the log shares; with `offset` taken off, the slope of a straight line through them."""
        self.offset = float(self.weights @ np.log(high - low))

    def of(self, relative: Features) -> float:
        """Slope of the log power density over the log frequency, median over the channels.

        Parameters
        ----------
        relative
            float32 (channels, bands): mean log shares.
        """
        return float(np.median(relative @ self.weights)) - self.offset
