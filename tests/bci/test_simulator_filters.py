from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import sosfilt

from bci import compiled
from bci.simulator import filters
from bci.simulator.brain import power_law_sos
from bci.simulator.filters import Cascade, one_pole

SECTIONS = power_law_sos(250.0, 1.5)
WHITE = np.random.default_rng(3).standard_normal((400, 5))


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a process that has filtered nothing yet."""
    monkeypatch.setattr(compiled, "_done", {})
    filters._runner.cache_clear()
    yield
    filters._runner.cache_clear()


@pytest.mark.parametrize(("switch", "said"), [("1", 0), ("0", 1)], ids=["compiled", "by SciPy"])
@pytest.mark.usefixtures("fresh")
def test_it_is_scipys_filter_however_it_is_run(
    switch: str, said: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FOCUSLOOP_COMPILED", switch)
    cascade, _ = Cascade(SECTIONS, 5), Cascade(SECTIONS, 5)
    pieces = [cascade.follow(part) for part in (WHITE[:1], WHITE[1:150], WHITE[150:])]
    np.testing.assert_array_equal(np.concatenate(pieces), sosfilt(SECTIONS, WHITE, axis=0))
    assert sum("run by SciPy" in line and "switched off" in line for line in caplog.messages) == said


@given(cuts=st.lists(st.integers(0, 400), max_size=6))
def test_blocks_never_change_what_comes_out(cuts: list[int]) -> None:
    whole, pieces = Cascade(SECTIONS, 5), Cascade(SECTIONS, 5)
    parts = [pieces.follow(part) for part in np.split(WHITE, sorted(cuts))]
    np.testing.assert_array_equal(np.concatenate(parts), whole.follow(WHITE))


def test_a_decay_rings_until_it_has_come_to_rest() -> None:
    decay = Cascade(one_pole(0.5), 2)
    assert not decay.ringing
    assert decay.follow(np.array([[100.0, 0.0]])).tolist() == [[100.0, 0.0]]
    assert decay.ringing
    assert decay.follow(np.zeros((2, 2))).tolist() == [[50.0, 0.0], [25.0, 0.0]]
    decay.follow(np.zeros((20, 2)))
    assert not decay.ringing


def test_it_goes_on_from_what_it_is_told_to_remember() -> None:
    walk = Cascade(one_pole(0.5, gain=2.0), 2)
    walk.remember(np.array([3.0, -1.0]))
    assert walk.follow(np.ones((1, 2))).tolist() == [[5.0, 1.0]]
