"""Trial sent → next difficulty heard, through a real service that scores beside it.

    python -m benchmarks trial_to_difficulty

One `simulator:manual` participant at 25 scores a second; a plain client sends a trial every 40 ms, which is paced, not
hot, and notes when the difficulty that follows it arrives. Beside it, on the same connection: a ping and its pong.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.children import TOKEN, service
from benchmarks.table import Ages, Row, Setting

P99_MS = 5.0
PERIOD_S = 0.04
PATIENCE_S = 30.0


def rows(setting: Setting) -> list[Row]:
    trials = 250 if setting.quick else 1500
    with (
        tempfile.TemporaryDirectory() as folder,
        service(Path(folder), setting.models_dir, "p01=simulator:manual") as running,
    ):
        running.put("/v1/streams/p01/controller", {"policy": "fused"})
        ages, pongs = asyncio.run(_play(running.ws_url, trials))
    told = f"ping → pong on the same connection {Ages.of(pongs)}; {trials} trials, 25 a second, 25 scores/s beside"
    met = Ages.of(ages).p99 <= P99_MS
    return [Row("trial → next difficulty, p50 / p99", f"p99 ≤ {P99_MS:g} ms", str(Ages.of(ages)), told, met)]


async def _play(url: str, trials: int) -> tuple[list[float], list[float]]:
    ages: list[float] = []
    pongs: list[float] = []
    async with connect(url, compression=None, max_queue=None) as socket:
        await socket.send(json.dumps({"type": "hello", "token": TOKEN, "client": "benchmark/1"}))
        await socket.send(
            json.dumps({"type": "subscribe", "id": 1, "stream": "p01", "topics": ["focus", "difficulty"]})
        )
        await _until(socket, lambda message: message["type"] == "focus" and message["valid"])
        began_s = time.monotonic()
        for number in range(trials):
            await asyncio.sleep(max(0.0, began_s + number * PERIOD_S - time.monotonic()))
            sent = {"type": "trial", "stream": "p01", "run": "bench", "trial": number, "correct": number % 5 != 0}
            begun_s = time.perf_counter()
            await socket.send(json.dumps({**sent, "rt_ms": 400 + number % 200}))
            await _until(socket, lambda message: _follows(message, number))  # noqa: B023 - awaited here
            ages.append((time.perf_counter() - begun_s) * 1e3)
            begun_s = time.perf_counter()
            await socket.send(json.dumps({"type": "ping", "t0": begun_s}))
            await _until(socket, lambda message: message["type"] == "pong")
            pongs.append((time.perf_counter() - begun_s) * 1e3)
    return ages, pongs


def _follows(message: dict[str, Any], number: int) -> bool:
    return message["type"] == "difficulty" and (message["after"] or {}).get("trial") == number


async def _until(socket: ClientConnection, matches: Any) -> None:  # noqa: ANN401 - a predicate
    while not matches(json.loads(await asyncio.wait_for(socket.recv(), PATIENCE_S))):
        pass
