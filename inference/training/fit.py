"""Fit one network to the windows of some people."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from inference.training.config import TrainingConfig
from inference.training.corpus import Person
from inference.training.network import FocusNetwork, NetworkShape
from inference.training.windows import (
    Batch,
    Reference,
    Windows,
    baseline_windows,
    join,
    population_mean,
    running_windows,
)

_STEP_FRAMES = 10
_SCALE_WINDOWS = 4096


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted network and what belongs to it.

    Parameters
    ----------
    network
        Not calibrated.
    population
        Usual log share of each band in the people that it was trained on.
    steps
        After how many steps it was taken.
    """

    network: FocusNetwork
    population: tuple[float, ...]
    steps: int


def fit(
    corpus: Sequence[Person],
    config: TrainingConfig,
    *,
    seed: int,
    steps: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> Fitted:
    """Train on a corpus.

    Parameters
    ----------
    corpus
        People.
    config
        The recipe.
    seed
        Of everything random here.
    steps
        Exactly so many; None leaves out `stop_people` people and stops where their loss is lowest.
    progress
        Told the share that is done; None for nobody.

    Returns
    -------
    Fitted
        On the CPU, in evaluation mode.
    """
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    order = [int(i) for i in generator.permutation(len(corpus))]
    held = min(config.stop_people, len(corpus) - 1) if steps is None else 0
    stop = [corpus[i] for i in order[:held]]
    learn = [corpus[i] for i in order[held:]]
    population = population_mean(learn)
    banks = training_windows(learn, config, population)
    sampler = _Sampler(banks, config, generator)
    network = FocusNetwork(NetworkShape(bands=len(population), members=config.members, width=config.width))
    _set_constants(network, sampler)
    network.to(config.device)
    bags = torch.from_numpy(_bags(len(learn), config, generator)).to(config.device)
    checks = _checks(stop, population, config)
    total = steps if steps is not None else config.steps
    optimiser = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, total, config.warmup_steps))
    # a running average of the weights is steadier than the last step, and is what is kept
    averaging = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.averaging), use_buffers=False)
    averaged = cast("FocusNetwork", averaging.module)
    best, best_loss, best_step, waited = copy.deepcopy(network.state_dict()), math.inf, 0, 0
    for step in range(1, total + 1):
        batch = sampler.draw()
        optimiser.zero_grad()
        _loss(network, batch, bags, config).backward()
        optimiser.step()
        schedule.step()
        averaging.update_parameters(network)
        if progress is not None:
            progress(step / total)
        if not checks or step % config.check_every:
            continue
        loss = _check(averaged, checks)
        waited = 0 if loss < best_loss else waited + 1
        if loss < best_loss:
            best, best_loss, best_step = copy.deepcopy(averaged.state_dict()), loss, step
        if waited >= config.patience:
            break
    network.load_state_dict(best if checks else averaged.state_dict())
    return Fitted(network.cpu().eval(), population, best_step if checks else total)


def training_windows(
    people: Sequence[Person], config: TrainingConfig, population: Sequence[float]
) -> dict[Reference, Windows]:
    """Windows against each of several stretches of rest, and against the running mean."""
    against_rest = [
        part
        for index, person in enumerate(people)
        for start in config.baseline_starts_s
        for part in baseline_windows(person, index, start_s=start, length_s=config.baseline_s, step=2 * _STEP_FRAMES)
    ]
    alone = [
        part
        for index, person in enumerate(people)
        for part in running_windows(person, index, population, step=_STEP_FRAMES, orders=True)
    ]
    return {"baseline": join(against_rest), "none": join(alone)}


def montages(channels: int, generator: np.random.Generator, config: TrainingConfig) -> list[int]:
    """Draw electrodes: all of them, or any number of any of them."""
    if channels <= config.fewest_channels or generator.random() < config.all_channels_share:
        return list(range(channels))
    count = int(generator.integers(config.fewest_channels, channels + 1))
    return sorted(int(i) for i in generator.choice(channels, count, replace=False))


class _Sampler:
    """Draws batches in which people and conditions are equally frequent."""

    def __init__(self, banks: dict[Reference, Windows], config: TrainingConfig, generator: np.random.Generator) -> None:
        self._banks = banks
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

    def rows(self, reference: Reference, count: int) -> NDArray[np.int64]:
        cells = self._cells[reference]
        which = self._generator.integers(0, len(cells), count)
        place = self._generator.random(count)
        return np.array([cells[c][int(u * len(cells[c]))] for c, u in zip(which, place, strict=True)], np.int64)

    def draw(self) -> Batch:
        generator, config = self._generator, self._config
        reference: Reference = "baseline" if generator.random() < config.baseline_share else "none"
        bank = self._banks[reference]
        channels = montages(bank.relative.shape[1], generator, config)
        batch = bank.take(self.rows(reference, config.batch), channels)
        items, count, tokens, bands = batch.x.shape
        mask = batch.mask | torch.from_numpy(generator.random((items, count, tokens)) < config.token_dropout)
        noise = generator.normal(0.0, config.noise, (items, count, 1, bands)).astype(np.float32)
        x = (batch.x + torch.from_numpy(noise)) * ~mask[..., None]
        return Batch(*(part.to(config.device) for part in batch._replace(x=x, mask=mask)))

    def whole(self, count: int) -> Batch:
        """Windows against rest, all channels, without noise."""
        return self._banks["baseline"].take(self.rows("baseline", count))

    def plain(self, count: int) -> Batch:
        """Windows against rest, of one random montage, without noise."""
        bank = self._banks["baseline"]
        channels = montages(bank.relative.shape[1], self._generator, self._config)
        return bank.take(self.rows("baseline", count), channels)


def _set_constants(network: FocusNetwork, sampler: _Sampler) -> None:
    whole = sampler.whole(_SCALE_WINDOWS)
    network.set_scales(whole.x, whole.position_m, whole.mask)
    parts = [sampler.plain(_SCALE_WINDOWS // 16) for _ in range(16)]
    with torch.no_grad():
        summaries = [network.paths(part.x, part.position_m, part.mask).summary for part in parts]
    network.set_distribution(torch.cat(summaries))


def _bags(people: int, config: TrainingConfig, generator: np.random.Generator) -> NDArray[np.float32]:
    """Weight of each person for each member, (people, members)."""
    draws = generator.multinomial(people, np.full(people, 1.0 / people), size=config.members)
    weights = (1.0 - config.resample) + config.resample * draws.T
    return np.ascontiguousarray(weights.astype(np.float32))


def _rate(step: int, total: int, warmup: int) -> float:
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def _loss(network: FocusNetwork, batch: Batch, bags: Tensor, config: TrainingConfig) -> Tensor:
    weight = bags[batch.person]
    weight = weight / weight.mean()
    label = batch.label[:, None]
    ways = network.logits(network.paths(batch.x, batch.position_m, batch.mask))
    loss = torch.zeros((), device=batch.x.device)
    for way in ways:
        each = nn.functional.binary_cross_entropy_with_logits(way, label.expand_as(way), reduction="none")
        loss = loss + (weight * each).mean()
    ridge = config.summary_l2 * network.summary_head.weight.square().sum()
    ridge = ridge + config.moment_l2 * network.moment_head.weight.square().sum()
    return loss + ridge / config.members


def _checks(people: Sequence[Person], population: Sequence[float], config: TrainingConfig) -> list[Batch]:
    if not people:
        return []
    against_rest = [
        part
        for index, person in enumerate(people)
        for part in baseline_windows(person, index, length_s=config.baseline_s, step=2 * _STEP_FRAMES)
    ]
    alone = [
        part
        for index, person in enumerate(people)
        for part in running_windows(person, index, population, step=2 * _STEP_FRAMES)
    ]
    banks = [join(against_rest), join(alone)]
    return [
        Batch(*(part.to(config.device) for part in bank.take(np.arange(len(bank)), channels)))
        for bank in banks
        for channels in (None, list(range(0, bank.relative.shape[1], 3)))
    ]


@torch.no_grad()
def _check(network: FocusNetwork, checks: Sequence[Batch]) -> float:
    losses: list[float] = []
    for batch in checks:
        logit = network(batch.x, batch.position_m, batch.mask)[0]
        each = nn.functional.binary_cross_entropy_with_logits(logit, batch.label, reduction="none")
        losses.append(float(0.5 * (each[batch.label == 0].mean() + each[batch.label == 1].mean())))
    return float(np.mean(losses))
