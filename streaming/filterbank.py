"""Design of the causal filter bank: coefficients, group delay and settling, all computed, none assumed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bci.biquads import bandpass, lowpass, notch, resonator
from streaming.features import FeatureSchema

Mains = Literal["auto", 50, 60]

LINES_HZ = (50.0, 60.0)
METER_WIDTH_HZ = 2.0
"""Width of the resonators that measure how much hum there is."""

SLOW_HZ = 8.0
"""Corner of the low-pass in which blinks and drifts are looked for: above a blink's spectrum, below alpha's peaks."""

FAST_HZ = 20.0
"""Corner of the low-pass in which steps are looked for, and what the limiter acts on: hum stays out of both."""

SETTLED_SHARE = 0.99
"""The bank counts as settled when its slowest band has given this share of its impulse response's energy."""

NYQUIST_SHARE = 0.96
"""A notch closer to half the rate than this has no room; what is there folds back in the converter anyway."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FilterBank:
    """Coefficients of one sampling rate, shared by all its streams.

    Every biquad is a transposed direct form II in float64; all are causal.

    Parameters
    ----------
    rate_hz
        Nominal rate that the coefficients are for.
    highpass
        (a, g) of `y[n] = a·y[n-1] + g·(x[n] - x[n-1])`, first-order Butterworth. On differences, so that the DC offset
        of an electrode (tens of mV) never enters and a primed filter starts at zero.
    meters
        (2, 5) biquads b0 b1 b2 a1 a2 of unit gain at 50 and 60 Hz; zeros where the rate is too low.
    notches
        (n, 5) line notches in use.
    slow, fast
        (5,) second-order Butterworth low-passes at `SLOW_HZ` and `FAST_HZ`.
    bands
        (bands, sections, 3): g, a1, a2 of biquads with zeros at DC and half the rate, b = g·(1, 0, -1).
    notched_hz
        Frequencies of the notches.
    band_delay_s
        (bands,) group delay at the centre of each band, whole chain, seconds.
    delay_10hz_s
        Group delay at 10 Hz of the whole chain: the mean over the bands by the power that each passes there.
    settle_s
        Time after which the slowest band has settled.
    """

    rate_hz: float
    highpass: tuple[float, float]
    meters: FloatArray
    notches: FloatArray
    slow: FloatArray
    fast: FloatArray
    bands: FloatArray
    notched_hz: tuple[float, ...]
    band_delay_s: tuple[float, ...]
    delay_10hz_s: float
    settle_s: float


def design(rate_hz: float, schema: FeatureSchema, mains: Mains = "auto") -> FilterBank:
    """Design the bank of a schema for a sampling rate.

    Parameters
    ----------
    rate_hz
        Nominal rate, Hz; half of it must lie above the highest band.
    schema
        Bands and filters.
    mains
        Line frequency; `auto` notches both 50 and 60 Hz (no band of the schema reaches there, so this costs nothing
        and the features do not wait for a detector to make up its mind).
    """
    a = (1.0 - math.tan(math.pi * schema.highpass_hz / rate_hz)) / (
        1.0 + math.tan(math.pi * schema.highpass_hz / rate_hz)
    )
    highpass = (a, (1.0 + a) / 2.0)
    possible = tuple(f for f in LINES_HZ if f < NYQUIST_SHARE * rate_hz / 2.0)
    notched = tuple(f for f in possible if mains in ("auto", f))
    meters = np.zeros((len(LINES_HZ), 5))
    for i, line_hz in enumerate(LINES_HZ):
        if line_hz in possible and mains in ("auto", line_hz):
            meters[i] = resonator(line_hz, METER_WIDTH_HZ, rate_hz)
    notches = np.array([notch(f, schema.notch_width_hz, rate_hz) for f in notched]).reshape(-1, 5)
    bands = np.array([bandpass(edges, schema.band_order, rate_hz) for edges in schema.bands_hz])
    centres = np.array([math.sqrt(low * high) for low, high in schema.bands_hz])
    shared = _delay([_highpass_ba(highpass), *(_ba(n) for n in notches)], np.append(centres, 10.0), rate_hz)
    delays = [
        _delay(_band_ba(band), np.array([centre]), rate_hz)[0] for band, centre in zip(bands, centres, strict=True)
    ]
    at_10 = np.array([_delay(_band_ba(band), np.array([10.0]), rate_hz)[0] for band in bands])
    passed = np.array([_gain(_band_ba(band), 10.0, rate_hz) ** 2 for band in bands])
    return FilterBank(
        rate_hz=rate_hz,
        highpass=highpass,
        meters=meters,
        notches=notches,
        slow=lowpass(SLOW_HZ, rate_hz),
        fast=lowpass(FAST_HZ, rate_hz),
        bands=bands,
        notched_hz=notched,
        band_delay_s=tuple(float(d) for d in np.asarray(delays) + shared[:-1]),
        delay_10hz_s=float(shared[-1] + np.average(at_10, weights=passed)),
        settle_s=max(_settling(band, rate_hz) for band in bands),
    )


def _ba(section: FloatArray) -> tuple[FloatArray, FloatArray]:
    return section[:3], np.array([1.0, *section[3:]])


def _highpass_ba(highpass: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    a, g = highpass
    return np.array([g, -g]), np.array([1.0, -a])


def _band_ba(band: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
    return [(np.array([g, 0.0, -g]), np.array([1.0, a1, a2])) for g, a1, a2 in band]


def _delay(filters: list[tuple[FloatArray, FloatArray]], at_hz: FloatArray, rate_hz: float) -> FloatArray:
    """Group delay of a chain, seconds: the derivative of the phase, taken analytically of each section."""
    z = np.exp(-2j * np.pi * at_hz / rate_hz)
    total = np.zeros(at_hz.shape)
    for b, a in filters:
        for sign, poly in ((1.0, b), (-1.0, a)):
            powers = z[:, None] ** np.arange(len(poly))
            total += sign * np.real((powers * np.arange(len(poly)) * poly).sum(1) / (powers * poly).sum(1))
    return total / rate_hz


def _gain(filters: list[tuple[FloatArray, FloatArray]], at_hz: float, rate_hz: float) -> float:
    z = np.exp(-2j * np.pi * at_hz / rate_hz)
    return float(np.prod([abs(np.polyval(b[::-1], z) / np.polyval(a[::-1], z)) for b, a in filters]))


def _settling(band: FloatArray, rate_hz: float) -> float:
    """Time by which a band has given `SETTLED_SHARE` of the energy that its impulse response has in 4 s."""
    n = 2 ** math.ceil(math.log2(8.0 * rate_hz))  # what is left after 8 s and would fold back is below rounding
    response = np.prod([np.fft.rfft(b, n) / np.fft.rfft(a, n) for b, a in _band_ba(band)], axis=0)
    energy = np.cumsum(np.fft.irfft(response, n)[: int(4.0 * rate_hz)] ** 2)
    return float(np.searchsorted(energy, SETTLED_SHARE * energy[-1])) / rate_hz
