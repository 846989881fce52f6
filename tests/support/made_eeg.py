"""EEG-like samples for tests of the signal path: 1/f background, an alpha rhythm, and a DC offset."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from bci.montage import eeg_channel
from bci.types import Chunk, StreamSpec

LABELS = ("Fp1", "Fp2", "C3", "C4", "P3", "P4", "O1", "O2")


def stream_spec(
    labels: tuple[str, ...] = LABELS, rate_hz: float = 250.0, rails_uv: tuple[float, float] | None = None
) -> StreamSpec:
    return StreamSpec(
        "made", "made", "EEG", rate_hz, tuple(eeg_channel(label) for label in labels), "made", rails_uv=rails_uv
    )


def made_uv(
    n_channels: int, seconds: float, rate_hz: float = 250.0, seed: int = 0, rms_uv: float = 12.0, offset_uv: float = 0.0
) -> np.ndarray:
    """Give float64 (samples, channels): 1/f noise of `rms_uv` with 4 µV of alpha on top."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate_hz)
    spectrum = np.fft.rfft(rng.normal(size=(n, n_channels)), axis=0)
    hz = np.fft.rfftfreq(n, 1.0 / rate_hz)
    spectrum *= (1.0 / np.maximum(hz, 0.5))[:, None]
    spectrum[0] = 0.0
    noise = np.fft.irfft(spectrum, n, axis=0)
    t = np.arange(n)[:, None] / rate_hz
    alpha = 4.0 * np.sqrt(2.0) * np.sin(2 * np.pi * 10.3 * t + rng.uniform(0, 6, n_channels))
    return offset_uv + rms_uv * noise / noise.std(axis=0) + alpha


def chunk_of(spec: StreamSpec, uv: np.ndarray, first_sample: int = 0, start_s: float = 100.0) -> Chunk:
    stamps = start_s + (first_sample + np.arange(len(uv))) / spec.nominal_rate_hz
    return Chunk(spec, np.array(uv, dtype=np.float32), stamps, first_sample)


def pieces_of(chunk: Chunk, cuts: list[int]) -> list[Chunk]:
    """Cut a chunk at sample indices."""
    edges = [0, *sorted(c for c in cuts if 0 < c < len(chunk)), len(chunk)]
    return [
        Chunk(chunk.spec, chunk.data[a:b].copy(), chunk.timestamps_s[a:b].copy(), chunk.first_sample + a)
        for a, b in pairwise(edges)
        if b > a
    ]
