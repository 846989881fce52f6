"""The shell around `protocol`: sessions of WebSocket clients, their pings, deadlines and subscriptions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol, assert_never

import orjson
import structlog

from bci.clock import ClockAnchor, lsl_now_s
from bci.errors import AccessError, ConflictError
from feedback.service.access import Access, Principal, TooManyFailuresError, bearer, token_in_query
from feedback.service.frames import ping_frame, pong_number, text_frame
from feedback.service.handshake import Handshake, Headers
from feedback.service.hub import Hub
from feedback.service.ports import Participants
from feedback.service.protocol import (
    FLOOD,
    FORBIDDEN_ORIGIN,
    HELLO_WITHIN_S,
    MAX_SUBSCRIPTIONS,
    PROTOCOL_VERSION,
    UNAUTHORIZED,
    Close,
    Conversation,
    Reply,
)
from feedback.service.subscriber import Since, Subscriber
from feedback.service.trial_clock import Stamp, TrialClock
from feedback.service.wire.client_messages import Hello, Ping, SendMarker, SendTrial, Subscribe, Unsubscribe
from feedback.service.wire.topics import LATER_TOPICS

MAX_UNAUTHENTICATED = 64
PING_EVERY_S = 1.0
PING_SLOTS = 20
"""Clients are pinged in turns, so that two thousand pings do not delay a score."""

DEAD_AFTER_S = 120.0
"""A client that has answered no ping for so long is dropped; its place is needed."""

_log = structlog.get_logger("focusloop.socket")


class Wire(Protocol):
    """What a session needs of its connection."""

    def write(self, frames: bytes) -> None:
        """Write ready-made frames."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Close with a code."""
        ...

    def abort(self) -> None:
        """Drop it."""
        ...


class Sockets:
    """All WebSocket sessions of the service.

    Parameters
    ----------
    hub, access, participants
        What sessions read from and are judged by.
    server
        Name and version for `welcome`.
    """

    def __init__(
        self,
        hub: Hub,
        access: Access,
        participants: Participants,
        server: str,
    ) -> None:
        self.hub, self.access, self.participants = hub, access, participants
        self.server = server
        self._slots: list[set[Session]] = [set() for _ in range(PING_SLOTS)]
        self._waiting: set[Session] = set()
        self._turn = 0

    def __len__(self) -> int:
        """Count the sessions that said hello."""
        return sum(map(len, self._slots))

    @property
    def unauthenticated(self) -> int:
        """Sessions that have shown no good token, neither in their header nor in a hello."""
        return sum(not session.known for session in self._waiting)

    def admit(self, wire: Wire, address: str, headers: Headers, query: str) -> Session | None:
        """Open a session; None where too many unknown ones wait already."""
        session = Session(self, wire, Handshake.of(address, headers, query))
        if not session.known and self.unauthenticated >= MAX_UNAUTHENTICATED:
            return None
        self._waiting.add(session)
        return session

    def welcome(self, session: Session) -> None:
        """Move a session from the door into the house."""
        self._waiting.discard(session)
        min(self._slots, key=len).add(session)

    def leave(self, session: Session) -> None:
        """Forget a session that was closed."""
        session.gone = True
        self._waiting.discard(session)
        for slot in self._slots:
            slot.discard(session)
        self.hub.leave(session.subscriber)

    async def run(self) -> None:
        """Ping, and enforce deadlines, until cancelled."""
        while True:
            await asyncio.sleep(PING_EVERY_S / PING_SLOTS)
            self.tick()

    def tick(self) -> None:
        """Serve the next slot."""
        now_s = self.hub.clock()
        for session in [s for s in self._waiting if now_s - s.opened_s > HELLO_WITHIN_S]:
            session.close(UNAUTHORIZED, f"no hello within {HELLO_WITHIN_S:g} s")
        self._turn = (self._turn + 1) % PING_SLOTS
        frame = ping_frame(int(now_s * 1e6))
        for session in list(self._slots[self._turn]):
            session.ping(frame, now_s)


class Session:
    """One client: says what it may, and what it gets."""

    __slots__ = (
        "_address",
        "_clock",
        "_conversation",
        "_principal",
        "_sockets",
        "_verdict",
        "_wire",
        "gone",
        "opened_s",
        "subscriber",
    )

    def __init__(self, sockets: Sockets, wire: Wire, handshake: Handshake) -> None:
        self._sockets = sockets
        self._wire = wire
        self._address = handshake.address
        self._conversation = Conversation()
        self._clock = TrialClock()
        self._principal: Principal | None = None
        self._verdict = self._judge(handshake)
        self.gone = False
        self.opened_s = sockets.hub.clock()
        self.subscriber = Subscriber(wire.write, answered_s=self.opened_s)

    @property
    def known(self) -> bool:
        """True where a token was found good."""
        return self._principal is not None

    def start(self) -> None:
        """Carry out the verdict on the handshake, once the client can be told by a close code."""
        if self._verdict is not None:
            self.close(self._verdict.code, self._verdict.reason)

    def _judge(self, came: Handshake) -> Close | None:
        access = self._sockets.access
        if not access.allows_host(came.host):
            return Close(FORBIDDEN_ORIGIN, f"host '{came.host}' is not this service's; see --allow-origin")
        if not access.allows_origin(came.origin, came.host):
            return Close(FORBIDDEN_ORIGIN, f"pages of '{came.origin}' are not admitted; see --allow-origin")
        if token_in_query(came.query):
            return Close(UNAUTHORIZED, "a token never travels in a query: send it in hello or in Authorization")
        if came.authorization is not None:
            try:
                self._principal = access.authenticate(bearer(came.authorization), came.address)
            except AccessError as problem:
                return _refusal(problem)
        return None

    # What the wire reports

    def receive(self, message: str | bytes) -> None:
        """Judge and answer a message."""
        heard_s = lsl_now_s()
        judged = self._conversation.receive(message, self._sockets.hub.clock())
        match judged:
            case Reply(fields):
                self._send(fields)
            case Close(code, reason):
                self.close(code, reason)
            case Hello():
                self._hello(judged)
            case Subscribe():
                self._subscribe(judged)
            case Unsubscribe():
                self._unsubscribe(judged)
            case Ping():
                self._pong(judged, heard_s)
            case SendTrial():
                self._trial(judged, heard_s)
            case SendMarker():
                self._marker(judged, heard_s)
            case _:
                assert_never(judged)

    def spend(self) -> bool:
        """Count a control frame or fragment; False where it was one too many."""
        flood = self._conversation.spend(self._sockets.hub.clock())
        if flood is not None:
            self.close(flood.code, flood.reason)
        return flood is None

    def pong(self, payload: bytes) -> None:
        """Note that the client has read everything that was written before this ping."""
        number = pong_number(payload)
        if number is None:
            return
        sent_s = number / 1e6
        if self.subscriber.answered_s < sent_s <= self._sockets.hub.clock():
            self.subscriber.answered_s = sent_s
            self._sockets.hub.catch_up(self.subscriber)

    def unblocked(self) -> None:
        """Go on writing: ask at once how far the client has read, for what it is owed waits for the answer."""
        self.subscriber.blocked = False
        now_s = self._sockets.hub.clock()
        if not self.subscriber.keeps_up(now_s):
            self._wire.write(ping_frame(int(now_s * 1e6)))
        self._sockets.hub.catch_up(self.subscriber)

    def lost(self) -> None:
        """Forget everything about the client."""
        self._sockets.leave(self)

    # What the service does

    def ping(self, frame: bytes, now_s: float) -> None:
        """Ask whether the client still reads, and whether it may."""
        if now_s - self.subscriber.answered_s > DEAD_AFTER_S:
            _log.info("client dropped", address=self._address, silent_s=DEAD_AFTER_S)
            self._wire.abort()
        elif self._principal is not None and self._sockets.access.expired(self._principal):
            self.close(UNAUTHORIZED, "the token has expired")
        elif not self.subscriber.blocked:
            self._wire.write(frame)

    def close(self, code: int, reason: str) -> None:
        """End the connection, saying why."""
        self.log_closed(code, reason)
        self._sockets.leave(self)
        self._wire.close(code, reason)

    def log_closed(self, code: int, reason: str) -> None:
        """Note for the operator who was sent away and why."""
        _log.info("client closed", address=self._address, code=code, reason=reason)

    def _send(self, fields: Mapping[str, Any]) -> None:
        self._wire.write(text_frame(orjson.dumps(fields)))

    def _hello(self, hello: Hello) -> None:
        access = self._sockets.access
        if hello.token is not None or self._principal is None:
            try:
                self._principal = access.authenticate(hello.token, self._address)
            except AccessError as problem:
                refusal = _refusal(problem)
                self.close(refusal.code, refusal.reason)
                return
        principal, participants = self._principal, self._sockets.participants
        self._conversation.ready = True
        self.subscriber.answered_s = self._sockets.hub.clock()
        self._sockets.welcome(self)
        anchor = ClockAnchor.now()
        self._send(
            {
                "type": "welcome",
                "protocol": PROTOCOL_VERSION,
                "server": self._sockets.server,
                "epoch": self._sockets.hub.epoch,
                "time": {"unix_s": anchor.unix_s, "lsl_s": anchor.lsl_s},
                "streams": [participants.view(name) for name in participants.streams() if principal.may_read(name)],
            }
        )

    def _pong(self, ping: Ping, heard_s: float) -> None:
        answered_s = lsl_now_s()
        self._send({"type": "pong", "t0": ping.t0, "t1": heard_s, "t2": answered_s})
        if ping.previous is not None:
            self._clock.previous(ping.previous.t0, ping.previous.t3)
        self._clock.ping(ping.t0, heard_s, answered_s)

    def _trial(self, sent: SendTrial, heard_s: float) -> None:
        refusal = self._send_refusal(sent.stream)
        stamp = self._clock.stamp(sent.t_client_ms, heard_s, sent.uncertainty_ms)
        if refusal is None:
            try:
                self._sockets.participants.loop.accept_trial(sent, stamp, partial(self._acknowledge, sent, stamp))
            except ConflictError as full:
                refusal = "too_many", str(full)
        if refusal is not None:
            self._send(
                {"type": "error", "code": refusal[0], "message": refusal[1], "run": sent.run, "trial": sent.trial}
            )

    def _marker(self, sent: SendMarker, heard_s: float) -> None:
        refusal = self._send_refusal(sent.stream)
        if refusal is not None:
            self._send({"type": "error", "code": refusal[0], "message": refusal[1]})
            return
        stamp = self._clock.stamp(sent.t_client_ms, heard_s, sent.uncertainty_ms)
        self._sockets.participants.loop.accept_marker(sent, stamp)

    def _acknowledge(self, sent: SendTrial, stamp: Stamp, duplicate: bool) -> None:
        if self.gone:
            return
        self._send(
            {
                "type": "ack",
                "run": sent.run,
                "trial": sent.trial,
                "duplicate": duplicate,
                "t_lsl_s": stamp.lsl_s,
                "uncertainty_ms": None if stamp.uncertainty_s is None else stamp.uncertainty_s * 1e3,
                "stamped": stamp.how,
            }
        )

    def _subscribe(self, asked: Subscribe) -> None:
        stream, refusal = self._reach(asked.stream)
        accepted: list[str] = []
        refused: list[dict[str, str]] = []
        since = _since(asked)
        for topic in dict.fromkeys(asked.topics):
            reason = refusal or self._topic_refusal(stream, topic)
            if reason is not None:
                refused.append({"topic": topic, "code": reason[0], "message": reason[1]})
                continue
            self._sockets.hub.subscribe(self.subscriber, stream, topic, rate_hz=asked.rate_hz, since=since)
            accepted.append(topic)
        self._send({"type": "subscribed", "id": asked.id, "accepted": accepted, "refused": refused})
        self._sockets.hub.catch_up(self.subscriber)

    def _unsubscribe(self, asked: Unsubscribe) -> None:
        stream, _ = self._reach(asked.stream)
        accepted = [t for t in dict.fromkeys(asked.topics) if (stream, t) in self.subscriber.subscriptions]
        for topic in accepted:
            self._sockets.hub.unsubscribe(self.subscriber, stream, topic)
        refused = [
            {"topic": t, "code": "no_such_stream", "message": f"'{t}' of '{asked.stream}' was not subscribed"}
            for t in dict.fromkeys(asked.topics)
            if t not in accepted
        ]
        self._send({"type": "unsubscribed", "id": asked.id, "accepted": accepted, "refused": refused})

    def _reach(self, stream: str) -> tuple[str, tuple[str, str] | None]:
        """Say which streams a client means, and why it may not have them."""
        principal = self._principal
        if principal is None or principal.operator:
            return stream, None if stream == "*" else self._missing(stream)
        if stream == "*":
            return str(principal.stream), None
        if not principal.may_read(stream):
            return stream, ("not_allowed", f"this token reads '{principal.stream}' only")
        return stream, None

    def _send_refusal(self, stream: str) -> tuple[str, str] | None:
        """Say why a client may not send for a stream: it is another person's, or, whoever asks, there is none."""
        return self._reach(stream)[1] or self._missing(stream)

    def _missing(self, stream: str) -> tuple[str, str] | None:
        if stream in self._sockets.participants.streams():
            return None
        return "no_such_stream", f"no stream '{stream}'; GET /v1/streams lists them"

    def _topic_refusal(self, stream: str, topic: str) -> tuple[str, str] | None:
        if topic in LATER_TOPICS:
            return "no_such_stream", f"no stream has '{topic}' yet: it arrives with a later version"
        held = self.subscriber.subscriptions
        if (stream, topic) not in held and len(held) >= MAX_SUBSCRIPTIONS:
            return "too_many", f"at most {MAX_SUBSCRIPTIONS} subscriptions a client"
        return None


def _refusal(problem: AccessError) -> Close:
    """Close for a token that was refused: a wrong one for good, one that was not looked at until later."""
    return Close(FLOOD if isinstance(problem, TooManyFailuresError) else UNAUTHORIZED, str(problem))


def _since(asked: Subscribe) -> Since | None:
    if asked.since is None:
        return None
    seen = {
        (stream, topic): seq
        for stream, topics in asked.since.items()
        if isinstance(topics, dict)
        for topic, seq in topics.items()
    }
    return Since(str(asked.since["epoch"]), seen)
