from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_eeg import LABELS, chunk_of, made_uv, stream_spec
from scipy.signal import butter, sosfilt

from streaming.pipeline import Pipeline
from streaming.types import FeatureFrame, Flag

RATE = 250.0
AT = 3  # the channel that is spoiled: C4
T = np.arange(round(8.0 * RATE)) / RATE


def settled(uv: np.ndarray, labels: tuple[str, ...] = LABELS, rate: float = RATE) -> list[FeatureFrame]:
    spec = stream_spec(labels, rate)
    return [f for f in Pipeline(spec).process(chunk_of(spec, uv)) if f.settled]


def stacked(frames: list[FeatureFrame]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.stack([f.values for f in frames]),
        np.stack([f.quality for f in frames]),
        np.stack([f.flags for f in frames]),
    )


def emg(seed: int = 5) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=len(T))
    burst = sosfilt(butter(4, [20.0, 110.0], "bandpass", fs=RATE, output="sos"), noise)
    return burst / burst.std()


def swaying_hum() -> np.ndarray:
    rng = np.random.default_rng(6)
    sway = 1.0 + 0.5 * np.cumsum(rng.normal(0.0, 1.0 / np.sqrt(RATE), len(T)))
    return 300.0 * sway * np.sin(2 * np.pi * 50.0 * T + np.cumsum(rng.normal(0.0, 3.0 / np.sqrt(RATE), len(T))))


def test_clean_eeg_raises_no_flag_and_is_wholly_usable() -> None:
    _, quality, flags = stacked(settled(made_uv(8, 20.0, offset_uv=30_000.0)))
    assert not flags.any()
    assert np.all(quality == 1.0)


FAULTS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Flag]] = {
    "stuck at the rail": (lambda x: np.full_like(x, -187_500.0), Flag.RAILED),
    "clipped, rails unknown": (lambda x: np.clip(x + 900 * np.sin(2 * np.pi * 1.3 * T), -800, 800), Flag.RAILED),
    "dead": (lambda x: np.zeros_like(x), Flag.FLAT),
    "shorted": (lambda x: np.random.default_rng(1).normal(0.0, 0.3, len(x)), Flag.FLAT),
    "in the air": (lambda x: x + swaying_hum(), Flag.LINE),
    "open, 2 mV of 50 Hz": (lambda x: x + 2000.0 * np.sin(2 * np.pi * 50.0 * T), Flag.LINE),
    "open, 2 mV of 60 Hz": (lambda x: x + 2000.0 * np.sin(2 * np.pi * 60.0 * T), Flag.LINE),
    "muscle": (lambda x: x + 30.0 * emg(), Flag.MUSCLE),
    "loose": (lambda x: x + 800.0 * np.sin(2 * np.pi * 1.1 * T), Flag.CONTACT),
    "noise": (lambda x: x + np.random.default_rng(2).normal(0.0, 150.0, len(x)), Flag.CONTACT),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_lasting_fault_is_named_and_the_channel_masked_and_no_other(name: str) -> None:
    fault, flag = FAULTS[name]
    clean = made_uv(8, 8.0)
    spoiled = clean.copy()
    spoiled[:, AT] = fault(clean[:, AT])
    values, _, _ = stacked(settled(clean))
    bad_values, quality, flags = stacked(settled(spoiled))
    assert np.mean((flags[:, AT] & flag) != 0) > 0.9
    assert np.mean(quality[:, AT] < 0.5) > 0.9
    others = [c for c in range(8) if c != AT]
    assert not flags[:, others].any()
    np.testing.assert_array_equal(bad_values[:, others], values[:, others])
    assert np.isfinite(bad_values).all()


def test_known_rails_are_used() -> None:
    uv = made_uv(8, 8.0)
    uv[:, AT] = np.where(T % 1.0 < 0.5, 399.9, uv[:, AT])
    spec = stream_spec(rails_uv=(-400.0, 400.0))
    frames = [f for f in Pipeline(spec).process(chunk_of(spec, uv)) if f.settled]
    assert all(f.flags[AT] & Flag.RAILED for f in frames)


def test_a_pop_takes_out_the_time_around_it_and_no_more() -> None:
    uv = made_uv(8, 8.0)
    uv[T >= 4.0, AT] += 3000.0
    spec = stream_spec()
    frames = Pipeline(spec).process(chunk_of(spec, uv))
    at_pop = [f for f in frames if 104.0 < f.end_s < 104.7]
    assert all(f.flags[AT] & Flag.POP for f in at_pop)
    assert min(f.quality[AT] for f in at_pop) < 0.5
    later = [f for f in frames if f.end_s > 107.0]
    assert all(f.quality[AT] == 1.0 for f in later)


def blinking(every_s: float, height_uv: float = 250.0) -> np.ndarray:
    out = np.zeros(len(T))
    for at in np.arange(2.6, 8.0, every_s):
        out += height_uv * np.exp(-0.5 * ((T - at) / np.where(at > T, 0.05, 0.08)) ** 2)
    return out


def test_a_blink_is_seen_at_the_forehead_only() -> None:
    uv = made_uv(8, 8.0) + blinking(5.0)[:, None] * np.array([1, 1, 0.15, 0.15, 0.05, 0.05, 0, 0])
    _, quality, flags = stacked(settled(uv))
    assert (flags[:, :2] & Flag.BLINK).any(axis=0).all()
    assert not flags[:, 2:].any()
    assert quality[:, :2].min() < 1.0


def test_blinking_throughout_loses_no_window_and_the_correction_helps() -> None:
    clean = made_uv(8, 8.0)
    spoiled = clean.copy()
    spoiled[:, :2] += blinking(0.8)[:, None]
    values, _, _ = stacked(settled(clean))
    corrected, quality, _ = stacked(settled(spoiled))
    assert quality[:, :2].min() >= 0.5
    # Without the rule for the forehead nothing is capped: the same samples, said to be central.
    uncorrected, _, _ = stacked(settled(spoiled, labels=("C1", "C2", *LABELS[2:])))
    after = T[-1] - 3.0
    late = slice(-round(after / 0.04), None)
    theta = [1, 2]
    with_rule = np.abs(corrected - values)[late, :2][..., theta].mean()
    without = np.abs(uncorrected - values)[late, :2][..., theta].mean()
    assert with_rule < 0.6 * without


def test_missing_samples_are_masked() -> None:
    uv = made_uv(8, 8.0)
    uv[(T > 4.0) & (T < 4.5), AT] = np.nan
    spec = stream_spec()
    frames = Pipeline(spec).process(chunk_of(spec, uv))
    touched = [f for f in frames if 104.5 < f.end_s < 104.8]
    assert all(f.flags[AT] & Flag.MISSING for f in touched)
    assert all(0.3 < f.quality[AT] < 0.5 for f in touched)
    assert all(f.quality[0] == 1.0 for f in touched)


def test_steady_hum_that_the_notch_takes_away_is_no_fault() -> None:
    uv = made_uv(8, 8.0) + 300.0 * np.sin(2 * np.pi * 50.0 * T)[:, None] + 60.0 * np.sin(2 * np.pi * 100.0 * T)[:, None]
    values, quality, flags = stacked(settled(uv))
    assert not flags.any()
    assert np.all(quality == 1.0)
    without, _, _ = stacked(settled(made_uv(8, 8.0)))
    np.testing.assert_allclose(values[..., :8], without[..., :8], atol=0.2)


def test_the_broken_electrodes_of_real_recordings_are_taken_out(data_folder: Path) -> None:
    from bci.files import read_recording

    for name in ("muse-bird/subjectd-concentrating-2.csv", "muse-biohack/jp_confused1.csv"):
        recording = read_recording(data_folder / name)
        labels = [recording.spec.channels[i].label for i in recording.spec.scored]
        pipeline = Pipeline(recording.spec, hop_s=0.1)
        chunks = list(recording.chunks(2560))[:4]
        frames = [f for c in chunks for f in pipeline.process(c) if f.settled]
        quality = np.stack([f.quality for f in frames])
        assert np.mean(quality[:, labels.index("AF8")] >= 0.5) < 0.02
        assert np.mean(quality[:, labels.index("AF7")] >= 0.5) > 0.9
