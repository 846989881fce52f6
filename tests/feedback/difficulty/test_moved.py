from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from feedback.difficulty.trial import moved

LEVELS = st.floats(0.0, 1.0)


@given(before=LEVELS, after=LEVELS)
def test_a_change_is_told_with_two_numbers_that_differ(before: float, after: float) -> None:
    said = moved(before, after)
    if said.startswith("stays"):
        assert abs(after - before) <= 0.001 + 1e-9
        return
    way, _, numbers = said.partition(", ")
    shown, then = (float(number) for number in numbers.split(" to "))
    assert way == ("harder" if after > before else "easier")
    assert (then > shown) == (after > before)
    assert then != shown


def test_two_digits_unless_it_takes_three() -> None:
    assert moved(0.56, 0.6) == "harder, 0.56 to 0.60"
    assert moved(0.5562, 0.5641) == "harder, 0.556 to 0.564"
    assert moved(0.56, 0.5602) == "stays at 0.56"
