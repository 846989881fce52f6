"""Figures of merit by person, with bootstrap intervals over people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.personal.cross_validation import areas
from inference.smoothing import VALUE_S, ScoreTrack

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """Out-of-fold scores of windows.

    Parameters
    ----------
    probability
        float64 (n,), calibrated; NaN where the window was not scored.
    label
        (n,), 1 = task, 0 = rest.
    person
        (n,), index of the person.
    """

    probability: Values
    label: NDArray[np.int64]
    person: NDArray[np.int64]

    def of(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Scores:
        """Take some windows."""
        return Scores(self.probability[rows], self.label[rows], self.person[rows])

    @property
    def filled(self) -> Values:
        """Probabilities with 0.5 where there is none: abstaining wins nothing."""
        return np.where(np.isnan(self.probability), 0.5, self.probability)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its 95 % interval over people."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Format as in the tables: .851 [.79, .90]."""
        return f"{self.value:.3f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True, slots=True)
class Null:
    """One question and its answer.

    Parameters
    ----------
    name, question
        What is asked.
    value
        The answer; NaN where the data are not there.
    low, high
        The gate: what an honest model may answer. Both None where the figure is only told.
    """

    name: str
    question: str
    value: float
    low: float | None = None
    high: float | None = None

    @property
    def gate(self) -> str:
        """Say what an honest model may answer; empty where the figure is only told."""
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        return f"at most {self.high:g}" if self.high is not None else f"at least {self.low:g}" if self.low else ""

    @property
    def answer(self) -> str:
        """Say what came out."""
        return "not asked" if np.isnan(self.value) else f"{self.value:.3f}"

    @property
    def passed(self) -> bool | None:
        """True inside the gate, False outside; None without a gate, or without data."""
        if (self.low is None and self.high is None) or np.isnan(self.value):
            return None
        return (self.low is None or self.value >= self.low) and (self.high is None or self.value <= self.high)


def failed(nulls: Iterable[Null]) -> list[Null]:
    """Give those that are outside their gate."""
    return [null for null in nulls if null.passed is False]


def not_asked(nulls: Iterable[Null]) -> list[Null]:
    """Give those that have a gate and whose recordings were not there."""
    return [null for null in nulls if null.gate and np.isnan(null.value)]


def auc(values: Values, task: NDArray[np.bool_]) -> float:
    """Area under the ROC curve; ties count half.

    Parameters
    ----------
    values
        float64 (n,).
    task
        (n,), False = rest.

    Raises
    ------
    ValueError
        If a value is no number or one of the two is missing: what was not measured passes no gate.
    """
    if task.all() or not task.any() or not np.isfinite(values).all():
        msg = (
            f"no AUC of {int(task.sum())} windows of one kind and {int((~task).sum())} of the other, all of them finite"
        )
        raise ValueError(msg)
    return float(areas(values[None], np.where(task, 1.0, -1.0)[None])[0])


def pooled_auc(scores: Scores) -> float:
    """Area under the ROC curve over all windows of all people."""
    return auc(scores.filled, scores.label == 1)


def within_auc(scores: Scores) -> float:
    """Mean over people of the area under their own ROC curve."""
    return float(np.mean(list(person_aucs(scores).values())))


def person_aucs(scores: Scores) -> dict[int, float]:
    """Area under the ROC curve of each person who has both conditions."""
    out: dict[int, float] = {}
    for person in np.unique(scores.person):
        own = scores.of(scores.person == person)
        if own.label.min() != own.label.max():
            out[int(person)] = pooled_auc(own)
    return out


def balanced_accuracy(scores: Scores) -> float:
    """Mean of sensitivity and specificity at 0.5; exactly 0.5 counts half."""
    hit = np.where(scores.label == 1, scores.filled - 0.5, 0.5 - scores.filled)
    credit = np.where(hit > 0, 1.0, np.where(hit == 0, 0.5, 0.0))
    return float(np.mean([credit[scores.label == label].mean() for label in (0, 1)]))


def detection(scores: Scores) -> tuple[float, float, float]:
    """Precision, recall and F1 of "task" at 0.5, rest and task weighted the same; unscored windows are not detected."""
    weight = class_weights(scores.label)
    called = scores.filled > 0.5
    hits = float(weight[called & (scores.label == 1)].sum())
    precision = hits / max(float(weight[called].sum()), 1e-12)
    recall = hits / float(weight[scores.label == 1].sum())
    return precision, recall, 2.0 * precision * recall / max(precision + recall, 1e-12)


def coverage(scores: Scores) -> float:
    """Share of windows that were scored."""
    return float(np.mean(~np.isnan(scores.probability)))


def class_weights(label: NDArray[np.int64]) -> Values:
    """Weights that make rest and task count the same, mean 1."""
    share = float(np.mean(label))
    return np.where(label == 1, 0.5 / share, 0.5 / (1.0 - share))


def calibration_error(scores: Scores, bins: int = 10) -> float:
    """Compute the expected calibration error of the scored windows, ten equal bins, rest and task weighted the same.

    Guo et al., ICML 2017; a probability of 0.5 means "as likely task as rest" only where both count the same.
    """
    rows = ~np.isnan(scores.probability)
    probability, label = scores.probability[rows], scores.label[rows]
    weight = class_weights(label)
    which = np.minimum((probability * bins).astype(np.int64), bins - 1)
    error = 0.0
    for bin_ in range(bins):
        inside = which == bin_
        if inside.any():
            gap = np.average(probability[inside], weights=weight[inside]) - np.average(
                label[inside], weights=weight[inside]
            )
            error += abs(gap) * weight[inside].sum()
    return float(error / weight.sum())


def pooled_figure(scores: Scores, *, draws: int = 300, seed: int = 0) -> Figure:
    """Pooled AUC with its 95 % bootstrap interval (percentile, people drawn with replacement)."""
    generator = np.random.default_rng(seed)
    people = np.unique(scores.person)
    rows = {int(person): np.flatnonzero(scores.person == person) for person in people}
    drawn = generator.choice(people, (draws, len(people)))
    values = [pooled_auc(scores.of(np.concatenate([rows[int(person)] for person in draw]))) for draw in drawn]
    low, high = np.percentile(values, [2.5, 97.5])
    return Figure(pooled_auc(scores), float(low), float(high))


def within_figure(scores: Scores, *, draws: int = 2000, seed: int = 0) -> Figure:
    """Mean AUC within a person with its 95 % bootstrap interval over people."""
    each = np.array(list(person_aucs(scores).values()))
    means = np.random.default_rng(seed).choice(each, (draws, len(each))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Figure(float(each.mean()), float(low), float(high))


def delivered(scores: Scores, end_s: Values, hop_s: float) -> Scores:
    """Smooth the scores as the service does before a client gets them: `value`.

    Parameters
    ----------
    scores, end_s
        As for `causal_mean`.
    hop_s
        Time between two scores, s; after a longer gap the smoothing starts anew, as after a score that is not valid.
    """
    out = np.full(len(scores.label), np.nan)
    for rows in spells(scores, end_s, hop_s):
        track = ScoreTrack(hop_s, VALUE_S)
        for row in rows:
            out[row] = track.add(float(scores.probability[row]), round(float(end_s[row]) / hop_s), 0)[0]
    return Scores(out, scores.label, scores.person)


def spells(scores: Scores, end_s: Values, hop_s: float) -> list[NDArray[np.int64]]:
    """Give the scored rows of each person and condition in the order of time, cut where a score is missing between."""
    out: list[NDArray[np.int64]] = []
    for rows in _recordings(scores, end_s):
        scored = rows[~np.isnan(scores.probability[rows])]
        out += np.split(scored, np.flatnonzero(np.diff(end_s[scored]) > 1.5 * hop_s) + 1)
    return [rows for rows in out if len(rows)]


def _recordings(scores: Scores, end_s: Values) -> Iterator[NDArray[np.int64]]:
    """Give the rows of each person and condition, in the order of time."""
    key = scores.person * 2 + scores.label
    for one in np.unique(key):
        rows = np.flatnonzero(key == one)
        yield rows[np.argsort(end_s[rows], kind="stable")]


def causal_mean(scores: Scores, end_s: Values, span_s: float = 20.0) -> Scores:
    """Mean of the valid scores of the last `span_s` seconds of the same person and condition: `steady`.

    Parameters
    ----------
    scores
        One recording for each person and condition.
    end_s
        End of each window, s, within its recording.
    span_s
        Length of the mean, s.
    """
    out = np.full(len(scores.label), np.nan)
    for rows in _recordings(scores, end_s):
        values = scores.probability[rows]
        known = np.concatenate([[0], np.cumsum(~np.isnan(values))])
        sums = np.concatenate([[0.0], np.cumsum(np.nan_to_num(values))])
        first = np.searchsorted(end_s[rows], end_s[rows] - span_s, side="right")
        last = np.arange(1, len(rows) + 1)
        count = known[last] - known[first]
        mean = (sums[last] - sums[first]) / np.maximum(count, 1)
        out[rows] = np.where(np.isnan(values) | (count == 0), np.nan, mean)
    return Scores(out, scores.label, scores.person)
