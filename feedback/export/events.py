"""What happened in a session, in the order of time: trials, markers, difficulty, pauses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streaming.recording import tracks
from streaming.recording.reading import Message, RecordedSession

TRIAL_COLUMNS = ("t_s", "run", "trial", "task", "block", "correct", "rt_ms", "level", "uncertainty_ms", "stamped")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Parameters
    ----------
    at_s
        LSL clock; of a trial when it was answered.
    kind
        `trial`, `marker`, `difficulty` or `pause`.
    label
        For a person and for programs that select by text: `trial/correct`, `marker/level-up`, `difficulty/0.550`.
    said
        The message.
    """

    at_s: float
    kind: str
    label: str
    said: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial, its `run` as the export names it."""

    at_s: float
    run: str
    said: Mapping[str, Any]

    def row(self, start_s: float) -> tuple[Any, ...]:
        """Give the `TRIAL_COLUMNS`; None for what was not said."""
        rest = (self.said.get(name) for name in TRIAL_COLUMNS[2:])
        return (self.at_s - start_s, self.run, *rest)


def events_of(session: RecordedSession) -> list[Event]:
    """Gather them."""
    made = {
        "trial": (tracks.TRIALS, _trial_label),
        "marker": (tracks.MARKERS, _marker_label),
        "difficulty": (tracks.DIFFICULTY, _difficulty_label),
    }
    found = [
        Event(at_s, kind, label(said), said)
        for kind, (track, label) in made.items()
        for at_s, said in session.messages(track)
    ]
    found += [
        Event(at_s, "pause", "pause/begin" if said.get("paused") else "pause/end", said)
        for at_s, said in session.messages(tracks.SESSION)
        if said.get("type") == "paused"
    ]
    return sorted(found, key=lambda event: event.at_s)


def trials_of(messages: list[Message], *, identified: bool) -> list[Trial]:
    """Gather the trials; a run is named by its number where its own name may tell who it is."""
    numbers: dict[str, str] = {}
    trials: list[Trial] = []
    for at_s, said in messages:
        run = str(said.get("run", ""))
        name = run if identified else numbers.setdefault(run, str(len(numbers) + 1))
        trials.append(Trial(at_s, name, said))
    return trials


def _trial_label(said: Mapping[str, Any]) -> str:
    return "trial/correct" if said.get("correct") else "trial/error"


def _marker_label(said: Mapping[str, Any]) -> str:
    return f"marker/{said.get('label', '')}"


def _difficulty_label(said: Mapping[str, Any]) -> str:
    level = said.get("level")
    return f"difficulty/{level:.3f}" if isinstance(level, int | float) else "difficulty"
