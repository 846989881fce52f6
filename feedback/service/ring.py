"""What the service still holds of one topic of one stream, for clients that come back."""

from __future__ import annotations

import zlib
from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

MAX_HELD_BYTES = 512 * 1024
"""Of one topic of one stream, as it is held: 30 s of scores fit many times, a wide raw signal is cut short."""

PACKED = 16
"""So many messages are packed together once twice as many are held: scores say nearly the same again and again, and
30 s of them are most of what a stream would cost in memory."""


class Message(NamedTuple):
    """One encoded message."""

    seq: int
    at_s: float
    frame: bytes


class _Pack:
    """Consecutive messages, compressed."""

    __slots__ = ("at_s", "ends", "first_seq", "frames")

    def __init__(self, messages: Sequence[Message]) -> None:
        self.first_seq = messages[0].seq
        self.at_s = array("d", (message.at_s for message in messages))
        self.ends = array("I", accumulate(len(message.frame) for message in messages))
        self.frames = zlib.compress(b"".join(message.frame for message in messages), 1)

    def messages(self) -> Iterator[Message]:
        frames = zlib.decompress(self.frames)
        for index, (start, end) in enumerate(pairwise((0, *self.ends))):
            yield Message(self.first_seq + index, self.at_s[index], frames[start:end])


class ReplayRing:
    """The newest messages, by age and by bytes; never fewer than one.

    Parameters
    ----------
    hold_s
        Older messages go.
    last_seq
        Number that counting goes on from.
    """

    __slots__ = ("_bytes", "_hold_s", "_packs", "_recent", "flushed_seq", "last_seq")

    def __init__(self, hold_s: float, *, last_seq: int = 0) -> None:
        self.last_seq = last_seq
        self.flushed_seq = last_seq
        """Newest number that the event loop has taken over; later ones reach subscribers by themselves."""
        self._hold_s = hold_s
        self._packs: deque[_Pack] = deque()
        self._recent: deque[Message] = deque()
        self._bytes = 0

    def append(self, message: Message) -> None:
        """Hold a message, and let go of what is too old or too much."""
        recent, packs = self._recent, self._packs
        recent.append(message)
        self.last_seq = message.seq
        self._bytes += len(message.frame)
        if len(recent) >= 2 * PACKED:
            oldest = [recent.popleft() for _ in range(PACKED)]
            pack = _Pack(oldest)
            packs.append(pack)
            self._bytes += len(pack.frames) - sum(len(one.frame) for one in oldest)
        too_old_s = message.at_s - self._hold_s
        while packs and (packs[0].at_s[-1] < too_old_s or self._bytes > MAX_HELD_BYTES):
            self._bytes -= len(packs.popleft().frames)
        while len(recent) > 1 and not packs and (recent[0].at_s < too_old_s or self._bytes > MAX_HELD_BYTES):
            self._bytes -= len(recent.popleft().frame)

    @property
    def held_bytes(self) -> int:
        """What is held, as it is held."""
        return self._bytes

    def since(self, seq: int, upto_seq: int, now_s: float, max_bytes: int) -> list[Message]:
        """Give held messages from `seq` to `upto_seq`, about `max_bytes` of them; too old ones only as the newest."""
        found: list[Message] = []
        size = 0
        for message in self._from(seq):
            if message.seq > upto_seq or size > max_bytes:
                break
            if message.at_s >= now_s - self._hold_s or message.seq == self.last_seq:
                found.append(message)
                size += len(message.frame)
        return found

    def _from(self, seq: int) -> Iterator[Message]:
        for pack in self._packs:
            if pack.first_seq + len(pack.at_s) > seq:
                yield from (message for message in pack.messages() if message.seq >= seq)
        for message in self._recent:
            if message.seq >= seq:
                yield message
