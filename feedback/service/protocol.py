"""The conversation of one WebSocket client, without any I/O: text in, what to do out.

States: `hello` (nothing but a hello is answered), then `ready`, once the shell has found the token good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson
from pydantic import ValidationError

from feedback.service.wire.client_messages import Hello, Ping, SendMarker, SendTrial, Subscribe, Unsubscribe
from feedback.service.wire.topics import ErrorCode

SUBPROTOCOL = "focusloop.v1.json"
PROTOCOL_VERSION = 1
MAX_MESSAGE_BYTES = 64 * 1024
MAX_DEPTH = 8
MAX_SUBSCRIPTIONS = 256
MAX_MESSAGES_PER_S = 200
FLOOD_AFTER = 200
"""Messages refused as `rate_limited`, without a second's calm between, before the connection is closed."""

HELLO_WITHIN_S = 5.0

BAD_HELLO, UNAUTHORIZED, FORBIDDEN_ORIGIN, FLOOD, TOO_BIG, RESTART = 4400, 4401, 4403, 4429, 1009, 1012

_LATER = {
    "areas": "areas of interest arrive with a later version",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """Send this to the client."""

    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection with this code; the reason fits a close frame."""

    code: int
    reason: str


Command = Hello | Subscribe | Unsubscribe | Ping | SendTrial | SendMarker
_MODELS: dict[str, type[Command]] = {
    "hello": Hello,
    "subscribe": Subscribe,
    "unsubscribe": Unsubscribe,
    "ping": Ping,
    "trial": SendTrial,
    "marker": SendMarker,
}


class TokenBucket:
    """At most `rate` a second over time, `burst` at once."""

    __slots__ = ("_at_s", "_burst", "_level", "_rate")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._level, self._at_s = burst, 0.0

    def take(self, now_s: float) -> bool:
        """Take one; False where none is left."""
        self._level = min(self._burst, self._level + max(0.0, now_s - self._at_s) * self._rate)
        self._at_s = now_s
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True

    def wait_s(self) -> float:
        """Give the time until one is left again."""
        return max(0.0, (1.0 - self._level) / self._rate)


def error(code: ErrorCode, message: str, message_id: object = None) -> Reply:
    """Build an error message; the client's own id comes back where it gave a usable one."""
    fields: dict[str, Any] = {"type": "error", "code": code, "message": message}
    if isinstance(message_id, int | str) and not isinstance(message_id, bool):
        fields = {"type": "error", "id": message_id, "code": code, "message": message}
    return Reply(fields)


class Conversation:
    """Judges what one client sends."""

    __slots__ = ("_bucket", "_refused", "_refused_at_s", "ready")

    def __init__(self) -> None:
        self.ready = False
        self._bucket = TokenBucket(MAX_MESSAGES_PER_S, MAX_MESSAGES_PER_S)
        self._refused = 0
        self._refused_at_s = 0.0

    def receive(self, message: str | bytes, now_s: float) -> Command | Reply | Close:
        """Judge one message.

        Parameters
        ----------
        message
            Text as str; bytes are a binary message, which nobody may send.
        now_s
            Any monotonic clock.
        """
        flood = self._count(now_s)
        if flood is not None:
            return flood
        parsed = _parse(message)
        if self.ready:
            if isinstance(parsed, Hello):
                return error("bad_message", "hello was said already")
            return parsed
        if isinstance(parsed, Hello):
            return parsed
        detail = parsed.fields["message"] if isinstance(parsed, Reply) else f"'{parsed.type}' before hello"
        return Close(BAD_HELLO, f"expected hello: {detail}")

    def spend(self, now_s: float) -> Close | None:
        """Count a ping or a fragment like a message; says when it is too much."""
        flood = self._count(now_s)
        return flood if isinstance(flood, Close) else None

    def _count(self, now_s: float) -> Reply | Close | None:
        if self._bucket.take(now_s):
            return None
        self._refused = 1 if now_s - self._refused_at_s > 1.0 else self._refused + 1
        self._refused_at_s = now_s
        if self._refused > FLOOD_AFTER:
            return Close(FLOOD, f"more than {MAX_MESSAGES_PER_S} messages a second")
        return error("rate_limited", f"at most {MAX_MESSAGES_PER_S} messages a second; this one was dropped")


def _parse(message: str | bytes) -> Command | Reply:
    if isinstance(message, bytes):
        return error("bad_message", "expected a text frame with JSON, got a binary one")
    if len(message) > MAX_MESSAGE_BYTES:
        return error("bad_message", f"more than {MAX_MESSAGE_BYTES} bytes")
    try:
        value: object = orjson.loads(message)
    except orjson.JSONDecodeError as problem:
        return error("bad_message", f"no JSON: {problem}")
    if not isinstance(value, dict):
        return error("bad_message", "expected a JSON object with a 'type'")
    fields = cast("dict[str, object]", value)
    message_id = fields.get("id")
    if _deeper_than(fields, MAX_DEPTH):
        return error("bad_message", f"nested deeper than {MAX_DEPTH}", message_id)
    kind = fields.get("type")
    if not isinstance(kind, str):
        return error("bad_message", "type: expected a string", message_id)
    model = _MODELS.get(kind)
    if model is None:
        return error("unknown_type", f"unknown type '{_short(kind)}'; {_known(kind)}", message_id)
    try:
        return model.model_validate(fields)
    except ValidationError as problem:
        # The contract answers a subscription to a topic that does not exist with `bad_message`, word for word.
        unheard = model is Unsubscribe and _is_unknown_topic(problem)
        refusal = error("unknown_topic" if unheard else "bad_message", _sentence(problem), message_id)
        return Reply({**refusal.fields, **trial_named(fields)}) if model is SendTrial else refusal


def trial_named(fields: Mapping[str, object]) -> dict[str, Any]:
    """Give run and number of a trial that was refused, so that its sender can let go of it."""
    run, trial = fields.get("run"), fields.get("trial")
    named: dict[str, Any] = {"run": _short(run)} if isinstance(run, str) else {}
    if isinstance(trial, int) and not isinstance(trial, bool):
        named["trial"] = trial
    return named


def _known(kind: str) -> str:
    return _LATER.get(kind) or "known: " + " ".join(sorted(_MODELS))


def _deeper_than(value: object, limit: int) -> bool:
    level: list[object] = [value]
    for _ in range(limit):
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(cast("dict[str, object]", item).values())
            elif isinstance(item, list):
                inner.extend(cast("list[object]", item))
        level = [item for item in inner if isinstance(item, dict | list)]
        if not level:
            return False
    return True


def _short(text: object, most: int = 64) -> str:
    shown = str(text)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _is_unknown_topic(problem: ValidationError) -> bool:
    first = problem.errors(include_url=False)[0]
    return first["type"] == "literal_error" and first["loc"][0] == "topics"


def _sentence(problem: ValidationError) -> str:
    first = problem.errors(include_url=False)[0]
    where = ""
    for part in first["loc"]:
        if isinstance(part, int):
            where += f"[{part}]"
        elif not where:
            where = part
    if _is_unknown_topic(problem):
        return f"{where}: unknown topic '{_short(first['input'])}'"
    return f"{where}: {_short(first['msg'], 200)}"
