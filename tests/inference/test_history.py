"""The ring of frames gives the same windows as a list would."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inference.history import FrameHistory
from inference.normalise import relative_log_power
from streaming.types import FeatureFrame

CHANNELS, BANDS, TOKENS, STEP = 3, 8, 5, 4


def frame(number: int, generation: int = 0) -> FeatureFrame:
    random = np.random.default_rng(number)
    return FeatureFrame(
        values=random.normal(size=(CHANNELS, 10)).astype(np.float32),
        quality=random.random(CHANNELS).astype(np.float32),
        flags=random.integers(0, 255, CHANNELS).astype(np.uint8),
        end_s=number * 0.1,
        schema_id="test",
        hop=number,
        generation=generation,
        settled=True,
        bridged=0.0,
    )


def history() -> FrameHistory:
    return FrameHistory(CHANNELS, np.arange(BANDS), TOKENS, STEP)


@given(st.integers(1, 60))
def test_a_window_is_every_fourth_of_the_last_frames(count: int) -> None:
    ring = history()
    frames = [frame(number) for number in range(count)]
    for one in frames:
        ring.push(one)
    window = ring.window()
    wanted = [count - 1 - STEP * back for back in reversed(range(TOKENS))]
    assert window.full == (wanted[0] >= 0)
    for token, number in enumerate(wanted):
        if number < 0:
            assert not window.usable[:, token].any()
            continue
        expected = relative_log_power(frames[number].values[:, np.arange(BANDS)])
        np.testing.assert_array_equal(window.relative[:, token], expected)
        np.testing.assert_array_equal(window.flags[:, token], frames[number].flags)


@given(st.integers(1, 40), st.integers(1, 16))
def test_frames_of_two_generations_never_share_a_window(before: int, after: int) -> None:
    ring = history()
    for number in range(before):
        ring.push(frame(number))
    for number in range(after):
        ring.push(frame(number, generation=1))
    window = ring.window()
    assert not window.full
    assert window.usable.any(axis=0).sum() <= -(-after // STEP)
