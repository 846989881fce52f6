"""One client's monotonic clock on the LSL clock, from its pings: an NTP-style exchange (RFC 5905 §8), no I/O."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np

WINDOW = 16
LEAST_PINGS = 5
FIT_SPAN_S = 20.0
"""Below this span of pings a drift would be noise: the offset is taken as constant."""

MOST_DRIFT = 5e-4
MOST_AGE_S = 3600.0
LARGEST_MS = 1e13
"""Three hundred years: no clock shows more, also none that counts from 1970."""

_UNANSWERED = 32


@dataclass(frozen=True, slots=True)
class Stamp:
    """When something happened at a client.

    Parameters
    ----------
    lsl_s
        LSL clock, seconds.
    uncertainty_s
        Half the round trip of the exchanges it rests on; None where it was stamped on arrival and nobody knows.
    how
        `client` by its own clock, `arrival` where that cannot be placed.
    """

    lsl_s: float
    uncertainty_s: float | None
    how: Literal["client", "arrival"]


@dataclass(frozen=True, slots=True)
class _Exchange:
    client_s: float
    offset_s: float
    round_trip_s: float


class TrialClock:
    """Offset and drift between a client's clock and the LSL clock.

    Of the last 16 exchanges the quarter with the shortest round trips counts: delays only ever add. An exchange is
    whole once the client has said when the pong reached it (`previous` of its next ping). From a client that never
    says so the smallest one-way difference is taken, and its own statement of uncertainty.
    """

    def __init__(self) -> None:
        self._open: dict[float, tuple[float, float]] = {}
        self._whole: deque[_Exchange] = deque(maxlen=WINDOW)
        self._one_way: deque[float] = deque(maxlen=WINDOW)

    def ping(self, t0_ms: float, t1_s: float, t2_s: float) -> None:
        """Note a ping.

        Parameters
        ----------
        t0_ms
            Client's clock when it was sent.
        t1_s, t2_s
            LSL clock when it was heard and answered.
        """
        if not abs(t0_ms) < LARGEST_MS:
            return
        self._open[t0_ms] = (t1_s, t2_s)
        while len(self._open) > _UNANSWERED:
            del self._open[next(iter(self._open))]
        self._one_way.append(t1_s - t0_ms / 1e3)

    def previous(self, t0_ms: float, t3_ms: float) -> None:
        """Complete an exchange: the pong to the ping of `t0_ms` was heard at `t3_ms`, client's clock."""
        opened = self._open.pop(t0_ms, None)
        if opened is None or not abs(t3_ms) < LARGEST_MS:
            return
        t1_s, t2_s = opened
        t0_s, t3_s = t0_ms / 1e3, t3_ms / 1e3
        round_trip_s = (t3_s - t0_s) - (t2_s - t1_s)
        if round_trip_s >= 0.0:
            offset_s = ((t1_s - t0_s) + (t2_s - t3_s)) / 2.0
            self._whole.append(_Exchange((t0_s + t3_s) / 2.0, offset_s, round_trip_s))

    def stamp(self, t_client_ms: float | None, arrived_s: float, uncertainty_ms: float | None = None) -> Stamp:
        """Place a moment of the client on the LSL clock.

        Parameters
        ----------
        t_client_ms
            The client's monotonic clock; None where it was not told.
        arrived_s
            LSL clock when the message came.
        uncertainty_ms
            What the client itself takes for the error of its clock.
        """
        on_arrival = Stamp(arrived_s, None, "arrival")
        if t_client_ms is None or not math.isfinite(t_client_ms) or len(self._one_way) < LEAST_PINGS:
            return on_arrival
        t_s = t_client_ms / 1e3
        if len(self._whole) + 1 >= LEAST_PINGS:
            lsl_s, uncertainty_s = self._by_exchanges(t_s)
        elif uncertainty_ms is not None and 0.0 <= uncertainty_ms < 1e4:
            uncertainty_s = uncertainty_ms / 1e3
            lsl_s = t_s + min(self._one_way) - uncertainty_s
        else:
            return on_arrival
        # Nothing has happened yet that is told of, and an hour ago is another clock.
        if not arrived_s - MOST_AGE_S <= lsl_s <= arrived_s + uncertainty_s:
            return on_arrival
        return Stamp(lsl_s, uncertainty_s, "client")

    def _by_exchanges(self, t_s: float) -> tuple[float, float]:
        best = sorted(self._whole, key=lambda one: one.round_trip_s)[: max(2, len(self._whole) // 4)]
        at_s = np.array([one.client_s for one in best])
        offsets_s = np.array([one.offset_s for one in best])
        offset_s, drift = float(offsets_s.mean()), 0.0
        if np.ptp(at_s) >= FIT_SPAN_S:
            drift = float(np.clip(np.polyfit(at_s - at_s.mean(), offsets_s, 1)[0], -MOST_DRIFT, MOST_DRIFT))
        placed_s = t_s + offset_s + drift * (t_s - float(at_s.mean()))
        return placed_s, max(one.round_trip_s for one in best) / 2.0
