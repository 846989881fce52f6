"""How often noise is taken for a head, and a head for noise (`inference.noise`): half minutes of rest, and windows.

Each half minute goes through the online pipeline by itself, as a rest and as the windows in it; what lasts for less
than 15 s, or is not clean, is refused before it comes to this. Whatever people did in the recordings, their EEG is EEG.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bci.errors import BaselineRefusedError
from bci.files import Recording, read_recording
from bci.montage import eeg_channel
from bci.types import Chunk, StreamSpec
from benchmarks.table import Row, Setting
from benchmarks.valid_share import LUAB
from inference.baseline import Owner, RestCollector
from inference.bundle import DEFAULT_MODEL, ModelCard, find_model
from inference.eyes import AlphaIndex
from inference.history import FrameHistory
from inference.noise import FLAT_ABOVE, SpectralSlope
from inference.normalise import relative_log_power
from inference.offline import HOP_S, keep_channels
from inference.types import Reason
from inference.validity import judge
from inference.window_kernel import USABLE
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline

REST_S = 30
RATES_HZ = (125.0, 250.0, 256.0, 500.0)
LEVELS_UV = (0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 25.0)
ELECTRODES = ("TP9", "AF7", "AF8", "TP10")
FOUR = ("Fp1", "Fp2", "T7", "T8")


def rows(setting: Setting) -> list[Row]:
    card = find_model(DEFAULT_MODEL, setting.models_dir).card
    seeds = range(3 if setting.quick else 15)
    found = [row for level in LEVELS_UV for row in _noise(f"white noise, {level:g} µV rms", level, 0.0, seeds, card)]
    found += _noise("30 µV of 50 Hz on 1 µV of white noise", 1.0, 30.0, seeds, card)
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
        found += _heads(name, paths[:3] if setting.quick else paths, montage, channels, card)
    return found


def _noise(name: str, level_uv: float, mains_uv: float, seeds: range, card: ModelCard) -> list[Row]:
    pieces: list[Judged] = []
    for rate_hz in RATES_HZ:
        spec = StreamSpec("noise", "noise", "EEG", rate_hz, tuple(map(eeg_channel, ELECTRODES)), "noise")
        stamps_s = np.arange(round(REST_S * rate_hz)) / rate_hz
        for seed in seeds:
            uv = np.random.default_rng(seed).normal(0.0, level_uv, (len(stamps_s), len(ELECTRODES)))
            uv += mains_uv * np.sin(2.0 * np.pi * 50.0 * stamps_s)[:, None]
            pieces.append(_judged(spec, [Chunk(spec, uv.astype(np.float32), stamps_s, 0)], card))
    slopes = [piece.slope for piece in pieces if piece.slope is not None]
    scored, windows = sum(piece.scored for piece in pieces), sum(piece.windows for piece in pieces)
    rates = ", ".join(f"{rate_hz:g}" for rate_hz in RATES_HZ)
    return [
        Row(
            f"{name}: taken as a rest",
            "",
            f"{sum(slope <= FLAT_ABOVE for slope in slopes)} of {len(pieces)}",
            f"{rates} Hz; {len(pieces) - len(slopes)} refused as not clean; {_span(slopes)}",
        ),
        Row(f"{name}: windows scored", "", f"{scored / windows:.1%} of {windows}", f"{rates} Hz, before the model"),
    ]


def _heads(
    name: str, paths: Sequence[Path], montage: tuple[str, ...] | None, channels: tuple[str, ...] | None, card: ModelCard
) -> list[Row]:
    pieces: list[Judged] = []
    for path in paths:
        recording = read_recording(path, montage=montage)
        spec = recording.spec if channels is None else keep_channels(recording.spec, channels)
        pieces += [_judged(spec, piece, card) for piece in _pieces(recording, spec)]
    slopes = [piece.slope for piece in pieces if piece.slope is not None]
    flat, clean = sum(piece.flat for piece in pieces), sum(piece.flat + piece.scored for piece in pieces)
    whose = f"{name}, {', '.join(channels or montage or ('all electrodes',))}"
    return [
        Row(
            f"{whose}: refused as noise",
            "",
            f"{sum(slope > FLAT_ABOVE for slope in slopes)} of {len(slopes)}",
            f"half minutes; {len(pieces) - len(slopes)} more are too short or not clean; {_span(slopes)}",
        ),
        Row(f"{whose}: windows refused as noise", "", f"{flat / clean:.2%} of {clean}", "windows without other reason"),
    ]


def _span(slopes: Sequence[float]) -> str:
    return f"slopes {min(slopes):.2f} to {max(slopes):.2f}" if slopes else "no slope"


def _pieces(recording: Recording, spec: StreamSpec) -> Iterator[list[Chunk]]:
    seconds = [
        Chunk(spec, chunk.data, chunk.timestamps_s, chunk.first_sample)
        for chunk in recording.chunks(round(spec.nominal_rate_hz))
    ]
    return (seconds[start : start + REST_S] for start in range(0, len(seconds), REST_S))


@dataclass(frozen=True, slots=True)
class Judged:
    """What is said of half a minute.

    Parameters
    ----------
    slope
        Of it as a rest; None where it is refused before its slope is asked for.
    windows, scored, flat
        Windows in it, those with no reason against a score, and those whose only reason is their slope.
    """

    slope: float | None
    windows: int
    scored: int
    flat: int


def _judged(spec: StreamSpec, piece: Sequence[Chunk], card: ModelCard) -> Judged:
    pipeline = Pipeline(spec, hop_s=HOP_S)
    columns = np.array([SCHEMA.bands_hz.index(band) for band in card.bands_hz])
    labels = tuple(spec.channels[i].label for i in spec.scored)
    slope = SpectralSlope(card.bands_hz)
    ring = FrameHistory(
        len(labels), columns, AlphaIndex(card.bands_hz), slope, card.tokens, round(card.token_s / HOP_S)
    )
    rest = RestCollector(Owner("", spec.device, labels, DEFAULT_MODEL), HOP_S, card.bands_hz, len(labels))
    reasons: list[Reason | None] = []
    for chunk in piece:
        for frame in pipeline.process(chunk):
            reasons.append(judge(ring.push(frame)))
            if frame.settled:
                rest.add(relative_log_power(frame.values[:, columns]), frame.quality >= USABLE)
    try:
        rest.check_clean()
    except BaselineRefusedError:
        of_rest = None
    else:
        of_rest = slope.of(rest.mean())
    full = [reason for reason in reasons if reason != "warming_up"]
    return Judged(of_rest, len(full), full.count(None), full.count("out_of_distribution"))
