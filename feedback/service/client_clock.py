"""Where a client's monotonic clock stands against ours, from its pings."""

from __future__ import annotations

from collections import deque

ENOUGH_PINGS = 5
KEPT_PINGS = 64
LATEST_S = 600.0
"""An event that is older than this by the client's clock is one of another clock."""

EARLY_S = 0.05
"""So far in the future a mapped stamp may lie and be taken for now: clocks drift."""


class ClientClock:
    """Maps a client's milliseconds to our LSL clock.

    A ping tells when it was sent by the client's clock and when it came by ours; the way takes time, so the smallest
    difference of the last pings is the nearest to the truth. It is late by the shortest time that a message takes.
    """

    __slots__ = ("_differences_s",)

    def __init__(self) -> None:
        self._differences_s: deque[float] = deque(maxlen=KEPT_PINGS)

    def heard(self, t0_ms: float, heard_s: float) -> None:
        """Take a ping: the client's clock when it was sent, ms, and ours when it came, s."""
        self._differences_s.append(heard_s - t0_ms / 1e3)

    def to_lsl(self, t_client_ms: float | None, heard_s: float) -> float | None:
        """Map a moment to our LSL clock; None where it is not known or cannot be.

        Parameters
        ----------
        t_client_ms
            Of the client's clock; None where it did not say.
        heard_s
            When the message came, LSL clock.
        """
        if t_client_ms is None or len(self._differences_s) < ENOUGH_PINGS:
            return None
        at_s = t_client_ms / 1e3 + min(self._differences_s)
        if not heard_s - LATEST_S <= at_s <= heard_s + EARLY_S:
            return None
        return min(at_s, heard_s)
