"""The application and its life: start, serve, stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from importlib.metadata import PackageNotFoundError, version
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from uvicorn.server import HANDLED_SIGNALS

from bci.errors import ConfigError, FocusloopError
from feedback.service import http, problems
from feedback.service.access import Access
from feedback.service.connections import ServiceHttp, Waiting, raise_file_limit
from feedback.service.gate import Gate
from feedback.service.hub import Hub
from feedback.service.logs import configure_logs
from feedback.service.metrics import Metrics
from feedback.service.ports import Participants
from feedback.service.protocol import MAX_MESSAGE_BYTES
from feedback.service.routed import Routed
from feedback.service.settings import ServiceError, ServiceSettings
from feedback.service.socket import Sockets
from feedback.service.transport import ServiceWebSocket

GRACE_S = 2
"""For clients at the end; then the participants are released, and the process exits, within 5 s in all."""

_log = structlog.get_logger("focusloop.service")


def server_name() -> str:
    """Name and version, as `welcome` says them."""
    try:
        return f"focusloop/{version('focusloop')}"
    except PackageNotFoundError:
        return "focusloop/0+source"


def build_app(
    participants: Participants,
    hub: Hub,
    settings: ServiceSettings,
    *,
    metrics: Metrics | None = None,
    access: Access | None = None,
    started: Callable[[], None] = lambda: None,
) -> FastAPI:
    """Put the service together; nothing runs before its lifespan starts, and `started` is called once that has.

    Raises
    ------
    ServiceError
        If the data directory cannot keep the operator's token.
    """
    metrics = metrics or Metrics()
    access = access or Access(settings)
    sockets = Sockets(hub, access, participants, server_name())
    _show(metrics, hub, sockets)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, object]]:
        hub.bind(asyncio.get_running_loop())
        pings = asyncio.create_task(sockets.run(), name="pings")
        try:
            try:
                await participants.startup(hub)
                started()
            except FocusloopError as error:
                app.state.startup_error = error
                # Starlette would log its traceback; `run_service` raises it again, as one sentence.
                logging.getLogger("uvicorn.error").addFilter(lambda record: not record.getMessage().startswith("Trace"))
                raise
            yield {"sockets": sockets, "waiting": Waiting()}
        finally:
            pings.cancel()
            await participants.shutdown()
            hub.bind(None)

    cors = Middleware(
        CORSMiddleware,
        allow_origins=list(settings.allow_origins),
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["Authorization", "Content-Type"],
    )
    app = FastAPI(
        title="focusloop",
        version=server_name().partition("/")[2],
        description="Focus scores from EEG, over HTTP and WebSocket (`/asyncapi.json`).",
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        middleware=[Middleware(Gate, access=access), cors],
    )
    app.state.routed = Routed(participants, access, settings, metrics, server_name())
    app.state.startup_error = None
    problems.install(app)
    app.include_router(http.v1)
    app.include_router(http.open_routes)
    return app


def _show(metrics: Metrics, hub: Hub, sockets: Sockets) -> None:
    metrics.gauge("focusloop_clients", "WebSocket clients that said hello", lambda: len(sockets))
    metrics.gauge("focusloop_clients_waiting", "WebSocket clients before hello", lambda: sockets.unauthenticated)
    metrics.gauge("focusloop_messages_published", "Messages encoded", lambda: hub.counters.published)
    metrics.gauge("focusloop_messages_delivered", "Messages written to clients", lambda: hub.counters.delivered)
    metrics.gauge("focusloop_messages_missed", "Messages that slow clients missed", lambda: hub.counters.missed)


def bind(host: str, port: int) -> list[socket.socket]:
    """Open the listening sockets before anything else is started.

    Raises
    ------
    ConfigError
        No such address, or none of this machine.
    ServiceError
        Port in use, or not permitted.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        msg = f"--host {host}: no address is known for this name; give one of this machine, or 0.0.0.0 for all of them"
        raise ConfigError(msg) from error
    opened: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            if opened and port == 0:
                break  # one free port has one number
            try:
                opened.append(socket.create_server(address[:2], family=family, backlog=2048))
            except OSError:
                # `localhost` may name ::1 on a machine without IPv6.
                if family != socket.AF_INET6 or not any(f == socket.AF_INET for f, *_ in found):
                    raise
    except OSError as error:
        for listener in opened:
            listener.close()
        if error.errno == errno.EADDRNOTAVAIL:  # no other port would help
            msg = f"--host {host}: this machine does not have that address; give one of its own, or 0.0.0.0 for all"
            raise ConfigError(msg) from error
        msg = (
            f"cannot listen on {host} port {port}: {error.strerror or error}. Is another focusloop running? "
            "Stop it, or choose another with --port"
        )
        raise ServiceError(msg) from error
    return opened


class _Server(uvicorn.Server):
    """uvicorn that ends by itself: it would send the signal again, and the process would not exit with 0."""

    def __init__(self, config: uvicorn.Config, until: threading.Event | None) -> None:
        super().__init__(config)
        self._until = until

    async def on_tick(self, counter: int) -> bool:
        """Say, ten times a second, whether it is time to end."""
        over = await super().on_tick(counter)
        return over or (self._until is not None and self._until.is_set())

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Let SIGTERM and Ctrl-C end the service, once; a second Ctrl-C at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._on_signal) for number in HANDLED_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.handle_exit(number, frame)


def run_service(
    settings: ServiceSettings,
    participants: Participants,
    *,
    hub: Hub | None = None,
    metrics: Metrics | None = None,
    announce: Callable[[str], None] | None = None,
    until: threading.Event | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C, or until an event; returns when everything is released.

    Parameters
    ----------
    settings
        Where and for whom.
    participants
        What is served.
    hub, metrics
        Given where others publish and observe too.
    announce
        Called with the URL once what is served has started; where the port was 0, it has the one that was free.
    until
        Set from anywhere to end the service.

    Raises
    ------
    ServiceError
        If it cannot listen, or the data directory cannot be used.
    FocusloopError
        What `participants.startup` raised.
    """
    configure_logs(debug=settings.debug)
    raise_file_limit()
    hub = hub or Hub()
    listeners = bind(settings.host, settings.port)
    try:
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        url = f"http://{shown}:{listeners[0].getsockname()[1]}/"

        def started() -> None:
            if announce is not None:
                announce(url)
            _log.info("listening", url=url, epoch=hub.epoch)

        _serve(build_app(participants, hub, settings, metrics=metrics, started=started), listeners, until)
    finally:
        for listener in listeners:
            listener.close()
    _log.info("ended")


def _serve(app: FastAPI, listeners: list[socket.socket], until: threading.Event | None) -> None:
    try:
        make_server(app, until).run(sockets=listeners)
    except SystemExit as ended:  # uvicorn's word for a lifespan that failed
        error = app.state.startup_error
        raise error if isinstance(error, FocusloopError) else ServiceError("the service could not start") from ended


def make_server(app: FastAPI, until: threading.Event | None = None) -> uvicorn.Server:
    """Configure uvicorn as the contract needs it: limits, no compression, no log of paths with their query."""
    return _Server(
        uvicorn.Config(
            app,
            http=ServiceHttp,
            ws=ServiceWebSocket,
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_per_message_deflate=False,
            ws_ping_interval=None,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # else anyone on this machine could say to come from anywhere
            timeout_graceful_shutdown=GRACE_S,
        ),
        until,
    )
