"""How long a signal is, by its stamps, also where its clock steps back."""

from __future__ import annotations

from dataclasses import dataclass

BACKWARD_S = 1.0
"""Stamps that go back by more than this are another run of the clock, by less they are jitter."""


@dataclass(slots=True)
class SignalLength:
    """Adds up the seconds from the first sample to the last; a step back of the clock takes nothing off.

    Parameters
    ----------
    seconds
        So far.
    """

    seconds: float = 0.0
    _last_s: float | None = None

    def add(self, first_s: float, last_s: float) -> None:
        """Go on by samples with these stamps."""
        step_s = 0.0 if self._last_s is None else first_s - self._last_s
        inside_s = last_s - first_s
        self.seconds += sum(one for one in (step_s, inside_s) if one >= -BACKWARD_S)
        self._last_s = last_s
