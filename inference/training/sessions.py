"""Recorded sessions as people to train on: their labelled spans through the online pipeline, without their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from bci.errors import ConfigError, NoLabelsError
from bci.files.recording import Recording
from inference.labels.recorded import LabelledSession, label_recording, recording_of
from inference.labels.spans import Wish
from inference.personal.cued_session import CONDITIONS, GUARD_S, Condition
from inference.training.checks import check_values
from inference.training.corpus import HOP_S, FrameSeries, Person, View, frames_of, stacked
from inference.training.views import FOUR, low_passed, re_referenced
from inference.training.windows import WINDOW_HOPS, WINDOW_S
from streaming.types import FeatureFrame

LEAST_S: dict[Condition, float] = {"cross": 60.0, "task": 45.0}
"""Of each person, in spans that hold a window: 30 s of rest are the baseline, and each third of it is asked about."""

_WHAT: dict[Condition, str] = {"cross": "rest", "task": "task"}

Pieces = dict[Condition, FrameSeries]
Looks = dict[View | None, Pieces]


@dataclass(frozen=True, slots=True)
class OwnPeople:
    """People of recorded sessions, and what is said of them.

    Parameters
    ----------
    people
        `own01` and so on: no name leaves the recordings.
    sessions, simulated
        How many there were, and how many of those were of no live headset.
    how
        What the labels were made of: sources and how many spans of each.
    seconds
        Of rest and task, all people together, s.
    """

    people: list[Person]
    sessions: int
    simulated: int
    how: str
    seconds: dict[Condition, float]


def read_own(paths: Sequence[Path], wish: Wish, tell: Callable[[str], object]) -> OwnPeople:
    """Read people from recordings of the service; several of one participant are one person.

    Parameters
    ----------
    paths
        XDF files.
    wish
        What is rest in them, and what is task.
    tell
        Takes a sentence on each session; these name sessions, for whoever trains.

    Raises
    ------
    ConfigError
        A session twice, or values that are missing.
    NoLabelsError
        A session does not say enough.
    FocusloopError
        As `inference.labels.recorded.label_recording`.
    """
    resolved = [path.resolve() for path in paths]
    twice = next((path for path in resolved if resolved.count(path) > 1), None)
    if twice is not None:
        msg = f"{twice.name} is given twice; its windows would count twice"
        raise ConfigError(msg)
    sessions = [label_recording(path, wish, WINDOW_S) for path in paths]
    for one in sessions:
        tell(f"{one.name}: {one.labels.how}")
        for note in (*one.session.damage, *one.labels.notes):
            tell(f"{one.name}: {note}")
    by_person: dict[str, list[LabelledSession]] = {}
    for one in sorted(sessions, key=lambda s: (s.session.header.participant, s.session.header.started_unix_s or 0.0)):
        by_person.setdefault(one.session.header.participant, []).append(one)
    people = [_person(f"own{n:02d}", own) for n, own in enumerate(by_person.values(), start=1)]
    sources = Counter((span.condition, span.source) for one in sessions for span in one.labels.spans)
    sides = (
        f"{_WHAT[condition]}: "
        + ", ".join(f"{n} of {source}" for (of, source), n in sources.items() if of == condition)
        for condition in ("task", "cross")
    )
    return OwnPeople(
        people=people,
        sessions=len(sessions),
        simulated=sum(one.stream.spec.origin != "live" for one in sessions),
        how="; ".join(sides),
        seconds={
            condition: HOP_S * sum(len(p.rest if condition == "cross" else p.task) for p in people)
            for condition in CONDITIONS
        },
    )


def with_common_electrodes(people: Sequence[Person], fewest: int) -> list[Person]:
    """Keep the electrodes that everybody has, in one order; views of other electrodes stay as they are.

    Raises
    ------
    ConfigError
        There are fewer than `fewest`.
    """
    series = [one for person in people for one in (person.rest, person.task)]
    common = [label for label in series[0].labels if all(label in one.labels for one in series)]
    if len(common) < fewest:
        each = sorted({", ".join(person.rest.labels) for person in people})
        msg = (
            f"only {len(common)} electrodes ({', '.join(common) or 'none'}) are common to everybody, at least {fewest} "
            f"are needed; there are {' | '.join(each)}: take people of like headsets, and --only-sessions where EEGMAT "
            "does not have yours"
        )
        raise ConfigError(msg)
    return [
        replace(
            person,
            rest=_of_electrodes(person.rest, common),
            task=_of_electrodes(person.task, common),
            views={
                view: pair if view == "re-referenced" else _both(_of_electrodes(one, common) for one in pair)
                for view, pair in person.views.items()
            },
        )
        for person in people
    ]


def _both(pair: Iterator[FrameSeries]) -> tuple[FrameSeries, FrameSeries]:
    rest, task = pair
    return rest, task


def _person(name: str, sessions: Sequence[LabelledSession]) -> Person:
    looks = [_looks(one) for one in sessions]
    shared: list[View | None] = [view for view in looks[0] if all(view in look for look in looks)]
    whole: Looks = {view: {c: _joined([look[view][c] for look in looks]) for c in CONDITIONS} for view in shared}
    for condition, least_s in LEAST_S.items():
        seconds = HOP_S * len(whole[None][condition])
        if seconds < least_s:
            named = ", ".join(one.name for one in sessions)
            msg = (
                f"{named}: {seconds:.0f} s of {_WHAT[condition]} in spans that hold a window, at least {least_s:.0f} s "
                "a person are needed; add sessions of this participant, or leave them out"
            )
            raise NoLabelsError(msg)
    views: dict[View, tuple[FrameSeries, FrameSeries]] = {
        view: (pieces["cross"], pieces["task"]) for view, pieces in whole.items() if view is not None
    }
    return Person(name, whole[None]["cross"], whole[None]["task"], views=views)


def _looks(one: LabelledSession) -> Looks:
    recording, start_s = recording_of(one.stream)
    check_values(one.name, recording)
    ways: dict[View | None, Callable[[Recording], Recording]] = {None: lambda as_it_is: as_it_is}
    ways["below 30 Hz"] = low_passed
    if set(FOUR) <= {channel.label for channel in one.stream.spec.channels}:
        ways["re-referenced"] = re_referenced
    found: Looks = {}
    for view, way in ways.items():
        seen = way(recording)
        frames = frames_of(seen)
        found[view] = {condition: _series(one, seen, frames, start_s, condition) for condition in CONDITIONS}
    return found


def _series(
    one: LabelledSession, seen: Recording, frames: Sequence[FeatureFrame], start_s: float, condition: Condition
) -> FrameSeries:
    """Put the frames of a condition's spans together, with a seam wherever something else lies between."""
    pieces: list[list[FeatureFrame]] = []
    ends_s = np.array([frame.end_s for frame in frames]) + start_s
    for span in one.labels.spans:
        if span.condition != condition:
            continue
        first, last = np.searchsorted(ends_s, [span.start_s + GUARD_S, span.stop_s + 1e-6], side="right").tolist()
        runs = groupby(frames[first:last], lambda frame: frame.generation)
        pieces += [piece for piece in (list(run) for _, run in runs) if len(piece) >= WINDOW_HOPS]
    if not pieces:
        msg = f"{one.name}: no span of {_WHAT[condition]} holds a window of {WINDOW_S:g} s of signal; leave it out"
        raise NoLabelsError(msg)
    seams = np.cumsum([len(piece) for piece in pieces])[:-1].tolist()
    return stacked([frame for piece in pieces for frame in piece], seen.spec, tuple(seams))


def _joined(parts: Sequence[FrameSeries]) -> FrameSeries:
    """Put the sessions of a person one behind the other, by the electrodes that all of them have."""
    common = [label for label in parts[0].labels if all(label in one.labels for one in parts)]
    if not common:
        msg = "the sessions of one participant have no electrode in common; take those of one headset"
        raise ConfigError(msg)
    parts = [_of_electrodes(one, common) for one in parts]
    seams: list[int] = []
    length = 0
    for one in parts:
        seams += [length] if length else []
        seams += [length + seam for seam in one.seams]
        length += len(one)
    return replace(
        parts[0],
        relative=np.concatenate([one.relative for one in parts]),
        usable=np.concatenate([one.usable for one in parts]),
        flags=np.concatenate([one.flags for one in parts]),
        seams=tuple(seams),
    )


def _of_electrodes(series: FrameSeries, labels: Sequence[str]) -> FrameSeries:
    columns = [series.labels.index(label) for label in labels]
    return replace(
        series,
        relative=series.relative[:, columns],
        usable=series.usable[:, columns],
        flags=series.flags[:, columns],
        labels=tuple(labels),
        positions_m=series.positions_m[columns],
    )
