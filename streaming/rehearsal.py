"""A moment before samples are expected, what they will need is done once for nothing.

Between two hops a core sleeps, and its caches are filled with other things: what takes a tenth of a millisecond on a
busy core then takes half of one. Whoever has just done it finds everything in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

MOST = 2
"""Streams with which it pays: more of them keep a core busy enough, and a rehearsal for one holds another up."""

AHEAD_S = 1.5e-3
"""So long before samples are expected, s: a rehearsal takes up to half a millisecond, and samples come early."""


class Rehearsal:
    """When to rehearse. Touched by the worker alone.

    Parameters
    ----------
    hop_s
        Samples are expected so long after the last, s.
    rehearse
        Does what the next samples will need; changes nothing that anybody can see.
    """

    def __init__(self, hop_s: float, rehearse: Callable[[], None]) -> None:
        self._after_s = hop_s - AHEAD_S
        self.rehearse = rehearse

    def due_in_s(self, heard_s: Iterable[float], now_s: float) -> float | None:
        """Give the time until the next rehearsal, s; None where none is due before more samples have come.

        Parameters
        ----------
        heard_s
            When the newest samples of each stream came, LSL clock.
        now_s
            LSL clock.
        """
        moments = [moment for heard in heard_s if (moment := heard + self._after_s) > now_s]
        return min(moments) - now_s if moments else None
