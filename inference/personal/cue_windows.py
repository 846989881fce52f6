"""From the tokens of a calibration to windows: what the head sees, and what eyes and muscles did meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.personal.cross_validation import Values, Windows
from inference.personal.cued_session import GUARD_S, STRIDE_S, CuedSession
from inference.personal.regions import Regions
from streaming.features import BANDS_HZ
from streaming.types import Flag

MIN_SHARE = 1.0 / 3.0
"""A block of which less than this share of the windows can be scored is left out, with the other of its pair."""

MUSCLE_FROM_HZ = 30.0
"""Bands from here on are muscle more than brain: no head sees them, they are what muscle is measured by."""

_SLOW = [i for i, (_, high) in enumerate(BANDS_HZ) if high <= 4.0]
_FAST = [i for i, (low, _) in enumerate(BANDS_HZ) if low >= MUSCLE_FROM_HZ]


@dataclass(frozen=True, slots=True)
class CueWindows:
    """All windows of a calibration that can be scored and lie in one block.

    Parameters
    ----------
    brain
        Features of the head, (windows, regions x bands): mean over the region's usable channel-time of the log shares,
        less the person's own rest. 0 where a region has none, as `window_kernel.read_out` takes it, and in the bands
        from `MUSCLE_FROM_HZ` on.
    ocular
        (windows, 2): slow power (1-4 Hz, ln) of the electrodes that see the eyes; share of time with a blink.
    muscular
        (windows, 2): power above 30 Hz (ln), mean over electrodes and at the strongest.
    pairs_lost
        Pairs that were left out.
    """

    brain: Windows
    ocular: Windows
    muscular: Windows
    pairs_lost: int


def window_rows(session: CuedSession, tokens: int, token_s: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the windows.

    Parameters
    ----------
    session
        Tokens `STRIDE_S` apart.
    tokens, token_s
        Of a window.

    Returns
    -------
    rows
        int64 (windows, tokens): which tokens of the session a window holds.
    block
        int64 (windows,): which block it lies in.
    """
    stride = round(token_s / STRIDE_S)
    back = np.arange(tokens - 1, -1, -1) * stride
    span_s = tokens * token_s
    rows: list[NDArray[np.int64]] = []
    blocks: list[int] = []
    for number, block in enumerate(session.blocks):
        first_s = block.start_s + GUARD_S + span_s
        inside = (session.end_s >= first_s - 1e-6) & (session.end_s <= block.stop_s + 1e-6) & session.scorable
        ends = np.flatnonzero(inside)
        ends = ends[ends >= back[0]]
        rows += [end - back for end in ends]
        blocks += [number] * len(ends)
    return np.array(rows, np.int64).reshape(-1, tokens), np.array(blocks, np.int64)


def pair_blocks(conditions: Sequence[str]) -> list[tuple[int, int]]:
    """Pair neighbouring blocks of different conditions, each once; gives their numbers."""
    pairs: list[tuple[int, int]] = []
    number = 0
    while number + 1 < len(conditions):
        if conditions[number] != conditions[number + 1]:
            pairs.append((number, number + 1))
            number += 2
        else:
            number += 1
    return pairs


def cue_windows(
    session: CuedSession,
    baseline: NDArray[np.float32],
    regions: Regions,
    bands_hz: Sequence[tuple[float, float]],
    tokens: int,
    token_s: float,
) -> CueWindows:
    """Gather the windows of a session.

    Parameters
    ----------
    session
        As recorded.
    baseline
        float32 (channels, bands): the person's own rest.
    regions
        Of the electrodes.
    bands_hz
        Of the model's features.
    tokens, token_s
        Of a window of the model.
    """
    rows, block = window_rows(session, tokens, token_s)
    counts = np.bincount(block, minlength=len(session.blocks))
    pairs = pair_blocks([b.condition for b in session.blocks])
    kept = [pair for pair in pairs if min(counts[list(pair)]) >= max(1.0, MIN_SHARE * counts.max())]
    number = np.full(len(session.blocks), -1)
    for index, pair in enumerate(kept):
        number[list(pair)] = index
    keep = number[block] >= 0
    rows, block = rows[keep], block[keep]
    is_task = np.array([b.condition == "task" for b in session.blocks])
    label, pair = np.where(is_task[block], 1.0, -1.0), number[block]
    brain, ocular, muscular = (
        Windows(features, label, pair)
        for features in (
            _brain(session, baseline, regions, rows, np.array([low < MUSCLE_FROM_HZ for low, _ in bands_hz])),
            _ocular(session, regions)[rows].mean(axis=1),
            _muscular(session)[rows].mean(axis=1),
        )
    )
    return CueWindows(brain, ocular, muscular, pairs_lost=len(pairs) - len(kept))


def _brain(
    session: CuedSession,
    baseline: NDArray[np.float32],
    regions: Regions,
    rows: NDArray[np.int64],
    seen: NDArray[np.bool_],
) -> Values:
    """(windows, regions x bands)."""
    relative = (session.relative - baseline) * (session.usable[..., None] & seen)
    sums = np.einsum("rc,tcb->trb", regions.membership, relative.astype(np.float64))
    count = session.usable @ regions.membership.T
    means = sums[rows].sum(axis=1) / np.maximum(count[rows].sum(axis=1), 1.0)[..., None]
    return means.reshape(len(rows), means.shape[1] * means.shape[2])


def _ocular(session: CuedSession, regions: Regions) -> Values:
    slow = session.log_power[:, regions.eyes][..., _SLOW].mean(axis=(1, 2))
    blink = session.flagged(Flag.BLINK)[:, regions.eyes].any(axis=1)
    return np.column_stack([slow, blink]).astype(np.float64)


def _muscular(session: CuedSession) -> Values:
    fast = session.log_power[..., _FAST].mean(axis=-1).astype(np.float64)
    return np.column_stack([fast.mean(axis=1), fast.max(axis=1)])
