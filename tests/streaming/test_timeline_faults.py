"""One fault at a time: what the timeline makes of it, and what it says and counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from timed_streams import RATE_HZ, feed, joined, ramp, regular, spec_of

from bci.errors import UnsupportedStreamError
from streaming.timeline import MEASURED, Timeline


@pytest.mark.parametrize("counted", [True, False])
def test_a_gap_longer_than_a_second_is_a_reset_that_says_so(counted: bool) -> None:
    kept = np.r_[0:1000, 1300:2000]
    timeline = Timeline(spec_of())
    blocks = feed(timeline, ramp(2000)[kept], regular(2000)[kept], counter=kept if counted else None)
    resets = [b for b in blocks if b.reset]
    assert [b.reset for b in resets] == ["1.2 s of samples are missing"]
    assert resets[0].samples_uv[0, 0] == 1300.0
    assert len(joined(blocks)[0]) == len(kept)
    assert timeline.report.lost_samples == 300


def test_many_short_gaps_are_a_reset_that_says_so() -> None:
    kept = np.flatnonzero(np.arange(3000) % 40 < 28)  # 30 % lost, 48 ms at a time
    timeline = Timeline(spec_of())
    blocks = feed(timeline, ramp(3000)[kept], regular(3000)[kept], counter=kept)
    reasons = {b.reset for b in blocks if b.reset}
    assert reasons == {"more than a quarter of the last 4.8 s is missing"}


@pytest.mark.parametrize("error", [0.98, 0.995, 1.0, 1.005, 1.02])
@pytest.mark.parametrize("burst", [1, 4, 12, 25])
def test_effective_rate_and_bursts_lose_and_add_nothing(error: float, burst: int) -> None:
    n_samples = 7500
    true_s = regular(n_samples, RATE_HZ * error)
    stamps_s = true_s[np.minimum(np.arange(n_samples) // burst * burst + burst - 1, n_samples - 1)]
    timeline = Timeline(spec_of())
    samples, times_s, _ = joined(feed(timeline, ramp(n_samples), stamps_s, list(range(0, n_samples, 7))))
    np.testing.assert_array_equal(samples, ramp(n_samples))
    report = timeline.report
    assert report.resets == 0
    assert report.lost_samples == 0
    assert report.effective_rate_hz == pytest.approx(RATE_HZ * error, rel=1e-3)
    # The line lies on the mean of the stamps: half a burst late, and steady.
    late_s = times_s[4000:] - true_s[4000:]
    assert abs(np.mean(late_s) - (burst - 1) / 2 / (RATE_HZ * error)) < 1e-3
    assert np.std(late_s) < 1e-3


def test_jitter_is_smoothed_and_reported() -> None:
    random = np.random.default_rng(5)
    true_s = regular(7500)
    timeline = Timeline(spec_of())
    samples, times_s, _ = joined(feed(timeline, ramp(7500), true_s + random.normal(0.0, 0.005, 7500)))
    assert len(samples) == 7500
    assert np.std(times_s[2500:] - true_s[2500:]) < 0.0005
    assert timeline.report.jitter_ms == pytest.approx(5.0 * np.sqrt(2 / np.pi), rel=0.2)
    assert timeline.report.backward_stamps > 1000


@pytest.mark.parametrize("chunk", [5, 10, 12])
def test_a_busy_sender_that_stamps_late_loses_nothing(chunk: int) -> None:
    late_s = np.random.default_rng(chunk).choice([0.0, 0.0, 0.0, 0.0, 0.0026, 0.0055, 0.0069, 0.0103], 12000 // chunk)
    stamps_s = regular(12000) + 1e-5 * np.random.default_rng(1).normal(size=12000)
    stamps_s += np.where(stamps_s > 1004.0, np.repeat(late_s, chunk), 0.0)  # a stamp for each push, as pylsl's
    timeline = Timeline(spec_of())
    samples, _, _ = joined(feed(timeline, ramp(12000), stamps_s, list(range(0, 12000, chunk))))
    np.testing.assert_array_equal(samples, ramp(12000))
    assert timeline.report.lost_samples == 0


@pytest.mark.parametrize("late_s", [0.2, 0.9, 3.0])
def test_a_late_delivery_is_no_gap(late_s: float) -> None:
    stamps_s = regular(5000)
    held_up = slice(3000, 3000 + round(late_s * RATE_HZ))
    stamps_s[held_up] = stamps_s[held_up.stop]
    timeline = Timeline(spec_of())
    samples, times_s, state = joined(feed(timeline, ramp(5000), stamps_s, list(range(0, 5000, 9))))
    np.testing.assert_array_equal(samples, ramp(5000))
    assert not np.any(state)
    np.testing.assert_allclose(times_s, regular(5000), atol=0.005)


@pytest.mark.parametrize("wild", [np.nan, np.inf, -np.inf, 0.0, 3600.0, -3600.0, 0.05, -0.05])
def test_one_wild_stamp_changes_nothing_else(wild: float) -> None:
    stamps_s = regular(4000)
    stamps_s[3000] = wild if not np.isfinite(wild) or wild == 0.0 else stamps_s[3000] + wild
    timeline = Timeline(spec_of())
    samples, times_s, _ = joined(feed(timeline, ramp(4000), stamps_s))
    np.testing.assert_array_equal(samples, ramp(4000))
    np.testing.assert_allclose(times_s, regular(4000), atol=1e-4)
    assert timeline.report.resets == 0


@pytest.mark.parametrize(
    ("jump_s", "reason"),
    [
        (3600.0, "the clock of the stamps jumped by 3600 s"),
        (-3600.0, "the stamps are 3600.0 s behind the samples"),
        (-5.0, "the stamps are 5.0 s behind the samples"),
    ],
)
def test_a_clock_that_jumps_is_followed_after_a_reset(jump_s: float, reason: str) -> None:
    stamps_s = regular(4000)
    stamps_s[2000:] += jump_s
    timeline = Timeline(spec_of())
    blocks = feed(timeline, ramp(4000), stamps_s)
    samples, times_s, _ = joined(blocks)
    np.testing.assert_array_equal(samples, ramp(4000))
    assert [b.reset for b in blocks if b.reset] == [reason]
    assert timeline.report.clock_jumps == 1
    assert timeline.report.lost_samples == 0
    np.testing.assert_allclose(times_s[2200:], stamps_s[2200:], atol=1e-3)


def test_a_small_step_back_is_slewed_within_a_second() -> None:
    stamps_s = regular(4000)
    stamps_s[2000:] -= 0.2
    _, times_s, state = joined(feed(Timeline(spec_of()), ramp(4000), stamps_s))
    assert np.all(np.diff(times_s) > 0.0)
    assert not np.any(state)
    np.testing.assert_allclose(times_s[2250:], stamps_s[2250:], atol=3e-3)


@pytest.mark.parametrize("factor", [0.0, 0.25, 1.3])
def test_a_rate_far_from_nominal_stays_bounded(factor: float) -> None:
    stamps_s = 1000.0 + factor * np.arange(10_000) / RATE_HZ
    timeline = Timeline(spec_of())
    samples, _, state = joined(feed(timeline, ramp(10_000), stamps_s))
    np.testing.assert_array_equal(samples[state == MEASURED], ramp(10_000)[: np.count_nonzero(state == MEASURED)])
    assert np.all(np.isfinite(samples))
    if factor > 1.0:
        assert timeline.report.effective_rate_hz == pytest.approx(RATE_HZ / factor, rel=1e-3)
    else:
        assert timeline.report.clock_jumps > 0


def test_no_number_keeps_the_last_value_and_is_marked() -> None:
    uv = ramp(500)
    uv[0, 0] = uv[100, 1] = np.nan
    uv[200:210] = np.inf
    timeline = Timeline(spec_of())
    blocks = feed(timeline, uv, regular(500), [150, 250])
    samples, _, _ = joined(blocks)
    bad = np.concatenate([b.bad if b.bad is not None else np.zeros((len(b), 2), bool) for b in blocks])
    np.testing.assert_array_equal(bad, ~np.isfinite(uv))
    assert samples[0, 0] == 0.0
    assert samples[100, 1] == uv[99, 1]
    np.testing.assert_array_equal(samples[200:210], np.repeat(uv[199:200], 10, axis=0))
    assert timeline.report.bad_values == 22
    assert blocks[-1].bad is None


def test_only_the_scored_channels_are_kept() -> None:
    spec = spec_of(4)
    channels = list(spec.channels)
    channels[1] = replace(channels[1], kind="ecg")
    channels[2] = replace(channels[2], position_m=None)
    spec = replace(spec, channels=tuple(channels))
    samples, _, _ = joined(feed(Timeline(spec), ramp(100, 4), regular(100)))
    np.testing.assert_array_equal(samples, ramp(100, 4)[:, [0, 3]])
    free, _, _ = joined(feed(Timeline(spec, columns=(2, 0)), ramp(100, 4), regular(100)))
    np.testing.assert_array_equal(free, ramp(100, 4)[:, [2, 0]])


def test_a_stream_without_scored_channels_still_has_a_timeline() -> None:
    samples, times_s, _ = joined(feed(Timeline(spec_of(), columns=()), ramp(100), regular(100)))
    assert samples.shape == (100, 0)
    np.testing.assert_allclose(times_s, regular(100), atol=1e-9)


def test_an_irregular_stream_is_refused() -> None:
    with pytest.raises(UnsupportedStreamError, match="test headset"):
        Timeline(spec_of(rate_hz=0.0))
