"""A chunk that was stamped as a whole is late as a whole: that alone is no loss, and a loss is still found."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bci.types import Channel, Chunk, StreamSpec
from streaming.timeline import BRIDGED, Timeline

RATE_HZ = 250.0
PERIOD_S = 1.0 / RATE_HZ
CHUNK = 10


def pushed(n_chunks: int, late_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stamp as LSL does: the newest sample of each push by the sender's clock, the others counted back from it."""
    newest_s = 1000.0 + (np.arange(n_chunks) * CHUNK + CHUNK - 1) * PERIOD_S + late_s
    return (newest_s[:, None] - np.arange(CHUNK - 1, -1, -1) * PERIOD_S).reshape(-1)


def timeline() -> Timeline:
    channels = (Channel("Cz", position_m=(0.0, 0.0, 0.1)),)
    return Timeline(StreamSpec("id", "name", "EEG", RATE_HZ, channels, "test headset"))


def feed(
    under_test: Timeline, stamps_s: NDArray[np.float64], at_a_time: int = CHUNK
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    uv = np.arange(len(stamps_s), dtype=np.float32)[:, None]
    blocks = [
        block
        for first in range(0, len(stamps_s), at_a_time)
        for block in under_test.process(
            Chunk(under_test.spec, uv[first : first + at_a_time], stamps_s[first : first + at_a_time], first)
        )
    ]
    return np.concatenate([b.samples_uv[:, 0] for b in blocks]), np.concatenate([b.state for b in blocks])


def jitter_s(n_chunks: int, sd_s: float = 2e-4) -> NDArray[np.float64]:
    return np.abs(np.random.default_rng(3).normal(0.0, sd_s, n_chunks))


@pytest.mark.parametrize("at", [3, 20, 400])
@pytest.mark.parametrize("periods", [1.0, 2.0, 3.0, 7.0, 9.0, 15.0, 40.0])
def test_a_push_late_by_whole_periods_loses_nothing(periods: float, at: int) -> None:
    late_s = jitter_s(500)
    for i in range(at, 500):  # a sender that was held up sends what waited at once
        late_s[i] = max(late_s[i], (periods - (i - at) * CHUNK) * PERIOD_S)
    under_test = timeline()
    samples, state = feed(under_test, pushed(500, late_s))
    np.testing.assert_array_equal(samples, np.arange(len(samples)))
    assert len(samples) >= 500 * CHUNK - CHUNK
    assert not state.any()
    assert under_test.report.lost_samples == 0


@pytest.mark.parametrize("lost", [2, 5, 8, 20])
@pytest.mark.parametrize("jittery", [True, False])
def test_samples_that_never_came_are_bridged_where_they_are_missing(lost: int, jittery: bool) -> None:
    late_s = jitter_s(500) if jittery else np.zeros(500)
    late_s[300:] += lost * PERIOD_S
    under_test = timeline()
    samples, state = feed(under_test, pushed(500, late_s))
    assert under_test.report.lost_samples == lost
    np.testing.assert_array_equal(np.flatnonzero(state == BRIDGED), 3000 + np.arange(lost))
    np.testing.assert_array_equal(samples[state != BRIDGED], np.arange(5000))


def test_a_device_that_keeps_time_by_itself_does_not_wait_for_the_next_chunk() -> None:
    late_s = np.zeros(301)
    late_s[300] = 5 * PERIOD_S
    samples, state = feed(timeline(), pushed(301, late_s))
    assert np.count_nonzero(state == BRIDGED) == 5
    assert samples[-1] == 3009.0


@pytest.mark.parametrize("periods", [0.7, 0.95, 1.0, 1.6, 2.0, 3.3, 4.7])
def test_a_push_that_is_late_by_little_does_not_wait_for_the_next(periods: float) -> None:
    late_s = jitter_s(500, 4e-4)
    late_s[300] += periods * PERIOD_S
    stamps_s = pushed(500, late_s)
    samples, state = feed(timeline(), stamps_s[: 301 * CHUNK])
    np.testing.assert_array_equal(samples, np.arange(301 * CHUNK))
    under_test = timeline()
    samples, state = feed(under_test, stamps_s)
    np.testing.assert_array_equal(samples, np.arange(5000))
    assert not state.any()
    assert under_test.report.lost_samples == 0


@pytest.mark.parametrize("at_a_time", [1, CHUNK])
@pytest.mark.parametrize("lost", [1, 2, 3, 5])
def test_a_few_samples_that_never_came_are_made_up_for_with_the_next_push(lost: int, at_a_time: int) -> None:
    late_s = jitter_s(500, 4e-4)
    late_s[300:] += lost * PERIOD_S
    under_test = timeline()
    samples, state = feed(under_test, pushed(500, late_s), at_a_time)
    assert under_test.report.lost_samples == lost
    np.testing.assert_array_equal(np.flatnonzero(state == BRIDGED), 3010 + np.arange(lost))
    np.testing.assert_array_equal(samples[state != BRIDGED], np.arange(5000))


@pytest.mark.parametrize("stamp", [np.nan, np.inf, -np.inf])
def test_stamps_that_are_no_numbers_end_a_doubt_within_a_second(stamp: float) -> None:
    late_s = jitter_s(500, 4e-4)
    late_s[300] += PERIOD_S
    stamps_s = pushed(500, late_s)
    stamps_s[3001:4000] = stamp
    under_test = timeline()
    samples, state = feed(under_test, stamps_s)
    np.testing.assert_array_equal(samples, np.arange(5000))
    assert under_test.report.lost_samples == 0
    assert not state.any()
