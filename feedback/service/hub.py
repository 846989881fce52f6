"""Messages from the worker to the subscribers: one sequence, one encoding, and never a stale score.

`publish` runs on the engine's worker thread: number, encoding and WebSocket framing happen there, under one lock, once
for all clients. The event loop is woken once for whatever gathered, and only writes. Everything about subscribers
happens on the loop.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from feedback.service.frames import text_frame
from feedback.service.ring import Message, ReplayRing
from feedback.service.subscriber import MAX_PONG_AGE_S, Behind, Key, Since, Subscriber, Subscription, lagged_frame

HOLD_S = 30.0
MAX_WAITING = 8192
"""Messages that wait for a blocked event loop; beyond them the oldest are lost, counted and announced by `lagged`."""

MAX_FORGOTTEN = 8192
"""Sequence counters kept for streams that were removed, so that an id used again goes on counting."""

REPLAY_BYTES = 64 * 1024
"""Replayed at once; then live messages of others have their turn."""

STATES = frozenset({"status", "calibration", "difficulty"})
"""Topics that tell a change of state: `rate_hz` skips none of them, the newest never grows stale, and a new
subscriber is told the newest at once."""

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY
_K = TypeVar("_K")


@dataclass(slots=True)
class HubCounters:
    """What the hub did since the start."""

    published: int = 0
    delivered: int = 0
    missed: int = 0


@dataclass(slots=True)
class _Waiting:
    """Between worker and loop; guarded by the hub's lock."""

    messages: deque[tuple[Key, ReplayRing, Message]] = field(default_factory=deque)
    lost: dict[Key, int] = field(default_factory=dict)


class Hub:
    """Numbers, encodes, holds and delivers the messages of all streams.

    Parameters
    ----------
    epoch
        Random per start of the service.
    clock
        Monotonic seconds; injected in tests.
    """

    def __init__(self, *, epoch: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.epoch = epoch if epoch is not None else secrets.token_hex(4)
        self.clock = clock
        self.counters = HubCounters()
        self._lock = threading.Lock()
        self._rings: dict[Key, ReplayRing] = {}
        self._forgotten: dict[Key, int] = {}
        self._waiting = _Waiting()
        self._woken = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._exact: dict[Key, dict[Subscriber, Subscription]] = {}
        self._wildcard: dict[str, dict[Subscriber, Subscription]] = {}

    # From any thread

    def publish(self, stream: str, topic: str, fields: Mapping[str, Any], *, wake: bool = True) -> int:
        """Send a message to everyone who subscribed; gives its sequence number.

        Parameters
        ----------
        stream, topic
            Its address; `type`, `stream`, `epoch` and `seq` are put in front of `fields`.
        fields
            What orjson encodes: plain values, NumPy scalars and contiguous arrays; NaN becomes null.
        wake
            False where more follows at once and `wake` will be called: each wake-up of the loop takes the GIL away.

        Raises
        ------
        TypeError
            If a value cannot be encoded; no number is used up.
        """
        key = (stream, topic)
        with self._lock:
            ring = self._rings.get(key) or self._new_ring(key)
            seq = ring.last_seq + 1
            told = {"type": topic, "stream": stream, "epoch": self.epoch, "seq": seq, **fields}
            frame = text_frame(orjson.dumps(told, option=_OPTIONS))
            message = Message(seq, self.clock(), frame)
            ring.append(message)
            self.counters.published += 1
            waiting = self._waiting
            if len(waiting.messages) >= MAX_WAITING:
                lost = waiting.messages.popleft()[0]
                waiting.lost[lost] = waiting.lost.get(lost, 0) + 1
            waiting.messages.append((key, ring, message))
            if wake:
                self._wake()
        return seq

    def wake(self) -> None:
        """Have the loop deliver what was published."""
        with self._lock:
            if self._waiting.messages:
                self._wake()

    def _wake(self) -> None:
        if self._loop is not None and not self._woken:
            # Under the lock, so that `bind(None)` knows that nobody wakes a closed loop.
            self._woken = True
            self._loop.call_soon_threadsafe(self._flush)

    def wants(self, stream: str, topic: str) -> bool:
        """Say whether anyone listens, so that display topics are only made when somebody looks. Cheap."""
        return bool(self._exact.get((stream, topic))) or bool(self._wildcard.get(topic))

    def forget(self, stream: str) -> None:
        """Let go of what is held of a stream that was removed. Its numbers go on if the id is used again."""
        with self._lock:
            for key in [key for key in self._rings if key[0] == stream]:
                self._forgotten[key] = self._rings.pop(key).last_seq
            while len(self._forgotten) > MAX_FORGOTTEN:
                del self._forgotten[next(iter(self._forgotten))]

    def _new_ring(self, key: Key) -> ReplayRing:
        ring = self._rings[key] = ReplayRing(HOLD_S, last_seq=self._forgotten.pop(key, 0))
        return ring

    # On the event loop

    def bind(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Say which loop serves the subscribers; None before it ends."""
        with self._lock:
            self._loop = loop
            self._woken = False
        self._flush()

    def subscribe(
        self, client: Subscriber, stream: str, topic: str, *, rate_hz: float | None = None, since: Since | None = None
    ) -> None:
        """Deliver a topic of a stream, of all streams for `*`, from now on, or from where `since` stopped.

        What is owed from the past goes out with `catch_up`, once the client was told that it is subscribed.
        """
        self._flush()  # what is under way belongs to those who were here before
        self.unsubscribe(client, stream, topic)
        subscription = Subscription(1.0 / rate_hz if rate_hz and topic not in STATES else 0.0)
        client.subscriptions[stream, topic] = subscription
        if stream == "*":
            self._wildcard.setdefault(topic, {})[client] = subscription
        else:
            self._exact.setdefault((stream, topic), {})[client] = subscription
        if since is None and topic not in STATES:
            return
        with self._lock:
            rings = [(k, ring) for k, ring in self._rings.items() if k[1] == topic and stream in ("*", k[0])]
        for key, ring in rings:
            same_epoch = since is not None and since.epoch == self.epoch
            seen = since.seen.get(key) if since is not None and same_epoch else None
            client.cursors[key] = ring.flushed_seq if seen is None else seen + 1

    def unsubscribe(self, client: Subscriber, stream: str, topic: str) -> None:
        """End one subscription; nothing happens where there was none."""
        if client.subscriptions.pop((stream, topic), None) is None:
            return
        if stream == "*":
            _discard(self._wildcard, topic, client)
        else:
            _discard(self._exact, (stream, topic), client)
        client.drop_uncovered()

    def leave(self, client: Subscriber) -> None:
        """End all subscriptions of a client that has gone."""
        for stream, topic in list(client.subscriptions):
            self.unsubscribe(client, stream, topic)

    def catch_up(self, client: Subscriber) -> None:
        """Send what a client is owed, after it subscribed, drained its buffer or answered a ping."""
        if not client.behind and not client.cursors:
            return
        now_s = self.clock()
        if client.keeps_up(now_s) and client.behind:
            owed, client.behind = client.behind, {}
            frames = [frame for key, behind in owed.items() for frame in self._late(key, behind, now_s)]
            if frames:
                client.write(b"".join(frames))
        while client.cursors and client.keeps_up(now_s):
            self._replay(client, next(iter(client.cursors)), now_s)

    def _late(self, key: Key, behind: Behind, now_s: float) -> Iterator[bytes]:
        missed, newest = behind.missed, behind.newest
        if newest is not None and key[1] not in STATES and newest.at_s < now_s - MAX_PONG_AGE_S:
            self.counters.missed += 1
            missed, newest = missed + 1, None  # the last good value is never repeated as if it were fresh
        if missed:
            yield lagged_frame(key, missed)
        if newest is not None:
            self.counters.delivered += 1
            yield newest.frame

    def _replay(self, client: Subscriber, key: Key, now_s: float) -> None:
        cursor = client.cursors.pop(key)
        subscription = client.subscription(key)
        with self._lock:
            ring = self._rings.get(key)
            held = ring.since(cursor, ring.flushed_seq, now_s, REPLAY_BYTES) if ring is not None else []
        if ring is None or subscription is None or not held:
            return
        if held[-1].seq < ring.flushed_seq:
            client.cursors[key] = held[-1].seq + 1  # behind the others: every topic has its turn
        frames = [message.frame for message in held if subscription.due(key[0], message.at_s)]
        self.counters.delivered += len(frames)
        client.write(b"".join(frames))

    def _flush(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, _Waiting()
            self._woken = False
        now_s = self.clock()
        for key, count in waiting.lost.items():
            for client, _ in self._listeners(key):
                client.behind.setdefault(key, Behind()).missed += count
                self.counters.missed += count
        outgoing: dict[Subscriber, list[bytes]] = {}
        alone = len(waiting.messages) == 1  # nothing to join: the first of many clients is not kept for the last
        for key, ring, message in waiting.messages:
            ring.flushed_seq = message.seq
            stream = key[0]
            for client, subscription in self._listeners(key):
                if key in client.cursors or not subscription.due(stream, message.at_s):
                    continue
                if client.blocked or now_s - client.answered_s > MAX_PONG_AGE_S:
                    self._fall_behind(client, key, message)
                    continue
                behind = client.behind.pop(key, None) if client.behind else None
                if alone and behind is None:
                    self.counters.delivered += 1
                    client.write(message.frame)
                    continue
                frames = outgoing.setdefault(client, [])
                if behind is not None:
                    frames.append(lagged_frame(key, behind.missed + (behind.newest is not None)))
                frames.append(message.frame)
        for client, frames in outgoing.items():
            self.counters.delivered += len(frames)
            client.write(frames[0] if len(frames) == 1 else b"".join(frames))

    def _fall_behind(self, client: Subscriber, key: Key, message: Message) -> None:
        behind = client.behind.setdefault(key, Behind())
        self.counters.missed += behind.newest is not None
        behind.add(message)

    def _listeners(self, key: Key) -> Iterator[tuple[Subscriber, Subscription]]:
        exact = self._exact.get(key)
        if exact:
            yield from exact.items()
        for client, subscription in self._wildcard.get(key[1], {}).items():
            if exact is None or client not in exact:
                yield client, subscription


def _discard(index: dict[_K, dict[Subscriber, Subscription]], key: _K, client: Subscriber) -> None:
    listeners = index.get(key)
    if listeners is not None:
        listeners.pop(client, None)
        if not listeners:
            del index[key]
