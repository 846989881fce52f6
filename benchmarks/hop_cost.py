"""Cost of one hop of the signal path, against a bank of `scipy.signal.sosfilt` in the same run.

    python -m benchmarks.hop_cost [--hop-s 0.04] [--rate-hz 250] [--repeats 400]

Minimum and median over many repeats: on a shared machine only the minimum says what the code costs. `bank` is the
filter bank with features and quality, as the budget of the issue counts it; `pipeline` is `Pipeline.process` of a chunk
of one hop, so with the timeline and the frame on top; `10 s chunk` is the cost of one second of signal when a recording
is scored.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy.signal import butter, sosfilt

from bci.types import Channel, Chunk, StreamSpec
from benchmarks.table import Row, Setting
from streaming.bank import open_bank
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline

TARGETS_US = {8: 15.0, 64: 40.0}


def rows(setting: Setting) -> list[Row]:
    found: list[Row] = []
    for n_channels, target in TARGETS_US.items():
        floor, bank, *others = measure(n_channels, 250.0, 0.04, 200 if setting.quick else 2000)
        middle = float(np.median(bank[2]))
        found.append(
            Row(
                f"filter bank, features and quality of a 40 ms hop, {n_channels} channels × 250 Hz, {bank[0]}",
                f"≤ {target:g} µs",
                f"{middle:.1f} µs (least {min(bank[2]):.1f})",
                "; ".join(f"{what} {np.median(costs):.1f} {unit}" for what, unit, costs in (floor, *others)),
                middle <= target,
            )
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hop-s", type=float, default=0.04)
    parser.add_argument("--rate-hz", type=float, default=250.0)
    parser.add_argument("--repeats", type=int, default=400)
    options = parser.parse_args()
    print(f"{'channels':>8} {'what':<24} {'min':>10} {'median':>10}")
    for n_channels in (1, 8, 64):
        for what, unit, costs in measure(n_channels, options.rate_hz, options.hop_s, options.repeats):
            print(f"{n_channels:>8} {what:<24} {min(costs):>8.1f} {unit} {np.median(costs):>7.1f} {unit}")


def measure(n_channels: int, rate_hz: float, hop_s: float, repeats: int) -> list[tuple[str, str, list[float]]]:
    """Time the rows of one channel count; microseconds."""
    spec = stream(n_channels, rate_hz)
    rng = np.random.default_rng(1)
    n = int(np.ceil(rate_hz * hop_s))
    uv = rng.normal(0.0, 20.0, (n, n_channels))
    state = np.zeros(n, dtype=np.uint8)
    rows: list[tuple[str, str, list[float]]] = []
    banks = [
        (butter(2, edges, "bandpass", fs=rate_hz, output="sos"), np.zeros((2, 2, n_channels)))
        for edges in SCHEMA.bands_hz
    ]

    def floor() -> None:
        for sos, zi in banks:
            y, zi[...] = sosfilt(sos, uv, axis=0, zi=zi)
            (y * y).sum(axis=0)

    rows.append(("scipy sosfilt bank", "µs", timed(floor, repeats)))
    compiled = Pipeline(spec, hop_s=hop_s)
    bank = open_bank(compiled.new_state())
    rows.append((f"bank ({bank.path})", "µs", timed(lambda: bank.process(uv, state, None), repeats)))
    clock = Ticker(spec, uv.astype(np.float32), rate_hz)
    rows.append(("pipeline, one hop", "µs", timed(lambda: compiled.process(clock.chunk()), repeats)))
    long = np.tile(uv, (int(10.0 * rate_hz) // n, 1)).astype(np.float32)
    slow = Pipeline(spec, hop_s=0.1)
    recording = Ticker(spec, long, rate_hz)
    seconds = len(long) / rate_hz
    costs = timed(lambda: slow.process(recording.chunk()), max(5, repeats // 40))
    rows.append(("10 s chunk, a second", "µs", [c / seconds for c in costs]))
    return rows


class Ticker:
    """Gives the same samples again and again, with stamps that go on."""

    def __init__(self, spec: StreamSpec, uv: np.ndarray, rate_hz: float) -> None:
        self._spec, self._uv, self._rate, self._next = spec, uv, rate_hz, 0

    def chunk(self) -> Chunk:
        stamps = (self._next + np.arange(len(self._uv))) / self._rate
        chunk = Chunk(self._spec, self._uv, stamps, self._next)
        self._next += len(self._uv)
        return chunk


def stream(n_channels: int, rate_hz: float) -> StreamSpec:
    """Describe a stream of electrodes on a ring."""
    angles = np.linspace(0.0, 2.0 * np.pi, n_channels, endpoint=False)
    channels = tuple(
        Channel(f"E{i}", position_m=(0.08 * float(np.sin(a)), 0.08 * float(np.cos(a)), 0.04))
        for i, a in enumerate(angles)
    )
    return StreamSpec("bench", "bench", "EEG", rate_hz, channels, "bench")


def timed(call: Callable[[], object], repeats: int) -> list[float]:
    """Time a call, µs, after a short warm-up."""
    for _ in range(20):
        call()
    costs: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        costs.append((time.perf_counter() - start) * 1e6)
    return costs


if __name__ == "__main__":
    main()
