"""Scores, trials and events as rows, for every format that has tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from feedback.export.events import TRIAL_COLUMNS, Event
from feedback.export.port import Material

Row = Sequence[Any]
"""Numbers, texts, True or False, None where there is nothing."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its name, and what its columns mean."""

    name: str
    columns: dict[str, str]
    rows: Sequence[Row]


_SCORES = {
    "t_s": "Newest sample used, seconds from the first sample of the session",
    "value": "Focus score as it was sent, 0..1; empty where it is not valid",
    "steady": "Causal 20-s mean of valid scores",
    "relative": "Place of the value among this person's own in this session, 0..1",
    "raw": "Calibrated probability before smoothing",
    "valid": "True where there is a score",
    "reason": "Why there is none",
    "confidence": "Expected accuracy, as the model's card defines it",
    "quality": "Share of usable channel-time",
    "calibrated": "True where a personal baseline was in use",
    "age_ms": "From the newest sample to the moment it was sent",
}
_TRIALS = {
    "t_s": "When it was answered, seconds from the first sample of the session",
    "run": "Which run of the task; a number where the export is de-identified",
    "trial": "Number within its run",
    "task": "Name that the program gave to the task",
    "block": "Block of the run",
    "correct": "True where the answer was right",
    "rt_ms": "Reaction time, milliseconds",
    "level": "Difficulty that it was done at, 0..1",
    "uncertainty_ms": "Of the moment it was answered; empty where it was stamped on arrival",
    "stamped": "`client`: by its own clock, mapped; `arrival`: when it came",
}
_EVENTS = {
    "t_s": "Seconds from the first sample of the session",
    "kind": "`trial`, `marker`, `difficulty` or `pause`",
    "label": "What it is called in annotations",
    "level": "Of a difficulty, 0..1",
    "detail": "Of a difficulty, the reason",
}


def scores_of(material: Material, start_s: float) -> Table:
    """Give the scores as they were sent."""
    scores = material.session.scores()
    numbers = {name: scores.column(name).tolist() for name in _SCORES if name not in ("t_s", "reason")}
    reasons = scores.reason_names()
    rows = [
        [
            stamp - start_s,
            *(
                reasons[i] if name == "reason" else _flag(numbers[name][i]) if name in ("valid", "calibrated")
                else _number(numbers[name][i])
                for name in list(_SCORES)[1:]
            ),
        ]
        for i, stamp in enumerate(scores.stamps_s.tolist())
    ]  # fmt: skip
    return Table("scores", _SCORES, rows)


def trials_table(material: Material, start_s: float) -> Table:
    """Give the trials."""
    assert tuple(_TRIALS) == TRIAL_COLUMNS  # noqa: S101 - one order
    return Table("trials", _TRIALS, [trial.row(start_s) for trial in material.trials()])


def events_table(material: Material, start_s: float) -> Table:
    """Give what happened."""
    return Table("events", _EVENTS, [_event_row(event, start_s) for event in material.events()])


def tables_of(material: Material) -> Iterator[Table]:
    """Give all of them."""
    start_s = material.start_s()
    yield scores_of(material, start_s)
    yield trials_table(material, start_s)
    yield events_table(material, start_s)


def _event_row(event: Event, start_s: float) -> Row:
    difficulty = event.kind == "difficulty"
    return (
        event.at_s - start_s,
        event.kind,
        event.label,
        event.said.get("level") if difficulty else None,
        event.said.get("reason") if difficulty else None,
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _flag(value: float) -> bool | None:
    return None if math.isnan(value) else bool(value)
