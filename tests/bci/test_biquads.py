"""The closed forms are SciPy's designs to rounding."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, iirnotch, iirpeak, sosfreqz

from bci.biquads import bandpass, lowpass, notch, resonator

RATES = [125.0, 250.0, 512.0, 1000.0, 4096.0]


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("line_hz", [50.0, 60.0])
@pytest.mark.parametrize("width_hz", [0.5, 2.0, 10.0])
def test_notch_and_resonator(line_hz: float, width_hz: float, rate_hz: float) -> None:
    for ours, theirs in ((notch, iirnotch), (resonator, iirpeak)):
        b, a = theirs(line_hz, line_hz / width_hz, fs=rate_hz)
        np.testing.assert_allclose(ours(line_hz, width_hz, rate_hz), [*b, *a[1:]], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("corner_hz", [0.5, 8.0, 20.0, 60.0])
def test_lowpass(corner_hz: float, rate_hz: float) -> None:
    b, a = butter(2, corner_hz, fs=rate_hz)
    np.testing.assert_allclose(lowpass(corner_hz, rate_hz), [*b, *a[1:]], rtol=1e-9)


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("edges_hz", [(1.0, 4.0), (8.0, 13.0), (38.0, 45.0), (2.0, 58.0)])
def test_bandpass(edges_hz: tuple[float, float], order: int, rate_hz: float) -> None:
    sections = bandpass(edges_hz, order, rate_hz)
    assert sections.shape == (order, 3)
    zeros, poles, gain = butter(order, edges_hz, "bandpass", fs=rate_hz, output="zpk")
    assert len(zeros) == 2 * order
    assert np.prod(sections[:, 0]) == pytest.approx(gain, rel=1e-10)
    ours = np.concatenate([np.roots([1.0, a1, a2]) for _, a1, a2 in sections])
    np.testing.assert_allclose(np.sort_complex(ours), np.sort_complex(poles), rtol=1e-6)
    at_hz = np.geomspace(0.2, 0.49 * rate_hz, 50)
    _, response = sosfreqz([(g, 0.0, -g, 1.0, a1, a2) for g, a1, a2 in sections], at_hz, fs=rate_hz)
    _, expected = sosfreqz(butter(order, edges_hz, "bandpass", fs=rate_hz, output="sos"), at_hz, fs=rate_hz)
    np.testing.assert_allclose(response, expected, rtol=1e-6, atol=1e-12)
