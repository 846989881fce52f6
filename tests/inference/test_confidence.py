from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.scorer import cautious

probability = st.floats(0.0, 1.0)
spread = st.floats(0.0, 20.0)


@given(probability, spread, spread)
def test_disagreement_draws_towards_one_half_and_never_past_it(p: float, one: float, other: float) -> None:
    less, more = sorted((one, other))
    assert abs(cautious(p, more) - 0.5) <= abs(cautious(p, less) - 0.5) + 1e-12
    assert (cautious(p, more) - 0.5) * (p - 0.5) >= 0.0


@given(st.floats(1e-5, 1.0 - 1e-5))
def test_agreement_changes_nothing(p: float) -> None:
    assert cautious(p, 0.0) == pytest.approx(p)


def test_a_spread_of_one_logit_costs_what_the_approximation_says() -> None:
    assert cautious(0.9, 1.0) == pytest.approx(0.8655, abs=1e-3)
