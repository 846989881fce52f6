"""Cost of a score: the graph alone and in a batch of 16, and with all that stands around it."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from bci.montage import eeg_channel
from bci.types import Channel, Chunk, StreamSpec
from benchmarks.outlets import eeg_like
from benchmarks.table import Row, Setting
from inference.batch import BatchScorer
from inference.bundle import DEFAULT_MODEL, find_model
from inference.scorer import StreamScorer
from inference.session import FocusSession, channel_bucket
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline
from streaming.types import FeatureFrame

RATE_HZ = 250.0
HOP_S = 0.04
BATCH = 16
TARGETS_US = {1: 100.0, BATCH: 20.0}
LABELS = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "O1", "O2")
LABELS_19 = (*LABELS, "F7", "F8", "Fz", "T7", "T8", "Cz", "P3", "P4", "P7", "P8", "Pz")


def rows(setting: Setting) -> list[Row]:
    session = FocusSession(find_model(DEFAULT_MODEL, setting.models_dir))
    repeats = 200 if setting.quick else 1000
    found: list[Row] = []
    for channels in (8, 19, 64):
        for batch in (1, BATCH):
            least, middle = _graph(session, batch, channels, repeats)
            target = TARGETS_US[batch] if channels == 8 else None
            around = _around(session, batch, channels, repeats // 4)
            found.append(
                Row(
                    f"model, {channels} channels, {'alone' if batch == 1 else f'in a batch of {batch}'}, a score",
                    f"≤ {target:g} µs" if target else "",
                    f"{middle:.1f} µs (least {least:.1f})",
                    f"with window, normalisation, validity and smoothing {around[1]:.1f} µs (least {around[0]:.1f}); "
                    f"ONNX Runtime on {session.provider}, one thread",
                    middle <= target if target else None,
                )
            )
    return found


def _graph(session: FocusSession, batch: int, channels: int, repeats: int) -> tuple[float, float]:
    x, position_m, mask = session.inputs(batch, channel_bucket(channels))
    rng = np.random.default_rng(1)
    x[:] = rng.normal(size=x.shape)
    position_m[:] = rng.normal(size=position_m.shape) * 0.08
    mask[:] = False
    mask[:, channels:] = True
    return _timed(lambda _: session.run(x, position_m, mask), repeats, batch)


def _around(session: FocusSession, batch: int, channels: int, repeats: int) -> tuple[float, float]:
    """Time what `LiveParticipants` does for each hop, for `batch` people at once."""
    spec = _spec(channels)
    pipeline = Pipeline(spec, hop_s=HOP_S)
    samples = eeg_like(RATE_HZ, channels, seconds=30)
    frames = pipeline.process(Chunk(spec, samples, np.arange(len(samples)) / RATE_HZ, 0))
    people = [
        StreamScorer(f"p{i}", spec, session.bundle, SCHEMA, hop_s=HOP_S, group_delay_s=pipeline.group_delay_s)
        for i in range(batch)
    ]
    scorer = BatchScorer(session)
    for frame in frames:  # fills the windows
        _score(scorer, people, frame)
    settled = [frame for frame in frames if frame.settled][-100:]
    return _timed(lambda i: _score(scorer, people, settled[i % len(settled)]), repeats, batch)


def _score(scorer: BatchScorer, people: list[StreamScorer], frame: FeatureFrame) -> None:
    scorer.score([person.prepare(frame) for person in people])


def _spec(channels: int) -> StreamSpec:
    if channels <= len(LABELS_19):
        names = LABELS if channels == len(LABELS) else LABELS_19[:channels]
        where = tuple(eeg_channel(name) for name in names)
    else:
        angles = np.linspace(0.0, 2.0 * np.pi, channels, endpoint=False)
        where = tuple(
            Channel(f"E{i}", position_m=(0.08 * float(np.sin(a)), 0.08 * float(np.cos(a)), 0.04))
            for i, a in enumerate(angles)
        )
    return StreamSpec("bench", "bench", "EEG", RATE_HZ, where, "bench")


def _timed(call: Callable[[int], object], repeats: int, batch: int) -> tuple[float, float]:
    """Give the least and the median of a call, µs a score."""
    for i in range(50):
        call(i)
    costs = np.empty(repeats)
    for i in range(repeats):
        began_s = time.perf_counter()
        call(i)
        costs[i] = time.perf_counter() - began_s
    return float(costs.min()) * 1e6 / batch, float(np.median(costs)) * 1e6 / batch
