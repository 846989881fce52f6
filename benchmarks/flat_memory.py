"""Memory of a pipeline over a million simulated seconds: the same minute again and again, its stamps go on.

Every ten minutes two seconds are lost, so that resets are part of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import psutil

from bci.montage import eeg_channel
from bci.types import Chunk, StreamSpec
from benchmarks.outlets import LABELS, eeg_like
from benchmarks.table import Row, Setting
from streaming.pipeline import Pipeline

RATE_HZ = 250.0
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


def rows(setting: Setting) -> list[Row]:
    seconds = 1e4 if setting.quick else 1e6
    began_s = time.monotonic()
    course = run(seconds)
    took_s = time.monotonic() - began_s
    growth = course.end_mib - course.middle_mib
    return [
        Row(
            f"memory of the pipeline over {course.simulated_s:.3g} simulated seconds",
            "flat",
            f"{course.start_mib:.1f} → {course.middle_mib:.1f} → {course.end_mib:.1f} MiB",
            f"resident at the start, half way, at the end; {course.frames} frames, {course.resets} resets, "
            f"{course.simulated_s / took_s:.0f}× real time",
            abs(growth) <= GROWTH_MIB,
        )
    ]


def run(seconds: float) -> Course:
    """Let a pipeline live for so many seconds of signal."""
    spec = StreamSpec("bench", "bench", "EEG", RATE_HZ, tuple(eeg_channel(label) for label in LABELS), "bench")
    pipeline = Pipeline(spec, hop_s=0.04)
    samples = eeg_like(RATE_HZ, len(LABELS), seconds=CHUNK_S)
    process = psutil.Process()
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
    return Course(*rss, first / RATE_HZ, frames, pipeline.report.n_resets)
