"""Folds of people, and a network for each: fitted, or found where an interrupted training left it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bci.errors import ConfigError
from inference.training.config import TrainingConfig
from inference.training.corpus import Person
from inference.training.fit import Fitted, fit
from inference.training.kept import KeptFits

Progress = Callable[[str, float], None]

Watch = Callable[[str, int, float], None]
"""Takes the name of a fit, the step and the loss."""


def silent(_text: str, _share: float) -> None:
    """Show nothing."""


def fold_of(people: int, config: TrainingConfig) -> NDArray[np.int64]:
    """Deal people into folds of nearly the same size; with no more people than folds each is a fold of their own.

    Raises
    ------
    ConfigError
        With fewer than two people.
    """
    if people < 2:
        msg = f"{people} people: whoever is scored needs others that the network is fitted to"
        raise ConfigError(msg)
    return np.random.default_rng(config.seed).permutation(people) % min(config.folds, people)


def fit_folds(
    corpus: Sequence[Person],
    config: TrainingConfig,
    progress: Progress = silent,
    *,
    kept: KeptFits | None = None,
    watch: Watch | None = None,
) -> list[Fitted]:
    """Fit one network for each fold, to everybody else.

    Parameters
    ----------
    corpus, config
        People and recipe.
    progress
        Told what is done, and the share of it.
    kept
        Where finished fits are looked for and kept; None fits them all.
    watch
        Told the loss: name of the fit, step, loss.
    """
    folds = fold_of(len(corpus), config)
    fitted: list[Fitted] = []
    count = int(folds.max()) + 1
    for fold in range(count):
        learn = [person for person, own in zip(corpus, folds, strict=True) if own != fold]
        text = f"fold {fold + 1} of {count}"
        fitted.append(
            fit_or_find(
                learn,
                config,
                seed=config.seed + 1 + fold,
                kept=kept,
                watch=None if watch is None else functools.partial(watch, text),
                progress=lambda share, fold=fold, text=text: progress(text, (fold + share) / count),
            )
        )
    return fitted


def fit_or_find(
    learn: Sequence[Person],
    config: TrainingConfig,
    *,
    seed: int,
    steps: int | None = None,
    kept: KeptFits | None,
    watch: Callable[[int, float], None] | None,
    progress: Callable[[float], None],
) -> Fitted:
    """Take a finished fit from where they are kept, or fit and keep it; arguments as for `fit`."""
    if kept is not None and (found := kept.find(learn, config, seed, steps)) is not None:
        progress(1.0)
        return found
    fitted = fit(learn, config, seed=seed, steps=steps, progress=progress, watch=watch)
    if kept is not None:
        kept.keep(fitted, learn, config, seed, steps)
    return fitted
