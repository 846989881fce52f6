"""What a neurofeedback criterion reads: band power of some electrodes, in dB from what each has at rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bci.errors import ConfigError

_DB = 10.0 / np.log(10.0)
LEAST_USABLE = 0.5
"""Share of a token's time in which an electrode must be usable, and of the electrodes that must be so."""


class BandPower:
    """Power between two edges at some electrodes.

    Each electrode is compared with its own rest, and only then are they averaged: one that is masked for a while does
    not shift the reading.

    Parameters
    ----------
    edges_hz
        Lower and upper edge; both must be edges of the bands.
    bands_hz
        Of the feature frames.

    Raises
    ------
    ConfigError
        If the bands do not add up to it.
    """

    def __init__(self, edges_hz: tuple[float, float], bands_hz: Sequence[tuple[float, float]]) -> None:
        low_hz, high_hz = edges_hz
        inside = [i for i, (low, high) in enumerate(bands_hz) if low >= low_hz and high <= high_hz]
        if not inside or bands_hz[inside[0]][0] != low_hz or bands_hz[inside[-1]][1] != high_hz:
            edges = ", ".join(f"{edge:g}" for edge in sorted({edge for band in bands_hz for edge in band}))
            msg = f"band_hz {low_hz:g} to {high_hz:g}: expected two of the edges {edges}, the lower first"
            raise ConfigError(msg)
        self._bands = slice(inside[0], inside[-1] + 1)
        self._rest_db: NDArray[np.float64] | None = None

    def levels_db(
        self, values: NDArray[np.float32], quality: NDArray[np.float32], columns: Sequence[int]
    ) -> NDArray[np.float64] | None:
        """Give the power at each electrode, NaN where it is not usable; None where too few are.

        Parameters
        ----------
        values, quality
            As of a `FeatureFrame`: (channels, bands), natural log of µV²; (channels,).
        columns
            The electrodes.
        """
        usable = quality[columns] >= LEAST_USABLE
        if usable.mean() < LEAST_USABLE:
            return None
        summed = np.log(np.exp(values[columns, self._bands].astype(np.float64)).sum(axis=1)) * _DB
        return np.where(usable, summed, np.nan)

    def settle(self, rest_db: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take the rest in, (moments, electrodes); gives the readings of the same moments, dB."""
        counts = np.isfinite(rest_db).sum(axis=0)
        sums = np.nansum(rest_db, axis=0)
        self._rest_db = np.where(counts >= LEAST_USABLE * len(rest_db), sums / np.maximum(1, counts), np.nan)
        return np.array([np.nan if (one := self.reading(row)) is None else one for row in rest_db])

    def reading(self, levels_db: NDArray[np.float64]) -> float | None:
        """Give how far the electrodes are from their rest, dB; None where none of those that had one is usable."""
        if self._rest_db is None:
            return None
        apart = levels_db - self._rest_db
        known = apart[np.isfinite(apart)]
        return float(known.mean()) if known.size else None
