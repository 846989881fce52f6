"""A window is measured against a baseline or the running mean, compiled or not, as numpy would do it."""

from __future__ import annotations

import numpy as np
import pytest

from inference import window_kernel
from inference.normalise import RunningMean

CHANNELS, TOKENS, BANDS = 4, 6, 5


def window(number: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(number)
    return random.normal(size=(CHANNELS, TOKENS, BANDS)).astype(np.float32), random.random((CHANNELS, TOKENS)) < 0.7


def running() -> RunningMean:
    return RunningMean((CHANNELS, BANDS), hop_s=0.04, population=[-1.0] * BANDS)


@pytest.mark.parametrize("compiled", [True, False])
def test_without_a_baseline_a_window_is_measured_against_the_mean_that_has_seen_it(
    monkeypatch: pytest.MonkeyPatch, *, compiled: bool
) -> None:
    windows, frames = running(), running()
    if not compiled:
        monkeypatch.setattr(windows, "_normalise", window_kernel.normalise)
    for number in range(20):
        relative, usable = window(number)
        x, hidden = windows.normalise(relative, usable, None, settled=True)
        frames.update(relative[:, -1], usable[:, -1])
        np.testing.assert_array_equal(windows.mean, frames.mean)
        np.testing.assert_array_equal(x, relative - frames.mean[:, None])
        np.testing.assert_array_equal(hidden, ~usable)
    assert not np.array_equal(windows.mean, running().mean)


def test_a_baseline_is_subtracted_and_the_running_mean_goes_on() -> None:
    mean, baseline = running(), np.full((CHANNELS, BANDS), 0.5, np.float32)
    before = mean.mean.copy()
    relative, usable = window(1)
    x, _ = mean.normalise(relative, usable, baseline, settled=True)
    np.testing.assert_array_equal(x, relative - np.float32(0.5))
    moved = (mean.mean != before).any(axis=1)
    np.testing.assert_array_equal(moved, usable[:, -1])


def test_what_has_not_settled_moves_nothing() -> None:
    mean = running()
    relative, usable = window(2)
    x, _ = mean.normalise(relative, usable, None, settled=False)
    np.testing.assert_array_equal(mean.mean, running().mean)
    np.testing.assert_array_equal(x, relative + np.float32(1.0))


@pytest.mark.parametrize("shape", [(CHANNELS, BANDS - 1), (CHANNELS - 1, BANDS), (CHANNELS, BANDS + 1)])
def test_a_baseline_of_other_channels_or_bands_is_no_reference(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        running().normalise(*window(3), np.zeros(shape, np.float32), settled=True)
