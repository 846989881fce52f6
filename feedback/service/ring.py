"""What the service still holds of one topic of one stream, for clients that come back."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

MAX_HELD_BYTES = 512 * 1024
"""Of one topic of one stream: 30 s of scores fit twice, a wide raw signal is cut short."""


class Message(NamedTuple):
    """One encoded message."""

    seq: int
    at_s: float
    frame: bytes


class ReplayRing:
    """The newest messages, by age and by bytes; never fewer than one.

    Parameters
    ----------
    hold_s
        Older messages go.
    last_seq
        Number that counting goes on from.
    """

    __slots__ = ("_bytes", "_hold_s", "_messages", "flushed_seq", "last_seq")

    def __init__(self, hold_s: float, *, last_seq: int = 0) -> None:
        self.last_seq = last_seq
        self.flushed_seq = last_seq
        """Newest number that the event loop has taken over; later ones reach subscribers by themselves."""
        self._hold_s = hold_s
        self._messages: deque[Message] = deque()
        self._bytes = 0

    def append(self, message: Message) -> None:
        """Hold a message, and let go of what is too old or too much."""
        held = self._messages
        held.append(message)
        self.last_seq = message.seq
        self._bytes += len(message.frame)
        while len(held) > 1 and (held[0].at_s < message.at_s - self._hold_s or self._bytes > MAX_HELD_BYTES):
            self._bytes -= len(held.popleft().frame)

    def since(self, seq: int, upto_seq: int, now_s: float, max_bytes: int) -> list[Message]:
        """Give held messages from `seq` to `upto_seq`, about `max_bytes` of them; too old ones only as the newest."""
        if not self._messages:
            return []
        found: list[Message] = []
        size = 0
        newest = self._messages[-1].seq
        for index in range(max(0, seq - self._messages[0].seq), len(self._messages)):
            message = self._messages[index]
            if message.seq > upto_seq or size > max_bytes:
                break
            if message.at_s >= now_s - self._hold_s or message.seq == newest:
                found.append(message)
                size += len(message.frame)
        return found
