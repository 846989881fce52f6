"""The WebSocket protocol class that uvicorn runs: with `connections` the only module that touches transports.

It does not start an ASGI task per client, but calls a `Session`: at 2,000 clients and 25 scores a second, a task per
client lost 44 % of the messages. Written against uvicorn 0.54.0, which is pinned.
"""

from __future__ import annotations

from asyncio.transports import BaseTransport
from typing import TYPE_CHECKING, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame
from websockets.http11 import Request

from feedback.service.protocol import FLOOD, RESTART, SUBPROTOCOL, TOO_BIG

if TYPE_CHECKING:
    from feedback.service.socket import Session, Sockets

PATH = "/v1/ws"
CLOSE_WITHIN_S = 2.0
DEAF_S = 1.0
"""How long a client that broke the rules may go on sending, unread, so that it can still read why it was closed."""

_SLICE_BYTES = 4096
_INVALID_UTF8 = 1007


class ServiceWebSocket(WebSocketsSansIOProtocol):
    """One WebSocket connection, from upgrade to close."""

    session: Session | None = None
    _blocked = False
    _deaf = False

    def connection_made(self, transport: BaseTransport) -> None:
        """Have every write tried at once, and be told when one does not fit."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=0)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the client off the hub."""
        super().connection_lost(exc)
        if self.session is not None:
            self.session.lost()

    def shutdown(self) -> None:
        """Say that the service restarts; a client that does not read cannot be told, and does not hold us up."""
        if self._blocked:
            self.transport.abort()
        elif self.session is None or self.close_sent:
            super().shutdown()
        else:
            self.close(RESTART, "the service ends or restarts")
            self.transport.close()

    # Reading

    def data_received(self, data: bytes) -> None:
        """Feed the parser by slices, so that one client's flood of tiny frames ends early."""
        for start in range(0, len(data), _SLICE_BYTES):
            if self._deaf or self.transport.is_closing():
                return
            super().data_received(data[start : start + _SLICE_BYTES])

    def handle_connect(self, event: Request) -> None:
        """Open a session instead of an ASGI task."""
        self.response = self.conn.accept(event)
        self.handshake_initiated = True
        if self.response.status_code != 101:
            self._reject(self.response.status_code, (self.response.body or b"").decode())
            return
        path, _, query = event.path.partition("?")
        if path != PATH:
            self._reject(404, f"WebSocket is at {PATH}\n")
            return
        sockets = cast("Sockets", self.app_state["sockets"])
        address = self.client[0] if self.client else ""
        session = sockets.admit(self, address, event.headers, query)
        if session is None:
            self._reject(503, "too many clients that have not said hello; try again in a moment\n")
            return
        offered = ",".join(event.headers.get_all("Sec-WebSocket-Protocol")).split(",")
        if SUBPROTOCOL in (name.strip() for name in offered):
            self.response.headers["Sec-WebSocket-Protocol"] = SUBPROTOCOL
        self.session = session
        self.handshake_complete = True
        self.conn.send_response(self.response)
        self._write_out()
        del self.response
        session.start()

    def send_receive_event_to_app(self) -> None:
        """Hand a whole message to the session."""
        message = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.session is None or self.close_sent:
            return
        if self.curr_msg_data_type == "bytes":
            self.session.receive(bytes(message))
            return
        try:
            text = message.decode()
        except UnicodeDecodeError:
            self.close(_INVALID_UTF8, "a text frame holds UTF-8")
            return
        self.session.receive(text)

    def handle_cont(self, event: Frame) -> None:
        """Count fragments: empty ones would otherwise be free, for ever."""
        if self.session is not None and self.session.spend():
            super().handle_cont(event)

    def handle_ping(self) -> None:
        """Answer, unless the client does not read what we send."""
        pong = b"".join(self.conn.data_to_send())
        if self.session is not None and self.session.spend() and not self._blocked:
            self.transport.write(pong)

    def handle_pong(self, event: Frame) -> None:
        """Note how far the client has read."""
        if self.session is not None:
            self.session.pong(bytes(event.data))

    def handle_parser_exception(self) -> None:
        """Let the client read why: closing at once would reset the connection under what it still sends."""
        self._write_out()
        self.close_sent = True
        self._linger()
        if self.session is not None and self.conn.close_sent is not None and self.conn.close_sent.code == TOO_BIG:
            self.session.log_closed(TOO_BIG, "message too big")

    # Writing

    def pause_writing(self) -> None:
        """Stop writing and reading: who does not take answers is not asked for more."""
        super().pause_writing()
        self._blocked = True
        if self.session is not None:
            self.session.subscriber.blocked = True
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on, first with what is owed."""
        super().resume_writing()
        self._blocked = False
        if self.session is not None and not self.transport.is_closing():
            self.transport.resume_reading()
            self.session.unblocked()

    def write(self, frames: bytes) -> None:
        """Write ready-made frames."""
        if not self.close_sent and not self.transport.is_closing():
            self.transport.write(frames)

    def close(self, code: int, reason: str) -> None:
        """Close with a code and a reason that a person can read."""
        if self.close_sent or self.transport.is_closing():
            return
        if self._blocked:
            self.transport.abort()
            return
        try:
            self.conn.send_close(code, reason.encode()[:120].decode(errors="ignore"))
        except InvalidState:
            self.transport.close()
            return
        self._write_out()
        self.close_sent = True
        if code == FLOOD:
            self._linger()
        else:
            self.close_timer = self.loop.call_later(CLOSE_WITHIN_S, self.transport.close)

    def abort(self) -> None:
        """Drop a client that has not answered for long."""
        self.transport.abort()

    def _linger(self) -> None:
        self._deaf = True
        self.close_timer = self.loop.call_later(DEAF_S, self.transport.close)

    def _write_out(self) -> None:
        self.transport.write(b"".join(self.conn.data_to_send()))

    def _reject(self, status: int, message: str) -> None:
        self.conn.send_response(self.conn.reject(status, message))
        self.handshake_complete = True
        self.close_sent = True
        self._write_out()
        self.transport.close()
