"""Geometry of the simulated head: how far a source reaches, and what neighbours share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SPANNING_LABELS = (
    "Fp1",
    "Fp2",
    "Fz",
    "C3",
    "C4",
    "Pz",
    "O1",
    "O2",
    "T7",
    "T8",
    "F3",
    "F4",
    "P3",
    "P4",
    "Cz",
    "Oz",
    "F7",
    "F8",
    "P7",
    "P8",
    "FC1",
    "FC2",
    "CP1",
    "CP2",
    "FC5",
    "FC6",
    "CP5",
    "CP6",
    "PO7",
    "PO8",
    "AF7",
    "AF8",
    "TP9",
    "TP10",
    "AFz",
    "FCz",
    "CPz",
    "POz",
    "AF3",
    "AF4",
    "PO3",
    "PO4",
    "F1",
    "F2",
    "F5",
    "F6",
    "C1",
    "C2",
    "C5",
    "C6",
    "P1",
    "P2",
    "P5",
    "P6",
    "FC3",
    "FC4",
    "CP3",
    "CP4",
    "FT7",
    "FT8",
    "TP7",
    "TP8",
    "Fpz",
    "Iz",
)
"""Electrodes in the order in which they are taken, so that the first few span the head already."""


def topography(positions_m: NDArray[np.float64], centre_m: Sequence[float], reach_m: float) -> NDArray[np.float64]:
    """Weight of a source under `centre_m` at each electrode: a Gaussian of the distance, 1 above the source.

    A stand-in for a lead field: one radial dipole seen through the skull has about this shape (half width 3-5 cm).
    """
    distance = np.linalg.norm(positions_m - np.asarray(centre_m), axis=1)
    return np.exp(-0.5 * (distance / reach_m) ** 2)


def spatial_mixing(positions_m: NDArray[np.float64], length_m: float = 0.08) -> NDArray[np.float64]:
    """Matrix that turns independent noise into noise whose correlation falls as exp(-distance / length).

    Neighbours 3 cm apart share some .7, opposite ends of the head some .1 before the rhythms add their part: what
    volume conduction through a skull leaves of independent cortex (Nunez and Srinivasan 2006, ch. 7-8).
    """
    distance = np.linalg.norm(positions_m[:, None] - positions_m[None], axis=2)
    correlation = np.exp(-distance / length_m)
    # Two labels may name one place (T3 and T7): a trace of independent noise keeps the matrix positive.
    return np.linalg.cholesky(correlation + 1e-6 * np.eye(len(positions_m)))
