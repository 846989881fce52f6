"""Front, centre and back of a head: how electrodes of any montage become the same few places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streaming.quality import FRONTAL_Y_M

REGIONS = ("front", "centre", "back")

BACK_Y_M = -0.06
"""Electrodes behind this line (rows P, PO, O) are back; MNE head frame, y to the nose."""


@dataclass(frozen=True, slots=True)
class Regions:
    """Which region each electrode lies in.

    Parameters
    ----------
    names
        Those of `REGIONS` that have an electrode, front first.
    of_channel
        int64 (channels,): index into `names`.
    eyes
        bool (channels,): sees the eyes best; the front, or the foremost electrode where there is no front.
    """

    names: tuple[str, ...]
    of_channel: NDArray[np.int64]
    eyes: NDArray[np.bool_]

    @property
    def membership(self) -> NDArray[np.float64]:
        """1 where a channel lies in a region, float64 (regions, channels)."""
        return (np.arange(len(self.names))[:, None] == self.of_channel).astype(np.float64)


def regions_of(positions_m: NDArray[np.float32]) -> Regions:
    """Tell regions from positions, float32 (channels, 3), MNE head frame."""
    y = positions_m[:, 1]
    place = np.where(y >= FRONTAL_Y_M, 0, np.where(y < BACK_Y_M, 2, 1))
    present, of_channel = np.unique(place, return_inverse=True)
    eyes = place == 0 if (place == 0).any() else y >= y.max() - 1e-6
    return Regions(tuple(REGIONS[i] for i in present), of_channel.astype(np.int64), eyes)
