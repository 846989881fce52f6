"""64 streams into one service that has one core: ages, share of the core, memory a stream.

Just before, the same streams are passed on without any processing, on the same core. The outlets (one process) and the
client share the other cores. Memory is taken once what is held for replay is full.
"""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.children import Service, cpu_s, delivery, echo, listen, outlets, service
from benchmarks.latency import against_outlets, read_log
from benchmarks.outlets import lost_pushes
from benchmarks.table import Ages, Row, Setting
from streaming.recording.reading import RecordedSession

STREAMS = 64
P99_MS = 20.0
STREAM_MB = 1.0
REPLAY_S = 32.0
"""The hub holds the last 30 s."""


def rows(setting: Setting) -> list[Row]:
    seconds, rest_s = (6.0, 2.0) if setting.quick else (30.0, REPLAY_S)
    names = [f"p{i:02d}" for i in range(STREAMS)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        log = folder / "pushes.log"
        core = 1 if cores > 1 else None
        with ExitStack() as stack:
            stack.enter_context(outlets(log, streams=STREAMS, core=0))
            floor = _floor(seconds, core)
            running = stack.enter_context(service(folder / "data", setting.models_dir, core=core))
            _add(running, names[0], 0)
            listen(running.ws_url, rest_s, names[:1], core=0)
            one_mib = running.rss_mib()
            began_s = time.monotonic()
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda i: _add(running, names[i], i), range(1, STREAMS)))
            added_s = time.monotonic() - began_s
            listen(running.ws_url, rest_s, names, core=0)
            all_mib = running.rss_mib()
            heard, share = _listen(running.ws_url, running.process, seconds, names)
        pushed, lost, whole = read_log(log), 0, 0
        for stream, name in enumerate(names):
            (path,) = (folder / "data" / "sessions").glob(f"*-{name}-*.xdf")
            recorded = RecordedSession(path)
            whole += bool(recorded.header.ended)
            (eeg,) = recorded.streams
            chunks = list(eeg.chunks())
            values = np.concatenate([chunk.data for chunk in chunks])
            lost += lost_pushes(values, stream, float(chunks[0].timestamps_s[0]), pushed[stream])
        ages, raw = Ages.of(heard["age_ms"]), Ages.of(against_outlets(heard, pushed))
    a_stream = (all_mib - one_mib) / (STREAMS - 1)
    pinned = "one core" if cores > 1 else "not pinned"
    told = f"against the outlets' own stamps {raw}; {delivery(heard)}; {STREAMS - 1} streams added in {added_s:.1f} s"
    return [
        Row(
            f"{STREAMS} streams of 8 ch × 250 Hz, service on {pinned}: newest sample → client, p50 / p99",
            f"p99 ≤ {P99_MS:g} ms",
            str(ages),
            told,
            ages.p99 <= P99_MS,
        ),
        Row(
            "the same, share of the core",
            "",
            f"{share:.0%}",
            f"{len(heard['age_ms']) / seconds:.0f} scores/s; {floor}",
        ),
        Row(
            "the same, memory a stream",
            f"≤ {STREAM_MB:g} MB",
            f"{a_stream:.2f} MiB",
            f"{one_mib:.0f} MiB with one stream, {all_mib:.0f} MiB with {STREAMS}",
            a_stream * 2**20 <= STREAM_MB * 1e6,
        ),
        Row(
            "the same, pushes that their recordings lack",
            "0",
            str(lost),
            f"{whole} of {STREAMS} recordings complete",
            lost == 0 and whole == STREAMS,
        ),
    ]


def _floor(seconds: float, core: int | None) -> str:
    """Say what the same streams cost where nothing is done with them, on the same core just before."""
    names = [f"bench-{i:02d}" for i in range(STREAMS)]
    with echo(names, core) as (url, process):
        heard, share = _listen(url, process, seconds / 2, names)
    return f"pylsl + websockets echo of them {Ages.of(heard['age_ms'])} at {share:.0%}"


def _listen(url: str, process: psutil.Process, seconds: float, names: list[str]) -> tuple[dict[str, Any], float]:
    """Let a client listen to a program; give what it heard, and the share of a core that the program took."""
    spent_s, began_s = cpu_s(process), time.monotonic()
    heard = listen(url, seconds, names, core=0)
    return heard, (cpu_s(process) - spent_s) / (time.monotonic() - began_s)


def _add(running: Service, name: str, number: int) -> None:
    running.post("/v1/streams", {"id": name, "sources": [f"lsl:name=bench-{number:02d}"]})
