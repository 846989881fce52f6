"""Connections that send no whole request do not stay, and are not many; nobody else notices."""

from __future__ import annotations

import asyncio
import itertools
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import httpx
import pytest
from focusloop_process import Serve
from live_service import TOKEN, LiveService

from feedback.service import connections

HEAD = f"POST /v1/tokens HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
ASYNCAPI = b"GET /asyncapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveService]:
    monkeypatch.setattr(connections, "REQUEST_WITHIN_S", 0.3)
    with LiveService(tmp_path) as live:
        yield live


def connect(service: LiveService | Serve) -> socket.socket:
    url = httpx.URL(service.url)
    return socket.create_connection((url.host, url.port or 80), timeout=10.0)


def read_answer(of: BinaryIO) -> int:
    """Read one answer; give the length of its body."""
    head = list(itertools.takewhile(lambda line: line not in (b"\r\n", b""), iter(of.readline, None)))
    assert head, "it was let go"
    assert head[0].startswith(b"HTTP/1.1 200")
    length = next(int(line.split(b":")[1]) for line in head if line.lower().startswith(b"content-length"))
    assert len(of.read(length)) == length
    return length


def read_to_the_end(of: socket.socket) -> bytes:
    """Read until the service closes."""
    read = b""
    while more := of.recv(65536):
        read += more
    return read


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /healthz HTT",
        HEAD.encode(),
        f"{HEAD}Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{{".encode(),
    ],
    ids=["nothing", "half a line", "half a head", "half a body"],
)
def test_what_never_becomes_a_request_is_closed(service: LiveService, sent: bytes) -> None:
    with connect(service) as idle, service.talk() as listener:
        idle.sendall(sent)
        assert read_to_the_end(idle) == b""
        assert listener.ask(type="ping", t0=1)["type"] == "pong"  # accepted: it may be silent as long as it likes


def test_half_of_a_second_request_is_closed_too(service: LiveService) -> None:
    with connect(service) as kept:
        kept.sendall(HEALTHZ)
        assert kept.recv(65536).startswith(b"HTTP/1.1 200")
        kept.sendall(HEALTHZ)
        assert kept.recv(65536).startswith(b"HTTP/1.1 200")
        kept.sendall(HEALTHZ[:10])
        assert read_to_the_end(kept) == b""


def ask_for_ever(of: socket.socket) -> None:
    """Ask and read nothing, until nothing goes out any more; then the wait is for the service to give up."""
    while True:
        of.sendall(ASYNCAPI)


def called(monkeypatch: pytest.MonkeyPatch, name: str) -> threading.Event:
    """Have it told when a method of a connection was called."""
    told = threading.Event()
    method = getattr(connections.ServiceHttp, name)

    def tell(self: connections.ServiceHttp) -> None:
        method(self)
        told.set()

    monkeypatch.setattr(connections.ServiceHttp, name, tell)
    return told


def test_who_never_reads_what_it_asked_for_is_let_go(service: LiveService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "UNREAD_S", 0.3)
    with connect(service) as deaf, pytest.raises((ConnectionResetError, BrokenPipeError)):
        ask_for_ever(deaf)


def test_who_never_reads_the_rest_of_an_answer_is_let_go(service: LiveService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "UNREAD_S", 0.3)
    # So that everything is answered, and what the client does not take waits in the service.
    monkeypatch.setattr(connections.ServiceHttp, "pause_writing", lambda _connection: None)
    closing = called(monkeypatch, "let_go")
    with connect(service) as deaf:
        deaf.sendall(ASYNCAPI * 400)
        assert closing.wait(30.0)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            ask_for_ever(deaf)


def test_who_reads_late_gets_it_all_and_stays(service: LiveService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "UNREAD_S", 1.0)
    waits = called(monkeypatch, "pause_writing")
    with connect(service) as late, late.makefile("rb") as answers:
        late.sendall(ASYNCAPI * 400)
        assert waits.wait(30.0), "the buffers between us hold them all"
        until_s = time.monotonic() + 1.5
        lengths = [read_answer(answers) for _ in range(400)]
        while time.monotonic() < until_s:
            late.sendall(ASYNCAPI)
            assert read_answer(answers) == lengths[0]


def test_an_answer_may_take_longer(service: LiveService, monkeypatch: pytest.MonkeyPatch) -> None:
    def outlast_another() -> None:
        with connect(service) as idle:
            read_to_the_end(idle)

    async def devices() -> dict[str, object]:
        await asyncio.to_thread(outlast_another)
        return {"here": [], "possible": []}

    monkeypatch.setattr(service.participants, "devices", devices)
    with service.http() as http:
        assert http.get("/v1/devices").status_code == 200


def test_a_thousand_idle_connections_leave_the_service_to_the_others(tmp_path: Path) -> None:
    with Serve(tmp_path, "p01=simulator:focus") as service, service.talk() as listener, ExitStack() as crowd:
        listener.subscribe("focus")
        held = len(list(Path(f"/proc/{service.process.pid}/fd").iterdir()))
        most = held + connections.ALWAYS_WAITING + 100
        resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (most, most))
        for _ in range(1100):
            crowd.enter_context(connect(service))
        assert service.http.get("/v1/streams").status_code == 200
        assert httpx.get(f"{service.url}/healthz", timeout=10.0).status_code == 200
        with service.talk() as client:
            assert client.ask(type="ping", t0=1)["type"] == "pong"
        service.first(listener, lambda m: m["type"] == "focus" and m["valid"], "a valid score")
        said = [line for line in service.lines if "too many connections" in line]
    assert len(said) == 1
    assert "127.0.0.1" in said[0]


def test_many_who_come_at_once_are_let_in_where_the_system_allows_them(tmp_path: Path) -> None:
    """All are connected before the first asks: as many clients do that find the service again after a restart."""
    with Serve(tmp_path) as service, ExitStack() as crowd:
        resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (1024, 1024))
        sockets = [crowd.enter_context(connect(service)) for _ in range(400)]
        assert service.http.get("/v1/streams").status_code == 200  # by now it has accepted them all
        for one in sockets:
            one.sendall(HEALTHZ)
        assert {one.recv(65536)[:12] for one in sockets} == {b"HTTP/1.1 200"}


def test_the_service_takes_the_files_that_the_system_allows(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard), hard))
    try:
        with Serve(tmp_path) as service:
            assert resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
