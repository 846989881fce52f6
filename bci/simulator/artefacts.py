"""What eyes, muscles, electrodes and mains add to the samples; each a filter with state, fed block after block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bci.biquads import bandpass
from bci.simulator.filters import Cascade, one_pole
from bci.simulator.head import topography
from bci.simulator.spells import Spells

Samples = NDArray[np.float64]

RAILS_UV = (-187500.0, 187500.0)
"""Range of the simulated converter: 24 bit at ±4.5 V and a gain of 24, as in an OpenBCI Cyton."""


class Blinks:
    """Blinks: 100-200 µV at Fp1/Fp2, some 300 ms, positive, a tenth of that at the vertex.

    The lid slides over the cornea, which is positive against the retina: 80 ms down, 220 ms up.
    """

    def __init__(self, positions_m: Samples, rate_hz: float, rng: np.random.Generator) -> None:
        self._rate_hz, self._rng = rate_hz, rng
        eyes = np.array([[-0.032, 0.09, -0.03], [0.032, 0.09, -0.03]])
        distance = np.linalg.norm(positions_m[:, None] - eyes[None], axis=2).min(axis=1)
        self._map = np.exp(-np.maximum(0.0, distance - 0.035) / 0.045)
        down, up = max(2, int(0.08 * rate_hz)), max(3, int(0.22 * rate_hz))
        self._template = np.concatenate([np.hanning(2 * down + 1)[:down], np.hanning(2 * up + 1)[up:]])
        self._begun = np.zeros(self._template.size - 1)

    def block(self, per_s: Samples) -> Samples:
        """Give the next samples, (n, channels), µV, for the rate of blinks per second at each, (n,)."""
        start = self._rng.random(per_s.size) < per_s / self._rate_hz
        size = self._rng.uniform(100.0, 200.0, per_s.size)
        trace = np.convolve(self._template, start * size)
        trace[: self._begun.size] += self._begun
        self._begun = trace[per_s.size :]
        # Two that overlap are one: a lid closes once.
        return np.minimum(trace[: per_s.size], 220.0)[:, None] * self._map


class Muscle:
    """Temporal and frontal muscle: noise of 20-200 Hz (or as far as the rate goes)."""

    def __init__(self, positions_m: Samples, rate_hz: float, rng: np.random.Generator) -> None:
        self._rng = rng
        high_hz = min(200.0, 0.45 * rate_hz)
        sections = np.array([(g, 0.0, -g, 1.0, a1, a2) for g, a1, a2 in bandpass((20.0, high_hz), 2, rate_hz)])
        self._gain = float(np.sqrt(rate_hz / 2.0 / (high_hz - 20.0)))
        temples = [topography(positions_m, (side * 0.075, 0.03, 0.0), 0.05) for side in (-1.0, 1.0)]
        forehead = 0.5 * topography(positions_m, (0.0, 0.09, 0.01), 0.045)
        self._map = np.maximum(np.maximum(*temples), forehead)
        self._filter = Cascade(sections, len(positions_m))
        self._bursts = Spells(
            lambda: rng.exponential(2.5) * rate_hz,
            lambda: rng.uniform(0.5, 2.0) * rate_hz,
        )

    def bursts(self, first_sample: int, n: int) -> Samples:
        """Give n samples of bursts of 0.5-2 s, 60 µV at the temples, half of that at the forehead, (n, channels)."""
        inside = self._bursts.inside(first_sample, n)
        return self._noise(n) * inside[:, None] * (60.0 * self._map)

    def clench(self, n: int) -> Samples:
        """Give n samples of a clenched jaw: 25 µV anywhere, 75 µV at the temples, (n, channels)."""
        return self._noise(n) * (25.0 + 50.0 * self._map)

    def tonus(self, n: int) -> Samples:
        """Give n samples of steady muscle, 1 µV at the temples, (n, channels)."""
        return self._noise(n) * self._map

    def _noise(self, n: int) -> Samples:
        white = self._rng.standard_normal((n, self._map.size))
        return self._filter.follow(white) * self._gain


class Mains:
    """Hum: the mains and its third harmonic, an amplitude and a phase for each electrode, a frequency that wanders."""

    def __init__(self, n_channels: int, rate_hz: float, mains_hz: float, rng: np.random.Generator) -> None:
        self._rate_hz, self._mains_hz = rate_hz, mains_hz
        self._strength = rng.lognormal(0.0, 0.3, n_channels)
        # Most of the hum is common to all electrodes, a little of its phase is not.
        phase = rng.uniform(0.0, 2 * np.pi) + rng.normal(0.0, 0.4, n_channels)
        self._in_phase, self._in_quadrature = self._strength * np.cos(phase), self._strength * np.sin(phase)
        self._wander = rng.uniform(0.0, 2 * np.pi)

    def block(self, t_s: Samples) -> Samples:
        """Give hum of about 1 µV amplitude, (n, channels), at moments of the simulation, (n,)."""
        # ±0.02 Hz around the nominal frequency over 100 s, as European and American grids wander
        angle = 2 * np.pi * self._mains_hz * t_s + 2.0 * np.sin(2 * np.pi * t_s / 100.0 + self._wander)
        hum = np.outer(np.sin(angle), self._in_phase) + np.outer(np.cos(angle), self._in_quadrature)
        if 3 * self._mains_hz < 0.45 * self._rate_hz:
            hum += np.outer(0.2 * np.sin(3 * angle), self._strength)
        return hum


class Wander:
    """Slow random walk that comes back (Ornstein-Uhlenbeck): electrode drift, sweat, cable.

    Parameters
    ----------
    tau_s
        How long it remembers.
    smooth_s
        Time constant of a smoothing: skin and sweat move slowly, without the steps of a bare random walk.
    """

    def __init__(
        self, n_channels: int, rate_hz: float, tau_s: float, rng: np.random.Generator, *, smooth_s: float = 0.0
    ) -> None:
        self._rng = rng
        self._n_channels = n_channels
        forget = float(np.exp(-1.0 / (tau_s * rate_hz)))
        keep = float(np.exp(-1.0 / (smooth_s * rate_hz))) if smooth_s else 0.0
        walk = one_pole(forget, float(np.sqrt(1.0 - forget**2)))
        self._walk = Cascade(np.vstack([walk, one_pole(keep, 1.0 - keep)]) if keep else walk, n_channels)
        self._walk.remember(rng.standard_normal(n_channels) * forget)

    def block(self, n: int) -> Samples:
        """Give the next n samples, (n, channels), standard deviation 1."""
        return self.follow(self._rng.standard_normal((n, self._n_channels)))

    def follow(self, white: Samples) -> Samples:
        """Walk as white noise of standard deviation 1 drives it, (n, channels)."""
        return self._walk.follow(white)


class Pops:
    """Electrode pops: a step of 50-300 µV on one electrode that decays within a second."""

    def __init__(self, n_channels: int, rate_hz: float, rng: np.random.Generator) -> None:
        self._rate_hz, self._rng = rate_hz, rng
        self._decay = Cascade(one_pole(float(np.exp(-1.0 / (0.4 * rate_hz)))), n_channels)

    @property
    def sounding(self) -> bool:
        """True while an earlier pop has not decayed."""
        return self._decay.ringing

    def block(self, per_s: Samples) -> Samples:
        """Give the next samples for the rate of pops per second of each sample and electrode, (n, channels)."""
        start = self._rng.random(per_s.shape) < per_s / self._rate_hz
        size = self._rng.uniform(50.0, 300.0, per_s.shape) * self._rng.choice((-1.0, 1.0), per_s.shape)
        return self._decay.follow(start * size)


class OpenInputs:
    """A headset in the air: millivolts of hum and drift, every third electrode at a rail; settling when it is back."""

    def __init__(self, n_channels: int, rate_hz: float, rng: np.random.Generator) -> None:
        self._hum_uv = rng.lognormal(np.log(6000.0), 0.4, n_channels)
        self._drift_uv = rng.lognormal(np.log(8000.0), 0.4, n_channels)
        self._pull_uv = np.where(rng.permutation(n_channels) % 3 == 0, 400_000.0, 0.0) * rng.choice((-1, 1), n_channels)
        self._jolt_uv = rng.normal(0.0, 3000.0, n_channels)
        self._drift = Wander(n_channels, rate_hz, 4.0, rng, smooth_s=0.5)
        self._rest = Cascade(one_pole(float(np.exp(-1.0 / (0.5 * rate_hz)))), n_channels)
        self._before = np.zeros((1, n_channels))

    @property
    def settling(self) -> bool:
        """True while the electrodes still come to rest after they were moved, or have just been put back."""
        return self._rest.ringing or bool(self._before.any())

    def block(self, worn: Samples, air: Samples, hum: Samples) -> Samples:
        """Mix what is measured on the head with what is in the air.

        Parameters
        ----------
        worn
            (n, channels), µV.
        air
            (n, channels), 1 where the electrode is off the head.
        hum
            (n, channels), of `Mains`.
        """
        open_uv = self._hum_uv * hum + self._drift_uv * self._drift.block(len(worn)) + self._pull_uv
        moved = np.abs(np.diff(air, axis=0, prepend=self._before))
        self._before = air[-1:]
        return np.where(air > 0.0, open_uv, worn) + self._rest.follow(moved * self._jolt_uv)
