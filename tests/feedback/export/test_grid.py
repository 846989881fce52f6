"""Where events lie on the grid of a stream: beside the sample with which they happened, whatever the clock did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from session_files import chunks, recorded

from feedback.export.grid import Grid, lay_out
from streaming.recording.reading import RecordedSession


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    (stream,) = RecordedSession(recorded(tmp_path, chunks(60))).streams
    return lay_out(stream, "stream 1")


def test_a_moment_lies_between_the_samples_that_it_lies_between(grid: Grid) -> None:
    places = np.array([0.0, 0.25, 17.5, 100.0, len(grid) - 1.0])
    moments = np.interp(places, np.arange(len(grid)), grid.times_s)
    np.testing.assert_allclose([grid.place(at_s) for at_s in moments.tolist()], places, atol=1e-6)


def test_a_moment_outside_lies_nowhere(grid: Grid) -> None:
    first_s, last_s = float(grid.times_s[0]), float(grid.times_s[-1])
    assert grid.place(first_s - 1.0) is None
    assert grid.place(last_s + 1.0) is None
    assert grid.place(first_s - 0.5 / grid.rate_hz) == 0.0
    assert grid.place(last_s + 0.5 / grid.rate_hz) == len(grid) - 1.0
