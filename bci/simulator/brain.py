"""What the simulated brain writes: a 1/f background, and rhythms that follow attention and eyes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import freqz_sos, lfilter, sosfilt

from bci.simulator.head import spatial_mixing, topography

Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A rhythm with its sources and what moves it.

    Parameters
    ----------
    frequency_hz, bandwidth_hz
        Centre and width at half power: narrow-band noise, so that it waxes and wanes by itself.
    power_uv2
        Power above a source at attention 0, eyes open.
    attention
        Change of ln power from attention 0 to 1.
    eyes_closed
        Change of ln power when the eyes close.
    centres_m
        Places of the sources on the scalp, MNE head frame.
    reach_m
        How far a source is seen (standard deviation of its topography).
    """

    frequency_hz: float
    bandwidth_hz: float
    power_uv2: float
    attention: float
    eyes_closed: float
    centres_m: tuple[tuple[float, float, float], ...]
    reach_m: float


def rhythms_of(rng: np.random.Generator) -> tuple[Rhythm, ...]:
    """Make one person's rhythms.

    The effects are a clear responder's. In EEGMAT (people 00-23, arithmetic against rest, 4-s windows, own measurement)
    ln power moves over people by -0.56 ± 0.75 in posterior alpha (P3 P4 Pz O1 O2, 8-13 Hz), by +0.07 ± 0.41 in frontal
    against -0.22 ± 0.34 in posterior theta, and by -0.10 ± 0.20 in frontal beta, whose *share* rises as alpha falls.
    Attention 0 to 1 moves alpha here by -1.2, about that mean and one standard deviation; +0.8 in the source of frontal
    theta and +0.6 in that of central beta come out at some +0.3 and +0.25 in the electrodes' bands, as the background
    does not move. `effect=0.45` on the simulator's URI gives an average person. Closing the eyes moves posterior alpha
    by +1.5 in its source, +1.3 in its band, as in `eyes-features/closed_vs_open.csv` (+1.30 ± 0.69).
    """
    alpha_hz = rng.uniform(9.4, 10.8)
    strength = rng.lognormal(0.0, 0.15, 3)
    return (
        Rhythm(
            alpha_hz,
            1.2,
            26.0 * strength[0],
            -1.2,
            1.5,
            ((-0.03, -0.11, 0.02), (0.03, -0.11, 0.02), (0.0, -0.09, 0.08)),
            0.050,
        ),
        Rhythm(6.2 + rng.uniform(-0.4, 0.4), 1.0, 3.5 * strength[1], 0.8, 0.0, ((0.0, 0.055, 0.095),), 0.040),
        Rhythm(
            20.0 + rng.uniform(-1.5, 1.5),
            5.0,
            3.0 * strength[2],
            0.6,
            0.1,
            ((-0.06, -0.01, 0.08), (0.06, -0.01, 0.08)),
            0.040,
        ),
    )


SPINDLES = Rhythm(15.5, 1.5, 900.0, 0.0, 0.0, ((0.0, 0.0, 0.06),), 0.2)
"""Large spindles all over the head: a spectrum that no one in a training set has, and yet no artefact."""


class Background:
    """Spatially correlated 1/f noise: the aperiodic part of EEG.

    Parameters
    ----------
    positions_m
        float64 (channels, 3).
    rate_hz
        Samples per second.
    exponent
        Of the power spectrum, S(f) = S(10 Hz)·(10/f)^exponent; 1.2-1.6 in adults at rest (Donoghue et al. 2020).
    level_uv2_per_hz
        One-sided density at 10 Hz.
    """

    def __init__(
        self,
        positions_m: Samples,
        rate_hz: float,
        rng: np.random.Generator,
        *,
        exponent: float = 1.5,
        level_uv2_per_hz: float = 0.9,
    ) -> None:
        self._rng = rng
        self._mixing = spatial_mixing(positions_m).T
        self._sos = power_law_sos(rate_hz, exponent)
        density = abs(freqz_sos(self._sos, [10.0], fs=rate_hz)[1][0]) ** 2 * 2.0 / rate_hz
        self._gain = float(np.sqrt(level_uv2_per_hz / density))
        self._state = np.zeros((self._sos.shape[0], 2, len(positions_m)))
        self.block(int(20 * rate_hz))  # the slowest pole has long forgotten that it began at zero

    def block(self, n: int) -> Samples:
        """Give the next n samples, (n, channels), µV."""
        white = self._rng.standard_normal((n, self._mixing.shape[0])) @ self._mixing
        coloured, self._state = sosfilt(self._sos, white, axis=0, zi=self._state)
        return coloured * self._gain


def power_law_sos(rate_hz: float, exponent: float) -> Samples:
    """Design a filter whose power falls as 1/f^exponent from 0.5 Hz to Nyquist: poles and zeros interlaced on log f.

    Flat below 0.5 Hz. The usual construction of 1/f noise (Kasdin 1995, §V); within ±1 dB here.
    """
    low_hz, high_hz, n_pairs = 0.5, rate_hz / 2.0, 6
    edge = np.geomspace(low_hz, high_hz, n_pairs + 1)
    step = edge[1] / edge[0]
    pole_hz = edge[:-1]
    zero_hz = pole_hz * step ** (exponent / 2.0)
    pole, zero = np.exp(-2 * np.pi * pole_hz / rate_hz), np.exp(-2 * np.pi * zero_hz / rate_hz)
    sections = [
        [1.0, -(zero[i] + zero[i + 1]), zero[i] * zero[i + 1], 1.0, -(pole[i] + pole[i + 1]), pole[i] * pole[i + 1]]
        for i in range(0, n_pairs, 2)
    ]
    return np.array(sections)


class RhythmGenerator:
    """Samples of one rhythm: narrow-band noise, an envelope of seconds, a gain that the script moves."""

    def __init__(self, rhythm: Rhythm, positions_m: Samples, rate_hz: float, rng: np.random.Generator) -> None:
        self._rhythm = rhythm
        self._rng = rng
        self._maps = np.stack([topography(positions_m, centre, rhythm.reach_m) for centre in rhythm.centres_m])
        # Where sources overlap their powers add: scaled so that the strongest electrode gets the stated power.
        self._maps /= max(1e-3, float(np.sqrt((self._maps**2).sum(axis=0).max())))
        self._sos = _resonator_sos(rhythm.frequency_hz, rhythm.bandwidth_hz, rate_hz)
        self._state = np.zeros((self._sos.shape[0], 2, len(self._maps)))
        impulse = np.zeros(int(20 * rate_hz / rhythm.bandwidth_hz))
        impulse[0] = 1.0
        self._gain = float(1.0 / np.sqrt((sosfilt(self._sos, impulse) ** 2).sum()))
        self._forget = float(np.exp(-1.0 / (4.0 * rate_hz)))
        self._mood = np.zeros((1, len(self._maps)))
        self.block(np.zeros(int(20 * rate_hz)), np.zeros(int(20 * rate_hz)))

    def block(self, attention: Samples, eyes_closed: Samples) -> Samples:
        """Give the next samples, (n, channels), µV, for attention and closedness of the eyes at each, both (n,)."""
        shape = (attention.size, len(self._maps))
        carrier, self._state = sosfilt(self._sos, self._rng.standard_normal(shape), axis=0, zi=self._state)
        drive = self._rng.standard_normal(shape) * np.sqrt(1.0 - self._forget**2)
        mood, self._mood = lfilter([1.0], [1.0, -self._forget], drive, axis=0, zi=self._mood)
        log_power = self._rhythm.attention * attention + self._rhythm.eyes_closed * eyes_closed
        swell = _MOOD * mood + 0.5 * (log_power + np.log(self._rhythm.power_uv2))[:, None] - _MOOD**2
        return (carrier * np.exp(swell) * self._gain) @ self._maps


_MOOD = 0.25
"""Standard deviation of ln amplitude over seconds (time constant 4 s), beyond what narrow-band noise does itself: ln
power of EEGMAT's alpha varies by 0.47 between 4-s windows of one state."""


def _resonator_sos(frequency_hz: float, bandwidth_hz: float, rate_hz: float) -> Samples:
    radius = np.exp(-np.pi * 1.55 * bandwidth_hz / rate_hz)  # two equal sections: each 1.55 times as wide as both
    angle = 2 * np.pi * frequency_hz / rate_hz
    section = [1.0, 0.0, -1.0, 1.0, -2 * radius * np.cos(angle), radius**2]
    return np.array([section, section])
