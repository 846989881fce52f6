"""The blocks of a guided calibration: their order, and the windows that were gathered in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from bci.errors import ConfigError
from inference.eyes import AlphaIndex
from inference.normalise import Features
from streaming.features import FeatureSchema
from streaming.types import FeatureFrame, Flag

if TYPE_CHECKING:
    from inference.scorer import Due

Phase = Literal["rest", "task"]
Values = NDArray[np.float64]

SWITCH_S = 2.0
"""Nobody looks at a cross or counts from the first moment on: so much of each block is left out."""

STEP_S = 0.8
"""Between two windows of a block: one token."""

MIN_BLOCK_S, MAX_BLOCK_S = 8.0, 60.0
MIN_PAIRS = 6
"""With fewer pairs no result could be significant: p is at least 1 / 2^(pairs - 1)."""

MAX_BLOCKS = 40

NUISANCES = ("blinks", "frontal 1-4 Hz", "muscle", "above 30 Hz")
OCULAR, MUSCULAR = (0, 1), (2, 3)
"""Columns of the nuisance features."""


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """Which block comes when.

    Parameters
    ----------
    phases
        In order of time; blocks 2k and 2k + 1 are a pair, one of each phase.
    block_s
        Length of each, s.
    """

    phases: tuple[Phase, ...]
    block_s: float

    @property
    def pairs(self) -> int:
        """Count of pairs."""
        return len(self.phases) // 2


def draw_plan(blocks: int, block_s: float, rng: np.random.Generator) -> BlockPlan:
    """Draw the order: within each pair by a coin, as the permutation test assumes.

    Raises
    ------
    ConfigError
        For a number or length of blocks that cannot become a certificate.
    """
    if blocks % 2 or not 2 * MIN_PAIRS <= blocks <= MAX_BLOCKS:
        msg = (
            f"blocks {blocks}: expected an even number from {2 * MIN_PAIRS} to {MAX_BLOCKS}; with {MIN_PAIRS - 1} "
            f"pairs even perfect reading could be chance once in {2 ** (MIN_PAIRS - 2)} times"
        )
        raise ConfigError(msg)
    if not MIN_BLOCK_S <= block_s <= MAX_BLOCK_S:
        msg = f"block_s {block_s:g}: expected {MIN_BLOCK_S:g} to {MAX_BLOCK_S:g} s (15 are usual)"
        raise ConfigError(msg)
    phases: list[Phase] = []
    for first_rest in rng.random(blocks // 2) < 0.5:
        phases += ["rest", "task"] if first_rest else ["task", "rest"]
    return BlockPlan(tuple(phases), block_s)


@dataclass(frozen=True, slots=True)
class BlockWindows:
    """The windows of a calibration.

    Parameters
    ----------
    relative
        float32 (windows, channels, bands): log shares, mean over the usable tokens; NaN for channels without one.
    nuisance
        float64 (windows, 4): `NUISANCES`, means over the window.
    block
        int64 (windows,): number of the block.
    phases
        Of every block that was begun.
    usable
        float64 (blocks, channels): share of the block's frames in which the channel was usable.
    alpha_index
        float64 (blocks,): mean of `inference.eyes`; NaN where no channel was usable.
    expected
        Windows that a clean block has.
    complete
        False where the calibration was broken off.
    """

    relative: Features
    nuisance: Values
    block: NDArray[np.int64]
    phases: tuple[Phase, ...]
    usable: Values
    alpha_index: Values
    expected: int
    complete: bool = True


def window_mean(relative: Features, usable: NDArray[np.bool_]) -> Features:
    """Average the usable tokens of a window, for the fit and for every score alike.

    Parameters
    ----------
    relative
        float32 (channels, tokens, bands).
    usable
        bool (channels, tokens).

    Returns
    -------
    float32 (channels, bands); NaN where a channel has no usable token.
    """
    if usable.all():
        return relative.mean(axis=1)
    count = usable.sum(axis=1)
    total = (relative * usable[:, :, None]).sum(axis=1)
    mean = total / np.maximum(count, 1)[:, None]
    return np.where(count[:, None] > 0, mean, np.nan).astype(np.float32)


def fill_channels(deviation: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Give channels without signal (NaN) the mean of the others.

    Parameters
    ----------
    deviation
        (..., channels, bands): from what is usual for the channel.
    """
    lost = np.isnan(deviation)
    if not lost.any():
        return deviation
    usual = np.nansum(deviation, axis=-2) / np.maximum(1, (~lost).sum(axis=-2))
    return np.where(lost, usual[..., None, :], deviation)


class BlockCollector:
    """Gathers the windows of blocks from what a scorer prepares, frame by frame; used by one thread.

    Parameters
    ----------
    positions_m
        float32 (channels, 3).
    schema
        Of the frames.
    index
        Alpha index of the model's bands.
    hop_s, window_s
        Between two frames; of the model's window.
    block_s
        Length of a block, s.
    """

    def __init__(
        self,
        positions_m: NDArray[np.float32],
        schema: FeatureSchema,
        index: AlphaIndex,
        *,
        hop_s: float,
        window_s: float,
        block_s: float,
    ) -> None:
        self._nuisance_of = _Nuisance(positions_m, schema)
        self._index = index
        self._channels, self._bands = len(positions_m), len(index.alpha)
        self._step = round(STEP_S / hop_s)
        window = round(window_s / hop_s)
        self._first = round(SWITCH_S / hop_s) + window
        self._recent: deque[Values] = deque(maxlen=window)
        self._expected = max(0, (round(block_s / hop_s) - self._first) // self._step + 1)
        self._relative: list[Features] = []
        self._nuisance: list[Values] = []
        self._block: list[int] = []
        self._phases: list[Phase] = []
        self._usable: list[Values] = []
        self._alpha: list[list[float]] = []
        self._frames: list[int] = []

    def begin(self, phase: Phase) -> None:
        """Start the next block."""
        self._phases.append(phase)
        self._usable.append(np.zeros(self._channels))
        self._alpha.append([])
        self._frames.append(0)
        self._recent.clear()

    def add(self, due: Due) -> None:
        """Take in one frame of the running block and the window that ends with it."""
        self._frames[-1] += 1
        newest = due.window.usable[:, -1]
        self._usable[-1] += newest
        if due.window.alpha_index is not None:
            self._alpha[-1].append(due.window.alpha_index)
        self._recent.append(self._nuisance_of(due.frame))
        since = self._frames[-1] - self._first
        if since < 0 or since % self._step or due.reason is not None:
            return
        self._relative.append(window_mean(due.window.relative, due.window.usable))
        self._nuisance.append(np.mean(self._recent, axis=0))
        self._block.append(len(self._phases) - 1)

    def gathered(self, *, complete: bool = True) -> BlockWindows:
        """Give everything so far."""
        shape = (len(self._relative), self._channels, self._bands)
        counts = np.maximum(1, np.array(self._frames, np.float64))
        return BlockWindows(
            relative=np.array(self._relative, np.float32).reshape(shape),
            nuisance=np.array(self._nuisance, np.float64).reshape(-1, len(NUISANCES)),
            block=np.array(self._block, np.int64),
            phases=tuple(self._phases),
            usable=np.array(self._usable).reshape(-1, self._channels) / counts[:, None],
            alpha_index=np.array([np.mean(seen) if seen else np.nan for seen in self._alpha]),
            expected=self._expected,
            complete=complete,
        )


class _Nuisance:
    """What eyes and muscles leave in a frame: flags, frontal 1-4 Hz, power above 30 Hz."""

    def __init__(self, positions_m: NDArray[np.float32], schema: FeatureSchema) -> None:
        forward = positions_m[:, 1]
        # The electrodes nearest the eyes: the foremost, and those within 2 cm of it.
        self._frontal = forward >= forward.max() - 0.02
        self._slow = [i for i, (_, high) in enumerate(schema.bands_hz) if high <= 4.0]
        self._fast = [i for i, (low, _) in enumerate(schema.bands_hz) if low >= 30.0]

    def __call__(self, frame: FeatureFrame) -> Values:
        flags, values = frame.flags, frame.values
        return np.array(
            (
                float((flags[self._frontal] & Flag.BLINK).any()),
                float(values[self._frontal][:, self._slow].mean()),
                float(((flags & Flag.MUSCLE) > 0).mean()),
                float(values[:, self._fast].mean()),
            )
        )


def order_of(spans: Sequence[tuple[float, float, Phase]]) -> list[tuple[float, float, Phase]]:
    """Sort the blocks of a recording by time.

    Raises
    ------
    ConfigError
        If two overlap or one is too short.
    """
    ordered = sorted(spans)
    for start_s, stop_s, _ in ordered:
        if stop_s - start_s < MIN_BLOCK_S:
            msg = f"block {start_s:g}:{stop_s:g} is shorter than {MIN_BLOCK_S:g} s"
            raise ConfigError(msg)
    for before, after in pairwise(ordered):
        if after[0] < before[1]:
            msg = f"the blocks {before[0]:g}:{before[1]:g} and {after[0]:g}:{after[1]:g} overlap"
            raise ConfigError(msg)
    return ordered
