"""What a way out for scores, beside the WebSocket, can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable


class Outlet(Protocol):
    """Another way out for scores: LSL, OSC."""

    def open(self, stream: str, *, origin: str = "live", model: str = "") -> None:
        """Make a participant findable before the first score."""
        ...

    def on_score(self, stream: str, score: Mapping[str, Any]) -> None:
        """Send the fields of a `focus` message."""
        ...

    def remove(self, stream: str) -> None:
        """End a participant's outlet; on any thread, it may take a while."""
        ...

    def close(self) -> None:
        """End all."""
        ...


@runtime_checkable
class EventOutlet(Protocol):
    """Another way out for what happens: difficulties, trials, markers, proposals, rewards."""

    def on_event(self, stream: str, topic: str, fields: Mapping[str, Any]) -> None:
        """Send the fields of a message; `t_lsl_s` is its moment."""
        ...
