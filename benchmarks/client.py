"""A plain `websockets` client that notes how old each score is when it has it.

    python -m benchmarks.client URL TOKEN SECONDS STREAM[,STREAM…]

It listens for SECONDS once every stream has given a valid score, and prints JSON: `stream` (index), `t_lsl_s` and
`age_ms` of each message, `valid` (their share), `missed` (jumps of `seq`).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import pylsl
from websockets.asyncio.client import connect


async def listen(url: str, token: str, seconds: float, streams: list[str]) -> dict[str, Any]:
    numbers = {stream: number for number, stream in enumerate(streams)}
    waiting = set(streams)
    seen: dict[str, int] = {}
    heard: list[tuple[int, float, float]] = []
    valid = missed = 0
    deadline_s = time.monotonic() + 60.0
    # The echo floor has no protocol: neither a subprotocol nor a welcome is asked for.
    async with connect(url, compression=None, max_queue=None) as socket:
        await socket.send(json.dumps({"type": "hello", "token": token, "client": "benchmark/1"}))
        await socket.send(json.dumps({"type": "subscribe", "id": 1, "stream": "*", "topics": ["focus"]}))
        while time.monotonic() < deadline_s:
            text = await socket.recv()
            now_s = pylsl.local_clock()
            message = json.loads(text)
            if message["type"] == "error":
                raise SystemExit(str(message))
            if message["type"] != "focus" or message["t_lsl_s"] is None or message["stream"] not in numbers:
                continue
            stream = message["stream"]
            if waiting:
                if message["valid"]:
                    waiting.discard(stream)
                    if not waiting:
                        deadline_s = time.monotonic() + seconds
                continue
            missed += message["seq"] - seen.get(stream, message["seq"] - 1) - 1
            seen[stream] = message["seq"]
            valid += message["valid"]
            heard.append((numbers[stream], message["t_lsl_s"], (now_s - message["t_lsl_s"]) * 1e3))
    if waiting:
        raise SystemExit(f"no valid score of {', '.join(sorted(waiting))} in 60 s")
    columns = [list(column) for column in zip(*heard, strict=True)]
    return {
        "stream": columns[0],
        "t_lsl_s": columns[1],
        "age_ms": columns[2],
        "valid": valid / len(heard),
        "missed": missed,
    }


def main() -> None:
    url, token, seconds, streams = sys.argv[1:5]
    print(json.dumps(asyncio.run(listen(url, token, float(seconds), streams.split(",")))))


if __name__ == "__main__":
    main()
