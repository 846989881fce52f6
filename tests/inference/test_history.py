"""The ring of frames gives the same windows as a list would, compiled or not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference import window_kernel
from inference.eyes import AlphaIndex
from inference.history import FrameHistory
from inference.noise import SpectralSlope
from inference.normalise import relative_log_power
from streaming.features import SCHEMA
from streaming.types import FeatureFrame

CHANNELS, TOKENS, STEP = 3, 5, 4
COLUMNS = np.arange(1, 8)
INDEX = AlphaIndex(SCHEMA.bands_hz[1:8])
SLOPE = SpectralSlope(SCHEMA.bands_hz[1:8])


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
        settled=number % 7 != 3,
        bridged=random.random(),
    )


def history() -> FrameHistory:
    return FrameHistory(CHANNELS, COLUMNS, INDEX, SLOPE, TOKENS, STEP)


@given(st.integers(1, 60))
def test_a_window_is_every_fourth_of_the_last_frames(count: int) -> None:
    ring = history()
    frames = [frame(number) for number in range(count)]
    window = [ring.push(one) for one in frames][-1]
    wanted = [count - 1 - STEP * back for back in reversed(range(TOKENS))]
    chosen = [frames[number] if number >= 0 else None for number in wanted]
    for token, one in enumerate(chosen):
        if one is None:
            assert not window.usable[:, token].any()
            continue
        np.testing.assert_allclose(window.relative[:, token], relative_log_power(one.values[:, COLUMNS]), atol=1e-6)
        np.testing.assert_array_equal(window.usable[:, token], (one.quality >= 0.5) & one.settled)
    settled = [one for one in chosen if one is not None and one.settled]
    off = np.array([[bits & window_kernel.OFF_HEAD_BITS != 0 for bits in one.flags] for one in settled])
    assert window.full == (len(settled) == TOKENS)
    assert window.settled == frames[-1].settled
    assert window.quality == pytest.approx(
        sum(float((one.quality * (one.quality >= 0.5)).sum()) for one in settled) / (CHANNELS * TOKENS), abs=1e-6
    )
    assert window.bridged == pytest.approx(sum(one.bridged for one in chosen if one) / TOKENS)
    if settled:
        assert window.touching == pytest.approx(np.mean(off.mean(axis=0) < 0.5))
        assert window.clean == pytest.approx(np.mean([(one.quality >= 0.5).mean() for one in settled]))
    known = [channel for channel in range(CHANNELS) if window.usable[channel].any()]
    if known:
        means = np.array([window.relative[channel, window.usable[channel]].mean(axis=0) for channel in known])
        assert window.slope == pytest.approx(SLOPE.of(means), abs=1e-5)
    else:
        assert np.isnan(window.slope)
    index = INDEX.of(window.relative[:, -1], window.usable[:, -1])
    assert window.alpha_index == (None if index is None else pytest.approx(index))


def test_the_alpha_index_is_the_log_share_of_alpha() -> None:
    power = np.exp(relative_log_power(frame(1).values[:, COLUMNS]).astype(float))
    share = np.log(power[:2, 2:4].sum(1) / power[:2].sum(1)).mean()
    usable = np.array([True, True, False])
    assert INDEX.of(np.log(power).astype(np.float32), usable) == pytest.approx(share, abs=1e-5)
    assert INDEX.of(np.log(power).astype(np.float32), ~np.ones(3, bool)) is None


@given(st.integers(1, 40), st.integers(1, 16))
def test_frames_of_two_generations_never_share_a_window(before: int, after: int) -> None:
    ring = history()
    for number in range(before):
        ring.push(frame(number))
    window = [ring.push(frame(number, generation=1)) for number in range(after)][-1]
    assert not window.full
    assert window.usable.any(axis=0).sum() <= -(-after // STEP)


def test_uncompiled_it_gives_the_same_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, plain = history(), history()
    monkeypatch.setattr(plain, "_advance", window_kernel.advance)
    for number in range(30):
        one, two = compiled.push(frame(number)), plain.push(frame(number))
        np.testing.assert_allclose(one.relative, two.relative, atol=1e-6)
        np.testing.assert_array_equal(one.usable, two.usable)
        assert one.alpha_index == (None if two.alpha_index is None else pytest.approx(two.alpha_index, abs=1e-6))
        assert (one.touching, one.lifted, one.clean, one.full) == (two.touching, two.lifted, two.clean, two.full)
