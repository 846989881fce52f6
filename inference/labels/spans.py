"""From what a session says to spans of rest and of a task; pure, and nothing is guessed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf

from bci.errors import ConfigError, NoLabelsError
from inference.labels.calibrations import baseline_spans, guided_spans
from inference.labels.events import Events, Interval
from inference.labels.span import Span
from inference.personal.cued_session import CONDITIONS, GUARD_S, Condition

REST_MARKERS = ("rest", "cross")
"""Markers that are rest where nobody names others."""

TRIALS = "trials"
"""Names the trials where a task is asked for."""

TRIALS_APART_S = 10.0
"""Answers no further apart are one stretch of a task."""

LONGEST_ANSWER_S = 10.0
"""So much of the time before an answer belongs to its trial at most, whatever reaction time was told."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Which markers a person names; none means what the session says by itself.

    Parameters
    ----------
    rest, task
        Labels of markers; among the tasks `trials` stands for the trials.
    """

    rest: tuple[str, ...] = ()
    task: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a name that is both.

        Raises
        ------
        ConfigError
            Naming it.
        """
        both = sorted(set(self.rest) & set(self.task))
        if both:
            msg = f"'{both[0]}' is named as rest and as task; a marker begins one of the two"
            raise ConfigError(msg)


@dataclass(frozen=True, slots=True)
class Labels:
    """The spans of one session.

    Parameters
    ----------
    spans
        In the order of time; none overlaps another, a pause or a gap, and each holds a window.
    how
        What they were made of, for a person.
    drawn
        True where the order of the blocks was drawn by lot (a guided calibration of ours).
    notes
        A sentence on each thing that was left out or is not exact.
    """

    spans: tuple[Span, ...]
    how: str
    drawn: bool
    notes: tuple[str, ...] = ()

    def seconds(self, condition: Condition) -> float:
        """Add up a condition, s."""
        return sum(span.stop_s - span.start_s for span in self.spans if span.condition == condition)


def label(events: Events, wish: Wish, window_s: float, name: str) -> Labels:
    """Turn what a session says into spans.

    Where nobody names a marker and the session holds a guided calibration, its blocks are the labels and nothing else
    is. Otherwise a named marker begins a span, which ends with the next marker of any kind; a span of rest ends with
    the next trial, too.

    Parameters
    ----------
    events
        Of the session, LSL clock.
    wish
        What is rest, what is task.
    window_s
        Of the model: a span that holds none of them says nothing.
    name
        Of the session, for errors.

    Raises
    ------
    NoLabelsError
        No rest or no task was found; it says what the session holds.
    """
    guided = guided_spans(events.calibration)
    drawn = wish == Wish() and {span.condition for span in guided} == set(CONDITIONS)
    found = guided if drawn else _told(events, wish, guided)
    kept: list[Span] = []
    short = 0
    for span in found:
        pieces = [one for one in cut(span, events.holes) if one.stop_s - one.start_s >= GUARD_S + window_s]
        short += not pieces
        if span.block is not None:  # of a block that was interrupted, what is left of it is still one block
            pieces = sorted(pieces, key=lambda one: one.start_s - one.stop_s)[:1]
        kept += pieces
    kept.sort(key=lambda span: span.start_s)
    for condition, asked in (("cross", wish.rest), ("task", wish.task)):
        if not any(span.condition == condition for span in kept):
            lost = sum(span.condition == condition for span in found)
            raise NoLabelsError(_nothing(events, condition, asked, lost, GUARD_S + window_s, name))
    notes = list(events.notes)
    if short:
        notes.append(
            f"{short} of {len(found)} spans are left out: without pauses and gaps they are shorter than "
            f"{GUARD_S + window_s:g} s, and hold no window"
        )
    return Labels(tuple(kept), _how(kept), drawn, tuple(notes))


def cut(span: Span, holes: Sequence[Interval]) -> Iterator[Span]:
    """Give what is left of a span outside holes (s, in order of their beginning)."""
    start_s = span.start_s
    for begin_s, end_s in holes:
        if end_s <= start_s or begin_s >= span.stop_s:
            continue
        if begin_s > start_s:
            yield replace(span, start_s=start_s, stop_s=begin_s)
        start_s = end_s
    if start_s < span.stop_s:
        yield replace(span, start_s=start_s)


def stretches(trials: Sequence[tuple[float, float]], breaks: Sequence[float] = ()) -> list[Interval]:
    """Give the stretches of trials no more than `TRIALS_APART_S` apart: first stimulus to last answer.

    Parameters
    ----------
    trials
        Moment of the answer and reaction time, s, in order.
    breaks
        Moments at which somebody said that the person rests: no stretch reaches over one.
    """
    found: list[list[float]] = []
    for answered_s, rt_s in trials:
        last_s = found[-1][1] if found else -inf
        if answered_s - last_s <= TRIALS_APART_S and not any(last_s < at_s < answered_s for at_s in breaks):
            found[-1][1] = answered_s
        else:
            found.append([answered_s - min(rt_s, LONGEST_ANSWER_S), answered_s])
    return [(start_s, stop_s) for start_s, stop_s in found]


def _told(events: Events, wish: Wish, guided: Sequence[Span]) -> list[Span]:
    """Spans of markers, trials and baselines; where rest and task overlap, neither is said."""
    rest_names = wish.rest or REST_MARKERS
    runs = stretches(events.trials, [at_s for at_s, name in events.markers if name in rest_names])
    by_marker = wish.task and wish.task != (TRIALS,)
    task = list(_marked(events, "task", tuple(n for n in wish.task if n != TRIALS))) if by_marker else []
    if not wish.task or TRIALS in wish.task:
        task += [Span("task", start_s, stop_s, "trials") for start_s, stop_s in runs]
    rest = list(_marked(events, "cross", rest_names))
    if not wish.rest:
        rest += baseline_spans(events.calibration)
        rest += [replace(span, block=None) for span in guided if span.condition == "cross"]
    rest, task = _apart([_until_trial(span, runs) for span in rest]), _apart(task)
    said = [one for span in rest for one in cut(span, _intervals(task))]
    said += [one for span in task for one in cut(span, _intervals(rest))]
    return said


def _apart(spans: Sequence[Span]) -> list[Span]:
    """Say each moment once where several sources say the same of it."""
    said: list[Span] = []
    for span in sorted(spans, key=lambda one: one.start_s):
        said += cut(span, _intervals(said))
    return said


def _marked(events: Events, condition: Condition, names: Sequence[str]) -> Iterator[Span]:
    moments = [at_s for at_s, _ in events.markers]
    for (at_s, name), next_s in zip(events.markers, [*moments[1:], events.stop_s], strict=False):
        start_s, stop_s = max(at_s, events.start_s), min(next_s, events.stop_s)
        if name in names and stop_s > start_s:
            yield Span(condition, start_s, stop_s, f"markers '{name}'")


def _until_trial(span: Span, runs: Sequence[Interval]) -> Span:
    """End a span of rest with the first trial in it; one that begins among trials ends at once."""
    stops = [max(span.start_s, start_s) for start_s, stop_s in runs if stop_s > span.start_s]
    return replace(span, stop_s=min([span.stop_s, *stops]))


def _intervals(spans: Sequence[Span]) -> list[Interval]:
    return sorted((span.start_s, span.stop_s) for span in spans if span.stop_s > span.start_s)


def _how(spans: Sequence[Span]) -> str:
    sides: list[str] = []
    for condition, name in (("task", "task"), ("cross", "rest")):
        sources = Counter(span.source for span in spans if span.condition == condition)
        sides.append(f"{name}: {', '.join(f'{n} of {source}' for source, n in sources.items())}")
    return "; ".join(sides)


def _nothing(events: Events, condition: str, asked: Sequence[str], lost: int, shortest_s: float, name: str) -> str:
    what, option = ("rest", "--rest") if condition == "cross" else ("task", "--task")
    usual = (TRIALS,) if condition == "task" else (*REST_MARKERS, "a baseline with open eyes")
    found = (
        f"each of its {lost} spans of {what} is shorter than {shortest_s:g} s without pauses and gaps"
        if lost
        else f"no {what} found (looked for {', '.join(asked or usual)})"
    )
    counts = Counter(text for _, text in events.markers)
    markers = ", ".join(f"'{text}' ({n})" for text, n in counts.most_common()) or "none"
    return (
        f"{name}: {found}. Its markers: {markers}; its trials: {len(events.trials)}. Say which marker begins {what} "
        f"with {option} NAME, or record it: a marker 'rest', and trials or a marker of the task"
    )
