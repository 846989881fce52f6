"""What a report is made of, wherever it comes from; times are seconds of one clock throughout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from feedback.report.survey import BIN_S, Survey

SILENCE_S = 1.5
"""Scores come several times a second, and once a second in silence: what is longer is a hole."""

NO_SCORES = "no scores"
"""Instead of a reason where not even that was said."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive scores that are all valid, or all not for one reason.

    Parameters
    ----------
    start_s, stop_s
        When.
    reason
        None where they are valid.
    first, last
        Which scores: `first <= i < last`; nothing in a hole.
    """

    start_s: float
    stop_s: float
    reason: str | None
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ScoreTrack:
    """Scores over time.

    Parameters
    ----------
    times_s
        float64 (n,), not falling.
    value, steady
        float64 (n,), 0..1, NaN where not valid.
    reasons
        None where valid.
    calibrated
        bool (n,): a baseline of the person's own was in use.
    """

    times_s: NDArray[np.float64]
    value: NDArray[np.float64]
    steady: NDArray[np.float64]
    reasons: Sequence[str | None]
    calibrated: NDArray[np.bool_]

    def __len__(self) -> int:
        """Count scores."""
        return self.times_s.size

    def stretches(self) -> Iterator[Stretch]:
        """Go through them in the order of time; a stretch reaches to the next one, unless nothing came for long."""
        first = 0
        for i in range(1, len(self) + 1):
            ended = i == len(self)
            hole = not ended and self.times_s[i] - self.times_s[i - 1] > SILENCE_S
            if not ended and not hole and self.reasons[i] == self.reasons[first]:
                continue
            last_s = float(self.times_s[i - 1])
            stop_s = last_s if ended or hole else float(self.times_s[i])
            yield Stretch(float(self.times_s[first]), stop_s, self.reasons[first], first, i)
            if hole:
                yield Stretch(last_s, float(self.times_s[i]), NO_SCORES, i, i)
            first = i


@dataclass(slots=True)
class QualityTrack:
    """How usable each channel was over time, summed up while it is read."""

    labels: list[str] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    """How often something was said of each channel."""
    flags: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often a channel had a flag."""
    _sums: dict[tuple[str, ...], dict[int, NDArray[np.float64]]] = field(default_factory=dict)

    def add(
        self, at_s: float, labels: tuple[str, ...], usable: Sequence[float], flags: Sequence[Sequence[str]]
    ) -> None:
        """Take what was said of all channels at one moment: usable shares, 0..1, and names of flags."""
        if labels not in self._sums:
            self._sums[labels] = {}
            self.labels += [label for label in labels if label not in self.labels]
        spans = self._sums[labels]
        number = int(np.floor(at_s / BIN_S))
        if number not in spans:
            spans[number] = np.zeros((2, len(labels)))
        spans[number] += np.stack([np.asarray(usable, np.float64), np.ones(len(labels))])
        self.told.update(labels)
        for label, names in zip(labels, flags, strict=True):
            self.flags.update((label, name) for name in names)

    def usable(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Give int64 numbers of the spans of `BIN_S`, and the usable share (spans, channels) in them; NaN: not told."""
        numbers = sorted({number for spans in self._sums.values() for number in spans})
        row_of = {number: row for row, number in enumerate(numbers)}
        sums = np.zeros((2, len(numbers), len(self.labels)))
        for labels, spans in self._sums.items():
            columns = [self.labels.index(label) for label in labels]
            for number, (share, count) in spans.items():
                sums[0, row_of[number], columns] += share
                sums[1, row_of[number], columns] += count
        none = sums[1] == 0.0
        return np.array(numbers, np.int64), np.where(none, np.nan, sums[0] / np.where(none, 1.0, sums[1]))


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: a marker, a pause, a state of the source."""

    at_s: float
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class TrialMark:
    """A trial as it was told; what was not told is None. `level` is the difficulty it was done at, 0..1."""

    at_s: float
    number: int | None
    task: str
    correct: bool | None
    rt_ms: float | None
    level: float | None


@dataclass(frozen=True, slots=True)
class LevelChange:
    """Difficulty after a trial, 0..1, with its reason in a sentence."""

    at_s: float
    level: float
    reason: str


@dataclass(frozen=True, slots=True)
class ReportMaterial:
    """Everything a page shows.

    Parameters
    ----------
    title
        What it was.
    origin
        `live`, `file`, `simulator`; empty where nobody said.
    facts
        Name and text, in the order in which they are shown.
    notes
        One sentence for each thing that a reader should know first: damage, what is missing.
    scores, quality, surveys, events, trials, levels
        As above.
    ages_ms
        float64: age of each score when it was sent; empty where it was not live.
    lost
        Samples that never came, by the device's count; None where nobody counted.
    """

    title: str
    origin: str
    facts: Sequence[tuple[str, str]]
    notes: Sequence[str]
    scores: ScoreTrack
    quality: QualityTrack
    surveys: Sequence[Survey]
    events: Sequence[Event] = ()
    trials: Sequence[TrialMark] = ()
    levels: Sequence[LevelChange] = ()
    ages_ms: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    lost: int | None = None

    def span_s(self) -> tuple[float, float]:
        """Give when it begins and ends; both 0 where nothing happened."""
        moments = [float(t) for t in (self.scores.times_s[:1], self.scores.times_s[-1:]) for t in t]
        moments += [t for one in self.surveys if one.samples for t in (one.first_s, one.last_s)]
        moments += [event.at_s for event in (*self.events, *self.trials, *self.levels)] if not moments else []
        return (min(moments), max(moments)) if moments else (0.0, 0.0)
