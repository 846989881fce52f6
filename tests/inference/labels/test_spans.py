"""Spans are what was said, no more: never in a pause, a gap, or where rest and task are both said."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci.errors import ConfigError, NoLabelsError
from inference.labels.events import Events
from inference.labels.spans import Labels, Wish, label, stretches

WINDOW_S = 4.8


def made(events: Events, wish: Wish | None = None) -> Labels:
    return label(events, wish or Wish(), WINDOW_S, "s1")


def said(labels: Labels) -> list[tuple[str, float, float]]:
    return [(span.condition, span.start_s, span.stop_s) for span in labels.spans]


def answers(start_s: int, stop_s: int) -> tuple[tuple[float, float], ...]:
    return tuple((float(at_s), 0.5) for at_s in range(start_s, stop_s, 2))


def test_a_marker_lasts_until_the_next_of_any_kind_and_the_last_to_the_end() -> None:
    markers = ((10.0, "rest"), (40.0, "level-up"), (60.0, "count"), (90.0, "rest"))
    found = made(Events(0.0, 120.0, markers), Wish(task=("count",)))
    assert said(found) == [("cross", 10.0, 40.0), ("task", 60.0, 90.0), ("cross", 90.0, 120.0)]
    assert found.how == "task: 1 of markers 'count'; rest: 2 of markers 'rest'"
    assert not found.drawn


def test_several_markers_may_be_one_condition_and_named_rest_replaces_the_usual() -> None:
    markers = ((0.0, "rest"), (20.0, "still"), (40.0, "a"), (60.0, "b"))
    found = made(Events(0.0, 80.0, markers), Wish(("still",), ("a", "b")))
    assert said(found) == [("cross", 20.0, 40.0), ("task", 40.0, 60.0), ("task", 60.0, 80.0)]


def test_trials_close_together_are_one_stretch_from_the_first_stimulus_to_the_last_answer() -> None:
    trials = ((10.0, 1.0), (20.0, 0.0), (30.1, 2.0), (35.0, 60.0))
    assert stretches(trials) == [(9.0, 20.0), (28.1, 35.0)]
    assert stretches([(100.0, 500.0)]) == [(90.0, 100.0)]
    assert stretches([]) == []
    assert stretches(trials, [15.0]) == [(9.0, 10.0), (20.0, 20.0), (28.1, 35.0)]


def test_a_short_rest_between_trials_is_rest_where_a_marker_says_so() -> None:
    found = made(Events(0.0, 60.0, ((20.0, "rest"),), answers(0, 20) + answers(28, 40)))
    assert said(found) == [("task", -0.5, 18.0), ("cross", 20.0, 27.5), ("task", 27.5, 38.0)]


def test_rest_ends_with_the_first_trial_and_does_not_begin_again_between_stretches() -> None:
    events = Events(0.0, 200.0, ((5.0, "rest"), (150.0, "rest")), answers(50, 80) + answers(110, 130))
    assert said(made(events)) == [
        ("cross", 5.0, 49.5), ("task", 49.5, 78.0), ("task", 109.5, 128.0), ("cross", 150.0, 200.0),
    ]  # fmt: skip


def test_pauses_and_gaps_are_no_label_and_pieces_without_a_window_are_left_out_and_told() -> None:
    markers = ((0.0, "rest"), (30.0, "count"), (60.0, "rest"), (64.0, "end"))
    found = made(Events(0.0, 64.0, markers, holes=((10.0, 12.0), (29.0, 45.0), (58.0, 59.0))), Wish(task=("count",)))
    assert said(found) == [("cross", 0.0, 10.0), ("cross", 12.0, 29.0), ("task", 45.0, 58.0)]
    assert found.notes == (
        "1 of 3 spans are left out: without pauses and gaps they are shorter than 6 s, and hold no window",
    )


def test_where_rest_and_task_are_both_said_neither_is() -> None:
    baseline = [(20.0, "running"), (30.0, "running"), (50.0, "done")]
    calibration = tuple((at_s, {"state": state, "phase": "eyes_open"}) for at_s, state in baseline)
    found = made(Events(0.0, 100.0, ((10.0, "rest"), (40.0, "count")), calibration=calibration), Wish(task=("count",)))
    assert said(found) == [("cross", 10.0, 40.0), ("task", 50.0, 100.0)]


def test_without_rest_or_task_it_says_what_there_is() -> None:
    events = Events(0.0, 100.0, ((0.0, "a"), (20.0, "b"), (40.0, "a")), answers(60, 70))
    with pytest.raises(NoLabelsError, match=r"s1: no rest found .*'a' \(2\), 'b' \(1\); its trials: 5\..*--rest NAME"):
        made(events)
    with pytest.raises(NoLabelsError, match=r"no task found \(looked for c\)"):
        made(events, Wish(("a",), ("c",)))
    with pytest.raises(NoLabelsError, match=r"its markers: none; its trials: 0|Its markers: none; its trials: 0"):
        made(Events(0.0, 100.0))
    with pytest.raises(NoLabelsError, match="each of its 1 spans of task is shorter than 6 s"):
        made(Events(0.0, 100.0, ((0.0, "rest"),), ((50.0, 1.0), (53.0, 1.0))))


def test_a_name_is_rest_or_task() -> None:
    with pytest.raises(ConfigError, match="'a' is named as rest and as task"):
        Wish(("a",), ("b", "a"))


MOMENTS = st.floats(0.0, 300.0, allow_nan=False).map(lambda s: round(s, 1))


@given(
    markers=st.lists(st.tuples(MOMENTS, st.sampled_from(["rest", "count", "other"])), max_size=12),
    trials=st.lists(st.tuples(MOMENTS, st.floats(0.0, 3.0)), max_size=20),
    holes=st.lists(st.tuples(MOMENTS, st.floats(0.1, 30.0)), max_size=4),
    wish=st.sampled_from([Wish(), Wish(task=("count",)), Wish(task=("count", "trials")), Wish(rest=("other",))]),
)
def test_spans_never_overlap_nor_touch_a_hole(
    markers: list[tuple[float, str]],
    trials: list[tuple[float, float]],
    holes: list[tuple[float, float]],
    wish: Wish,
) -> None:
    events = Events(
        0.0, 300.0, tuple(sorted(markers)), tuple(sorted(trials)),
        holes=tuple(sorted((start_s, start_s + length_s) for start_s, length_s in holes)),
    )  # fmt: skip
    try:
        spans = made(events, wish).spans
    except NoLabelsError:
        return
    for one, two in pairwise(spans):
        assert one.stop_s <= two.start_s
    for span in spans:
        assert span.stop_s - span.start_s >= 6.0
        assert all(stop_s <= span.start_s or start_s >= span.stop_s for start_s, stop_s in events.holes)
