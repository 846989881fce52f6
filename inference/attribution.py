"""Why a score is what it is: what each band and each region of the head adds to it, by taking them away.

Each is replaced by what it is at the person's rest and the window is scored again, all variants in one model call: some
twenty items, a fifth of a millisecond, cheap enough for once a second. What is taken away is level: how much a band
swings within the window stays, for a band that stands still is nothing that an electrode gives.

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


def attribute(
    session: FocusSession, x: NDArray[np.float32], position_m: NDArray[np.float32], usable: NDArray[np.bool_]
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

    Raises
    ------
    ModelError
        If the runtime fails.
    """
    bands = session.bundle.card.bands_hz
    places: list[Region] = [region_of(row) for row in position_m.tolist()]
    present: list[Region] = [region for region in REGIONS if region in places and len(set(places)) > 1]
    front = np.array([place == "front" for place in places])
    low = [i for i, (_, high) in enumerate(bands) if high <= OCULAR_BELOW_HZ]
    high = [i for i, (begin, _) in enumerate(bands) if begin >= MUSCULAR_ABOVE_HZ]
    variants = [x, *(_at_rest(x, usable, [i]) for i in range(len(bands)))]
    variants += [_at_rest(x, usable, low, front), _at_rest(x, usable, high)]
    masks = [~usable] * len(variants)
    for region in present:
        away = np.array([place == region for place in places])
        variants.append(x)
        masks.append(~usable | away[:, None])
    logits = _score(session, variants, position_m, masks)
    whole = float(logits[0])
    by_band = [whole - float(logit) for logit in logits[1 : 1 + len(bands)]]
    ocular, muscular = (abs(whole - float(logit)) for logit in logits[1 + len(bands) : 3 + len(bands)])
    by_region: dict[Region, float] = {}
    for region, logit in zip(present, logits[3 + len(bands) :], strict=True):
        by_region[region] = whole - float(logit)
    total = max(sum(abs(change) for change in by_band), ocular, muscular, 1e-9)
    return Attribution(
        logit=whole,
        bands=dict(zip(bands, by_band, strict=True)),
        regions=by_region,
        ocular=ocular / total,
        muscular=muscular / total,
    )


def _at_rest(
    x: NDArray[np.float32],
    usable: NDArray[np.bool_],
    columns: Sequence[int],
    channels: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Take the level of some bands out of some channels: their mean over the window becomes that of the rest."""
    out = x.copy()
    count = np.maximum(usable.sum(axis=1), 1)[:, None]
    level = np.where(usable[:, :, None], x, 0.0).sum(axis=1) / count
    if channels is not None:
        level = level * channels[:, None]
    out[:, :, list(columns)] -= level[:, None, list(columns)]
    return out


def _score(
    session: FocusSession,
    variants: Sequence[NDArray[np.float32]],
    position_m: NDArray[np.float32],
    masks: Sequence[NDArray[np.bool_]],
) -> NDArray[np.float32]:
    channels = len(position_m)
    x, where, mask = session.inputs(len(variants), channel_bucket(channels))
    x[:, channels:], where[:, channels:], mask[:] = 0.0, 0.0, True
    for row, (variant, masked) in enumerate(zip(variants, masks, strict=True)):
        x[row, :channels], where[row, :channels], mask[row, :channels] = variant, position_m, masked
    return session.run(x, where, mask).logit
