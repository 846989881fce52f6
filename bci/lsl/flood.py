"""What a stream that sends far more than it promised may cost: a bounded share, and its neighbours nothing."""

from __future__ import annotations

import math

_TIMES_NOMINAL = 4.0
_BACKLOG_S = 12.0  # what may come at once after a broken connection: more than the inlet keeps
_IRREGULAR_HZ = 5000.0
_CALM_S = 5.0


class Floodgate:
    """A token bucket: four times the nominal rate for ever, and one backlog at once.

    Parameters
    ----------
    rate_hz
        Nominal rate; 0.0 = irregular.
    """

    def __init__(self, rate_hz: float) -> None:
        self._nominal_hz = rate_hz
        self._limit_hz = rate_hz * _TIMES_NOMINAL if rate_hz else _IRREGULAR_HZ
        self._most = _BACKLOG_S * (rate_hz or _IRREGULAR_HZ / _TIMES_NOMINAL)
        self._tokens = self._most
        self._last_s = math.nan
        self._flooded_s: float | None = None

    def admit(self, n: int, now_s: float) -> int:
        """Say how many of `n` samples that came at `now_s` may pass."""
        if not math.isnan(self._last_s):
            self._tokens = min(self._most, self._tokens + max(0.0, now_s - self._last_s) * self._limit_hz)
        self._last_s = now_s
        passing = min(n, int(self._tokens))
        self._tokens -= passing
        if passing < n:
            self._flooded_s = now_s
        elif self._flooded_s is not None and now_s - self._flooded_s > _CALM_S:
            self._flooded_s = None
        return passing

    @property
    def trouble(self) -> str:
        """One sentence while it floods and shortly after, else empty."""
        if self._flooded_s is None:
            return ""
        promised = f"{self._nominal_hz:g} promised" if self._nominal_hz else "irregular"
        return f"floods: more than {self._limit_hz:g} samples a second ({promised}); the surplus is dropped and counted"
