"""What a source says of itself, in the log of the service: each change of state once, with its sentence."""

from __future__ import annotations

import re

import structlog

from bci.types import SourceState
from streaming.types import StreamStatus

_log = structlog.get_logger("focusloop.streams")

_LEVELS: dict[SourceState, str] = {"stalled": "warning", "reconnecting": "warning", "failed": "error"}
_COUNTS = re.compile(r"\d+(?:\.\d+)?")


def log_change(stream: str, before: StreamStatus, now: StreamStatus) -> None:
    """Log a status if its state or sentence is another than before; counts in the sentence may move on.

    Parameters
    ----------
    stream
        Id of the stream.
    before, now
        What was said last, and what is said now.
    """
    if _gist(now) == _gist(before) or before.state == now.state == "closed":
        return
    tell = getattr(_log, _LEVELS.get(now.state, "info"))
    tell(now.state, stream=stream, **({"detail": now.detail} if now.detail else {}))


def _gist(status: StreamStatus) -> tuple[SourceState, str]:
    return status.state, _COUNTS.sub("#", status.detail)
