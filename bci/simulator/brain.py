"""What the simulated brain writes: a 1/f background, and rhythms that follow attention and eyes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci.simulator.filters import Cascade, one_pole
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
    sources
        Place on the scalp (x, y, z in metres, MNE head frame) and amplitude of each source against the strongest.
    reach_m
        How far a source is seen (standard deviation of its topography).
    """

    frequency_hz: float
    bandwidth_hz: float
    power_uv2: float
    attention: float
    eyes_closed: float
    sources: tuple[tuple[float, float, float, float], ...]
    reach_m: float


def rhythms_of(rng: np.random.Generator) -> tuple[Rhythm, ...]:
    """Make one person's rhythms.

    Effects are those of EEGMAT (people 00-23, arithmetic against rest, mean ± standard deviation over people of the
    change of ln power, own measurement): alpha (8-13 Hz) -0.56 ± 0.75 over P3 P4 Pz O1 O2, -0.41 ± 0.50 centrally,
    -0.28 ± 0.39 frontally; theta (4-8 Hz) +0.07 ± 0.41 frontally, which is +0.29 against posterior theta; beta
    -0.10 ± 0.20 frontally, so that its *share* rises as alpha falls. Attention 0 to 1 moves the sources below by -1.2,
    +0.8 and +0.6; as the rest does not move, about -0.6 (O1 O2), -0.3 (C3 C4 Fz), +0.25 (theta at Fz) and +0.15 (beta
    at C3 C4) are left at the electrodes: an average person in alpha, a clear responder in beta. `effect=` on the URI
    scales all three. Closing the eyes moves the source of alpha by +2.3 and alpha over the whole head by about +1.3, as
    in `eyes-features/closed_vs_open.csv` (+1.30 ± 0.69).
    """
    alpha_hz = rng.uniform(9.4, 10.8)
    strength = rng.lognormal(0.0, 0.15, 3)
    occipital, parietal = ((-0.03, -0.11, 0.02, 1.0), (0.03, -0.11, 0.02, 1.0)), ((0.0, -0.08, 0.09, 0.9),)
    central, frontal = ((-0.06, -0.01, 0.08, 0.7), (0.06, -0.01, 0.08, 0.7)), ((0.0, 0.085, 0.05, 0.65),)
    return (
        Rhythm(alpha_hz, 1.2, 15.0 * strength[0], -1.2, 2.3, occipital + parietal + central + frontal, 0.05),
        Rhythm(6.2 + rng.uniform(-0.4, 0.4), 1.0, 3.5 * strength[1], 0.8, 0.0, ((0.0, 0.055, 0.095, 1.0),), 0.04),
        Rhythm(20.0 + rng.uniform(-1.5, 1.5), 5.0, 3.0 * strength[2], 0.6, 0.1, central, 0.04),
        Rhythm(17.0, 10.0, 5.0, 0.0, 0.0, ((0.0, -0.06, 0.1, 1.0), (0.0, 0.06, 0.1, 1.0)), 0.09),  # at rest
    )


SPINDLES = Rhythm(15.5, 1.5, 400.0, 0.0, 0.0, ((0.0, 0.0, 0.06, 1.0),), 0.2)
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
        sections = power_law_sos(rate_hz, exponent)
        density = float(abs(_response(sections, 10.0, rate_hz)) ** 2 * 2.0 / rate_hz)
        self._gain = float(np.sqrt(level_uv2_per_hz / density))
        self._colour = Cascade(sections, len(positions_m))
        self.block(int(20 * rate_hz))  # the slowest pole has long forgotten that it began at zero

    def block(self, n: int) -> Samples:
        """Give the next n samples, (n, channels), µV."""
        white = self._rng.standard_normal((n, self._mixing.shape[0])) @ self._mixing
        return self._colour.follow(white) * self._gain


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


def _response(sos: Samples, frequency_hz: float, rate_hz: float) -> complex:
    back = np.exp(-2j * np.pi * frequency_hz / rate_hz) ** np.arange(3)
    return complex(np.prod((sos[:, :3] @ back) / (sos[:, 3:] @ back)))


class RhythmGenerator:
    """Samples of one rhythm: narrow-band noise, an envelope of seconds, a gain that the script moves."""

    def __init__(self, rhythm: Rhythm, positions_m: Samples, rate_hz: float, rng: np.random.Generator) -> None:
        self._rhythm = rhythm
        self._rng = rng
        self._maps = np.stack(
            [weight * topography(positions_m, xyz, rhythm.reach_m) for *xyz, weight in rhythm.sources]
        )
        # Where sources overlap their powers add: scaled so that the strongest electrode gets the stated power.
        self._maps /= max(1e-3, float(np.sqrt((self._maps**2).sum(axis=0).max())))
        sections = _resonator_sos(rhythm.frequency_hz, rhythm.bandwidth_hz, rate_hz)
        impulse = np.zeros((int(20 * rate_hz / rhythm.bandwidth_hz), 1))
        impulse[0] = 1.0
        gain = float(1.0 / np.sqrt((Cascade(sections, 1).follow(impulse) ** 2).sum()))
        self._scaled_maps = self._maps * (gain * np.sqrt(rhythm.power_uv2))
        self._carrier = Cascade(sections, len(self._maps))
        forget = float(np.exp(-1.0 / (4.0 * rate_hz)))
        self._mood = Cascade(one_pole(forget, float(np.sqrt(1.0 - forget**2))), 1)
        self.block(np.zeros(int(20 * rate_hz)), np.zeros(int(20 * rate_hz)))

    def block(self, attention: Samples, eyes_closed: Samples) -> Samples:
        """Give the next samples, (n, channels), µV, for attention and closedness of the eyes at each, both (n,)."""
        carrier = self._carrier.follow(self._rng.standard_normal((attention.size, len(self._maps))))
        mood = self._mood.follow(self._rng.standard_normal((attention.size, 1)))[:, 0]
        log_power = self._rhythm.attention * attention + self._rhythm.eyes_closed * eyes_closed
        swell = np.exp(_MOOD * mood - _MOOD**2 + 0.5 * log_power)
        carrier *= swell[:, None]
        return carrier @ self._scaled_maps


_MOOD = 0.25
"""Standard deviation of ln amplitude over seconds (time constant 4 s), beyond what narrow-band noise does itself: ln
power of EEGMAT's alpha varies by 0.47 between 4-s windows of one state."""


def _resonator_sos(frequency_hz: float, bandwidth_hz: float, rate_hz: float) -> Samples:
    radius = np.exp(-np.pi * 1.55 * bandwidth_hz / rate_hz)  # two equal sections: each 1.55 times as wide as both
    angle = 2 * np.pi * frequency_hz / rate_hz
    section = [1.0, 0.0, -1.0, 1.0, -2 * radius * np.cos(angle), radius**2]
    return np.array([section, section])
