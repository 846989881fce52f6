"""A simulated person's samples, for outlets of a test's own: EEG that is scored, with whatever the test adds to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bci.registry import open_source

LABELS = ("Fp1", "Fp2", "O1", "O2")
"""As `lsl_outlets.Announcement` has them."""

RATE_HZ = 250.0
SECONDS = 40


@cache
def recorded_uv(labels: tuple[str, ...] = LABELS) -> NDArray[np.float64]:
    """Give float64 (samples, electrodes), µV, as fast as the simulator makes them."""
    montage = f"montage={','.join(labels)}&channels={len(labels)}"
    source = open_source(f"simulator:focus?seed=5&speed=0&rate={RATE_HZ:g}&{montage}")
    source.open()
    pieces: list[NDArray[np.float64]] = []
    while sum(map(len, pieces)) < SECONDS * RATE_HZ:
        chunk = source.read(2500, 1.0)
        assert chunk is not None
        pieces.append(chunk.data.astype(np.float64))
    source.close()
    return np.concatenate(pieces)


def person(
    change: Callable[[int, list[float]], Sequence[float]] = lambda _k, sample: sample,
    labels: tuple[str, ...] = LABELS,
) -> Callable[[int, int], Sequence[float]]:
    """Give what a `PacedOutlet` plays: the person over and over, sample k changed by `change(k, sample)`."""
    rows: list[list[float]] = recorded_uv(labels).tolist()
    return lambda k, _n_channels: change(k, list(rows[k % len(rows)]))
