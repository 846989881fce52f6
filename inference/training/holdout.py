"""Figures of people who were held out of everything: of the fit, of the calibration and of the limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bci.errors import ConfigError
from inference.training.calibration import calibrated_by, fit_calibrations, ood_limits
from inference.training.checks import LEAST_PEOPLE
from inference.training.config import TrainingConfig
from inference.training.corpus import Person
from inference.training.evaluate import (
    FocusReport,
    out_of_fold,
    report_of,
)
from inference.training.folds import Progress, fit_folds, fit_or_find, silent
from inference.training.kept import KeptFits

_FOLDS_SHARE = 0.85


def evaluate_hold_out(
    corpus: Sequence[Person],
    config: TrainingConfig,
    held_out: Sequence[str],
    progress: Progress = silent,
    *,
    kept: KeptFits | None = None,
) -> FocusReport:
    """Fit to the others, calibrate on folds of the others, and report on those held out.

    Parameters
    ----------
    corpus, config
        Everybody, and the recipe.
    held_out
        Ids of the people held out.
    progress
        Told what is done, and the share of it.
    kept
        Where finished fits are kept.

    Raises
    ------
    ConfigError
        If one of them is not in the corpus, or too few are held out or left.
    """
    ids = [person.id for person in corpus]
    unknown = [name for name in held_out if name not in ids]
    if unknown:
        msg = f"{', '.join(unknown)} cannot be held out: the recipe lists {ids[0]} to {ids[-1]} ({len(ids)} people)"
        raise ConfigError(msg)
    if len(set(held_out)) < 2:
        msg = "one person held out says nothing about people; name at least two, or score each by the others"
        raise ConfigError(msg)
    learn = [person for person in corpus if person.id not in held_out]
    if len(learn) < LEAST_PEOPLE:
        msg = f"{len(learn)} people are left to train on, at least {LEAST_PEOPLE} are needed"
        raise ConfigError(msg)
    inner = fit_folds(learn, config, lambda text, share: progress(text, _FOLDS_SHARE * share), kept=kept)
    others = out_of_fold(learn, config, inner)
    fits = fit_calibrations(others)
    limits = ood_limits(others)
    fitted = fit_or_find(
        learn,
        config,
        seed=config.seed,
        kept=kept,
        watch=None,
        progress=lambda share: progress("everybody else", _FOLDS_SHARE + (1 - _FOLDS_SHARE) * share),
    )
    folds = np.array([0 if name in held_out else -1 for name in ids])
    found = out_of_fold(corpus, config, [fitted], folds)
    return report_of(corpus, {key: calibrated_by(said, fits[key[0]], limits[key[0]]) for key, said in found.items()})
