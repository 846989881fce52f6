"""Trained again on shuffled labels: what a fit finds where there is nothing to be found.

In each fold rest and task are swapped for a random half of the people, both recordings whole, and the linear paths are
fitted again from nothing. Swapping windows one by one would be too kind: whatever belongs to a recording (drift, its
cleaning, its noise) would be divided among both labels, and a fit that lives on it would look innocent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from inference.training.config import TrainingConfig
from inference.training.corpus import Person
from inference.training.fit import Fitted
from inference.training.folds import fold_of
from inference.training.heads import contradicting, fit_heads, head_table
from inference.training.network import FocusNetwork, NetworkShape
from inference.training.sampling import Sampler, training_windows
from inference.training.windows import Batch

DRAWS = 10
"""Different halves are swapped; one draw alone lies anywhere between .3 and .7, for people resemble each other."""

_TABLE = 6144
"""Windows that each fit sees."""


def fits_to_shuffled_labels(
    corpus: Sequence[Person], config: TrainingConfig, fitted: Sequence[Fitted]
) -> list[list[Fitted]]:
    """Fit the linear paths of every fold to labels that mean nothing.

    Parameters
    ----------
    corpus, config
        People and recipe.
    fitted
        The network of each fold: its input scales, which no label went into, are kept.

    Returns
    -------
    `DRAWS` lists, each with a network for each fold; their attention adds nothing.
    """
    folds = fold_of(len(corpus), config)
    draws: list[list[Fitted]] = [[] for _ in range(DRAWS)]
    for fold, one in enumerate(fitted):
        learn = [person for person, own in zip(corpus, folds, strict=True) if own != fold]
        generator = np.random.default_rng((config.seed, fold))
        sampler = Sampler(training_windows(learn, config, one.population), config, generator)
        table = sampler.table(min(_TABLE, config.table))
        for draw in draws:
            half, place = len(learn) // 2, generator.permutation(len(learn))
            labelled = [_swapped(batch, torch.from_numpy(place < half)) for batch in table]
            draw.append(_fit(one, labelled, place < 2 * half, config))  # of an odd number one is left out
    return draws


def _swapped(batch: Batch, swapped: torch.Tensor) -> Batch:
    return batch._replace(label=torch.where(swapped[batch.person], 1.0 - batch.label, batch.label))


def _fit(one: Fitted, table: Sequence[Batch], counted: NDArray[np.bool_], config: TrainingConfig) -> Fitted:
    shape = one.network.shape
    network = FocusNetwork(NetworkShape(bands=shape.bands, members=1, width=shape.width)).eval()
    for name in ("band_scale", "summary_scale", "moment_scale"):
        getattr(network, name).copy_(getattr(one.network, name))
    rows = head_table(network, table)
    counted = counted & ~contradicting(rows, counted, config)
    fit_heads(network, rows, counted[:, None].astype(np.float32), config)
    return Fitted(network, one.population, 0)
