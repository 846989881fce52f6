"""What regional band powers tell with closed eyes throughout: `eyes-features`, 60 people at rest and at arithmetic.

Whole-head band power learns from EEGMAT that alpha falls, and with the eyes closed all the time it knows nothing.
Frontal theta beside posterior alpha and central beta does tell something there; this measures how much.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from bci.errors import ConfigError
from inference.training.metrics import Figure, Scores, class_weights, pooled_figure, within_figure

POWERS = (
    "theta_power",
    "alpha_power",
    "beta_power",
    "frontal_theta_power",
    "posterior_alpha_power",
    "central_beta_power",
)
"""Whole head, then regions; bands as their authors cut them: 4-8, 8-13, 13-30 Hz."""

FILE = "closed_rest_vs_closed_arithmetic.csv"
BASELINE_WINDOWS = 3
"""Of 10 s each: 30 s of own rest, which are then not scored."""

FOLDS = 6
RIDGE_C = 1.0


@dataclass(frozen=True, slots=True)
class RegionalFigures:
    """AUC of closed-eyes arithmetic against closed-eyes rest, out of fold by person.

    Parameters
    ----------
    whole_pooled, whole_within
        Three whole-head bands.
    pooled, within
        Those and three regional ones.
    people
        How many.
    """

    whole_pooled: Figure
    whole_within: Figure
    pooled: Figure
    within: Figure
    people: int


@dataclass(frozen=True, slots=True)
class _Table:
    log_power: NDArray[np.float64]  # (windows, 6)
    label: NDArray[np.int64]
    person: NDArray[np.int64]
    window: NDArray[np.int64]


def read_table(path: Path) -> _Table:
    """Read the feature table.

    Raises
    ------
    ConfigError
        If it is not there, lacks a column, holds a power that is none, or only one condition.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        msg = f"{path}: {error.strerror}; it belongs to the data set `eyes-features`"
        raise ConfigError(msg) from error
    needed = (*POWERS, "subject", "window_idx", "label")
    absent = [name for name in needed if not rows or name not in rows[0]]
    if absent:
        msg = f"{path}: no column {', '.join(absent)}; expected {', '.join(needed)}"
        raise ConfigError(msg)
    power = np.array([[float(row[name] or "nan") for name in POWERS] for row in rows])
    if not (power > 0.0).all():
        at = int(np.argmax(~(power > 0.0).all(axis=1)))
        msg = f"{path}: line {at + 2} holds a band power that is missing or not above 0; leave the line out"
        raise ConfigError(msg)
    label = np.array([int(row["label"]) for row in rows])
    if len(np.unique(label)) != 2:
        msg = f"{path}: only one condition (label {label[0]}); rest (0) and task (1) are needed"
        raise ConfigError(msg)
    ints = {name: np.array([int(row[name]) for row in rows]) for name in ("subject", "window_idx")}
    return _Table(np.log(power), label, ints["subject"], ints["window_idx"])


def regional_figures(path: Path) -> RegionalFigures:
    """Fit by person and measure on the others.

    Features are log powers relative to their own mean (a common gain says nothing), minus the person's first 30 s of
    rest.

    Raises
    ------
    ConfigError
        As for `read_table`, or with fewer people than folds.
    """
    table = read_table(path)
    people = len(np.unique(table.person))
    if people < FOLDS:
        msg = f"{path}: {people} people for {FOLDS} folds; figures of people need more of them"
        raise ConfigError(msg)
    whole, every = (_out_of_fold(table, count) for count in (3, len(POWERS)))
    return RegionalFigures(
        pooled_figure(whole), within_figure(whole), pooled_figure(every), within_figure(every), people
    )


def _out_of_fold(table: _Table, columns: int) -> Scores:
    x = table.log_power[:, :columns]
    x = x - x.mean(axis=1, keepdims=True)
    before = (table.label == 0) & (table.window < BASELINE_WINDOWS)
    for person in np.unique(table.person):
        own = table.person == person
        x[own] -= x[own & before].mean(axis=0)
    x, label, person = x[~before], table.label[~before], table.person[~before]
    probability = np.empty(len(label))
    for learn, judge in GroupKFold(FOLDS, shuffle=True, random_state=0).split(x, label, person):
        scale = x[learn].std(axis=0)
        model = LogisticRegression(C=RIDGE_C, max_iter=2000)
        model.fit(x[learn] / scale, label[learn], sample_weight=class_weights(label[learn]))
        probability[judge] = model.predict_proba(x[judge] / scale)[:, 1]
    return Scores(probability, label, person)
