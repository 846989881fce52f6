"""From a network's logit to a probability: calibration out of fold, and what its error would be by chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.signal import lfilter
from scipy.special import expit

from inference.bundle import PlattScaling
from inference.smoothing import VALUE_S
from inference.training.metrics import Figure, Scores, Values, calibration_error, class_weights, delivered, spells
from inference.training.windows import EVALUATION_STEP_S, Reference

if TYPE_CHECKING:
    from inference.training.evaluate import OutOfFold, Predictions

_POPULATION = 1000
"""Simulated people that a calibration is fitted to which then is the true one."""

_RIDGE = 1e-6
"""On the parameters of a calibration: keeps those finite that the windows say nothing about."""


_LARGEST_LOG_SCALE = 5.0
"""Of a calibration, and of its slope: where logits make no mistake, any larger one would do as well."""


class Calibrated(NamedTuple):
    """Scores of windows of people that their network never saw.

    Parameters
    ----------
    scores
        Each person's calibrated by the others': for what asks whether a probability is right.
    alike
        Everybody's calibrated alike, as the service does it: for what asks for the order of scores alone. A calibration
        by the others moves against whoever is left out, which takes off the pooled AUC what no service loses (Airola et
        al., Comput. Stat. Data Anal. 55:1828, 2011).
    spread
        float64 (n,): standard deviation of the members' logits, calibrated as `scores`.
    end_s
        float64 (n,): end of each window in its recording, s.
    """

    scores: Scores
    alike: Scores
    spread: Values
    end_s: Values

    @property
    def cautious(self) -> Scores:
        """What a client gets, drawn towards 0.5 by the spread, as confidence is (`inference.scorer.cautious`)."""
        value = self.value(self.scores)
        logit = _logit(value.probability) / np.sqrt(1.0 + np.pi * self.spread**2 / 8.0)
        return Scores(expit(logit), value.label, value.person)

    def value(self, scores: Scores) -> Scores:
        """Smooth one or the other of both, as the service does before a client gets it."""
        return delivered(scores, self.end_s, EVALUATION_STEP_S)


def fit_calibration(said: Sequence[Predictions], rows: Sequence[NDArray[np.bool_]] | None = None) -> PlattScaling:
    """Fit scale and shift of the logit, so that the probability smoothed as `value` is right (least log loss).

    Rest and task are weighted the same. Smoothing draws a probability towards the middle: one that is right before it
    is too cautious after.

    Parameters
    ----------
    said
        Predictions, pooled. Where they differ in the number of electrodes, scale and shift may go with it.
    rows
        Which of each, whole recordings; None for all. What was refused is left out.
    """
    logits, labels, electrodes, runs, n = [], [], [], [], 0
    for index, one in enumerate(said):
        keep = ~one.refused if rows is None else ~one.refused & rows[index]
        # spells ask for scores; which ones they are does not matter here
        scored = Scores(np.where(keep, 0.5, np.nan), one.label, one.person)
        for run in spells(scored, one.end_s, EVALUATION_STEP_S):
            logits.append(one.logit[run])
            labels.append(one.label[run])
            electrodes.append(one.electrodes[run])
            runs.append(slice(n, n := n + len(run)))
    logit, label = np.concatenate(logits), np.concatenate(labels)
    numbers, which = np.unique(np.concatenate(electrodes), return_inverse=True)
    fewest, most = int(numbers[0]), int(numbers[-1])
    weight = class_weights(label) / n

    def scaling(free: Values) -> PlattScaling:
        log_scale, shift, scale_slope, shift_slope = [*free.tolist(), 0.0, 0.0][:4]
        log_scale, scale_slope = np.clip((log_scale, scale_slope), -_LARGEST_LOG_SCALE, _LARGEST_LOG_SCALE).tolist()
        return PlattScaling(math.exp(log_scale), shift, scale_slope, shift_slope, fewest, most)

    def loss(free: Values) -> float:
        scale, shift = _at(scaling(free), numbers)
        value = expit(scale[which] * logit + shift[which])
        for run in runs:
            if run.stop - run.start > 1:
                value[run] = smoothed(value[run])
        right = np.clip(np.where(label == 1, value, 1.0 - value), 1e-12, 1.0)
        return float(_RIDGE * (free @ free) - weight @ np.log(right))

    return scaling(minimize(loss, np.zeros(4 if most > fewest else 2), method="BFGS", options={"gtol": 1e-5}).x)


def smoothed(probability: Values) -> Values:
    """Smooth the probabilities of one run, (n,), as `value` is smoothed (`inference.smoothing.ScoreTrack`)."""
    keep = math.exp(-EVALUATION_STEP_S / VALUE_S)
    return np.asarray(lfilter([1.0 - keep], [1.0, -keep], probability, zi=[keep * probability[0]])[0])


def fit_calibrations(found: OutOfFold) -> dict[Reference, PlattScaling]:
    """Fit one calibration against own rest and one without a baseline, over all montages.

    What a logit is worth depends on what the window was measured against: without a baseline the same logit is wrong
    more often.
    """
    return {reference: fit_calibration(group) for reference, group in _by_reference(found).items()}


def ood_limit(said: Sequence[Predictions], rows: Sequence[NDArray[np.bool_]] | None = None) -> float:
    """Set the limit of the usual: half as much again as the 99th percentile of unseen people's windows.

    Over all montages, whatever the label: the rule was fixed before any label was looked at. Arguments as for
    `fit_calibration`.
    """
    kept = [~one.refused if rows is None else ~one.refused & rows[index] for index, one in enumerate(said)]
    return float(1.5 * np.quantile(np.concatenate([one.ood[keep] for one, keep in zip(said, kept, strict=True)]), 0.99))


def ood_limits(found: OutOfFold) -> dict[Reference, float]:
    """Set a limit against own rest and one without a baseline, of everybody."""
    return {reference: ood_limit(group) for reference, group in _by_reference(found).items()}


def cross_calibrated(found: OutOfFold) -> dict[tuple[Reference, str], Calibrated]:
    """Calibrate each fold by the others, and refuse what lies outside the distribution of the others."""
    out: dict[tuple[Reference, str], Calibrated] = {}
    for reference, group in _by_reference(found).items():
        everybody = fit_calibration(group)
        by_others: dict[int, tuple[PlattScaling, float]] = {}
        for fold in np.unique(group[0].fold).tolist():
            others = [said.fold != fold for said in group]
            by_others[fold] = fit_calibration(group, others), ood_limit(group, others)
        for key, said in found.items():
            if key[0] == reference:
                parts = [(said.fold == fold, *by) for fold, by in by_others.items()]
                out[key] = _calibrated(said, parts, everybody)
    return out


def calibrated_by(said: Predictions, fit: PlattScaling, limit: float) -> Calibrated:
    """Calibrate predictions by a fit that saw none of them, and refuse as `cross_calibrated` does."""
    return _calibrated(said, [(np.ones(len(said.label), np.bool_), fit, limit)], fit)


def _calibrated(
    said: Predictions, parts: Sequence[tuple[NDArray[np.bool_], PlattScaling, float]], everybody: PlattScaling
) -> Calibrated:
    logit, spread, refused = np.empty_like(said.logit), np.empty_like(said.spread), said.refused.copy()
    for rows, fit, limit in parts:
        scale, shift = _by_row(fit, said.electrodes[rows])
        logit[rows], spread[rows] = scale * said.logit[rows] + shift, scale * said.spread[rows]
        refused[rows] |= said.ood[rows] > limit
    scale, shift = _by_row(everybody, said.electrodes)
    scores, alike = (
        Scores(np.where(refused, np.nan, expit(of)), said.label, said.person)
        for of in (logit, scale * said.logit + shift)
    )
    return Calibrated(scores, alike, spread, said.end_s)


def _at(fit: PlattScaling, numbers: NDArray[np.int64]) -> tuple[Values, Values]:
    scale, shift = np.array([fit.at(number) for number in numbers.tolist()]).T
    return scale, shift


def _by_row(fit: PlattScaling, electrodes: NDArray[np.int64]) -> tuple[Values, Values]:
    numbers, which = np.unique(electrodes, return_inverse=True)
    scale, shift = _at(fit, numbers)
    return scale[which], shift[which]


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
    logit = _logit(kept.probability)
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
        errors.append(calibration_error(Scores(expit(true[0] * value + true[1]), label, person)))
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


def _logit(probability: Values) -> Values:
    bounded = np.clip(probability, 1e-6, 1.0 - 1e-6)
    return np.log(bounded / (1.0 - bounded))
