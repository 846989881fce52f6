"""What a table of figures does not show: the ROC curve, the reliability, each person, and how soon a change shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_curve

from inference.training.calibration import Calibrated
from inference.training.corpus import HOP_S
from inference.training.metrics import Scores, Values, causal_mean, class_weights, person_aucs

ROC_POINTS = 101
DETECTION_MEAN_S = 5.0
"""A change counts as seen when the mean of the scores of the last 5 s passes the threshold."""

FALSE_ALARMS = 0.05
"""Share of other people's rest that passes the threshold."""


@dataclass(frozen=True, slots=True)
class Detection:
    """How soon the task is seen after it began.

    Parameters
    ----------
    median_s
        Over people, s from the start of the task, window and mean included; None where half are never detected.
    detected
        Share of people detected before their task ended.
    """

    median_s: float | None
    detected: float

    def __str__(self) -> str:
        """Say it in words."""
        soon = "" if self.median_s is None else f", the median person {self.median_s:.1f} s after it began"
        return f"{self.detected:.0%} of people before it ended{soon}"


@dataclass(frozen=True, slots=True)
class Curve:
    """Curves of one line of the table.

    Parameters
    ----------
    title
        Which.
    roc
        False and true positive rates, pooled, from (0, 0) to (1, 1).
    reliability
        Of `value`, for each tenth of the probabilities that holds any: mean probability, share of task, weight; rest
        and task count the same.
    people
        Name and AUC within, worst first.
    detection
        How soon a change shows.
    """

    title: str
    roc: tuple[tuple[float, float], ...]
    reliability: tuple[tuple[float, float, float], ...]
    people: tuple[tuple[str, float], ...]
    detection: Detection


def curve_of(title: str, calibrated: Calibrated, names: Sequence[str]) -> Curve:
    """Make the curves of out-of-fold scores.

    Parameters
    ----------
    title
        Of the curve.
    calibrated
        Scores of one line of the table.
    names
        Of the people.
    """
    scores = calibrated.alike
    false, true, _ = roc_curve(scores.label, scores.filled)
    grid = np.linspace(0.0, 1.0, ROC_POINTS)
    each = person_aucs(scores)
    worst_first = sorted(each, key=each.__getitem__)
    return Curve(
        title,
        roc=((0.0, 0.0), *((float(x), float(np.interp(x, false, true))) for x in grid)),
        reliability=_reliability(calibrated.value(calibrated.scores)),
        people=tuple((names[person], each[person]) for person in worst_first),
        detection=time_to_detect(scores, calibrated.end_s + HOP_S),  # a frame lasts for a hop
    )


def _reliability(scores: Scores, bins: int = 10) -> tuple[tuple[float, float, float], ...]:
    kept = scores.of(~np.isnan(scores.probability))
    if not len(kept.label):
        return ()
    weight = class_weights(kept.label) / len(kept.label)
    which = np.minimum((kept.probability * bins).astype(np.int64), bins - 1)
    return tuple(
        (
            float(np.average(kept.probability[rows], weights=weight[rows])),
            float(np.average(kept.label[rows], weights=weight[rows])),
            float(weight[rows].sum()),
        )
        for rows in (which == one for one in range(bins))
        if rows.any()
    )


def time_to_detect(scores: Scores, end_s: Values) -> Detection:
    """Measure how long after its start the task is seen, each person against a threshold set on the others' rest.

    The task is a recording of its own: its windows hold no rest, and the first is full one window after it began, so
    nothing can be seen sooner. Live, a window is still part rest then; `response_s` of the model says how much later.
    """
    mean = causal_mean(scores, end_s, DETECTION_MEAN_S)
    times: list[float] = []
    people = np.unique(scores.person)
    for person in people:
        others = (scores.person != person) & (scores.label == 0)
        own = np.flatnonzero((scores.person == person) & (scores.label == 1))
        threshold = float(np.quantile(mean.filled[others], 1.0 - FALSE_ALARMS))
        passed = own[np.nan_to_num(mean.probability[own], nan=-1.0) > threshold]
        times.append(float(end_s[passed].min()) if len(passed) else math.inf)
    ordered = sorted(times)
    middle = ordered[len(ordered) // 2]
    return Detection(middle if math.isfinite(middle) else None, float(np.mean(np.isfinite(times))))
