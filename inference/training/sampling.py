"""What training looks at: windows in which people and conditions count the same, by random montages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from inference.training.config import TrainingConfig
from inference.training.corpus import Person, View
from inference.training.windows import Batch, Reference, Windows, baseline_windows, join, running_windows

STEP_FRAMES = 10

Bank = tuple[Reference, View | None]
"""What training windows are measured against, and by which look at the recordings."""


def training_windows(
    people: Sequence[Person], config: TrainingConfig, population: Sequence[float]
) -> dict[Bank, Windows]:
    """Windows against each of several stretches of rest, and against the running mean; for each look at them."""
    views: list[View | None] = [None]
    if config.re_referenced_share > 0.0 and all("re-referenced" in person.views for person in people):
        views.append("re-referenced")
    return {
        (reference, view): bank
        for view in views
        for reference, bank in _both_references([person.seen(view) for person in people], config, population).items()
    }


def _both_references(
    people: Sequence[Person], config: TrainingConfig, population: Sequence[float]
) -> dict[Reference, Windows]:
    against_rest = [
        part
        for index, person in enumerate(people)
        for start in config.baseline_starts_s
        for part in baseline_windows(person, index, start_s=start, length_s=config.baseline_s, step=2 * STEP_FRAMES)
    ]
    alone = [
        part
        for index, person in enumerate(people)
        for part in running_windows(person, index, population, step=STEP_FRAMES, orders=True)
    ]
    return {"baseline": join(against_rest), "none": join(alone)}


def bank_shares(banks: dict[Bank, Windows], config: TrainingConfig) -> dict[Bank, float]:
    """Share of each bank in what is trained on; they sum to 1."""
    other = config.re_referenced_share if any(view is not None for _, view in banks) else 0.0
    of_reference = {"baseline": config.baseline_share, "none": 1.0 - config.baseline_share}
    return {key: of_reference[key[0]] * (1.0 - other if key[1] is None else other) for key in banks}


def montages(channels: int, generator: np.random.Generator, config: TrainingConfig) -> list[int]:
    """Draw electrodes: all of them, or any number of any of them."""
    if channels <= config.fewest_channels or generator.random() < config.all_channels_share:
        return list(range(channels))
    count = int(generator.integers(config.fewest_channels, channels + 1))
    return sorted(int(i) for i in generator.choice(channels, count, replace=False))


def bags(people: int, config: TrainingConfig, generator: np.random.Generator) -> NDArray[np.float32]:
    """Weight of each person for each member, (people, members)."""
    draws = generator.multinomial(people, np.full(people, 1.0 / people), size=config.members)
    weights = (1.0 - config.resample) + config.resample * draws.T
    return np.ascontiguousarray(weights.astype(np.float32))


class Sampler:
    """Draws batches in which people and conditions are equally frequent.

    Parameters
    ----------
    banks
        From `training_windows`.
    config
        The recipe.
    generator
        Of everything random here.
    """

    def __init__(self, banks: dict[Bank, Windows], config: TrainingConfig, generator: np.random.Generator) -> None:
        self._banks = banks
        self._shares = bank_shares(banks, config)
        self._config = config
        self._generator = generator
        self._cells = {
            name: [
                np.flatnonzero((bank.person == person) & (bank.label == label))
                for person in np.unique(bank.person)
                for label in (0.0, 1.0)
            ]
            for name, bank in banks.items()
        }

    def rows(self, bank: Bank, count: int) -> NDArray[np.int64]:
        """Draw windows of a bank."""
        cells = self._cells[bank]
        which = self._generator.integers(0, len(cells), count)
        place = self._generator.random(count)
        return np.array([cells[c][int(u * len(cells[c]))] for c, u in zip(which, place, strict=True)], np.int64)

    def draw(self) -> Batch:
        """Draw a batch of one bank and one montage, with tokens left out and noise."""
        generator, config = self._generator, self._config
        keys = list(self._banks)
        key = keys[int(generator.choice(len(keys), p=[self._shares[one] for one in keys]))]
        batch = self.plain(key, config.batch)
        items, count, tokens, bands = batch.x.shape
        mask = batch.mask | torch.from_numpy(generator.random((items, count, tokens)) < config.token_dropout)
        noise = generator.normal(0.0, config.noise, (items, count, 1, bands)).astype(np.float32)
        x = (batch.x + torch.from_numpy(noise)) * ~mask[..., None]
        return Batch(*(part.to(config.device) for part in batch._replace(x=x, mask=mask)))

    def whole(self, count: int) -> Batch:
        """Windows against rest, all channels, without noise."""
        return self._banks["baseline", None].take(self.rows(("baseline", None), count))

    def plain(self, bank: Bank, count: int) -> Batch:
        """Windows of a bank, of one random montage, without noise."""
        windows = self._banks[bank]
        channels = montages(windows.relative.shape[1], self._generator, self._config)
        return windows.take(self.rows(bank, count), channels)

    def table(self, count: int, *, piece: int = 256) -> list[Batch]:
        """Draw `count` windows of all banks by their shares, each piece of them by a montage of its own."""
        out: list[Batch] = []
        for key, share in self._shares.items():
            out += [self.plain(key, piece) for _ in range(max(1, round(count * share / piece)))]
        return out
