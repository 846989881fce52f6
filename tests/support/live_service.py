"""A whole service on loopback, in a thread of the test: uvicorn, its WebSocket class, routes, fake participants."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import orjson
import pytest
from fake_participants import FakeParticipants
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from feedback.service.access import Access
from feedback.service.app import bind, build_app, make_server
from feedback.service.hub import Hub
from feedback.service.metrics import Metrics
from feedback.service.protocol import SUBPROTOCOL
from feedback.service.settings import ServiceSettings

TOKEN = "operator-token-of-the-tests"  # noqa: S105 - of a service that lives for a test


class LiveService:
    """Started on entering, ended on leaving; publish from the test's thread, as the engine's worker does."""

    def __init__(
        self,
        data_dir: Path,
        *,
        streams: Sequence[str] = ("p01",),
        clock: Callable[[], float] = time.monotonic,
        allow_origins: tuple[str, ...] = (),
    ) -> None:
        self.settings = ServiceSettings(port=0, token=TOKEN, data_dir=data_dir, allow_origins=allow_origins)
        self.participants = FakeParticipants(streams)
        self.hub = Hub(clock=clock)
        self.metrics = Metrics()
        self.access = Access(self.settings)

    def __enter__(self) -> LiveService:
        listeners = bind(self.settings.host, 0)
        self.port: int = listeners[0].getsockname()[1]
        app = build_app(self.participants, self.hub, self.settings, metrics=self.metrics, access=self.access)
        self._server = make_server(app)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": listeners}, name="uvicorn")
        self._thread.start()
        httpx.get(f"{self.url}/healthz", timeout=10.0).raise_for_status()  # the listener queues us until it serves
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(10.0)
        assert not self._thread.is_alive(), "the service did not end"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/ws"

    def http(self, token: str | None = TOKEN) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=10.0)

    def open(self, **options: object) -> Talk:
        """Connect without saying anything."""
        options.setdefault("subprotocols", [SUBPROTOCOL])
        return Talk(connect(self.ws_url, max_size=None, open_timeout=10.0, **options))  # type: ignore[arg-type] - passed on

    def talk(self, token: str = TOKEN) -> Talk:
        """Connect and say hello."""
        client = self.open()
        client.say(type="hello", token=token, client="tests/1")
        client.welcome = client.hear()
        assert client.welcome["type"] == "welcome"
        return client


class Talk:
    """A `websockets` client that speaks JSON."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection.__enter__()
        self.welcome: dict[str, Any] = {}

    def __enter__(self) -> Talk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def say(self, **fields: object) -> None:
        self.connection.send(orjson.dumps(fields).decode())

    def hear(self, timeout: float = 5.0) -> dict[str, Any]:
        heard: dict[str, Any] = orjson.loads(self.connection.recv(timeout=timeout))
        return heard

    def ask(self, **fields: object) -> dict[str, Any]:
        """Say, and hear the answer, whatever is delivered meanwhile."""
        self.say(**fields)
        while True:
            heard = self.hear()
            if heard["type"] in ("subscribed", "unsubscribed", "error", "pong", "welcome"):
                return heard

    def subscribe(self, *topics: str, stream: str = "*", **more: object) -> dict[str, Any]:
        return self.ask(type="subscribe", id=1, stream=stream, topics=list(topics), **more)

    def synchronise(self) -> list[dict[str, Any]]:
        """Give everything that was published before."""
        heard: list[dict[str, Any]] = []
        # Twice: the loop may take the first ping from its socket before the wake-up of a message published earlier.
        for _ in range(2):
            self.say(type="ping", t0=12345)
            while (message := self.hear())["type"] != "pong":
                heard.append(message)
        return heard

    def close_code(self) -> int:
        """Read until the service closes; give its code."""
        with pytest.raises(ConnectionClosed) as closed:
            self._read_to_the_end()
        assert closed.value.rcvd is not None, "the connection was cut without a close code"
        return closed.value.rcvd.code

    def _read_to_the_end(self) -> None:
        while True:
            self.connection.recv(timeout=10.0)


class RawClient:
    """A client by hand: sends the frames that it likes, answers no ping that it was not told to."""

    def __init__(self, service: LiveService) -> None:
        self.socket = socket.create_connection(("127.0.0.1", service.port), timeout=5.0)
        self.socket.sendall(
            f"GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
        self._buffer = b""
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self.socket.recv(4096)
        self._buffer = self._buffer.partition(b"\r\n\r\n")[2]

    def __enter__(self) -> RawClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, payload: bytes, *, first: int = 0x81) -> None:
        """Send one frame, masked with zeros."""
        size = len(payload)
        length = bytes((0x80 | size,)) if size < 126 else bytes((0x80 | 126,)) + size.to_bytes(2, "big")
        self.socket.sendall(bytes((first,)) + length + b"\0\0\0\0" + payload)

    def say(self, **fields: object) -> None:
        self.send(orjson.dumps(fields))

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            came = self.socket.recv(65536)
            if not came:
                raise EOFError
            self._buffer += came
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def frame(self) -> tuple[int, bytes]:
        """Read the next frame: first byte and payload."""
        first, length = self._take(2)
        if length == 126:
            length = int.from_bytes(self._take(2), "big")
        elif length == 127:
            length = int.from_bytes(self._take(8), "big")
        return first, self._take(length)

    def hear(self) -> dict[str, Any]:
        """Read the next text message, skipping pings unanswered."""
        while True:
            first, payload = self.frame()
            if first == 0x81:
                heard: dict[str, Any] = orjson.loads(payload)
                return heard

    def ping(self) -> bytes:
        """Read up to the next ping; give its payload."""
        while True:
            first, payload = self.frame()
            if first == 0x89:
                return payload

    def pong(self, payload: bytes) -> None:
        self.send(payload, first=0x8A)
