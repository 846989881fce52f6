"""Between the engine and the scorer: shows the frames of a hop to the neurofeedback before they are scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bci.types import Chunk
from feedback.loop.neurofeedbacks import Neurofeedbacks
from streaming.lane import Due
from streaming.sink import EngineSink
from streaming.types import StreamStatus


class FrameTap:
    """Implements `streaming.sink.EngineSink` around another one.

    Parameters
    ----------
    sink
        Scores what falls due; the scores reach the neurofeedback as an outlet.
    neurofeedbacks
        Of all streams.
    """

    def __init__(self, sink: EngineSink, neurofeedbacks: Neurofeedbacks) -> None:
        self._sink = sink
        self._neurofeedbacks = neurofeedbacks

    def due(self, batch: Sequence[Due]) -> Mapping[str, Exception]:
        """Show the frames, then have them scored."""
        for item in batch:
            self._neurofeedbacks.frames(item.stream_id, item.frames)
        return self._sink.due(batch)

    def chunk(self, stream_id: str, chunk: Chunk) -> None:
        """Hand a chunk on."""
        self._sink.chunk(stream_id, chunk)

    def status(self, stream_id: str, status: StreamStatus) -> None:
        """Hand a status on."""
        self._sink.status(stream_id, status)

    def tick(self, now_s: float) -> Mapping[str, Exception]:
        """Hand the time on."""
        return self._sink.tick(now_s)
