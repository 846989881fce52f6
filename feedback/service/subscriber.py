"""One connection as the hub sees it: what it listens to, whether it keeps up, and what it has missed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from feedback.service.frames import text_frame
from feedback.service.ring import Message

MAX_PONG_AGE_S = 2.0
"""A client whose newest answered ping is older is sent nothing: what lies in kernel buffers is stale too."""

Key = tuple[str, str]
"""Stream and topic."""


@dataclass(frozen=True, slots=True)
class Since:
    """Where a client stopped reading.

    Parameters
    ----------
    epoch
        Start of the service that the numbers belong to.
    seen
        Newest number read, by stream and topic.
    """

    epoch: str
    seen: Mapping[Key, int] = field(default_factory=dict)


@dataclass(slots=True)
class Subscription:
    """A topic that a client listens to.

    Parameters
    ----------
    period_s
        Least time between two messages; 0 for every one.
    """

    period_s: float = 0.0
    next_s: dict[str, float] = field(default_factory=dict)

    def due(self, stream: str, at_s: float) -> bool:
        """Thin out to the asked rate on a fixed grid, so that 10 of 25 a second are 10 and not 8.3."""
        if self.period_s == 0.0:
            return True
        due_s = self.next_s.get(stream, at_s)
        # Half a millisecond of grace: stamps of a regular sender jitter about the grid.
        if at_s < due_s - 0.0005:
            return False
        self.next_s[stream] = due_s + self.period_s if at_s < due_s + self.period_s else at_s + self.period_s
        return True


@dataclass(slots=True)
class Behind:
    """What a client could not be sent of one topic: the newest message, and how many before it."""

    missed: int = 0
    newest: Message | None = None

    def add(self, message: Message) -> None:
        """Keep the newest; the one before is missed."""
        if self.newest is not None:
            self.missed += 1
        self.newest = message


@dataclass(slots=True, eq=False)
class Subscriber:
    """A client of the hub.

    Parameters
    ----------
    write
        Writes bytes to its transport.
    answered_s
        When the newest ping that it answered was sent, hub clock.
    blocked
        True while its transport still holds bytes.
    """

    write: Callable[[bytes], None]
    answered_s: float
    blocked: bool = False
    subscriptions: dict[Key, Subscription] = field(default_factory=dict)
    behind: dict[Key, Behind] = field(default_factory=dict)
    cursors: dict[Key, int] = field(default_factory=dict)
    """Number to replay next, by stream and topic; live messages wait until it has caught up."""

    def keeps_up(self, now_s: float) -> bool:
        """Say whether it may be sent something."""
        return not self.blocked and now_s - self.answered_s <= MAX_PONG_AGE_S

    def subscription(self, key: Key) -> Subscription | None:
        """Find what covers a key: the stream by name before `*`."""
        return self.subscriptions.get(key) or self.subscriptions.get(("*", key[1]))

    def drop_uncovered(self) -> None:
        """Forget what is owed for topics that it does not listen to any more."""
        for owed in (self.behind, self.cursors):
            for key in [key for key in owed if self.subscription(key) is None]:
                del owed[key]


def lagged_frame(key: Key, missed: int) -> bytes:
    """Frame the message that says how many were missed."""
    fields: dict[str, Any] = {"type": "lagged", "stream": key[0], "topic": key[1], "missed": missed}
    return text_frame(orjson.dumps(fields))
