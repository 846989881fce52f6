"""Server-side WebSocket frames (RFC 6455 §5.2): unmasked, unfragmented, made once for all clients."""

from __future__ import annotations

PING_PAYLOAD_BYTES = 8
_TEXT, _PING = 0x81, 0x89  # FIN with the opcode


def _header(first: int, length: int) -> bytes:
    if length < 126:
        return bytes((first, length))
    if length < 65536:
        return bytes((first, 126)) + length.to_bytes(2, "big")
    return bytes((first, 127)) + length.to_bytes(8, "big")


def text_frame(payload: bytes) -> bytes:
    """Frame a UTF-8 payload as one text message."""
    return _header(_TEXT, len(payload)) + payload


def ping_frame(number: int) -> bytes:
    """Frame a ping that carries a running number, so that its pong says which one it answers."""
    return _header(_PING, PING_PAYLOAD_BYTES) + number.to_bytes(PING_PAYLOAD_BYTES, "big")


def pong_number(payload: bytes) -> int | None:
    """Read the number back; None where the pong answers no ping of ours."""
    return int.from_bytes(payload, "big") if len(payload) == PING_PAYLOAD_BYTES else None
