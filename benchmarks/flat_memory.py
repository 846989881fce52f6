"""Memory of a pipeline over a million simulated seconds: the same minute again and again, its stamps go on.

Every ten minutes two seconds are lost, so that resets are part of it. Two channels at the lowest rate, so that a
million seconds pass in a few minutes: what is kept a hop, a chunk or a reset does not depend on them.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass

import numpy as np
import psutil

from bci.montage import eeg_channel
from bci.types import Chunk, StreamSpec
from benchmarks.children import run_module
from benchmarks.outlets import eeg_like
from benchmarks.table import Row, Setting
from streaming.pipeline import Pipeline

RATE_HZ = 100.0
HOP_S = 0.1
LABELS = ("Fp1", "Fp2")
CHUNK_S = 64
CHUNKS_BETWEEN_GAPS = 10
GAP_S = 2
GROWTH_MIB = 1.0


@dataclass(frozen=True, slots=True)
class Course:
    """Resident memory at the start (after a warm-up), half way and at the end, MiB, and what was done."""

    start_mib: float
    middle_mib: float
    end_mib: float
    simulated_s: float
    frames: int
    resets: int
    took_s: float


def rows(setting: Setting) -> list[Row]:
    seconds = 1e4 if setting.quick else 1e6
    # In a process of its own: the other benchmarks have left their libraries in this one.
    course = Course(**run_module("benchmarks.flat_memory", str(seconds), timeout_s=600.0))
    growth = course.end_mib - course.middle_mib
    return [
        Row(
            f"memory of the pipeline over {course.simulated_s:.3g} simulated seconds",
            "flat",
            f"{course.start_mib:.1f} → {course.middle_mib:.1f} → {course.end_mib:.1f} MiB",
            f"resident at the start, half way, at the end; {course.frames} frames, {course.resets} resets, "
            f"{course.simulated_s / course.took_s:.0f} × real time",
            abs(growth) <= GROWTH_MIB,
        )
    ]


def run(seconds: float) -> Course:
    """Let a pipeline live for so many seconds of signal."""
    spec = StreamSpec("bench", "bench", "EEG", RATE_HZ, tuple(eeg_channel(label) for label in LABELS), "bench")
    pipeline = Pipeline(spec, hop_s=HOP_S)
    samples = eeg_like(RATE_HZ, len(LABELS), seconds=CHUNK_S)
    process = psutil.Process()
    began_s = time.monotonic()
    count = max(3 * CHUNKS_BETWEEN_GAPS, round(seconds / CHUNK_S))
    first, frames = 0, 0
    rss: list[float] = []
    for number in range(count):
        if number in (CHUNKS_BETWEEN_GAPS, count // 2):
            rss.append(process.memory_info().rss / 2**20)
        stamps = (first + np.arange(len(samples))) / RATE_HZ
        frames += len(pipeline.process(Chunk(spec, samples, stamps, first)))
        first += len(samples)
        if number % CHUNKS_BETWEEN_GAPS == CHUNKS_BETWEEN_GAPS - 1:
            first += round(GAP_S * RATE_HZ)
    rss.append(process.memory_info().rss / 2**20)
    return Course(*rss, first / RATE_HZ, frames, pipeline.report.n_resets, time.monotonic() - began_s)


if __name__ == "__main__":
    print(json.dumps(asdict(run(float(sys.argv[1])))))
