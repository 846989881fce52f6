"""Normalisation outside the graph: band shares, and what is usual for this person and this electrode."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bci.compiled import compile_function
from inference.window_kernel import NORMALISE_SIGNATURE, follow, normalise

Features = NDArray[np.float32]


def relative_log_power(log_power: Features) -> Features:
    """Turn log band powers into log shares of their sum.

    Relative power transfers between headsets, where absolute power carries gain, impedance and skull.

    Parameters
    ----------
    log_power
        float32 (..., bands): natural log of band power, µV², of the bands that the model sees.

    Returns
    -------
    float32 (..., bands), each <= 0; exp of a row sums to 1.
    """
    top = log_power.max(axis=-1, keepdims=True)
    total = np.log(np.exp(log_power - top).sum(axis=-1, keepdims=True))
    return log_power - top - total


class RunningMean:
    """Causal reference per channel and band, for people without a baseline.

    It starts at what is usual for people in general and moves towards what is usual for this one: a mean that counts
    `population` as `prior_s` seconds already seen, exponential once `time_constant_s` have come in all. Without that
    start a stream that opens with a task would be measured against the task, and tell nothing.

    Parameters
    ----------
    shape
        (channels, bands).
    hop_s
        Time between two updates, s.
    population
        Usual log share of each band, (bands,), from the model's card; None starts at the first frame.
    prior_s
        Weight of `population`, s of signal.
    time_constant_s
        Of the exponential, s.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        hop_s: float,
        population: Sequence[float] | None = None,
        prior_s: float = 120.0,
        time_constant_s: float = 300.0,
    ) -> None:
        self.mean: Features = np.zeros(shape, np.float32)
        self._gain = 1.0 - math.exp(-hop_s / time_constant_s)
        self._weight = np.zeros(shape[0], np.float64)
        if population is not None:
            self.mean[:] = population
            self._weight[:] = prior_s / hop_s
        self._normalise = compile_function(normalise, NORMALISE_SIGNATURE, (follow,)).function

    def update(self, relative: Features, usable: NDArray[np.bool_]) -> None:
        """Take in one frame.

        Parameters
        ----------
        relative
            float32 (channels, bands), from `relative_log_power`.
        usable
            bool (channels,); the others keep their mean.
        """
        window = np.ascontiguousarray(relative)[:, None], np.ascontiguousarray(usable)[:, None]
        self.normalise(*window, None, settled=True)

    def normalise(
        self, relative: Features, usable: NDArray[np.bool_], reference: Features | None, *, settled: bool
    ) -> tuple[Features, NDArray[np.bool_]]:
        """Take in the newest frame of a window, and measure the window against what is usual.

        Parameters
        ----------
        relative, usable
            float32 (channels, tokens, bands), bool (channels, tokens).
        reference
            float32 (channels, bands): what is usual; None takes the mean, this frame included.
        settled
            False leaves the mean as it is.

        Returns
        -------
        The window less the reference, float32 (channels, tokens, bands), and bool (channels, tokens), True where it is
        not usable.

        Raises
        ------
        ValueError
            If the reference is of other channels or bands; the compiled loop would read beyond its end.
        """
        if reference is not None and reference.shape != self.mean.shape:
            msg = f"a reference of {reference.shape} channels and bands, expected {self.mean.shape}"
            raise ValueError(msg)
        x, hidden = np.empty_like(relative), np.empty_like(usable)
        self._normalise(
            relative,
            usable,
            settled,
            self._gain,
            self._weight,
            self.mean,
            self.mean if reference is None else reference,
            x,
            hidden,
        )
        return x, hidden
