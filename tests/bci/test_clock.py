from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci.clock import ClockAnchor, SlewedOffset, lsl_now_s

STEP_S = 0.1
SLEW = 5e-4

noise = st.floats(-0.04, 0.04)
"""Measurement errors that are no steps."""


def test_lsl_clock_is_that_of_liblsl() -> None:
    from pylsl import local_clock

    before = local_clock()
    now = lsl_now_s()
    assert before <= now <= local_clock()


def test_anchor_turns_lsl_time_into_unix_time() -> None:
    anchor = ClockAnchor.now()
    assert anchor.to_unix(lsl_now_s()) == pytest.approx(time.time(), abs=0.05)
    assert anchor.to_unix(anchor.lsl_s + 10.0) == anchor.unix_s + 10.0


def test_first_measurement_is_taken_as_it_is() -> None:
    offset = SlewedOffset(SLEW, STEP_S)
    assert not offset.measured
    assert not offset.measure(1000.0, at_s=5.0)
    np.testing.assert_array_equal(offset.apply(np.array([4.0, 5.0, 6.0])), [1004.0, 1005.0, 1006.0])
    assert offset.steps == 0


def test_a_measurement_is_approached_at_the_slew_and_then_held() -> None:
    offset = SlewedOffset(SLEW, STEP_S)
    offset.measure(0.0, at_s=0.0)
    offset.measure(0.001, at_s=10.0)
    assert offset.offset_at(10.0) == 0.0
    assert offset.offset_at(11.0) == pytest.approx(SLEW)
    assert offset.offset_at(12.0) == pytest.approx(0.001)
    assert offset.offset_at(1e6) == pytest.approx(0.001)


def test_a_step_of_the_foreign_clock_is_followed_at_once_and_counted() -> None:
    offset = SlewedOffset(SLEW, STEP_S)
    offset.measure(0.0, at_s=0.0)
    assert offset.measure(-3600.0, at_s=3610.0)
    assert offset.steps == 1
    assert offset.offset_at(3610.0) == -3600.0
    assert not offset.measure(-3600.001, at_s=3611.0)


def test_a_drifting_clock_is_followed_within_a_millisecond() -> None:
    """100 ppm, measured each 5 s with 0.2 ms of noise, for an hour."""
    rng = np.random.default_rng(0)
    offset = SlewedOffset()
    worst = 0.0
    for at_s in np.arange(0.0, 3600.0, 5.0):
        offset.measure(1e-4 * at_s + rng.normal(0.0, 2e-4), at_s)
        stamps = at_s + np.arange(0.0, 5.0, 0.02)
        worst = max(worst, float(np.abs(offset.apply(stamps) - stamps * (1.0 + 1e-4)).max()))
    assert offset.steps == 0
    assert worst < 1.5e-3


@given(
    errors=st.lists(noise, min_size=1, max_size=12),
    lag_s=st.floats(0.0, 2.0),
    lead_s=st.floats(0.0, 2.0),
    rate=st.sampled_from([50.0, 250.0, 1000.0]),
)
def test_mapped_stamps_never_step_and_never_go_back(
    errors: list[float], lag_s: float, lead_s: float, rate: float
) -> None:
    """Whatever the error, and whether samples are old or new when the offset is measured."""
    offset = SlewedOffset(SLEW, STEP_S)
    stamps = np.arange(0.0, 2.0 * len(errors), 1.0 / rate)
    mapped = []
    for i, error in enumerate(errors):
        stepped = offset.measure(10.0 + error, at_s=2.0 * i + lag_s - lead_s)
        assert not stepped
        mapped.append(offset.apply(stamps[(stamps >= 2.0 * i) & (stamps < 2.0 * (i + 1))]))
    slope = np.diff(np.concatenate(mapped)) * rate
    assert slope.min() >= 1.0 - SLEW - 1e-6
    assert slope.max() <= 1.0 + SLEW + 1e-6


@given(errors=st.lists(noise, min_size=1, max_size=5), cuts=st.lists(st.integers(0, 500), max_size=6))
def test_chunking_never_changes_a_stamp(errors: list[float], cuts: list[int]) -> None:
    whole, pieces = SlewedOffset(SLEW, STEP_S), SlewedOffset(SLEW, STEP_S)
    for i, error in enumerate(errors):
        stamps = 2.0 * i + np.arange(500) / 250.0
        whole.measure(error, at_s=2.0 * i)
        pieces.measure(error, at_s=2.0 * i)
        cut = np.concatenate([pieces.apply(part) for part in np.split(stamps, sorted(cuts))])
        np.testing.assert_array_equal(whole.apply(stamps), cut)


def test_a_stamp_far_in_the_future_does_not_freeze_the_offset() -> None:
    """A driver's stamp that jumps ahead by an hour and comes back."""
    offset = SlewedOffset(SLEW, STEP_S)
    offset.measure(0.0, at_s=0.0)
    offset.apply(np.array([0.0, 3600.0]))
    offset.measure(0.002, at_s=1.0)
    assert offset.offset_at(10.0) == pytest.approx(0.002)


@pytest.mark.parametrize(("offset_s", "at_s"), [(float("nan"), 0.0), (float("inf"), 0.0), (0.0, float("nan"))])
def test_what_is_no_number_is_no_measurement(offset_s: float, at_s: float) -> None:
    with pytest.raises(ValueError, match="no measurement"):
        SlewedOffset().measure(offset_s, at_s)


def test_applying_before_measuring_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="measured"):
        SlewedOffset().apply(np.zeros(3))


@pytest.mark.parametrize(("max_slew", "step_s"), [(0.0, 0.1), (1.0, 0.1), (1e-3, 0.0)])
def test_senseless_limits_are_refused(max_slew: float, step_s: float) -> None:
    with pytest.raises(ValueError, match="must be"):
        SlewedOffset(max_slew, step_s)
