"""The simulated signal has the shape of EEG, and its script moves what it should move."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import butter, hilbert, sosfiltfilt, spectrogram

from bci.errors import SourceEndedError
from bci.simulator.scenarios import PERIOD_S, SCENARIOS, attention_at
from bci.sources.simulator import simulator_source
from bci.uri import parse_uri

RATE_HZ = 250
LABELS = ["Fp1", "Fp2", "Fz", "C3", "C4", "Pz", "O1", "O2"]
BANDS_HZ = {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 13), "beta": (13, 30), "muscle": (30, 45)}

Samples = NDArray[np.float64]


def record(text: str, seconds: int) -> Samples:
    """Samples of a simulation, (n, channels), µV; only for scenarios without loss."""
    joint = "&" if "?" in text else "?"
    source = simulator_source(parse_uri(f"simulator:{text}{joint}speed=0&seconds={seconds}"))
    source.open()
    chunks: list[Samples] = []
    while True:
        try:
            chunk = source.read(1000, 1.0)
        except SourceEndedError:
            return np.concatenate(chunks)
        assert chunk is not None
        chunks.append(chunk.data.astype(np.float64))


def log_powers(samples: Samples) -> tuple[Samples, dict[str, Samples]]:
    """Times of 2-s windows and ln power of each band, (channels, windows)."""
    frequency, t_s, power = spectrogram(samples.T, RATE_HZ, nperseg=2 * RATE_HZ, noverlap=RATE_HZ)
    return t_s, {
        name: np.log(power[:, (frequency >= low) & (frequency < high)].sum(axis=1) * 0.5)
        for name, (low, high) in BANDS_HZ.items()
    }


@pytest.fixture(scope="module")
def focus() -> Samples:
    return record("focus", 600)


def shift(samples: Samples, scenario: str) -> dict[str, Samples]:
    """Mean change of ln power from low to high attention, of each channel."""
    t_s, powers = log_powers(samples)
    attention = attention_at(scenario, t_s)
    low, high = attention < 0.25, attention > 0.75
    return {name: p[:, high].mean(axis=1) - p[:, low].mean(axis=1) for name, p in powers.items()}


def channel(label: str) -> int:
    return LABELS.index(label)


def test_alpha_falls_and_theta_and_beta_rise_with_attention(focus: Samples) -> None:
    moved = shift(focus, "focus")
    assert -1.2 < moved["alpha"][channel("O1")] < -0.3
    assert moved["alpha"][channel("O1")] < moved["alpha"][channel("Fz")] < -0.05
    assert 0.05 < moved["theta"][channel("Fz")] < 0.6
    assert 0.03 < moved["beta"][channel("C3")] < 0.6
    assert abs(moved["muscle"]).max() < 0.15


def test_effect_scales_what_attention_moves() -> None:
    strong, usual, none = (shift(record(f"focus?effect={x}", 300), "focus")["alpha"][channel("O1")] for x in (3, 1, 0))
    assert strong < usual - 0.3
    assert abs(none) < 0.25


def test_flat_does_not_follow_and_inverted_follows_the_wrong_way() -> None:
    assert abs(shift(record("flat", 600), "flat")["alpha"][channel("O1")]) < 0.25
    assert shift(record("inverted", 600), "inverted")["alpha"][channel("O1")] > 0.3


def test_closing_the_eyes_moves_posterior_alpha_more_than_thinking_does() -> None:
    t_s, powers = log_powers(record("eyes", 300))
    closed, opened = t_s % 60 > 32, (t_s % 60 > 2) & (t_s % 60 < 29)
    moved = powers["alpha"][:, closed].mean(axis=1) - powers["alpha"][:, opened].mean(axis=1)
    assert 1.2 < moved[channel("O1")] < 2.4
    assert 0.4 < moved[channel("Fz")] < moved[channel("O1")]
    assert 0.9 < moved.mean() < 1.8


def test_background_falls_as_a_power_law(focus: Samples) -> None:
    frequency, _, power = spectrogram(focus[:, channel("Fz")], RATE_HZ, nperseg=1000)
    mean = power.mean(axis=1)
    # Away from rhythms (4-8, 8-13, 16-24 Hz) and from mains.
    at = [i for i, f in enumerate(frequency) if 1 <= f < 3.5 or 26 <= f < 45]
    slope = np.polyfit(np.log(frequency[at]), np.log(mean[at]), 1)[0]
    assert -1.8 < slope < -1.1


def test_neighbours_share_more_than_ends_of_the_head(focus: Samples) -> None:
    band = sosfiltfilt(butter(4, [1, 45], "bandpass", fs=RATE_HZ, output="sos"), focus, axis=0)
    shared = np.corrcoef(band.T)
    assert shared[channel("O1"), channel("O2")] > 0.4
    assert shared[channel("Fz"), channel("O1")] < 0.3
    assert 0.05 < shared[channel("C3"), channel("C4")] < 0.5


def test_amplitudes_are_those_of_eeg(focus: Samples) -> None:
    quiet = sosfiltfilt(butter(4, [1, 45], "bandpass", fs=RATE_HZ, output="sos"), focus[:, 2:], axis=0)
    assert (quiet.std(axis=0) > 4).all()
    assert (quiet.std(axis=0) < 20).all()
    alpha = sosfiltfilt(butter(3, [8, 13], "bandpass", fs=RATE_HZ, output="sos"), focus[:, channel("O1")])
    low, usual, high = np.percentile(np.abs(np.asarray(hilbert(alpha))), [5, 50, 97])
    assert 3 < usual < 15
    assert high < 30
    assert low < usual / 2 < high / 3, "alpha waxes and wanes"


def test_blinks_are_frontal(focus: Samples) -> None:
    slow = sosfiltfilt(butter(2, [0.5, 10], "bandpass", fs=RATE_HZ, output="sos"), focus, axis=0)
    peaks = slow.max(axis=0)
    assert 80 < peaks[channel("Fp1")] < 260
    assert peaks[channel("O1")] < 60


@given(t_s=st.floats(0, 1e5), seed=st.integers(0, 2**31))
def test_attention_stays_in_its_range_and_is_continuous(t_s: float, seed: int) -> None:
    now, next_moment = attention_at("focus", np.array([t_s, t_s + 0.01]), seed)
    assert 0.0 <= now <= 1.0
    assert abs(next_moment - now) < 0.01


def test_attention_may_be_asked_at_any_moment_in_any_shape() -> None:
    t_s = np.linspace(0, 5 * PERIOD_S, 7001)
    whole = attention_at("focus", t_s, seed=3)
    np.testing.assert_array_equal([attention_at("focus", float(t), seed=3) for t in t_s[::500]], whole[::500])
    assert whole.min() < 0.2
    assert whole.max() > 0.8
    assert attention_at("focus", np.empty(0)).shape == (0,)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_gives_finite_samples_within_the_rails(name: str) -> None:
    source = simulator_source(parse_uri(f"simulator:{name}?speed=0&rate=500&channels=19"))
    spec = source.open()
    assert spec.rails_uv is not None
    for _ in range(20):
        chunk = source.read(500, 1.0)
        assert chunk is not None
        assert np.isfinite(chunk.data).all()
        assert spec.rails_uv[0] <= chunk.data.min() <= chunk.data.max() <= spec.rails_uv[1]
    source.close()


def test_blinks_and_muscle_follow_attention_where_asked_and_the_brain_stays_what_it_is() -> None:
    plain, blinking, tense = (
        record(f"focus?{query}", 120) for query in ("effect=0", "effect=0&blink_effect=1", "effect=0&muscle_effect=10")
    )
    slow = sosfiltfilt(butter(2, 8.0, fs=RATE_HZ, output="sos"), blinking - plain, axis=0)
    working = attention_at("focus", np.arange(len(plain)) / RATE_HZ) > 0.5
    assert np.abs(slow[working, channel("Fp1")]).mean() > 3.0 * np.abs(slow[~working, channel("Fp1")]).mean()
    muscle = tense - plain
    assert muscle[working].std() > 3.0 * muscle[~working].std()
    assert muscle[:, channel("Fp1")].std() > 2.0 * muscle[:, channel("Pz")].std()
