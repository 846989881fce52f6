"""What takes that which the engine hands on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from bci.types import Chunk
from streaming.lane import Due
from streaming.types import StreamStatus


class EngineSink(Protocol):
    """What the engine hands on. Every call comes on the worker's thread, one at a time."""

    def due(self, batch: Sequence[Due]) -> Mapping[str, Exception]:
        """Take all hops that have fallen due, of every stream, in one call.

        Returns
        -------
        Mapping
            The errors, by the stream that each belongs to: the engine fails those and no other. A sink that raises
            leaves it open whose fault it was, and fails the whole batch.
        """
        ...

    def chunk(self, stream_id: str, chunk: Chunk) -> None:
        """Take a chunk as it came, before it is processed: for display and recording."""
        ...

    def status(self, stream_id: str, status: StreamStatus) -> None:
        """Take what a stream says of itself: at once when its state or detail changes, numbers once a second."""
        ...

    def tick(self, now_s: float) -> Mapping[str, Exception]:
        """Notice that time goes on (LSL clock), four times a second; gives errors as `due` does."""
        ...
