from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import freqz, group_delay, sosfreqz

from streaming.features import SCHEMA
from streaming.filterbank import design

RATES = [100.0, 125.0, 200.0, 250.0, 256.0, 500.0, 512.0, 1000.0, 2048.0, 4096.0]


def sos_of(band: np.ndarray) -> np.ndarray:
    return np.array([(g, 0.0, -g, 1.0, a1, a2) for g, a1, a2 in band])


@pytest.mark.parametrize("rate", RATES)
def test_band_edges_are_half_power_and_poles_are_inside(rate: float) -> None:
    bank = design(rate, SCHEMA)
    for band, edges in zip(bank.bands, SCHEMA.bands_hz, strict=True):
        _, response = sosfreqz(sos_of(band), np.array([0.0, *edges, np.sqrt(edges[0] * edges[1])]), fs=rate)
        gain = np.abs(response)
        assert gain[0] == 0.0
        np.testing.assert_allclose(gain[1:3], np.sqrt(0.5), atol=2e-3)
        assert gain[3] > 0.95
        for _, a1, a2 in band:
            assert np.all(np.abs(np.roots([1.0, a1, a2])) < 1.0)


@pytest.mark.parametrize("rate", RATES)
def test_notches_are_deep_where_there_is_room_and_absent_where_not(rate: float) -> None:
    bank = design(rate, SCHEMA)
    assert bank.notched_hz == tuple(f for f in (50.0, 60.0) if f < 0.48 * rate)
    for notch, line_hz in zip(bank.notches, bank.notched_hz, strict=True):
        _, response = freqz(notch[:3], [1.0, *notch[3:]], np.array([10.0, line_hz, line_hz + 0.1]), fs=rate)
        gain = np.abs(response)
        assert gain[0] > 0.995
        assert gain[1] < 1e-6
        assert gain[2] < 0.06


def test_mains_given_notches_that_one_only() -> None:
    assert design(250.0, SCHEMA, 50).notched_hz == (50.0,)
    assert design(250.0, SCHEMA, 60).notched_hz == (60.0,)
    assert not design(250.0, SCHEMA, 60).meters[0].any()


def test_group_delay_is_the_one_scipy_computes() -> None:
    bank = design(250.0, SCHEMA)
    chain = [([bank.highpass[1], -bank.highpass[1]], [1.0, -bank.highpass[0]])]
    chain += [(n[:3], [1.0, *n[3:]]) for n in bank.notches]
    for band, edges, told in zip(bank.bands, SCHEMA.bands_hz, bank.band_delay_s, strict=True):
        filters = chain + [(s[:3], s[3:]) for s in sos_of(band)]
        at = np.array([np.sqrt(edges[0] * edges[1])])
        expected = sum(group_delay(f, at, fs=250.0)[1][0] for f in filters) / 250.0
        assert told == pytest.approx(expected, rel=1e-6)


def test_group_delay_at_10_hz_is_where_the_envelope_comes_out() -> None:
    """A slow change of a 10-Hz rhythm's amplitude appears late by the stated delay."""
    from scipy.signal import lfilter, sosfilt

    rate = 250.0
    bank = design(rate, SCHEMA)
    t = np.arange(int(20 * rate)) / rate
    envelope = np.exp(-0.5 * ((t - 10.0) / 1.5) ** 2)
    x = envelope * np.sin(2 * np.pi * 10.0 * t)
    x = lfilter([bank.highpass[1], -bank.highpass[1]], [1.0, -bank.highpass[0]], x)
    for notch in bank.notches:
        x = lfilter(notch[:3], [1.0, *notch[3:]], x)
    power = sum(sosfilt(sos_of(band), x) ** 2 for band in bank.bands)
    centre = np.sum(power * t) / np.sum(power)
    assert centre - 10.0 == pytest.approx(bank.delay_10hz_s, abs=0.02)


@pytest.mark.parametrize("rate", RATES)
def test_delay_and_settling_hardly_depend_on_the_rate(rate: float) -> None:
    bank = design(rate, SCHEMA)
    assert 0.1 < bank.delay_10hz_s < 0.25
    assert 0.4 < bank.settle_s < 1.2
