"""Fit one network to the windows of some people."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from inference.training.config import TrainingConfig
from inference.training.corpus import Person
from inference.training.heads import contradicting, fit_heads, head_table
from inference.training.network import FocusNetwork, NetworkShape
from inference.training.sampling import STEP_FRAMES, Sampler, bags, training_windows
from inference.training.windows import Batch, baseline_windows, join, population_mean, running_windows

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
    aside
        Ids of the people who contradict the others and were given no weight.
    """

    network: FocusNetwork
    population: tuple[float, ...]
    steps: int
    aside: tuple[str, ...] = ()


def fit(
    corpus: Sequence[Person],
    config: TrainingConfig,
    *,
    seed: int,
    steps: int | None = None,
    progress: Callable[[float], None] | None = None,
    watch: Callable[[int, float], None] | None = None,
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
    watch
        Told the loss at each step; None for nobody.

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
    sampler = Sampler(training_windows(learn, config, population), config, generator)
    network = FocusNetwork(NetworkShape(bands=len(population), members=config.members, width=config.width))
    _set_constants(network, sampler)
    table = head_table(network, sampler.table(config.table))
    aside = contradicting(table, np.ones(len(learn), np.bool_), config)
    weights = np.where(aside[:, None], np.float32(0.0), bags(len(learn), config, generator))
    fit_heads(network, table, weights, config)
    for head in (network.summary_head, network.moment_head):
        head.requires_grad_(False)  # at their optimum; what follows teaches attention to add to them
    network.to(config.device)
    bag = torch.from_numpy(weights).to(config.device)
    checks = _checks(stop, population, config)
    total = steps if steps is not None else config.steps
    learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learned, config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, total, config.warmup_steps))
    # a running average of the weights is steadier than the last step, and is what is kept
    averaging = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.averaging), use_buffers=False)
    averaged = cast("FocusNetwork", averaging.module)
    best, best_loss, best_step, waited = copy.deepcopy(network.state_dict()), math.inf, 0, 0
    for step in range(1, total + 1):
        batch = sampler.draw()
        optimiser.zero_grad()
        cost = _loss(network, batch, bag)
        cost.backward()
        optimiser.step()
        schedule.step()
        averaging.update_parameters(network)
        if progress is not None:
            progress(step / total)
        if watch is not None:
            watch(step, float(cost.detach()))
        if not checks or step % config.check_every:
            continue
        loss = _check(averaged, checks)
        waited = 0 if loss < best_loss else waited + 1
        if loss < best_loss:
            best, best_loss, best_step = copy.deepcopy(averaged.state_dict()), loss, step
        if waited >= config.patience:
            break
    network.load_state_dict(best if checks else averaged.state_dict())
    return Fitted(
        network.cpu().eval(),
        population,
        best_step if checks else total,
        tuple(person.id for person, out in zip(learn, aside, strict=True) if out),
    )


def _set_constants(network: FocusNetwork, sampler: Sampler) -> None:
    whole = sampler.whole(_SCALE_WINDOWS)
    network.set_scales(whole.x, whole.position_m, whole.mask)
    parts = [sampler.plain(("baseline", None), _SCALE_WINDOWS // 16) for _ in range(16)]
    with torch.no_grad():
        summaries = [network.paths(part.x, part.position_m, part.mask).summary for part in parts]
    network.set_distribution(torch.cat(summaries))


def _rate(step: int, total: int, warmup: int) -> float:
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def _loss(network: FocusNetwork, batch: Batch, bags: Tensor) -> Tensor:
    weight = bags[batch.person]
    weight = weight / weight.mean()
    label = batch.label[:, None]
    _, by_place = network.logits(network.paths(batch.x, batch.position_m, batch.mask))
    each = nn.functional.binary_cross_entropy_with_logits(by_place, label.expand_as(by_place), reduction="none")
    return (weight * each).mean()


def _checks(people: Sequence[Person], population: Sequence[float], config: TrainingConfig) -> list[Batch]:
    if not people:
        return []
    against_rest = [
        part
        for index, person in enumerate(people)
        for part in baseline_windows(person, index, length_s=config.baseline_s, step=2 * STEP_FRAMES)
    ]
    alone = [
        part
        for index, person in enumerate(people)
        for part in running_windows(person, index, population, step=2 * STEP_FRAMES)
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
