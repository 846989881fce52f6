"""Proposals come with evidence, can be refused, and a rest comes at the latest after 25 minutes."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from feedback.difficulty.proposals import (
    ENOUGH_S,
    LATEST_REST_S,
    NEARLY_DONE_S,
    REFUSED_FOR_S,
    SPAN,
    Domain,
    Proposals,
    Stretch,
)


def stretch(*, focus_falls: bool = True, rt_scatters: bool = True, valid: bool = True) -> Stretch:
    rng = random.Random(1)  # noqa: S311 - a simulation
    made = Stretch(0.0)
    for n in range(2 * SPAN):
        late = n >= SPAN
        focus = rng.gauss(0.4 if late and focus_falls else 0.6, 0.1)
        made.add(focus if valid else None, abs(rng.gauss(0.5, 0.2 if late and rt_scatters else 0.05)))
    return made


def test_a_rest_is_proposed_where_focus_falls_and_reaction_times_scatter() -> None:
    proposal = Proposals().rest(stretch(), "sustained", 600.0, None)
    assert proposal is not None
    assert proposal.kind == "rest"
    assert float(proposal.evidence["focus_fall_sd"] or 0.0) > 0.5
    assert float(proposal.evidence["rt_cov_rise"] or 0.0) > 1.3


def test_one_of_both_is_not_enough_and_neither_is_focus_that_was_not_valid() -> None:
    for one in (stretch(focus_falls=False), stretch(rt_scatters=False), stretch(valid=False)):
        assert Proposals().rest(one, "sustained", 600.0, None) is None


def test_the_kind_of_task_and_what_is_left_of_the_plan_count() -> None:
    assert ENOUGH_S["sustained"] < ENOUGH_S["working-memory"]
    between = (ENOUGH_S["sustained"] + ENOUGH_S["working-memory"]) / 2
    assert Proposals().rest(stretch(), "sustained", between, None) is not None
    assert Proposals().rest(stretch(), "working-memory", between, None) is None
    assert Proposals().rest(stretch(), "sustained", between, NEARLY_DONE_S - 1.0) is None
    assert Proposals().rest(stretch(), "sustained", between, NEARLY_DONE_S + 1.0) is not None


@given(st.sampled_from(["sustained", "selective", "working-memory"]), st.none() | st.floats(0.0, 3600.0))
def test_after_25_minutes_a_rest_is_proposed_whatever_else_holds(domain: Domain, left_s: float | None) -> None:
    steady = stretch(focus_falls=False, rt_scatters=False)
    assert Proposals().rest(steady, domain, LATEST_REST_S - 1.0, left_s) is None
    assert Proposals().rest(steady, domain, LATEST_REST_S, left_s) is not None


def test_what_was_refused_is_silent_for_a_while_and_only_that() -> None:
    proposals = Proposals()
    assert proposals.rest(stretch(), "sustained", 600.0, None) is not None
    proposals.refuse("rest", 600.0)
    assert proposals.rest(stretch(), "sustained", 600.0 + REFUSED_FOR_S - 1.0, None) is None
    assert proposals.recalibration(None, 0.0, 0.0, 601.0) is not None
    assert proposals.rest(stretch(), "sustained", 600.0 + REFUSED_FOR_S, None) is not None


def test_the_next_task_is_of_the_weakest_kind_where_that_is_certain() -> None:
    proposals = Proposals()
    levels: dict[Domain, tuple[float, float, int]] = {
        "sustained": (0.7, 0.05, 100),
        "selective": (0.3, 0.05, 100),
        "working-memory": (0.6, 0.05, 100),
    }
    proposal = proposals.next_task(levels, 0.0)
    assert proposal is not None
    assert "selective" in proposal.text
    assert list(proposal.evidence) == ["selective", "working-memory", "sustained"]
    assert proposals.next_task({**levels, "working-memory": (0.32, 0.05, 100)}, 0.0) is None
    few: dict[Domain, tuple[float, float, int]] = {**levels, "selective": (0.3, 0.05, 5)}
    other = proposals.next_task(few, 0.0)
    assert other is not None
    assert "working-memory" in other.text


def test_a_new_baseline_is_proposed_where_the_old_one_does_not_fit() -> None:
    proposals = Proposals()
    assert proposals.recalibration(600.0, 0.1, 0.1, 0.0) is None
    for arguments, said in (
        ((None, 0.0, 0.0), "no baseline"),
        ((600.0, 0.8, 0.0), "do not fit"),
        ((600.0, 0.0, 0.8), "unlike"),
        ((6 * 3600.0, 0.0, 0.0), "6 hours old"),
    ):
        proposal = proposals.recalibration(*arguments, 0.0)
        assert proposal is not None
        assert said in proposal.text
