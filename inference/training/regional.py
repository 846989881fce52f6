"""What regional band powers tell with closed eyes throughout: `eyes-features`, 60 people at rest and at arithmetic.

Whole-head band power learns from EEGMAT that alpha falls, and with the eyes closed all the time it knows nothing.
Frontal theta beside posterior alpha and central beta does tell something there; this measures how much.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

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


_Number = TypeVar("_Number", int, float)


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
    power = np.array([[_number(path, line, row, name, float) for name in POWERS] for line, row in enumerate(rows, 2)])
    if not (power > 0.0).all():
        at = int(np.argmax(~(power > 0.0).all(axis=1)))
        msg = f"{path}: line {at + 2} holds a band power that is missing or not above 0; leave the line out"
        raise ConfigError(msg)
    label, person, window = (
        np.array([_number(path, line, row, name, int) for line, row in enumerate(rows, 2)])
        for name in ("label", "subject", "window_idx")
    )
    if len(np.unique(label)) != 2:
        msg = f"{path}: only one condition (label {label[0]}); rest (0) and task (1) are needed"
        raise ConfigError(msg)
    for one in np.unique(person):
        own = person == one
        if not (own & (label == 0) & (window < BASELINE_WINDOWS)).any():
            msg = f"{path}: person {one} has no rest (label 0) in windows 0 to {BASELINE_WINDOWS - 1}; leave them out"
            raise ConfigError(msg)
    return _Table(np.log(power), label, person, window)


def _number(path: Path, line: int, row: Mapping[str, str | None], name: str, kind: type[_Number]) -> _Number:
    """Read a cell; an empty one is not a number, which whole numbers cannot be."""
    text = row[name] or "nan"
    try:
        return kind(text)
    except ValueError:
        msg = f"{path}: line {line}: {name} is '{text}', expected a{' whole' if kind is int else ''} number"
        raise ConfigError(msg) from None


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
