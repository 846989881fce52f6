"""A person's own linear head: ridge-regularised logistic regression, fitted to many labellings at once.

A permutation test fits the same windows to other labels again and again, so the fit takes a stack of labellings and
lets one matrix product serve them all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import rankdata

Values = NDArray[np.float64]

RIDGE = 0.1
"""Penalty on half the squared weights against the mean log loss, features standardised. Chosen on simulated people of
seeds that the benchmark does not use, and never for a person: choosing per person would have to be validated again."""

_NEWTON_STEPS = 8


def spatial_basis(positions_m: NDArray[np.float32]) -> Values:
    """Give the few numbers that each band is reduced to: mean over electrodes, front-back slope, lateral slope.

    Parameters
    ----------
    positions_m
        float32 (channels, 3), MNE head frame.

    Returns
    -------
    float64 (k, channels) with orthonormal rows, the first of them flat; k is 3, or fewer where fewer electrodes or
    their places allow no slope: up to three electrodes are then described one by one.
    """
    places = positions_m[:, [1, 0]].astype(np.float64)
    design = np.column_stack([np.ones(len(places)), (places - places.mean(axis=0)) / 0.1])
    q, r = np.linalg.qr(design)
    kept = np.abs(np.diag(r)) > 1e-6
    return q[:, kept].T


def fit_many(features: Values, labels: Values) -> tuple[Values, Values]:
    """Fit one head for each labelling, by Newton's method.

    Parameters
    ----------
    features
        (windows, features), standardised.
    labels
        (labellings, windows), 0 or 1.

    Returns
    -------
    Weights (labellings, features) and intercepts (labellings,).
    """
    n, d = features.shape
    design = np.column_stack([features, np.ones(n)])
    penalty = np.full(d + 1, RIDGE)
    penalty[-1] = 1e-6
    products = (design[:, :, None] * design[:, None, :]).reshape(n, -1)
    beta = np.zeros((len(labels), d + 1))
    for _ in range(_NEWTON_STEPS):
        chance = expit(beta @ design.T)
        slope = (chance - labels) @ design / n + penalty * beta
        curvature = ((chance * (1.0 - chance)) @ products / n).reshape(-1, d + 1, d + 1) + np.diag(penalty)
        beta -= np.linalg.solve(curvature, slope[:, :, None])[:, :, 0]
    return beta[:, :-1], beta[:, -1]


def auc_many(scores: Values, labels: Values) -> Values:
    """Area under the ROC curve of each row, (rows,), from ranks (Mann and Whitney 1947); ties count half.

    Parameters
    ----------
    scores
        (rows, windows).
    labels
        (rows, windows), 0 or 1.
    """
    positive = labels.sum(axis=1)
    negative = labels.shape[1] - positive
    ranks = (rankdata(scores, axis=1) * labels).sum(axis=1)
    return (ranks - positive * (positive + 1) / 2) / (positive * negative)


@dataclass(frozen=True, slots=True)
class Standard:
    """Centre and scale of features, learnt on training windows.

    Parameters
    ----------
    centre, scale
        (features,).
    """

    centre: Values
    scale: Values

    @classmethod
    def of(cls, features: Values) -> Standard:
        """Learn from windows, (windows, features)."""
        scale = features.std(axis=0)
        return cls(features.mean(axis=0), np.where(scale > 1e-9, scale, 1.0))

    def __call__(self, features: Values) -> Values:
        """Standardise."""
        return (features - self.centre) / self.scale


def regress_out(features: Values, nuisance: Values, train: NDArray[np.bool_]) -> Values:
    """Take out of features what a line through nuisance features explains; the line is fitted on training windows.

    Parameters
    ----------
    features
        (windows, features).
    nuisance
        (windows, nuisance features).
    train
        bool (windows,).
    """
    known = Standard.of(nuisance[train])(nuisance)
    design = np.column_stack([known, np.ones(len(known))])
    gram = design[train].T @ design[train] + 1e-3 * train.sum() * np.eye(design.shape[1])
    lines = np.linalg.solve(gram, design[train].T @ features[train])
    return features - known @ lines[:-1]


def out_of_fold(features: Values, labels: Values, pair: NDArray[np.int64], nuisance: Values | None = None) -> Values:
    """Score each window by a head that never saw its pair of blocks.

    Parameters
    ----------
    features
        (windows, features).
    labels
        (labellings, windows), 0 or 1.
    pair
        (windows,): number of the pair that a window belongs to.
    nuisance
        (windows, nuisance features) to be regressed out first; None for none.

    Returns
    -------
    (labellings, windows): log odds of the task.
    """
    scores = np.empty(labels.shape)
    for left_out in np.unique(pair):
        train = pair != left_out
        clean = features if nuisance is None else regress_out(features, nuisance, train)
        seen = Standard.of(clean[train])(clean)
        weights, intercept = fit_many(seen[train], labels[:, train])
        scores[:, ~train] = weights @ seen[~train].T + intercept[:, None]
    return scores
