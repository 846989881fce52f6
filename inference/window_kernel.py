"""The inner loop of scoring: one frame into the rings, and the window that ends with it out of them.

Compiled once a process (`bci.compiled`); where that fails the same functions run as plain Python, slower.
A frame falls due every 40 ms for each stream: in numpy its some fifty calls on tiny arrays cost more than the model.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

USABLE = 0.5
"""A channel of a token is used where at least this share of the token's time is clean."""

OFF_HEAD_BITS = 1 | 2 | 4 | 64
"""`Flag` bits of an electrode that does not touch a head: railed, flat, line, contact."""

QUALITY, BRIDGED, ALPHA, LIFTED, TOUCHING, CLEAN, SETTLED, FULL, SLOPE = range(9)
"""Places in `numbers`."""

ALPHA_SIGNATURE = "float64(float32[:,:], boolean[:], boolean[::1], boolean[::1])"
SLOPE_SIGNATURE = "float64(float32[:,:,::1], boolean[:,::1], float64[::1], float64[::1])"
READ_OUT_SIGNATURE = "float64(float32[:,:,::1], boolean[:,::1], int64[::1], float64[:,::1])"
ADVANCE_SIGNATURE = (
    "void(Array(float32, 2, 'C', readonly=True), Array(float32, 1, 'C', readonly=True), "
    "Array(uint8, 1, 'C', readonly=True), int64[::1], boolean[::1], boolean[::1], float64[::1], "
    "boolean, float64, int64, int64[::1], float32[:,:,::1], float32[:,::1], uint8[:,::1], boolean[::1], float64[::1], "
    "float32[:,:,::1], boolean[:,::1], float64[::1], float64[::1])"
)
NORMALISE_SIGNATURE = (
    "void(float32[:,:,::1], boolean[:,::1], boolean, float64, float64[::1], float32[:,::1], float32[:,::1], "
    "float32[:,:,::1], boolean[:,::1])"
)


def alpha_index(relative: Any, usable: Any, alpha: Any, every: Any) -> float:  # noqa: ANN401 - numba's arrays
    """Mean over usable channels of the log share of the `alpha` bands in the `every` bands; NaN where none is."""
    total, count = 0.0, 0
    for channel in range(relative.shape[0]):
        if not usable[channel]:
            continue
        some, all_ = 0.0, 0.0
        for band in range(relative.shape[1]):
            power = math.exp(relative[channel, band])
            if alpha[band]:
                some += power
            if every[band]:
                all_ += power
        total += math.log(some / all_)
        count += 1
    return total / count if count else math.nan


def median_slope(relative: Any, usable: Any, weights: Any, slopes: Any) -> float:  # noqa: ANN401 - numba's arrays
    """Weigh the mean log shares of each channel, and take the median of the channels; NaN where none is usable.

    Parameters
    ----------
    relative, usable
        float32 (channels, tokens, bands) and bool (channels, tokens).
    weights
        float64 (bands,), from `inference.noise.SpectralSlope`.
    slopes
        Room for the channels, float64 (channels,).
    """
    count = 0
    for channel in range(relative.shape[0]):
        total, tokens = 0.0, 0
        for token in range(relative.shape[1]):
            if usable[channel, token]:
                tokens += 1
                for band in range(relative.shape[2]):
                    total += weights[band] * relative[channel, token, band]
        if not tokens:
            continue
        slope, at = total / tokens, count
        while at > 0 and slopes[at - 1] > slope:
            slopes[at] = slopes[at - 1]
            at -= 1
        slopes[at] = slope
        count += 1
    return 0.5 * (slopes[(count - 1) // 2] + slopes[count // 2]) if count else math.nan


def advance(
    values: Any,  # noqa: ANN401
    quality: Any,  # noqa: ANN401
    flags: Any,  # noqa: ANN401
    columns: Any,  # noqa: ANN401
    alpha: Any,  # noqa: ANN401
    every: Any,  # noqa: ANN401
    weights: Any,  # noqa: ANN401
    settled: Any,  # noqa: ANN401
    bridged: Any,  # noqa: ANN401
    pushed: Any,  # noqa: ANN401
    offsets: Any,  # noqa: ANN401
    ring_relative: Any,  # noqa: ANN401
    ring_quality: Any,  # noqa: ANN401
    ring_flags: Any,  # noqa: ANN401
    ring_settled: Any,  # noqa: ANN401
    ring_bridged: Any,  # noqa: ANN401
    relative: Any,  # noqa: ANN401
    usable: Any,  # noqa: ANN401
    slopes: Any,  # noqa: ANN401
    numbers: Any,  # noqa: ANN401
) -> None:
    """Take one frame in and gather the window that ends with it.

    Parameters
    ----------
    values, quality, flags, settled, bridged
        The frame: float32 (channels, bands of the pipeline), float32 (channels,), uint8 (channels,), and two scalars.
    columns
        int64 (bands of the model,).
    alpha, every
        bool (bands of the model,), as in `alpha_index`.
    weights, slopes
        As in `median_slope`.
    pushed
        Frames taken in before this one, since the rings were forgotten.
    offsets
        int64 (tokens,), frames back from the newest, oldest first, <= 0.
    ring_relative, ring_quality, ring_flags, ring_settled, ring_bridged
        The rings, frames first.
    relative, usable, numbers
        Written: float32 (channels, tokens, bands), bool (channels, tokens), and float64 (9,) as `QUALITY` and so on.
    """
    size, channels, bands = ring_relative.shape
    slot = pushed % size
    for channel in range(channels):
        top = values[channel, columns[0]]
        for band in range(1, bands):
            top = max(top, values[channel, columns[band]])
        total = 0.0
        for band in range(bands):
            total += math.exp(values[channel, columns[band]] - top)
        share = top + math.log(total)
        for band in range(bands):
            ring_relative[slot, channel, band] = values[channel, columns[band]] - share
        ring_quality[slot, channel] = quality[channel]
        ring_flags[slot, channel] = flags[channel]
    ring_settled[slot] = settled
    ring_bridged[slot] = bridged

    tokens = offsets.shape[0]
    n_settled, n_clean, lifted, touching = 0, 0, 0, 0
    good, holes = 0.0, 0.0
    for token in range(tokens):
        at = (pushed + offsets[token]) % size
        holes += ring_bridged[at]
        if ring_settled[at]:
            n_settled += 1
    for channel in range(channels):
        contact = 0
        for token in range(tokens):
            at = (pushed + offsets[token]) % size
            for band in range(bands):
                relative[channel, token, band] = ring_relative[at, channel, band]
            can = ring_settled[at] and ring_quality[at, channel] >= USABLE
            usable[channel, token] = can
            if can:
                good += ring_quality[at, channel]
                n_clean += 1
            if ring_settled[at] and (ring_flags[at, channel] & OFF_HEAD_BITS) == 0:
                contact += 1
        if 2 * contact > n_settled:
            touching += 1
        if (flags[channel] & OFF_HEAD_BITS) != 0:
            lifted += 1
    numbers[QUALITY] = good / (channels * tokens)
    numbers[BRIDGED] = holes / tokens
    numbers[ALPHA] = alpha_index(ring_relative[slot], usable[:, tokens - 1], alpha, every)
    numbers[LIFTED] = lifted / channels
    numbers[TOUCHING] = touching / channels
    numbers[CLEAN] = n_clean / (channels * n_settled) if n_settled else 0.0
    numbers[SETTLED] = 1.0 if settled else 0.0
    numbers[FULL] = 1.0 if n_settled == tokens else 0.0
    numbers[SLOPE] = median_slope(relative, usable, weights, slopes)


def follow(
    relative: Any,  # noqa: ANN401
    usable: Any,  # noqa: ANN401
    least_gain: float,
    weight: Any,  # noqa: ANN401
    mean: Any,  # noqa: ANN401
) -> None:
    """Move a running mean by one frame: a plain mean while few frames have come, exponential from then on.

    Parameters
    ----------
    relative, usable
        float32 (channels, bands), bool (channels,): channels that are not usable keep their mean.
    least_gain
        Of the exponential mean.
    weight, mean
        Moved: frames counted so far, float64 (channels,); float32 (channels, bands).
    """
    for channel in range(mean.shape[0]):
        if not usable[channel]:
            continue
        weight[channel] += 1.0
        gain = max(1.0 / max(weight[channel], 1.0), least_gain)
        for band in range(mean.shape[1]):
            mean[channel, band] += gain * (relative[channel, band] - mean[channel, band])


def normalise(
    relative: Any,  # noqa: ANN401
    usable: Any,  # noqa: ANN401
    settled: bool,
    least_gain: float,
    weight: Any,  # noqa: ANN401
    mean: Any,  # noqa: ANN401
    reference: Any,  # noqa: ANN401
    x: Any,  # noqa: ANN401
    hidden: Any,  # noqa: ANN401
) -> None:
    """Move the running mean by a window's newest token where that is settled; then make what the graph takes.

    Parameters
    ----------
    relative, usable
        float32 (channels, tokens, bands), bool (channels, tokens).
    least_gain, weight, mean
        As in `follow`.
    reference
        Subtracted from every token, float32 (channels, bands); may be `mean`, as it is after the move.
    x, hidden
        Written: float32 (channels, tokens, bands), and bool (channels, tokens), True where not usable.
    """
    channels, tokens, bands = relative.shape
    if settled:
        follow(relative[:, tokens - 1], usable[:, tokens - 1], least_gain, weight, mean)
    for channel in range(channels):
        for token in range(tokens):
            hidden[channel, token] = not usable[channel, token]
            for band in range(bands):
                x[channel, token, band] = relative[channel, token, band] - reference[channel, band]


def new_numbers() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Make room for what `advance` counts."""
    return np.zeros(9)


def read_out(x: Any, usable: Any, region: Any, weights: Any) -> float:  # noqa: ANN401 - numba's arrays
    """Weigh the mean features of each region, over its usable channel-time; a region without any adds nothing.

    Parameters
    ----------
    x, usable
        float32 (channels, tokens, bands) and bool (channels, tokens).
    region
        int64 (channels,).
    weights
        float64 (regions, bands).
    """
    total = 0.0
    for place in range(weights.shape[0]):
        part, count = 0.0, 0
        for channel in range(x.shape[0]):
            if region[channel] != place:
                continue
            for token in range(x.shape[1]):
                if usable[channel, token]:
                    count += 1
                    for band in range(x.shape[2]):
                        part += weights[place, band] * x[channel, token, band]
        if count:
            total += part / count
    return total
