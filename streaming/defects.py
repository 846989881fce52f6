"""Errors that nobody expected: logged where they happen, and handed on to be counted and shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Place = Literal["start", "read", "close", "pipeline", "score", "status", "tick", "rehearsal", "http"]
"""Where an unexpected error was met: at the start of the service, in a source's `read` or `close`, in a pipeline, while
scoring, while a status was told, in the clock's tick, in a rehearsal, in an HTTP request."""

Report = Callable[[Place, str | None, Exception], None]
"""Takes where, the stream that it belongs to (None: no single one), and the error. Called from any thread; must not
raise."""


def report_nothing(_place: Place, _stream: str | None, _error: Exception) -> None:
    """Leave it with the log."""
