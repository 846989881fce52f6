"""Design of second-order sections in closed form: what the simulator shapes noise with and the filter bank is made of.

`scipy.signal` designs the same filters (a test holds these against it), but importing it is a fifth of a service's
start. Corners and widths are warped, so that they lie where they were asked for (bilinear transform).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Coefficients = NDArray[np.float64]


def notch(line_hz: float, width_hz: float, rate_hz: float) -> Coefficients:
    """Give (5,) b0 b1 b2 a1 a2: zero at a line, half the power `width_hz` around it (Orfanidis 1996, §8.2)."""
    gain, cosine = _pair(line_hz, width_hz, rate_hz)
    return np.array([gain, -2.0 * gain * cosine, gain, -2.0 * gain * cosine, 2.0 * gain - 1.0])


def resonator(line_hz: float, width_hz: float, rate_hz: float) -> Coefficients:
    """Give (5,) b0 b1 b2 a1 a2 of what `notch` takes away: unit gain at the line."""
    gain, cosine = _pair(line_hz, width_hz, rate_hz)
    return np.array([1.0 - gain, 0.0, gain - 1.0, -2.0 * gain * cosine, 2.0 * gain - 1.0])


def _pair(line_hz: float, width_hz: float, rate_hz: float) -> tuple[float, float]:
    return 1.0 / (1.0 + math.tan(math.pi * width_hz / rate_hz)), math.cos(2.0 * math.pi * line_hz / rate_hz)


def lowpass(corner_hz: float, rate_hz: float) -> Coefficients:
    """Give (5,) b0 b1 b2 a1 a2 of a second-order Butterworth low-pass."""
    corner = math.tan(math.pi * corner_hz / rate_hz)
    whole = 1.0 + math.sqrt(2.0) * corner + corner**2
    b0 = corner**2 / whole
    return np.array([b0, 2.0 * b0, b0, 2.0 * (corner**2 - 1.0) / whole, 2.0 * (1.0 + corner**2) / whole - 1.0])


def bandpass(edges_hz: tuple[float, float], order: int, rate_hz: float) -> Coefficients:
    """Give (order, 3) g, a1, a2 of a Butterworth band-pass: one section a pair of poles, b = g·(1, 0, -1).

    SciPy pairs zeros otherwise; with one at DC and one at half the rate a section needs three coefficients in place of
    five.
    """
    low, high = (math.tan(math.pi * edge / rate_hz) for edge in edges_hz)
    prototype = -np.exp(0.5j * np.pi * np.arange(1 - order, order, 2) / order) * (high - low) / 2.0
    apart = np.sqrt(prototype**2 - low * high)
    analog = np.concatenate([prototype + apart, prototype - apart])
    poles = (1.0 + analog) / (1.0 - analog)
    share = (high - low) * float(np.prod(1.0 - analog).real) ** (-1.0 / order)
    # Complex pairs are given by one of them, real poles (wide bands) two by two.
    upper = [np.array([p, np.conj(p)]) for p in poles if p.imag > 1e-12]
    real = sorted(p.real for p in poles if abs(p.imag) <= 1e-12)
    pairs = sorted([*upper, *(np.array(real[i : i + 2]) for i in range(0, len(real), 2))], key=lambda p: abs(p[0]))
    return np.array([(share, -float(np.sum(p).real), float(np.prod(p).real)) for p in pairs])
