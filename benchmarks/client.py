"""A plain `websockets` client that notes how old each score is when it has it.

    python -m benchmarks.client URL TOKEN SECONDS STREAM[,STREAM…]

It listens for SECONDS once every stream has given a valid score, or half a minute has passed without, and prints JSON:
`stream` (index), `t_lsl_s` and `age_ms` of each message, `valid` (their share), `reasons` (of the others, counted),
`missed` (jumps of `seq`).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pylsl
from websockets.asyncio.client import connect

PATIENCE_S = 30.0


@dataclass(slots=True)
class Notes:
    """What one run of the client hears."""

    waiting: set[str]
    heard: list[tuple[int, float, float]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    last_seq: dict[str, int] = field(default_factory=dict)
    missed: int = 0
    messages: int = 0

    def add(self, message: dict[str, Any], number: int, now_s: float) -> None:
        stream, seq, stamp_s = message["stream"], message["seq"], message["t_lsl_s"]
        self.messages += 1
        self.missed += seq - self.last_seq.get(stream, seq - 1) - 1
        self.last_seq[stream] = seq
        if not message["valid"]:
            self.reasons[message["reason"]] += 1
        if stamp_s is not None:
            self.heard.append((number, stamp_s, (now_s - stamp_s) * 1e3))


async def listen(url: str, token: str, seconds: float, streams: list[str]) -> dict[str, Any]:
    numbers = {stream: number for number, stream in enumerate(streams)}
    notes = Notes(set(streams))
    begin_s, end_s = time.monotonic() + PATIENCE_S, float("inf")
    # The echo floor has no protocol: neither a subprotocol nor a welcome is asked for.
    async with connect(url, compression=None, max_queue=None) as socket:
        await socket.send(json.dumps({"type": "hello", "token": token, "client": "benchmark/1"}))
        await socket.send(json.dumps({"type": "subscribe", "id": 1, "stream": "*", "topics": ["focus"]}))
        while time.monotonic() < end_s:
            text = await asyncio.wait_for(socket.recv(), PATIENCE_S)
            now_s = pylsl.local_clock()
            message = json.loads(text)
            if message["type"] == "error":
                raise SystemExit(str(message))
            if message["type"] != "focus" or message["stream"] not in numbers:
                continue
            if end_s < float("inf"):
                notes.add(message, numbers[message["stream"]], now_s)
                continue
            if message["valid"]:
                notes.waiting.discard(message["stream"])
            if not notes.waiting or time.monotonic() > begin_s:
                end_s = time.monotonic() + seconds
    if not notes.heard:
        raise SystemExit(f"no score with a stamp came: {dict(notes.reasons)}")
    stream, stamps_s, ages_ms = (list(column) for column in zip(*notes.heard, strict=True))
    return {
        "stream": stream,
        "t_lsl_s": stamps_s,
        "age_ms": ages_ms,
        "valid": 1.0 - notes.reasons.total() / notes.messages,
        "reasons": notes.reasons,
        "missed": notes.missed,
    }


def main() -> None:
    url, token, seconds, streams = sys.argv[1:5]
    print(json.dumps(asyncio.run(listen(url, token, float(seconds), streams.split(",")))))


if __name__ == "__main__":
    main()
