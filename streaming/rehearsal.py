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
        self._after_s = hop_s - AHEAD_S
        self._rehearse = rehearse
        self._failed = failed

    def due_in_s(self, streams: Collection[Heard], now_s: float) -> float | None:
        """Give the time until the next rehearsal, s; None where none is due before more samples have come.

        Parameters
        ----------
        streams
            All of them.
        now_s
            LSL clock.
        """
        if self._rehearse is None or len(streams) > MOST:
            return None
        moments = [one.heard_s + self._after_s for one in streams if one.streaming]
        return min((moment - now_s for moment in moments if moment > now_s), default=None)

    def run(self) -> None:
        """Rehearse."""
        if self._rehearse is None:
            return
        try:
            self._rehearse()
        except Exception as error:
            self._rehearse = None
            self._failed(error)
