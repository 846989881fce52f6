"""Somebody guesses tokens from the address that everybody else comes from, too."""

from __future__ import annotations

import contextlib
import threading
import time

from live_service import LiveService

from feedback.service.access import FREE_FAILURES, Principal, TooManyFailuresError, UnauthorizedError


class Guesser:
    """Uses up what an address may guess; then no token that is new there is judged until the guesser is forgiven.

    Attributes
    ----------
    turned_away
        Set once a token was not judged.
    """

    def __init__(self, service: LiveService, address: str = "127.0.0.1") -> None:
        self.turned_away = threading.Event()
        self._ahead_s = 0.0
        access = service.access
        self._judge = access.authenticate
        access._clock = lambda: time.monotonic() * 1e-6 + self._ahead_s  # of itself it all but stands still
        for guess in range(FREE_FAILURES):
            with contextlib.suppress(UnauthorizedError):
                access.authenticate(f"guess {guess}", address)
        access.authenticate = self._watch  # type: ignore[method-assign]

    def _watch(self, token: str | None, address: str) -> Principal:
        try:
            return self._judge(token, address)
        except TooManyFailuresError:
            self.turned_away.set()
            raise

    def forgive(self) -> None:
        """Let a minute pass, once somebody was turned away."""
        assert self.turned_away.wait(30.0), "nobody came"
        self._ahead_s += 60.0
