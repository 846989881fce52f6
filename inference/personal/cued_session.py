"""A guided calibration as it was recorded: blocks of looking at a cross and of a task, and the tokens of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bci.errors import CertificateRefusedError
from inference.history import Window
from inference.normalise import Features
from streaming.types import FeatureFrame, Flag

Condition = Literal["cross", "task"]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)

STRIDE_S = 0.4
"""Time between two windows that are kept: half a token. More would repeat what these say."""

GUARD_S = 1.2
"""From the start of a block to that of its first window: a person reads the cue, the filters follow 0.2 s later."""


def shortest_block_s(window_s: float) -> float:
    """Length from which on a block holds a window that is kept, wherever it begins between two of them.

    Parameters
    ----------
    window_s
        Of the model.
    """
    return GUARD_S + window_s + STRIDE_S


def random_order(blocks: int, generator: np.random.Generator) -> tuple[Condition, ...]:
    """Order blocks by pairs, one of each condition, which comes first drawn by lot.

    A slow drift then touches both conditions alike, and which block of a pair is which can be permuted.

    Parameters
    ----------
    blocks
        How many in all, an even number.
    generator
        Draws.
    """
    turns: tuple[tuple[Condition, Condition], ...] = (("cross", "task"), ("task", "cross"))
    return tuple(condition for turn in generator.integers(2, size=blocks // 2) for condition in turns[int(turn)])


@dataclass(frozen=True, slots=True)
class CuedBlock:
    """A span in which the person did one thing.

    Parameters
    ----------
    condition
        What they were asked to do.
    start_s, stop_s
        Stamps of the signal, LSL clock.
    """

    condition: Condition
    start_s: float
    stop_s: float


@dataclass(frozen=True, slots=True)
class CuedSession:
    """Tokens of a whole calibration, `STRIDE_S` apart, and its blocks.

    Parameters
    ----------
    relative
        float32 (tokens, channels, bands of the model): log shares.
    usable
        bool (tokens, channels).
    log_power
        float32 (tokens, channels, bands of the pipeline): ln µV².
    flags
        uint8 (tokens, channels): `streaming.types.Flag`.
    end_s
        float64 (tokens,): stamp of the newest sample.
    scorable
        bool (tokens,): a window that ends here would be scored.
    alpha
        float64 (tokens,): index of `inference.eyes`; NaN where no channel is usable.
    blocks
        In order of time.
    """

    relative: Features
    usable: NDArray[np.bool_]
    log_power: Features
    flags: NDArray[np.uint8]
    end_s: NDArray[np.float64]
    scorable: NDArray[np.bool_]
    alpha: NDArray[np.float64]
    blocks: tuple[CuedBlock, ...]

    def flagged(self, flag: Flag) -> NDArray[np.bool_]:
        """Say of each token and channel whether a flag holds; bool (tokens, channels)."""
        return (self.flags & int(flag)) != 0

    def inside(self, condition: Condition) -> NDArray[np.bool_]:
        """Say of each token whether it lies in a block of a condition, after its guard; bool (tokens,)."""
        inside = np.zeros(len(self.end_s), np.bool_)
        for block in self.blocks:
            if block.condition == condition:
                inside |= (self.end_s > block.start_s + GUARD_S) & (self.end_s <= block.stop_s)
        return inside


@dataclass(slots=True)
class CueRecorder:
    """Keeps what a calibration needs of the frames that are scored.

    Parameters
    ----------
    hop_s
        Time between two frames, s.
    """

    hop_s: float
    _tokens: list[tuple[Features, NDArray[np.bool_], FeatureFrame, bool, float]] = field(default_factory=list)

    def add(self, frame: FeatureFrame, window: Window, scorable: bool) -> None:
        """Take in a frame and the window that ends with it.

        Parameters
        ----------
        frame
            The newest.
        window
            Of `FrameHistory`.
        scorable
            True where the rules of validity have nothing against the window.
        """
        if frame.hop % round(STRIDE_S / self.hop_s):
            return
        alpha = np.nan if window.alpha_index is None else window.alpha_index
        self._tokens.append((window.relative[:, -1], window.usable[:, -1], frame, scorable, alpha))

    def __len__(self) -> int:
        """Count tokens."""
        return len(self._tokens)

    def session(self, blocks: Sequence[CuedBlock]) -> CuedSession:
        """Put together what was kept.

        Raises
        ------
        CertificateRefusedError
            `broken_off`, where nothing was.
        """
        if not self._tokens:
            msg = "no signal came at all; connect the headset and calibrate again"
            raise CertificateRefusedError("broken_off", msg)
        relative, usable, frames, scorable, alpha = zip(*self._tokens, strict=True)
        return CuedSession(
            relative=np.stack(relative),
            usable=np.stack(usable),
            log_power=np.stack([frame.values for frame in frames]),
            flags=np.stack([frame.flags for frame in frames]),
            end_s=np.array([frame.end_s for frame in frames]),
            scorable=np.array(scorable, np.bool_),
            alpha=np.array(alpha, np.float64),
            blocks=tuple(blocks),
        )
