"""Why a score is what it is: what each band and each region of the head adds to it, by taking them away.

Each is put back to what it is at the person's rest and the window is scored again, all variants in one model call: some
sixteen items, a fraction of a millisecond, cheap enough for once a second. What is taken away is level: how much a band
swings within the window stays, for a band that stands still is nothing that an electrode gives.

The features are shares of power, so one band that rises lowers all others. What most bands do together is therefore
taken for that, and a band's level counts from the median of its electrode's bands; the network sees no common level.

Contributions are differences of the logit (Zeiler and Fergus, ECCV 2014, take away in the same way). They need not sum
to the logit: bands and regions overlap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from inference.session import FocusSession, channel_bucket

Region = Literal["front", "left", "centre", "right", "back"]
REGIONS: tuple[Region, ...] = get_args(Region)

FRONT_Y_M, BACK_Y_M, SIDE_X_M, SIDE_Z_M = 0.045, -0.03, 0.055, 0.085
"""Borders between the regions, m, MNE head frame: Fp to FC rows; P and O rows; T, TP and FT, CP5 and below."""

OCULAR_BELOW_HZ, MUSCULAR_ABOVE_HZ = 8.0, 25.0
"""What eyes can give: the low bands of the front. What muscle can give: the high bands anywhere."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """What one window's logit rests on.

    Parameters
    ----------
    logit
        Of the window as it is.
    bands
        Change of the logit that each band makes, by `(low, high)` in Hz; positive raises the score.
    regions
        Change of the logit that the electrodes of each region make; regions without electrodes are absent.
    ocular, muscular
        Share, 0..1, of all that the bands change which the eyes or the muscles could have given. An upper bound: theta
        of the front and beta are also brain.
    """

    logit: float
    bands: Mapping[tuple[float, float], float]
    regions: Mapping[Region, float]
    ocular: float
    muscular: float


def region_of(position_m: Sequence[float]) -> Region:
    """Region of an electrode by its place, (x, y, z) in metres, MNE head frame."""
    x, y, z = position_m
    if y >= FRONT_Y_M:
        return "front"
    if y <= BACK_Y_M:
        return "back"
    if abs(x) >= SIDE_X_M and z <= SIDE_Z_M:
        return "left" if x < 0 else "right"
    return "centre"


def shares(changes: Sequence[float]) -> list[float]:
    """Share of each change in all of them, whatever their sign: 0..1, summing to 1; all 0 where nothing changes."""
    total = sum(abs(change) for change in changes)
    return [abs(change) / total if total > 0.0 else 0.0 for change in changes]


def attribute(
    session: FocusSession,
    x: NDArray[np.float32],
    position_m: NDArray[np.float32],
    usable: NDArray[np.bool_],
    *,
    calibrated: bool = True,
) -> Attribution:
    """Attribute the logit of one window.

    Parameters
    ----------
    session
        The loaded model; called once, by the thread that owns it.
    x
        float32 (channels, tokens, bands): log shares minus the person's reference, as the model takes them.
    position_m
        float32 (channels, 3).
    usable
        bool (channels, tokens); at least one is.
    calibrated
        True where x is relative to a personal baseline: what a logit counts depends on it (`bundle.Calibration`).

    Raises
    ------
    ModelError
        If the runtime fails.
    """
    bands = session.bundle.card.bands_hz
    places: list[Region] = [region_of(row) for row in position_m.tolist()]
    present: list[Region] = [region for region in REGIONS if region in places]
    low = [i for i, (_, high) in enumerate(bands) if high <= OCULAR_BELOW_HZ]
    high = [i for i, (begin, _) in enumerate(bands) if begin >= MUSCULAR_ABOVE_HZ]
    everything = list(range(len(bands)))
    level = _level(x, usable)

    def at_rest(columns: Sequence[int], region: Region | None = None) -> NDArray[np.float32]:
        rows = [i for i, place in enumerate(places) if region in (None, place)]
        out = x.copy()
        out[np.ix_(rows, range(x.shape[1]), columns)] -= level[np.ix_(rows, columns)][:, None, :]
        return out

    variants = [x, *(at_rest([i]) for i in everything), at_rest(low, "front"), at_rest(high)]
    variants += [at_rest(everything, region) for region in present]
    scale, shift = session.bundle.card.calibration.of(calibrated).at(len(x))
    whole, *without = (scale * _score(session, variants, position_m, ~usable) + shift).tolist()
    changes = [whole - logit for logit in without]
    by_band, (ocular, muscular), by_region = np.split(changes, (len(bands), len(bands) + 2))
    total = max(float(np.abs(by_band).sum()), abs(ocular), abs(muscular), 1e-9)
    return Attribution(
        logit=whole,
        bands=dict(zip(bands, by_band.tolist(), strict=True)),
        regions=dict(zip(present, by_region.tolist(), strict=True)),
        ocular=float(abs(ocular) / total),
        muscular=float(abs(muscular) / total),
    )


def _level(x: NDArray[np.float32], usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Mean of each band over the window less the median of the channel's bands, (channels, bands)."""
    count = np.maximum(usable.sum(axis=1), 1)[:, None]
    mean = np.where(usable[:, :, None], x, 0.0).sum(axis=1) / count
    return (mean - np.median(mean, axis=1, keepdims=True)).astype(np.float32)


def _score(
    session: FocusSession,
    variants: Sequence[NDArray[np.float32]],
    position_m: NDArray[np.float32],
    masked: NDArray[np.bool_],
) -> NDArray[np.float32]:
    channels = len(position_m)
    x, where, mask = session.inputs(len(variants), channel_bucket(channels))
    x[:, channels:], where[:, channels:], mask[:] = 0.0, 0.0, True
    where[:, :channels], mask[:, :channels] = position_m, masked
    for row, variant in enumerate(variants):
        x[row, :channels] = variant
    return session.run(x, where, mask).logit
