"""Stamps of every kind of clock, without a network."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci.lsl.flood import Floodgate
from bci.lsl.stamps import ForeignStamps

RATE_HZ = 250.0
LATENCY_S = 0.004


def play(
    stamps: ForeignStamps, foreign_offset_s: float, *, seconds: float = 20.0, start_s: float = 1000.0, chunk: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Feed chunks whose samples are taken at true LSL times; give mapped and true stamps."""
    true_s = start_s + np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    parts = [true_s[i : i + chunk] for i in range(0, true_s.size, chunk)]
    mapped = [stamps.map(part - foreign_offset_s, part[-1] + LATENCY_S) for part in parts]
    return np.concatenate(mapped), true_s


def test_stamps_of_the_senders_clock_are_corrected() -> None:
    stamps = ForeignStamps(RATE_HZ)
    stamps.correct(512.5, 1000.0)
    mapped, true_s = play(stamps, 512.5)
    np.testing.assert_allclose(mapped, true_s, atol=1e-9)
    assert not stamps.by_arrival
    assert stamps.steps == 0


@pytest.mark.parametrize("foreign_s", [1.7e9, -1e5, 3600.0])
def test_stamps_of_another_clock_are_placed_by_arrival(foreign_s: float) -> None:
    """Unix time, time since power-on, a clock that is an hour off."""
    stamps = ForeignStamps(RATE_HZ)
    stamps.correct(0.0, 1000.0)
    mapped, true_s = play(stamps, -foreign_s)
    assert stamps.by_arrival
    # What arrival cannot know is the shortest delay itself.
    np.testing.assert_allclose(mapped, true_s + LATENCY_S, atol=1e-4)


def test_placing_by_arrival_follows_a_drifting_clock_and_not_its_queues() -> None:
    rng = np.random.default_rng(1)
    stamps = ForeignStamps(RATE_HZ)
    true_s = 1000.0 + np.arange(int(120 * RATE_HZ)) / RATE_HZ
    errors = []
    for i in range(0, true_s.size, 10):
        part = true_s[i : i + 10]
        device = 1.7e9 + part * (1.0 + 5e-5)
        mapped = stamps.map(device, part[-1] + LATENCY_S + rng.exponential(0.01))
        errors.append(mapped[-1] - part[-1] - LATENCY_S)
    assert stamps.steps <= 1
    assert np.abs(errors[500:]).max() < 0.003
    assert np.median(errors) == pytest.approx(0.0, abs=0.002)


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, 1e5])
def test_a_clock_that_jumps_is_followed_and_the_step_is_counted(jump_s: float) -> None:
    stamps = ForeignStamps(RATE_HZ)
    stamps.correct(0.0, 1000.0)
    play(stamps, 0.0, seconds=4.0)
    mapped, true_s = play(stamps, -jump_s, seconds=4.0, start_s=1004.0)
    assert stamps.steps == 1
    np.testing.assert_allclose(mapped, true_s, atol=0.02)
    mapped, true_s = play(stamps, 0.0, seconds=4.0, start_s=1008.0)
    assert stamps.steps == 2
    assert not stamps.by_arrival
    np.testing.assert_allclose(mapped, true_s, atol=1e-9)


def test_a_jump_within_a_chunk_concerns_only_the_samples_after_it() -> None:
    stamps = ForeignStamps(RATE_HZ)
    stamps.correct(0.0, 1000.0)
    part = 1000.0 + np.arange(10) / RATE_HZ
    broken = part.copy()
    broken[5:] += 3600.0
    mapped = stamps.map(broken, part[-1])
    np.testing.assert_array_equal(mapped[:5], part[:5])
    np.testing.assert_allclose(mapped[5:], part[5:], atol=1e-6)


@given(
    broken=st.lists(
        st.tuples(
            st.integers(0, 99),
            st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 3600.0, -3600.0, 1.7e9, 1e300, -1e5, 0.5]),
        ),
        max_size=20,
    )
)
def test_no_stamp_however_broken_leaves_the_hosts_clock(broken: list[tuple[int, float]]) -> None:
    stamps = ForeignStamps(RATE_HZ)
    stamps.correct(0.0, 1000.0)
    true_s = 1000.0 + np.arange(100) / RATE_HZ
    sent = true_s.copy()
    for i, value in broken:
        sent[i] = sent[i] + value if abs(value) == 3600.0 else value
    for i in range(0, 100, 10):
        now_s = float(true_s[i + 9]) + LATENCY_S
        mapped = stamps.map(sent[i : i + 10], now_s)
        assert np.isfinite(mapped).all()
        assert mapped.max() <= now_s + 20.0
        assert mapped.min() >= now_s - 20.0


def test_stamps_that_are_no_numbers_are_filled_in_and_counted() -> None:
    stamps = ForeignStamps(RATE_HZ)
    stamps.correct(0.0, 1000.0)
    part = 1000.0 + np.arange(10) / RATE_HZ
    sent = part.copy()
    sent[[0, 4, 5]] = np.nan
    sent[9] = np.inf
    mapped = stamps.map(sent, part[-1])
    assert stamps.no_numbers == 4
    np.testing.assert_allclose(mapped[1:], part[1:], atol=1e-9)


def test_a_backlog_after_a_broken_connection_keeps_its_stamps() -> None:
    stamps = ForeignStamps(RATE_HZ)
    stamps.correct(0.0, 1000.0)
    part = 1000.0 + np.arange(2000) / RATE_HZ
    np.testing.assert_array_equal(stamps.map(part, 1009.0), part)
    assert stamps.steps == 0


def test_the_gate_lets_a_backlog_and_a_fast_device_pass() -> None:
    gate = Floodgate(RATE_HZ)
    assert gate.admit(int(10 * RATE_HZ), 0.0) == int(10 * RATE_HZ)
    for second in range(1, 100):
        assert gate.admit(int(3 * RATE_HZ), float(second)) == int(3 * RATE_HZ)
    assert not gate.trouble


def test_the_gate_bounds_a_flood_and_says_so_until_it_is_over() -> None:
    gate = Floodgate(RATE_HZ)
    passed = sum(gate.admit(10_000, t / 10) for t in range(100))
    assert passed <= 12 * RATE_HZ + 10 * 4 * RATE_HZ
    assert "1000 samples a second (250 promised)" in gate.trouble
    gate.admit(1, 13.0)
    assert gate.trouble
    gate.admit(1, 16.0)
    assert not gate.trouble
