"""Windows of a corpus as tensors, normalised as the scorer normalises them, and batches of them for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bci.errors import ConfigError
from inference.training.corpus import HOP_S, FrameSeries, Person
from streaming.features import SCHEMA

TOKENS = 6
HOPS_PER_TOKEN = round(SCHEMA.token_s / HOP_S)
WINDOW_HOPS = TOKENS * HOPS_PER_TOKEN
WINDOW_S = round(TOKENS * SCHEMA.token_s, 6)

EVALUATION_STEP_FRAMES = 5
EVALUATION_STEP_S = EVALUATION_STEP_FRAMES * HOP_S
"""Two windows a second are scored of people held out."""

_Item = TypeVar("_Item", bound=np.generic)

Reference = Literal["baseline", "none"]
"""What a window is measured against: the person's own rest, or the running mean."""


class Batch(NamedTuple):
    """Windows as the network takes them, and what they are.

    Parameters
    ----------
    x, position_m, mask
        As in `FocusNetwork.forward`.
    label
        float32 (b,), 1 = task.
    person
        int64 (b,), index into the corpus.
    """

    x: Tensor
    position_m: Tensor
    mask: Tensor
    label: Tensor
    person: Tensor


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of several recordings, in memory.

    Parameters
    ----------
    relative, usable
        float32 (n, c, t, f) and bool (n, c, t).
    reference
        float32 (n, c, f).
    position_m
        float32 (n, c, 3).
    label, person
        (n,).
    end
        int64 (n,): frame that the window ends with, within its recording.
    """

    relative: NDArray[np.float32]
    usable: NDArray[np.bool_]
    reference: NDArray[np.float32]
    position_m: NDArray[np.float32]
    label: NDArray[np.float32]
    person: NDArray[np.int64]
    end: NDArray[np.int64]

    def __len__(self) -> int:
        """Count windows."""
        return len(self.label)

    def take(self, rows: NDArray[np.int64], channels: Sequence[int] | None = None) -> Batch:
        """Gather windows, of all channels or of some."""
        which = list(range(self.relative.shape[1])) if channels is None else list(channels)
        x = (self.relative[rows] - self.reference[rows][:, :, None])[:, which]
        usable = self.usable[rows][:, which]
        x = np.where(usable[..., None], x, 0.0).astype(np.float32)
        return Batch(
            torch.from_numpy(x),
            torch.from_numpy(self.position_m[rows][:, which]),
            torch.from_numpy(~usable),
            torch.from_numpy(self.label[rows]),
            torch.from_numpy(self.person[rows]),
        )

    def shuffled_in_time(self, generator: np.random.Generator) -> Windows:
        """Deal the windows of each channel anew, whatever their label."""
        relative, usable = self.relative.copy(), self.usable.copy()
        for channel in range(relative.shape[1]):
            order = generator.permutation(len(self))
            relative[:, channel] = self.relative[order, channel]
            usable[:, channel] = self.usable[order, channel]
        return replace(self, relative=relative, usable=usable)


def population_mean(corpus: Sequence[Person]) -> tuple[float, ...]:
    """Usual log share of each band: mean over people, conditions and electrodes, whatever the label."""
    means = [series.mean(0, len(series)).mean(0) for person in corpus for series in (person.rest, person.task)]
    return tuple(float(value) for value in np.mean(means, axis=0))


def ends_of(series: FrameSeries, start: int, step: int) -> NDArray[np.int64]:
    """Frames that full windows end with, from frame `start` on; none reaches over a seam."""
    edges = [start, *(seam for seam in series.seams if seam > start), len(series)]
    return np.concatenate([np.arange(one + WINDOW_HOPS - 1, two, step, dtype=np.int64) for one, two in pairwise(edges)])


def baseline_windows(
    person: Person, index: int, *, start_s: float = 0.0, length_s: float = 30.0, step: int
) -> list[Windows]:
    """Windows against a stretch of the person's rest; none of them touches that stretch.

    Parameters
    ----------
    person, index
        Who.
    start_s, length_s
        The stretch.
    step
        Frames between two windows.

    Raises
    ------
    ConfigError
        If the rest is too short.
    """
    first, last = round(start_s / HOP_S), round((start_s + length_s) / HOP_S)
    if len(person.rest) < last + WINDOW_HOPS:
        msg = (
            f"{person.id}: {len(person.rest) * HOP_S:.0f} s of rest, need more than {last * HOP_S + WINDOW_S:.0f} s "
            "for a baseline and a window beside it: leave the person out, or shorten `baseline_s` or "
            "`baseline_starts_s` in the recipe"
        )
        raise ConfigError(msg)
    mean = person.rest.mean(first, last)
    rest, task = ends_of(person.rest, 0, step), ends_of(person.task, 0, step)
    rest = rest[(rest < first) | (rest >= last + WINDOW_HOPS - 1)]
    return [
        _windows(series, ends, np.broadcast_to(mean, (len(ends), *mean.shape)), label, index)
        for series, ends, label in ((person.rest, rest, 0.0), (person.task, task, 1.0))
    ]


def running_windows(
    person: Person, index: int, population: Sequence[float], *, step: int, orders: bool = False
) -> list[Windows]:
    """Windows against the running mean, each recording by itself.

    Parameters
    ----------
    person, index
        Who.
    population
        Where the mean starts.
    step
        Frames between two windows.
    orders
        Also the task right after the rest, and the rest right after the task.
    """
    pairs: list[tuple[FrameSeries, FrameSeries | None, float]] = [(person.rest, None, 0.0), (person.task, None, 1.0)]
    if orders:
        pairs += [(person.task, person.rest, 1.0), (person.rest, person.task, 0.0)]
    out: list[Windows] = []
    for series, before, label in pairs:
        ends = ends_of(series, 0, step)
        out.append(_windows(series, ends, series.running(population, before)[ends], label, index))
    return out


def join(parts: Sequence[Windows]) -> Windows:
    """Put windows together; recordings with fewer channels are filled up with masked ones."""
    channels = max(part.relative.shape[1] for part in parts)
    return Windows(
        relative=np.concatenate([_filled(part.relative, channels) for part in parts]),
        usable=np.concatenate([_filled(part.usable, channels) for part in parts]),
        reference=np.concatenate([_filled(part.reference, channels) for part in parts]),
        position_m=np.concatenate([_filled(part.position_m, channels) for part in parts]),
        label=np.concatenate([part.label for part in parts]),
        person=np.concatenate([part.person for part in parts]),
        end=np.concatenate([part.end for part in parts]),
    )


def _filled(array: NDArray[_Item], channels: int) -> NDArray[_Item]:
    missing = channels - array.shape[1]
    return np.pad(array, [(0, 0), (0, missing), *[(0, 0)] * (array.ndim - 2)]) if missing else array


def windows_against(
    series: FrameSeries, ends: NDArray[np.int64], reference: NDArray[np.float32], label: float, person: int
) -> Windows:
    """Windows of a recording against one reference, (channels, bands).

    Parameters
    ----------
    series
        The recording.
    ends
        Frames that windows end with, from `ends_of`.
    reference
        What every window is measured against.
    label, person
        As in `Windows`.
    """
    return _windows(series, ends, np.broadcast_to(reference, (len(ends), *reference.shape)), label, person)


def _windows(
    series: FrameSeries, ends: NDArray[np.int64], reference: NDArray[np.float32], label: float, person: int
) -> Windows:
    tokens = ends[:, None] + np.arange(-(TOKENS - 1), 1) * HOPS_PER_TOKEN
    return Windows(
        relative=series.relative[tokens].transpose(0, 2, 1, 3),
        usable=series.usable[tokens].transpose(0, 2, 1),
        reference=np.ascontiguousarray(reference),
        position_m=np.broadcast_to(series.positions_m, (len(ends), *series.positions_m.shape)),
        label=np.full(len(ends), label, np.float32),
        person=np.full(len(ends), person, np.int64),
        end=ends,
    )
