"""2,000 subscribers at 25 Hz through a real service: delivery, latency, memory a subscriber.

    python -m benchmarks.subscribers [--clients 2000] [--seconds 10] [--rate 25] [--processes 2]

The service runs in a process of its own with participants that only publish; clients in others, with a minimal reader,
so that what is measured is the service and not a client library. A message carries the time of its publishing; all
processes read the same monotonic clock.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import psutil

from benchmarks.table import Ages, Row, Setting

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "benchmark-token-0123"  # noqa: S105 - a service that lives for seconds
STAMP = b'"t_lsl_s":'


class Reader(asyncio.Protocol):
    """A WebSocket client that parses frame headers, answers pings and notes delays; nothing more."""

    def __init__(self, port: int, ready: asyncio.Queue[None]) -> None:
        self._port, self._ready = port, ready
        self._buffer = bytearray()
        self._open = False
        self.delays_s: list[float] = []
        self.lagged = 0
        self.measuring = False
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(  # type: ignore[attr-defined]
            f"GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True

    def data_received(self, data: bytes) -> None:
        now_s = time.monotonic()
        self._buffer += data
        if not self._open:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            assert self._buffer.startswith(b"HTTP/1.1 101"), bytes(self._buffer[:end])
            del self._buffer[: end + 4]
            self._open = True
            self._send(0x81, b'{"type":"hello"}')
            self._send(0x81, b'{"type":"subscribe","stream":"*","topics":["focus"]}')
        self._frames(now_s)

    def _frames(self, now_s: float) -> None:
        while len(self._buffer) >= 2:
            length, at = self._buffer[1], 2
            if length == 126:
                length, at = int.from_bytes(self._buffer[2:4], "big"), 4
            if len(self._buffer) < at + length:
                return
            kind, payload = self._buffer[0], bytes(self._buffer[at : at + length])
            del self._buffer[: at + length]
            if kind == 0x89:
                self._send(0x8A, payload)
            elif payload.startswith(b'{"type":"focus"'):
                if self.measuring:
                    start = payload.index(STAMP) + len(STAMP)
                    self.delays_s.append(now_s - float(payload[start : payload.index(b",", start)]))
            elif payload.startswith(b'{"type":"subscribed"'):
                self._ready.put_nowait(None)
            elif payload.startswith(b'{"type":"lagged"'):
                self.lagged += 1

    def _send(self, kind: int, payload: bytes) -> None:
        # Masked with zeros: allowed, and free.
        head = bytes((kind, 0x80 | len(payload))) if len(payload) < 126 else b""
        self._transport.write(head + b"\0\0\0\0" + payload)  # type: ignore[attr-defined]


async def _clients(port: int, count: int, pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Queue[None] = asyncio.Queue()
    readers: list[Reader] = []
    for _ in range(count):
        _, reader = await loop.create_connection(lambda: Reader(port, ready), "127.0.0.1", port)
        readers.append(reader)
        await ready.get()
    pipe.send("connected")
    seconds = await asyncio.to_thread(pipe.recv)
    for reader in readers:
        reader.measuring = True
    await asyncio.sleep(seconds)
    for reader in readers:
        reader.measuring = False
    pipe.send(
        (
            [len(r.delays_s) for r in readers],
            np.concatenate([np.array(r.delays_s, np.float32) for r in readers]),
            sum(r.lagged for r in readers),
            sum(r.lost for r in readers),
        )
    )


def _client_process(port: int, count: int, pipe: Connection) -> None:
    try:
        import uvloop

        uvloop.run(_clients(port, count, pipe))
    except ImportError:
        asyncio.run(_clients(port, count, pipe))


def _rss_kib(process: psutil.Process) -> float:
    return process.memory_info().rss / 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the clients saw, and what they cost the service."""

    counts: np.ndarray
    """Messages of each client."""
    delays_ms: np.ndarray
    lagged: int
    disconnected: int
    cores: float
    kib_a_client: float


def rows(setting: Setting) -> list[Row]:
    clients, seconds, rate_hz = (200 if setting.quick else 2000), (3.0 if setting.quick else 10.0), 25.0
    seen = measure(clients, seconds, rate_hz, 2)
    ages = Ages(seen.delays_ms)
    complete = seen.lagged == 0 and seen.disconnected == 0
    return [
        Row(
            f"{clients} subscribers at {rate_hz:g} Hz, publish → client, p50 / p99",
            "p99 ≤ 50 ms, every message",
            str(ages),
            f"messages a client {seen.counts.min()} to {seen.counts.max()} of about {seconds * rate_hz:.0f}, "
            f"{seen.lagged} lagged, {seen.disconnected} disconnected; service took {seen.cores:.2f} cores",
            complete and ages.p99 <= 50.0,
        ),
        Row(
            "the same, memory a subscriber",
            "≤ 40 KiB",
            f"{seen.kib_a_client:.1f} KiB",
            "beyond a service with ten",
            seen.kib_a_client <= 40.0,
        ),
    ]


def measure(clients: int, seconds: float, rate_hz: float, processes: int) -> Outcome:
    """Run a service and its clients once."""
    with tempfile.TemporaryDirectory() as folder:
        options = {"data_dir": folder, "token": TOKEN, "score_hz": rate_hz}
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, str(ROOT / "tests/support/fake_participants.py"), json.dumps(options)]
        service = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, cwd=ROOT
        )
        try:
            assert service.stdout is not None
            port = int(service.stdout.readline().strip().rstrip("/").rpartition(":")[2])
            return _measure(psutil.Process(service.pid), port, clients, seconds, rate_hz, processes)
        finally:
            service.terminate()
            service.wait(10)


def _measure(
    process: psutil.Process, port: int, clients: int, seconds: float, rate_hz: float, processes: int
) -> Outcome:
    # A first few clients warm the code, so that what follows is the cost of a subscriber alone.
    pipes: list[Connection] = []
    children: list[multiprocessing.Process] = []
    shares = [10] + [clients // processes] * processes
    before_kib = 0.0
    for index, share in enumerate(shares):
        ours, theirs = multiprocessing.Pipe()
        child = multiprocessing.Process(target=_client_process, args=(port, share, theirs), daemon=True)
        child.start()
        assert ours.poll(120)
        assert ours.recv() == "connected"
        if index == 0:
            time.sleep(32.0 if seconds >= 10 else 1.0)  # until what is held for replay is full
            before_kib = _rss_kib(process)
        else:
            pipes.append(ours)
        children.append(child)
    cpu_before = process.cpu_times()
    for pipe in pipes:
        pipe.send(seconds)
    answers = [pipe.recv() for pipe in pipes if pipe.poll(seconds + 60)]
    cpu = process.cpu_times()
    after_kib = _rss_kib(process)
    for child in children:
        child.kill()
        child.join()
    counts = np.concatenate([np.array(a[0]) for a in answers])
    return Outcome(
        counts=counts,
        delays_ms=np.concatenate([a[1] for a in answers]) * 1e3,
        lagged=sum(a[2] for a in answers),
        disconnected=sum(a[3] for a in answers),
        cores=(cpu.user + cpu.system - cpu_before.user - cpu_before.system) / seconds,
        kib_a_client=(after_kib - before_kib) / counts.size,
    )


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=25.0)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    seen = measure(args.clients, args.seconds, args.rate, args.processes)
    delays_ms = (*np.percentile(seen.delays_ms, (50, 95, 99)), seen.delays_ms.max())
    told = {
        "clients": f"{seen.counts.size}",
        "messages a client (least, most)": f"{seen.counts.min()} {seen.counts.max()} "
        f"of about {args.seconds * args.rate:.0f}",
        "lagged / disconnected": f"{seen.lagged} / {seen.disconnected}",
        "publish -> client, ms (p50 p95 p99 max)": " ".join(f"{v:.1f}" for v in delays_ms),
        "service, cores": f"{seen.cores:.2f}",
        "memory a subscriber, KiB": f"{seen.kib_a_client:.1f}",
        "machine": f"{os.cpu_count()} cores {platform.machine()}, Python {platform.python_version()}",
        "load of the machine": f"{os.getloadavg()[0]:.1f}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
    for name, value in told.items():
        print(f"{name:42} {value}")


if __name__ == "__main__":
    main()
