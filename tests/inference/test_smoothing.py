"""Smoothing keeps a score a score, and never carries one over a gap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.smoothing import STEADY_S, ScoreTrack

HOP_S = 0.1
scores = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=400)


@given(scores)
def test_all_three_stay_within_0_and_1(raw: list[float]) -> None:
    track = ScoreTrack(HOP_S, 1.0)
    for hop, score in enumerate(raw):
        assert all(0.0 <= number <= 1.0 for number in track.add(score, hop, 0))


@given(scores)
def test_steady_is_the_mean_of_the_last_20_s(raw: list[float]) -> None:
    track = ScoreTrack(HOP_S, 1.0)
    steady = [track.add(score, hop, 0)[1] for hop, score in enumerate(raw)]
    last = raw[-round(STEADY_S / HOP_S) :]
    assert steady[-1] == pytest.approx(sum(last) / len(last), abs=1e-9)


def test_a_score_after_a_gap_is_not_mixed_with_one_before() -> None:
    track = ScoreTrack(HOP_S, 1.0)
    track.add(0.9, 0, 0)
    track.restart()
    assert track.add(0.1, 50, 0)[0] == 0.1


def test_relative_places_a_value_among_the_persons_own() -> None:
    track = ScoreTrack(HOP_S, 1e-6)
    for hop in range(100):
        track.add(0.3 + 0.001 * hop, hop, 0)
    assert track.add(0.95, 100, 0)[2] > 0.98
    assert track.add(0.05, 101, 0)[2] < 0.02
    assert track.add(0.35, 102, 0)[2] == pytest.approx(0.5, abs=0.05)


@given(scores)
def test_relative_counts_the_values_below_and_half_of_those_as_high(raw: list[float]) -> None:
    track = ScoreTrack(HOP_S, 1e-6)
    said = [track.add(score, hop, 0) for hop, score in enumerate(raw)]
    places = [min(999, int(value * 1000)) for value, _, _ in said]
    below = sum(place < places[-1] for place in places)
    assert said[-1][2] == pytest.approx((below + 0.5 * places.count(places[-1])) / len(places))


def test_it_reaches_63_percent_of_a_step_in_its_time_constant() -> None:
    track = ScoreTrack(HOP_S, 1.0)
    track.add(0.0, 0, 0)
    values = [track.add(1.0, hop, 0)[0] for hop in range(1, 11)]
    assert values[-1] == pytest.approx(0.632, abs=0.01)
