"""The client's side of the conversation, without any I/O: what to send, what came, what is still owed."""

from __future__ import annotations

import json
import math
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from focusloop_client.errors import AccessDeniedError, TooManyTrialsError
from focusloop_client.messages import Acknowledged, Message, Refused, read
from focusloop_client.owed import NO_SUCH_STREAM, OwedTrials

SUBPROTOCOL = "focusloop.v1.json"
DENIED = frozenset({4400, 4401, 4403})
"""Close codes after which trying again would not help."""

MAX_UNACKNOWLEDGED = 100_000
FIRST_PINGS, PING_EVERY_MS = 6, 10_000.0
PONG_PATIENCE_MS = 500.0
"""One of the first pings waits so long for the pong before it, which it tells of."""

CLOCK_PONGS, CLOCK_PATIENCE_MS = 5, 2_000.0
"""Trials wait on each connection for so many pongs, or so long: the service cannot place them before."""

RESEND_EVERY_MS = 5_000.0


@dataclass(frozen=True)
class Wish:
    """A subscription, repeated on each connection."""

    stream: str
    topics: tuple[str, ...]
    rate_hz: float | None


class Conversation:
    """What one client says over all its connections.

    Parameters
    ----------
    token
        The operator's, or a participant's.
    client
        Name and version of the program, for the service's log.
    run
        Names this run of the program; with a trial's number it makes the trial the same when it is sent again.
    """

    def __init__(self, token: str | None, client: str, run: str | None = None) -> None:
        self._token, self._client = token, client
        self.run = run or str(uuid.uuid4())
        self.epoch: str | None = None
        self.server: str | None = None
        self.streams: list[dict[str, Any]] = []
        self.missed = 0
        """Messages that were lost on the way, over all connections of an epoch."""
        self._seen: dict[str, dict[str, int]] = {}
        self._thinned: set[str] = set()
        self._wishes: OrderedDict[int, Wish] = OrderedDict()
        self._unheard: dict[int, list[str]] = {}
        self._owed = OwedTrials()
        self._next_trial = 0
        self._ready = False
        self._out: list[str] = []
        self._heard: dict[str, float] | None = None
        self._pings = self._pongs = 0
        self._clocked = False
        self._round_trip_ms = math.inf
        self._ping_due_ms = self._resend_due_ms = self._clock_due_ms = 0.0

    @property
    def unacknowledged(self) -> int:
        """Trials that the service has not acknowledged yet."""
        return len(self._owed)

    @property
    def ready(self) -> bool:
        """True between a welcome and the end of its connection."""
        return self._ready

    # What the program wants

    def subscribe(self, *topics: str, stream: str = "*", rate_hz: float | None = None) -> None:
        """Listen to topics, now and on each later connection."""
        number = len(self._wishes) + 1
        self._wishes[number] = Wish(stream, topics, rate_hz)
        if rate_hz is not None:
            self._thinned.update(topics)
        if self._ready:
            self._ask(number)

    def trial(self, fields: dict[str, Any], now_ms: float) -> int:
        """Send a trial, and keep it until it is acknowledged.

        Raises
        ------
        TooManyTrialsError
            If too many wait.
        ValueError, TypeError
            If a field is no finite number, or nothing that JSON holds; nothing is kept then.
        """
        if len(self._owed) >= MAX_UNACKNOWLEDGED:
            msg = f"{MAX_UNACKNOWLEDGED} trials wait for the service: is it gone?"
            raise TooManyTrialsError(msg)
        number = self._next_trial + 1
        sent = {"type": "trial", "run": self.run, "trial": number, "t_client_ms": now_ms, **fields}
        if math.isfinite(self._round_trip_ms):
            sent["uncertainty_ms"] = self._round_trip_ms / 2.0
        _encoded(sent)
        self._next_trial = number
        if self._owed.add((self.run, number), sent) and self._clocked:
            self._say(sent)
        return number

    def drop(self, trial: int) -> None:
        """Let go of a trial of this run; it may have been counted all the same."""
        self._owed.drop((self.run, trial))

    def say(self, fields: dict[str, Any]) -> None:
        """Send anything else, once, if there is a connection."""
        if self._ready:
            self._say(fields)

    # What the shell reports

    def opened(self, now_ms: float) -> None:
        """Begin a connection."""
        self.lost()
        self._out.clear()
        self._heard, self._pings, self._pongs = None, 0, 0
        self._ping_due_ms, self._resend_due_ms = now_ms, now_ms + RESEND_EVERY_MS
        self._say({"type": "hello", "client": self._client, **({"token": self._token} if self._token else {})})

    def lost(self) -> None:
        """End a connection, however it came to that."""
        self._ready = self._clocked = False

    def closed(self, code: int | None, reason: str) -> None:
        """End a connection that was closed with a code.

        Raises
        ------
        AccessDeniedError
            If another would end the same way.
        """
        self.lost()
        if code in DENIED:
            msg = f"the service refuses this client ({code}): {reason or 'no reason given'}"
            raise AccessDeniedError(msg)

    def receive(self, text: str | bytes, now_ms: float) -> Message | None:
        """Take a message in; None where the program need not see it."""
        raw: dict[str, Any] = json.loads(text)
        kind = raw["type"]
        if kind == "welcome":
            self._welcome(raw, now_ms)
        elif kind == "pong":
            self._pong(raw, now_ms)
            return None
        elif (kind == "subscribed" and not self._subscribed(raw)) or ("seq" in raw and not self._count(raw)):
            return None
        message = read(raw)
        if isinstance(message, Acknowledged):
            if self._owed.acknowledged((message.run, message.trial)):
                self._resend()
        elif isinstance(message, Refused) and "trial" in raw:
            return message if self._owed.refused((str(raw.get("run")), raw["trial"]), message.code) else None
        return message

    def tick(self, now_ms: float) -> None:
        """Let time pass: pings for the clock, trials whose acknowledgement is late."""
        if not self._ready:
            return
        if now_ms >= self._ping_due_ms and (
            self._pongs >= self._pings or now_ms >= self._ping_due_ms + PONG_PATIENCE_MS
        ):
            self._pings += 1
            self._ping_due_ms = now_ms + (50.0 if self._pings < FIRST_PINGS else PING_EVERY_MS)
            self._say({"type": "ping", "t0": now_ms, **({"previous": self._heard} if self._heard else {})})
        if not self._clocked and now_ms >= self._clock_due_ms:
            self._send_trials()
        if now_ms >= self._resend_due_ms:
            self._resend_due_ms = now_ms + RESEND_EVERY_MS
            self._resend()
            for number, topics in self._unheard.items():
                self._ask(number, topics)

    def outgoing(self) -> Sequence[str]:
        """Take what is to be sent."""
        out, self._out = self._out, []
        return out

    # Inside

    def _say(self, fields: dict[str, Any]) -> None:
        self._out.append(_encoded(fields))

    def _welcome(self, raw: dict[str, Any], now_ms: float) -> None:
        self.server, self.streams = raw["server"], raw["streams"]
        if self.epoch != raw["epoch"]:
            self._seen.clear()
        self.epoch = raw["epoch"]
        self._ready = True
        self._clock_due_ms = now_ms + CLOCK_PATIENCE_MS
        self._owed.there(str(view["id"]) for view in self.streams)
        self._unheard.clear()
        for number in self._wishes:
            self._ask(number)

    def _pong(self, raw: dict[str, Any], now_ms: float) -> None:
        self._heard = {"t0": raw["t0"], "t3": now_ms}
        self._round_trip_ms = min(self._round_trip_ms, now_ms - raw["t0"])
        self._pongs += 1
        if not self._clocked and self._pongs >= CLOCK_PONGS:
            self._send_trials()

    def _subscribed(self, raw: dict[str, Any]) -> bool:
        """Note which topics wait for their stream; False where the program was told the same before."""
        waited = self._unheard.pop(raw["id"], None) is not None
        missing = [str(one["topic"]) for one in raw["refused"] if one["code"] == NO_SUCH_STREAM]
        if missing:
            self._unheard[raw["id"]] = missing
        return not waited or bool(raw["accepted"])

    def _ask(self, number: int, topics: Sequence[str] = ()) -> None:
        wish = self._wishes[number]
        asked: dict[str, Any] = {
            "type": "subscribe",
            "id": number,
            "stream": wish.stream,
            "topics": list(topics or wish.topics),
        }
        if wish.rate_hz is not None:
            asked["rate_hz"] = wish.rate_hz
        if self._seen:
            asked["since"] = {"epoch": self.epoch, **self._seen}
        self._say(asked)

    def _send_trials(self) -> None:
        self._clocked = True
        self._resend()

    def _resend(self) -> None:
        if self._clocked:
            for fields in self._owed.due():
                self._say(fields)

    def _count(self, raw: dict[str, Any]) -> bool:
        """Count a numbered message; False where it came before."""
        seen = self._seen.setdefault(raw["stream"], {})
        topic, seq = raw["type"], raw["seq"]
        last = seen.get(topic)
        if last is not None and seq <= last:
            return False
        if last is not None and topic not in self._thinned:
            self.missed += seq - last - 1
        seen[topic] = seq
        return True


def _encoded(fields: dict[str, Any]) -> str:
    for name, value in fields.items():
        if isinstance(value, float) and not math.isfinite(value):
            msg = f"{name}: expected a finite number, got {value}"
            raise ValueError(msg)
    return json.dumps(fields, allow_nan=False)
