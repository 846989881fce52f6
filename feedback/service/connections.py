"""HTTP connections: how many there can be, how many may wait for a whole request at once, and for how long.

One that sends nothing, or reads nothing of its answers, costs a file descriptor, and of those a process has 1024 as a
rule: so many idle connections would silence the service for everyone. Written against uvicorn 0.54.0, which is pinned.
"""

from __future__ import annotations

import contextlib
import math
import sys
from asyncio import TimerHandle
from asyncio.transports import Transport
from typing import cast

import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_WITHIN_S = 10.0
UNREAD_S = 60.0
"""Whoever reads nothing for so long, while answers wait for it, is let go."""

ALWAYS_WAITING = 256
"""So many may wait whatever the system allows."""

TOLD_EVERY_S = 60.0
_MACOS_FILES = 10_240
"""OPEN_MAX: macOS refuses more, whatever limit it names."""

_log = structlog.get_logger("focusloop.http")


def raise_file_limit() -> None:
    """Take as many file descriptors as the system allows; each client, file and LSL stream needs some."""
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, _MACOS_FILES) if sys.platform == "darwin" else hard
    with contextlib.suppress(ValueError, OSError):  # then it stays as it is
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_waiting() -> int:
    """Half of the file descriptors: many clients that come at once, as after a restart, are no attack."""
    if sys.platform == "win32":
        return 16 * ALWAYS_WAITING  # Windows counts no sockets among a process's files
    import resource

    return max(ALWAYS_WAITING, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)


class Waiting:
    """Connections of which no whole request has come, the one that waits longest first."""

    def __init__(self) -> None:
        self._deadlines: dict[ServiceHttp, TimerHandle] = {}
        self._told_s = -math.inf

    def add(self, connection: ServiceHttp) -> None:
        """Give a connection its time, unless it has one already; where too many wait, another has to go."""
        if connection in self._deadlines:
            return
        if len(self._deadlines) >= (most := most_waiting()):
            self._make_room(connection.loop.time(), most)
        self._deadlines[connection] = connection.loop.call_later(REQUEST_WITHIN_S, connection.let_go)

    def discard(self, connection: ServiceHttp) -> None:
        """Let a connection take the time that it likes."""
        deadline = self._deadlines.pop(connection, None)
        if deadline is not None:
            deadline.cancel()

    def _make_room(self, now_s: float, most: int) -> None:
        """Close the oldest that never asked for anything; those that did and are kept alive go last."""
        oldest = next((one for one in self._deadlines if not one.cycle), next(iter(self._deadlines)))
        self.discard(oldest)
        oldest.let_go()
        if now_s - self._told_s >= TOLD_EVERY_S:
            self._told_s = now_s
            address = oldest.client[0] if oldest.client else ""
            _log.warning("too many connections send no request; the oldest are closed", most=most, last=address)


class ServiceHttp(H11Protocol):
    """One HTTP connection: it waits until a whole request has come, and again from its answer to the next."""

    _unread: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        super().connection_lost(exc)
        self._look()
        self._wait_no_more()

    def pause_writing(self) -> None:
        """Give its client the time to read what lies there for it."""
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        """Notice that the client reads; one that is let go has no more time for that."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._wait_no_more()

    def let_go(self) -> None:
        """Close once what was answered is read, or once it is clear that it will not be."""
        self.transport.close()
        self._wait_for_reader()

    def _wait_for_reader(self) -> None:
        self._wait_no_more()
        self._unread = self.loop.call_later(UNREAD_S, self.transport.abort)

    def _wait_no_more(self) -> None:
        if self._unread is not None:
            self._unread.cancel()

    def handle_events(self) -> None:
        """See whether what came makes a request whole."""
        super().handle_events()
        self._look()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._look()

    def _look(self) -> None:
        waiting = cast("Waiting", self.app_state["waiting"])
        answering = self.cycle and not self.cycle.more_body and not self.cycle.response_complete
        if answering or self not in self.connections:  # a WebSocket is none of these any more
            waiting.discard(self)
        else:
            waiting.add(self)
