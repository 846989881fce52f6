"""The service as a process: how it starts, and that it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from live_service import TOKEN, Talk
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

SUPPORT = Path(__file__).resolve().parents[1] / "support"
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def begin(**options: object) -> subprocess.Popen[str]:
        options.setdefault("data_dir", str(tmp_path))
        process = subprocess.Popen(
            [sys.executable, str(SUPPORT / "fake_participants.py"), json.dumps(options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line, process.communicate()[1]
    return line


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0_while_a_client_is_served(start: Start, number: int, tmp_path: Path) -> None:
    process = start(score_hz=25.0)
    url = url_of(process)
    token = (tmp_path / "operator.token").read_text().strip()
    assert stat.S_IMODE((tmp_path / "operator.token").stat().st_mode) == 0o600
    with Talk(connect(url.replace("http", "ws") + "v1/ws")) as client, httpx.Client() as idle:
        assert idle.get(f"{url}healthz").status_code == 200
        client.say(type="hello", token=token)
        client.say(type="subscribe", stream="*", topics=["focus"])
        while client.hear()["type"] != "focus":
            pass
        process.send_signal(number)
        began_s = time.monotonic()
        assert client.close_code() == 1012
        assert process.wait(timeout=10.0) == 0
        assert time.monotonic() - began_s < 5.0
    assert token not in (process.stderr.read() if process.stderr else "")


def test_a_port_in_use_is_one_sentence(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(port=port)
        _, said = process.communicate(timeout=30.0)
    assert process.returncode == 1
    assert f"port {port}" in said
    assert "--port" in said
    assert "Traceback" not in said


def test_participants_that_cannot_start_end_it_with_their_sentence(start: Start) -> None:
    process = start(fail_startup="the board on /dev/ttyUSB0 does not answer")
    _, said = process.communicate(timeout=30.0)
    assert process.returncode == 1
    assert said.strip().splitlines()[-1] == "the board on /dev/ttyUSB0 does not answer"


def test_a_hundred_clients_miss_nothing(start: Start) -> None:
    process = start(score_hz=25.0, token=TOKEN)
    url = url_of(process).replace("http", "ws") + "v1/ws"

    async def listen() -> list[int]:
        async with connect_async(url, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            await client.send('{"type":"hello"}')
            await client.send('{"type":"subscribe","stream":"*","topics":["focus"]}')
            seqs: list[int] = []
            async for text in client:
                message = json.loads(text)
                assert message["type"] != "lagged"
                if message["type"] == "focus":
                    seqs.append(message["seq"])
                if len(seqs) == 20:
                    break
            return seqs

    async def everyone() -> list[list[int]]:
        return await asyncio.gather(*(listen() for _ in range(100)))

    for seqs in asyncio.run(everyone()):
        assert seqs == list(range(seqs[0], seqs[0] + 20))


def test_the_end_is_seen_by_a_client_at_rest(start: Start) -> None:
    process = start(token=TOKEN)
    url = url_of(process).replace("http", "ws") + "v1/ws"
    with Talk(connect(url, additional_headers={"Authorization": f"Bearer {TOKEN}"})) as client:
        client.say(type="hello")
        client.hear()
        os.kill(process.pid, signal.SIGTERM)
        with pytest.raises(ConnectionClosed):
            client.hear(10.0)
