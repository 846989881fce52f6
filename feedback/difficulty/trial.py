"""What goes into a policy and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

ANTICIPATION_S = 0.1
"""Nobody reacts to a stimulus sooner: an answer before it was a guess or a held key (100 ms is the usual limit)."""

LONGEST_RT_S = 60.0
"""A longer reaction time is a person who was away; its answer counts, its time does not."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One answered trial.

    Parameters
    ----------
    correct
        Whether the answer was right.
    rt_s
        Reaction time, seconds; None where it was not measured.
    difficulty
        At which the trial was done, logits; None for the one that the policy had set.
    """

    correct: bool
    rt_s: float | None = None
    difficulty: float | None = None

    @property
    def anticipated(self) -> bool:
        """True where the answer came before the stimulus could have been seen: no evidence of ability."""
        return self.rt_s is not None and not self.rt_s >= ANTICIPATION_S

    @property
    def usable_rt_s(self) -> float | None:
        """Reaction time where it can be one."""
        return self.rt_s if self.rt_s is not None and ANTICIPATION_S <= self.rt_s <= LONGEST_RT_S else None


@dataclass(frozen=True, slots=True)
class Decision:
    """The next difficulty.

    Parameters
    ----------
    difficulty
        Logits, within the task's limits.
    level, previous
        The same as 0..1, and the level before.
    reason
        A sentence that a clinician can read.
    figures
        Estimates behind it, for the log and for display.
    """

    difficulty: float
    level: float
    previous: float
    reason: str
    figures: Mapping[str, float | bool | None] = field(default_factory=dict)


class Policy(Protocol):
    """Turns trials into difficulties. No clock, no I/O: the same trials give the same difficulties."""

    name: str

    @property
    def difficulty(self) -> float:
        """The difficulty that is set now, logits."""
        ...

    def decide(self, trial: Trial, focus: float | None = None) -> Decision:
        """Take an answered trial in, and set the difficulty of the next.

        Parameters
        ----------
        trial
            The answer.
        focus
            Focus score at this moment, 0..1, before the next trial; None where there is no valid one.
        """
        ...

    def state(self) -> dict[str, Any]:
        """Give everything that `restore` needs, as JSON can hold it."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from where another of the same settings stood.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the state is of something else.
        """
        ...


def moved(before: float, after: float) -> str:
    """Say how a level changed, with a third digit where two do not show it."""
    for digits in (2, 3):
        shown, then = f"{before:.{digits}f}", f"{after:.{digits}f}"
        if shown != then:
            return f"{'harder' if after > before else 'easier'}, {shown} to {then}"
    return f"stays at {before:.2f}"


def held(difficulty: float, level: float, figures: Mapping[str, float | bool | None] | None = None) -> Decision:
    """Leave the difficulty as it is after an answer that was no answer to the stimulus."""
    reason = f"Answered sooner than anyone can see the stimulus: no evidence, the level stays at {level:.2f}."
    return Decision(difficulty, level, level, reason, figures or {})
