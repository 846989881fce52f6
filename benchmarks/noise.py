"""How often a rest of noise is taken for one of a head, and a head's for noise (`inference.noise`).

Each half minute goes through the online pipeline as a rest of its own; what lasts for less than 15 s, or is not clean,
is refused before it comes to this. Whatever people did in the recordings, their EEG is EEG.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bci.errors import BaselineRefusedError
from bci.files import Recording, read_recording
from bci.montage import eeg_channel
from bci.types import Chunk, StreamSpec
from benchmarks.table import Row, Setting
from benchmarks.valid_share import LUAB
from inference.baseline import Owner, RestCollector
from inference.bundle import DEFAULT_MODEL, find_model
from inference.noise import FLAT_ABOVE, SpectralSlope
from inference.normalise import relative_log_power
from inference.offline import HOP_S, keep_channels
from inference.window_kernel import USABLE
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline

REST_S = 30
RATES_HZ = (125.0, 250.0, 256.0, 500.0)
LEVELS_UV = (0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 25.0)
ELECTRODES = ("TP9", "AF7", "AF8", "TP10")
FOUR = ("Fp1", "Fp2", "T7", "T8")

Bands = Sequence[tuple[float, float]]


def rows(setting: Setting) -> list[Row]:
    bands_hz = find_model(DEFAULT_MODEL, setting.models_dir).card.bands_hz
    seeds = range(3 if setting.quick else 15)
    found = [_noise(f"white noise, {level:g} µV rms", level, 0.0, seeds, bands_hz) for level in LEVELS_UV]
    found.append(_noise("30 µV of 50 Hz on 1 µV of white noise", 1.0, 30.0, seeds, bands_hz))
    for name, pattern, montage, channels in (
        ("eegmat", "*.edf", None, None),
        ("eegmat", "*.edf", None, FOUR),
        ("muse-biohack", "*.csv", None, None),
        ("muse-bird", "*.csv", None, None),
        ("openbci-luab", "*.txt", LUAB, None),
    ):
        paths = sorted((setting.data_dir / name).glob(pattern))
        if not paths:
            found.append(Row(f"{name}: refused as noise", "", "null", f"no {setting.data_dir / name}"))
            continue
        found.append(_heads(name, paths[:3] if setting.quick else paths, montage, channels, bands_hz))
    return found


def _noise(name: str, level_uv: float, mains_uv: float, seeds: range, bands_hz: Bands) -> Row:
    slopes: list[float | None] = []
    for rate_hz in RATES_HZ:
        spec = StreamSpec("noise", "noise", "EEG", rate_hz, tuple(map(eeg_channel, ELECTRODES)), "noise")
        stamps_s = np.arange(round(REST_S * rate_hz)) / rate_hz
        for seed in seeds:
            uv = np.random.default_rng(seed).normal(0.0, level_uv, (len(stamps_s), len(ELECTRODES)))
            uv += mains_uv * np.sin(2.0 * np.pi * 50.0 * stamps_s)[:, None]
            slopes.append(_slope(spec, [Chunk(spec, uv.astype(np.float32), stamps_s, 0)], bands_hz))
    judged = [slope for slope in slopes if slope is not None]
    rates = ", ".join(f"{rate_hz:g}" for rate_hz in RATES_HZ)
    return Row(
        f"{name}: taken as a rest",
        "",
        f"{sum(slope <= FLAT_ABOVE for slope in judged)} of {len(slopes)}",
        f"{rates} Hz; {len(slopes) - len(judged)} refused as not clean; {_span(judged)}",
    )


def _heads(
    name: str, paths: Sequence[Path], montage: tuple[str, ...] | None, channels: tuple[str, ...] | None, bands_hz: Bands
) -> Row:
    slopes: list[float | None] = []
    for path in paths:
        recording = read_recording(path, montage=montage)
        spec = recording.spec if channels is None else keep_channels(recording.spec, channels)
        slopes += [_slope(spec, piece, bands_hz) for piece in _pieces(recording, spec)]
    judged = [slope for slope in slopes if slope is not None]
    return Row(
        f"{name}, {', '.join(channels or montage or ('all electrodes',))}: refused as noise",
        "",
        f"{sum(slope > FLAT_ABOVE for slope in judged)} of {len(judged)}",
        f"half minutes; {len(slopes) - len(judged)} more are too short or not clean; {_span(judged)}",
    )


def _span(slopes: Sequence[float]) -> str:
    return f"slopes {min(slopes):.2f} to {max(slopes):.2f}" if slopes else "no slope"


def _pieces(recording: Recording, spec: StreamSpec) -> Iterator[list[Chunk]]:
    seconds = [
        Chunk(spec, chunk.data, chunk.timestamps_s, chunk.first_sample)
        for chunk in recording.chunks(round(spec.nominal_rate_hz))
    ]
    return (seconds[start : start + REST_S] for start in range(0, len(seconds), REST_S))


def _slope(spec: StreamSpec, piece: Sequence[Chunk], bands_hz: Bands) -> float | None:
    """Spectral slope of a rest that comes as far as to be judged by it; None for one that is refused before."""
    pipeline = Pipeline(spec, hop_s=HOP_S)
    columns = [SCHEMA.bands_hz.index(band) for band in bands_hz]
    labels = tuple(spec.channels[i].label for i in spec.scored)
    rest = RestCollector(Owner("", spec.device, labels, DEFAULT_MODEL), HOP_S, bands_hz, len(labels))
    for chunk in piece:
        for frame in filter(lambda one: one.settled, pipeline.process(chunk)):
            rest.add(relative_log_power(frame.values[:, columns]), frame.quality >= USABLE)
    try:
        rest.check_clean()
    except BaselineRefusedError:
        return None
    return SpectralSlope(bands_hz).of(rest.mean())
