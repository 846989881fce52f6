"""What a recording says while it is played: markers and trials are told again at their samples, and count nowhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bci.clock import ClockAnchor
from bci.types import Chunk, Noted
from inference.replay import SCORING, Replay

Event = tuple[str, Mapping[str, Any]]
"""Topic and fields."""

_OF_THE_RECORDING = frozenset({"type", "seq", "t_unix_s", "t_lsl_s", "uncertainty_ms", "stamped"})
"""What a message says of the time when it was live."""


class Played:
    """The notes of one recording that is played as a participant's source. On the worker's thread.

    Parameters
    ----------
    tell
        Takes a sentence for a person on how the recording is scored.
    """

    def __init__(self, tell: Callable[[str], object]) -> None:
        self.replay = Replay(tell)
        self._events: deque[Noted] = deque()

    def take(self, chunk: Chunk) -> None:
        """Remember what is noted of these samples."""
        self.replay.take(chunk.noted)
        self._events.extend(one for one in chunk.noted if one.said.get("type") not in SCORING)

    def due(self, newest_s: float, anchor: ClockAnchor) -> Iterator[Event]:
        """Give the markers and trials up to a sample, each once, on the clock of the replay.

        Parameters
        ----------
        newest_s
            Stamp of the sample, LSL clock.
        anchor
            Leads to UTC.
        """
        while self._events and self._events[0].at_s <= newest_s:
            one = self._events.popleft()
            told = {name: value for name, value in one.said.items() if name not in _OF_THE_RECORDING}
            when = {"t_unix_s": anchor.to_unix(one.at_s), "t_lsl_s": one.at_s, "uncertainty_ms": None}
            yield str(one.said["type"]), {**when, "stamped": "file", **told}
