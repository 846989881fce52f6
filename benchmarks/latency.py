"""Newest sample → WebSocket client, beside floors and peers on the same outlets.

One 8 channel × 250 Hz LSL outlet in a process of its own, `focusloop serve` in another, a plain `websockets` client in
a third, on the same host and LSL clock. One after the other, so that none disturbs the next: the same outlet is read by
the service, by a bare inlet, by a bare inlet with a WebSocket behind it, and by the band powers of other libraries.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.children import ChildError, delivery, echo, listen, outlets, run_module, service
from benchmarks.table import Ages, Row, Setting

P50_MS, P99_MS = 2.0, 5.0
PERIOD_S = 0.04
PEERS = (
    ("mne-lsl, sample → band power", "benchmarks.peers.mne_lsl_bands"),
    ("ezmsg, sample → band power", "benchmarks.peers.ezmsg_bands"),
    ("BrainFlow's band powers, sample → band power", "benchmarks.peers.brainflow_bands"),
)


def rows(setting: Setting) -> list[Row]:
    seconds = 6.0 if setting.quick else 30.0
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        found = _of_chunks(setting, folder, seconds)
        return found + _of_samples(setting, folder, seconds)


def _of_chunks(setting: Setting, folder: Path, seconds: float) -> list[Row]:
    log = folder / "chunks.log"
    with outlets(log):
        heard = _ours(setting, folder, seconds)
        floors = _floors(seconds)
        peers = [_peer(name, module, seconds) for name, module in PEERS]
    ages = Ages.of(heard["age_ms"])
    raw = Ages.of(against_outlets(heard, read_log(log)))
    quantity = "newest sample → WebSocket client, p50 / p99, 8 ch × 250 Hz over LSL, 25 scores/s"
    return [
        _row(f"{quantity}, outlet sends 10 samples at a time", ages, floors),
        _row("the same messages against the stamps that the outlet wrote", raw, delivery(heard)),
        *peers,
    ]


def _of_samples(setting: Setting, folder: Path, seconds: float) -> list[Row]:
    with outlets(folder / "samples.log", chunk=1):
        heard = _ours(setting, folder, seconds)
        floors = _floors(seconds / 2)
    return [_row("the same, outlet sends sample by sample", Ages.of(heard["age_ms"]), floors)]


def _row(quantity: str, ages: Ages, beside: str) -> Row:
    return Row(quantity, f"≤ {P50_MS:g} / {P99_MS:g} ms", str(ages), beside, ages.p50 <= P50_MS and ages.p99 <= P99_MS)


def _ours(setting: Setting, folder: Path, seconds: float) -> dict[str, Any]:
    with service(folder / "data", setting.models_dir, "p01=lsl:name=bench-00") as running:
        return listen(running.ws_url, seconds, ["p01"])


def _floors(seconds: float) -> str:
    inlet = Ages.of(run_module("benchmarks.peers.raw_inlet", "bench-00", str(seconds)))
    with echo(["bench-00"]) as (url, _):
        passed_on = Ages.of(listen(url, seconds, ["bench-00"])["age_ms"])
    return f"pylsl inlet alone {inlet}; pylsl + websockets echo {passed_on}"


def _peer(name: str, module: str, seconds: float) -> Row:
    try:
        return Row(f"{name}, p50 / p99", "", str(Ages.of(run_module(module, "bench-00", str(seconds)))), "a peer")
    except ChildError as error:
        return Row(f"{name}, p50 / p99", "", "not run", str(error))


def read_log(path: Path) -> dict[int, np.ndarray]:
    """Read what the outlets wrote: the stamp of each push, by stream."""
    pairs = np.fromfile(path, np.float64)
    pairs = pairs[: len(pairs) // 2 * 2].reshape(-1, 2)
    return {int(stream): pairs[pairs[:, 0] == stream, 1] for stream in np.unique(pairs[:, 0])}


def against_outlets(heard: dict[str, Any], pushed: dict[int, np.ndarray]) -> list[float]:
    """Give ages, ms, from the moment of the push instead of from the dejittered stamp.

    A score's stamp is the timeline's estimate of when the sample was taken, which smooths the sender's own delays; the
    push that it stands for is the nearest one.
    """
    ages: list[float] = []
    for stream, stamp_s, age_ms in zip(heard["stream"], heard["t_lsl_s"], heard["age_ms"], strict=True):
        stamps = pushed[int(stream)]
        after = min(max(1, int(np.searchsorted(stamps, stamp_s))), len(stamps) - 1)
        nearest = min(stamps[after - 1], stamps[after], key=lambda s: abs(s - stamp_s))
        if abs(nearest - stamp_s) < PERIOD_S / 2:
            ages.append(age_ms + (stamp_s - nearest) * 1e3)
    return ages
