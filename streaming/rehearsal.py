"""A moment before samples are expected, what they will need is done once for nothing.

Between two hops a core sleeps, and its caches are filled with other things: what takes a tenth of a millisecond on a
busy core then takes half of one. Whoever has just done it finds everything in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

MOST = 2
"""Streams with which it pays: more of them keep a core busy enough, and a rehearsal for one holds another up."""

AHEAD_S = 1.5e-3
"""So long before samples are expected, s: a rehearsal takes up to half a millisecond, and samples come early."""

TAKES_S = 0.5e-3
"""A rehearsal takes up to so long, s. A worker that was busy rehearses late while there is still time for it."""


class Heard(Protocol):
    """What is asked of a stream; `streaming.lane.Lane` is one."""

    @property
    def heard_s(self) -> float:
        """When its newest samples came, LSL clock."""
        ...

    @property
    def streaming(self) -> bool:
        """True where samples come."""
        ...


class Rehearsal:
    """When to rehearse, until it fails. Touched by the worker alone.

    Parameters
    ----------
    hop_s
        Samples are expected so long after the last, s.
    rehearse
        Does what the next samples will need; changes nothing that anybody can see. None: nothing is rehearsed.
    failed
        Told the error that a rehearsal raised. There is no further one: the scores themselves say whose fault it is.
    """

    def __init__(self, hop_s: float, rehearse: Callable[[], None] | None, failed: Callable[[Exception], None]) -> None:
        self._hop_s = hop_s
        self._rehearse = rehearse
        self._failed = failed
        self._ran_s = float("-inf")

    def next_s(self, streams: Collection[Heard], now_s: float) -> float | None:
        """Give the moment of the next rehearsal, LSL clock; None where none is due before more samples have come.

        Parameters
        ----------
        streams
            All of them.
        now_s
            LSL clock. A moment before it was missed, and there is still time.
        """
        if self._rehearse is None or len(streams) > MOST:
            return None
        expected = [one.heard_s + self._hop_s for one in streams if one.streaming]
        return min(
            (
                moment_s - AHEAD_S
                for moment_s in expected
                if now_s <= moment_s - TAKES_S and moment_s - AHEAD_S > self._ran_s + TAKES_S
            ),
            default=None,
        )

    def run(self, now_s: float) -> None:
        """Rehearse, for all whose moment is before it ends; `now_s` on the LSL clock."""
        if self._rehearse is None:
            return
        self._ran_s = now_s
        try:
            self._rehearse()
        except Exception as error:
            self._rehearse = None
            self._failed(error)
