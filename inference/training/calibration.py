"""From a network's logit to a probability: calibration out of fold, and what its error would be by chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from inference.training.metrics import Figure, Scores, Values, calibration_error, class_weights
from inference.training.windows import Reference

if TYPE_CHECKING:
    from inference.training.evaluate import OutOfFold, Predictions

_POPULATION = 1000
"""Simulated people that a calibration is fitted to which then is the true one."""


def fit_calibration(
    said: Sequence[Predictions], rows: Sequence[NDArray[np.bool_]] | None = None
) -> tuple[float, float]:
    """Fit scale and shift of the logit (Platt 1999), rest and task weighted the same.

    Parameters
    ----------
    said
        Predictions, pooled.
    rows
        Which of each; None for all that were not refused.
    """
    rows = rows or [~one.refused for one in said]
    logit = np.concatenate([one.logit[keep] for one, keep in zip(said, rows, strict=True)])
    label = np.concatenate([one.label[keep] for one, keep in zip(said, rows, strict=True)])
    return _platt(logit, label)


def fit_calibrations(found: OutOfFold) -> dict[Reference, tuple[float, float]]:
    """Fit one calibration against own rest and one without a baseline, over all montages.

    What a logit is worth depends on what the window was measured against: without a baseline the same logit is wrong
    more often.
    """
    return {reference: fit_calibration(group) for reference, group in _by_reference(found).items()}


def cross_calibrated(
    found: OutOfFold, limits: Mapping[Reference, float], *, cautious: bool = False
) -> dict[tuple[Reference, str], Scores]:
    """Calibrate each fold by the others, and refuse what lies outside the distribution; arguments as `scores_of`."""
    out: dict[tuple[Reference, str], Scores] = {}
    for reference, group in _by_reference(found).items():
        fits = {
            fold: fit_calibration(group, [~said.refused & (said.fold != fold) for said in group])
            for fold in np.unique(group[0].fold)
        }
        for key, said in found.items():
            if key[0] == reference:
                scale = np.array([fits[fold][0] for fold in said.fold])
                shift = np.array([fits[fold][1] for fold in said.fold])
                out[key] = scores_of(said, scale, shift, limits[reference], cautious=cautious)
    return out


def scores_of(
    said: Predictions, scale: Values | float, shift: Values | float, limit: float, *, cautious: bool = False
) -> Scores:
    """Calibrate predictions, and refuse what the rules or the distance from the training data refuse.

    Parameters
    ----------
    said
        Not calibrated.
    scale, shift
        Of the logit.
    limit
        Of `ood`.
    cautious
        Draw them towards 0.5 by the members' spread, as the confidence of a score does (`inference.scorer.cautious`).
    """
    logit = scale * said.logit + shift
    if cautious:
        logit = logit / np.sqrt(1.0 + np.pi * (scale * said.spread) ** 2 / 8.0)
    refused = said.refused | (said.ood > limit)
    return Scores(np.where(refused, np.nan, _logistic(logit)), said.label, said.person)


def error_by_chance(scores: Scores, *, draws: int = 200, seed: int = 0) -> Figure:
    """Calibration error that scores like these would show if they were calibrated.

    With so few people the error is far from 0 for a perfect score: people differ, and a bin holds the windows of a few
    of them. People are drawn from a normal distribution of their mean logits at rest and in the task, with the
    covariance of those scored, their windows around them; a calibration fitted to a thousand others is the true one.

    Parameters
    ----------
    scores
        Calibrated or nearly so; windows that were not scored are left out, and whoever has one condition only.
    draws, seed
        Of groups of as many people.

    Returns
    -------
    Median of the draws, and 2.5 and 97.5 % of them; NaN for fewer than two people. The covariance is an estimate, too:
    of 40 simulated groups of 24 people with calibrated scores, 37 lay below the upper bound.
    """
    kept = scores.of(~np.isnan(scores.probability))
    bounded = np.clip(kept.probability, 1e-6, 1.0 - 1e-6)
    logit = np.log(bounded / (1.0 - bounded))
    everybody = [
        [logit[(kept.person == one) & (kept.label == label)] for label in (0, 1)] for one in np.unique(kept.person)
    ]
    cells = [row for row in everybody if all(len(cell) for cell in row)]
    if len(cells) < 2:
        return Figure(float("nan"), float("nan"), float("nan"))
    usual = np.array([[cell.mean() for cell in row] for row in cells])
    around = np.sqrt(np.mean([[cell.var() for cell in row] for row in cells], axis=0))
    count = np.mean([[len(cell) for cell in row] for row in cells], axis=0).round().astype(np.int64)
    generator = np.random.default_rng(seed)

    def draw(n: int) -> tuple[Values, NDArray[np.int64], NDArray[np.int64]]:
        means = generator.multivariate_normal(usual.mean(0), np.cov(usual.T), n)
        parts = [means[:, [k]] + generator.normal(0.0, around[k], (n, int(count[k]))) for k in (0, 1)]
        label = np.repeat((0, 1), [part.size for part in parts])
        person = np.concatenate([np.repeat(np.arange(n), part.shape[1]) for part in parts])
        return np.concatenate([part.ravel() for part in parts]), label, person

    true = _platt(*draw(_POPULATION)[:2])
    errors: list[float] = []
    for _ in range(draws):
        value, label, person = draw(len(cells))
        errors.append(calibration_error(Scores(_logistic(true[0] * value + true[1]), label, person)))
    low, middle, high = np.percentile(errors, [2.5, 50.0, 97.5])
    return Figure(float(middle), float(low), float(high))


def _by_reference(found: OutOfFold) -> dict[Reference, list[Predictions]]:
    groups: dict[Reference, list[Predictions]] = {}
    for (reference, _), said in found.items():
        groups.setdefault(reference, []).append(said)
    return groups


def _platt(logit: Values, label: NDArray[np.int64]) -> tuple[float, float]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=np.inf).fit(logit[:, None], label, sample_weight=class_weights(label))
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def _logistic(logit: Values) -> Values:
    return 1.0 / (1.0 + np.exp(-logit))
