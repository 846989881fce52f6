"""Thresholds move as they say, and a reward needs everything at once, for long enough."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci.errors import ConfigError
from feedback.difficulty.neurofeedback import Neurofeedback
from feedback.difficulty.thresholds import BlockThreshold, FixedThreshold, PercentileThreshold, Side

REST = np.random.default_rng(5).normal(10.0, 2.0, 500).tolist()
HOP_S = 0.04


@given(share=st.floats(0.05, 0.95), side=st.sampled_from(["reward", "inhibit"]))
def test_a_fixed_threshold_is_met_by_the_wanted_share_of_rest_and_stays(share: float, side: Side) -> None:
    threshold = FixedThreshold(side, REST, share)
    met = sum(map(threshold.met, REST)) / len(REST)
    assert met == pytest.approx(share, abs=0.01)
    before = threshold.value
    for reading in (50.0, -50.0, 12.0):
        threshold.add(reading)
    assert threshold.end_block() is None
    assert threshold.value == before


def test_learning_shows_as_reward_with_a_fixed_threshold_and_not_with_a_percentile() -> None:
    learned = [reading + 3.0 for reading in REST]
    fixed, following = FixedThreshold("reward", REST, 0.6), PercentileThreshold("reward", REST, 0.6, readings=300)
    for reading in learned:
        following.add(reading)
    assert sum(map(fixed.met, learned)) / len(learned) > 0.9
    assert sum(map(following.met, learned[-300:])) / 300 == pytest.approx(0.6, abs=0.02)
    assert "hides learning" in following.warning
    assert not fixed.warning


@given(blocks=st.lists(st.floats(-100.0, 100.0), min_size=1, max_size=30), side=st.sampled_from(["reward", "inhibit"]))
def test_a_block_moves_a_threshold_by_a_bounded_step_and_within_a_bound(blocks: list[float], side: Side) -> None:
    threshold = BlockThreshold(side, REST, 0.6, most_a_block=0.2, most_in_all=1.0)
    start, spread = threshold.value, threshold.spread
    for centre in blocks:
        before = threshold.value
        for _ in range(60):
            threshold.add(centre)
        said = threshold.end_block()
        assert (said is None) == (threshold.value == before)
        assert abs(threshold.value - before) <= 0.2 * spread + 1e-9
        assert abs(threshold.value - start) <= spread + 1e-9


def test_a_short_block_moves_nothing() -> None:
    threshold = BlockThreshold("reward", REST, 0.6)
    threshold.add(99.0)
    assert threshold.end_block() is None


def test_the_joint_rate_is_counted_not_multiplied() -> None:
    protocol = Neurofeedback(
        {"theta": FixedThreshold("reward", REST, 0.6), "same": FixedThreshold("reward", REST, 0.6)}
    )
    assert protocol.predicted_rate({"theta": REST, "same": REST}) == pytest.approx(0.6, abs=0.01)
    mirrored = [-reading for reading in REST]
    opposed = Neurofeedback(
        {"theta": FixedThreshold("reward", REST, 0.6), "beta": FixedThreshold("reward", mirrored, 0.6)}
    )
    together = {"theta": REST, "beta": mirrored}
    assert opposed.predicted_rate(together) == pytest.approx(0.2, abs=0.02)
    assert "below 50%" in opposed.warnings(together)[0]
    assert not protocol.warnings({"theta": REST, "same": REST})


def protocol_of(**times: float) -> Neurofeedback:
    return Neurofeedback(
        {"focus": FixedThreshold("reward", REST, 0.6), "muscle": FixedThreshold("inhibit", REST, 0.8)}, **times
    )


GOOD = {"focus": 20.0, "muscle": 0.0}


def rewards(protocol: Neurofeedback, readings: list[dict[str, float | None]]) -> list[int]:
    return [n for n, one in enumerate(readings) if protocol.read(n * HOP_S, one).rewarded]


def test_a_reward_needs_the_dwell_time_and_then_waits() -> None:
    at = rewards(protocol_of(dwell_s=0.4, refractory_s=2.0), [dict(GOOD) for _ in range(200)])
    assert at[0] == 10
    assert all(later - before >= 50 for before, later in pairwise(at))
    assert len(at) == 4


@pytest.mark.parametrize(
    "broken", [{"focus": 20.0, "muscle": 99.0}, {"focus": None, "muscle": 0.0}, {"focus": 20.0}, {}]
)
def test_whatever_breaks_a_hold_starts_it_anew(broken: dict[str, float | None]) -> None:
    readings = [dict(GOOD) for _ in range(20)]
    readings[9] = broken
    assert rewards(protocol_of(dwell_s=0.4, refractory_s=0.0), readings) == []


def test_what_is_not_valid_is_shown_as_not_valid() -> None:
    protocol = protocol_of()
    assert protocol.read(0.0, {"focus": None, "muscle": 0.0}).brightness is None
    bright, dark = protocol.read(1.0, GOOD).brightness, protocol.read(2.0, {"focus": 0.0, "muscle": 99.0}).brightness
    assert bright is not None
    assert dark is not None
    assert 0.0 <= dark < 0.5 < bright <= 1.0


def test_continuous_feedback_gives_no_rewards() -> None:
    protocol = Neurofeedback({"focus": FixedThreshold("reward", REST, 0.6)}, dwell_s=0.0, discrete=False)
    assert not any(protocol.read(n * HOP_S, GOOD).rewarded for n in range(100))


@given(st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True), max_size=60))
def test_brightness_is_a_share_whatever_comes(readings: list[float | None]) -> None:
    protocol = protocol_of()
    for n, reading in enumerate(readings):
        shown = protocol.read(n * HOP_S, {"focus": reading, "muscle": reading})
        assert shown.brightness is None or 0.0 <= shown.brightness <= 1.0


def test_a_block_of_the_protocol_says_what_it_moved() -> None:
    protocol = Neurofeedback(
        {"focus": BlockThreshold("reward", REST, 0.6), "still": FixedThreshold("reward", REST, 0.5)}
    )
    rng = random.Random(1)  # noqa: S311 - a simulation
    for n in range(100):
        protocol.read(n * HOP_S, {"focus": rng.gauss(14.0, 1.0), "still": 10.0})
    said = protocol.end_block()
    assert len(said) == 1
    assert said[0].startswith("focus: ")


def test_what_cannot_be_a_protocol_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 50"):
        FixedThreshold("reward", [1.0] * 10, 0.6)
    with pytest.raises(ConfigError, match="share 1"):
        FixedThreshold("reward", REST, 1.0)
    with pytest.raises(ConfigError, match="at least one criterion"):
        Neurofeedback({})
    with pytest.raises(ConfigError, match="expected 0 or more"):
        protocol_of(dwell_s=-1.0)
    with pytest.raises(ConfigError, match="has no 'muscle'"):
        protocol_of().predicted_rate({"focus": REST})
    with pytest.raises(ConfigError, match="lengths differ"):
        protocol_of().predicted_rate({"focus": REST, "muscle": REST[:100]})
