"""What a way out for scores, beside the WebSocket, can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Outlet(Protocol):
    """Another way out for scores: LSL, OSC."""

    def open(self, stream: str, *, origin: str = "live", model: str = "") -> None:
        """Make a participant findable before the first score."""
        ...

    def on_score(self, stream: str, score: Mapping[str, Any]) -> None:
        """Send the fields of a `focus` message."""
        ...

    def remove(self, stream: str) -> None:
        """End a participant's outlet."""
        ...

    def close(self) -> None:
        """End all."""
        ...
