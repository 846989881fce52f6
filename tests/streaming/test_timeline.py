"""Laws of the timeline: any chunking gives the same bits, time rises, what is lost is counted, nothing is invented."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from timed_streams import PERIOD_S, RATE_HZ, feed, joined, ramp, regular, spec_of

from bci.types import Chunk
from streaming import timeline_kernel
from streaming.timeline import BRIDGED, MEASURED, MISSING, RegularBlock, Timeline, compiled_kernel


@st.composite
def troubled_streams(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]]:
    """Draw a stream with jitter, bursts, loss (told by a counter or not), wild and repeated stamps, and NaN."""
    n_samples = draw(st.integers(30, 900))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    stamps_s = regular(n_samples) + random.normal(0.0, draw(st.sampled_from([0.0, 1e-4, 5e-3])), n_samples)
    burst = draw(st.sampled_from([1, 1, 5, 12]))
    behind = burst - 1 - np.arange(n_samples) % burst
    stamps_s = stamps_s[np.minimum(np.arange(n_samples) + behind, n_samples - 1)]
    if draw(st.booleans()):  # the newest of a push is stamped, the others are counted back from it, as LSL does
        stamps_s -= behind * PERIOD_S
        for _ in range(draw(st.integers(0, 6))):
            first = draw(st.integers(0, n_samples - 1)) // burst * burst
            stamps_s[first : first + burst] += draw(st.floats(0.3, 6.0)) * PERIOD_S
    uv = ramp(n_samples)
    counter = np.arange(n_samples)
    for _ in range(draw(st.integers(0, 4))):
        at, size = draw(st.integers(1, n_samples - 1)), draw(st.sampled_from([1, 2, 3, 5, 20, 60, 300, 5000]))
        stamps_s[at:] += size * PERIOD_S
        if draw(st.booleans()):
            counter[at:] += size
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, n_samples - 1))
        stamps_s[at] = draw(st.sampled_from([np.nan, np.inf, 0.0, stamps_s[at] + 3600.0, stamps_s[at] - 0.3]))
    for _ in range(draw(st.integers(0, 2))):
        stamps_s[draw(st.integers(0, n_samples - 1)) :] += draw(st.sampled_from([3600.0, -3600.0, -0.2, 0.2]))
    if draw(st.booleans()):
        uv[random.integers(0, n_samples, 5), random.integers(0, 2, 5)] = draw(st.sampled_from([np.nan, np.inf]))
    return uv, stamps_s, counter


@settings(max_examples=60, deadline=None)
@given(stream=troubled_streams(), cuts=st.lists(st.integers(1, 900), max_size=30))
def test_chunking_changes_no_bit(
    stream: tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]], cuts: list[int]
) -> None:
    uv, stamps_s, counter = stream
    one, other = Timeline(spec_of()), Timeline(spec_of())
    whole, pieces = feed(one, uv, stamps_s, counter=counter), feed(other, uv, stamps_s, cuts, counter)
    if not whole:
        assert not pieces
        return
    for a, b in zip(joined(whole), joined(pieces), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [b.reset for b in whole if b.reset] == [b.reset for b in pieces if b.reset]
    assert one.report == other.report


@settings(max_examples=60, deadline=None)
@given(stream=troubled_streams())
def test_time_rises_and_every_sample_comes_out_once(
    stream: tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]],
) -> None:
    uv, stamps_s, counter = stream
    uv = np.nan_to_num(uv, nan=0.0, posinf=0.0)
    timeline = Timeline(spec_of())
    blocks = feed(timeline, uv, stamps_s, counter=counter)
    generation: list[RegularBlock] = []
    for block in [*blocks, RegularBlock(np.empty((0, 2)), np.empty(0), np.empty(0, np.uint8), "the end")]:
        if block.reset and generation:
            steps_s = np.diff(joined(generation)[1])
            assert np.all(steps_s >= 0.45 * PERIOD_S), "time went back, or stood still"
            assert np.all(steps_s <= 1.7 * PERIOD_S), "time jumped without a reset"
            generation = []
        generation.append(block)
    if blocks:
        samples, _, state = joined(blocks)
        came = samples[state == MEASURED]
        np.testing.assert_array_equal(came, uv[: len(came)], "a sample was lost, doubled or changed")
        assert len(came) >= len(uv) - round(RATE_HZ), "more than a second is held back"
        report = timeline.report
        assert report.bridged_samples == np.count_nonzero(state == BRIDGED)
        assert report.missing_samples == np.count_nonzero(state == MISSING)
        assert report.resets == sum(b.reset is not None for b in blocks)


@settings(max_examples=15, deadline=None)
@given(stream=troubled_streams(), cuts=st.lists(st.integers(1, 900), max_size=5))
def test_uncompiled_path_gives_the_same_bits(
    stream: tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]], cuts: list[int]
) -> None:
    uv, stamps_s, counter = stream
    fast, slow = Timeline(spec_of()), Timeline(spec_of())
    slow._advance = timeline_kernel.advance
    a, b = feed(fast, uv, stamps_s, cuts, counter), feed(slow, uv, stamps_s, cuts, counter)
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one.samples_uv, other.samples_uv)
        np.testing.assert_array_equal(one.times_s, other.times_s)
        np.testing.assert_array_equal(one.state, other.state)
    assert fast.report == slow.report


def same_without_the_short_way(
    uv: NDArray[np.float32], stamps_s: NDArray[np.float64], counter: NDArray[np.int64] | None = None
) -> None:
    fast, slow = Timeline(spec_of()), Timeline(spec_of())
    a = feed(fast, uv, stamps_s, counter=counter)
    with patch.object(timeline_kernel, "calm", lambda *_: False):
        slow._advance = timeline_kernel.advance
        b = feed(slow, uv, stamps_s, counter=counter)
    assert bool(a) == bool(b)
    if a:
        for one, other in zip(joined(a), joined(b), strict=True):
            np.testing.assert_array_equal(one, other)
    assert fast.report == slow.report


@settings(max_examples=40, deadline=None)
@given(stream=troubled_streams())
def test_the_short_way_of_usual_samples_gives_the_same_bits(
    stream: tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]],
) -> None:
    same_without_the_short_way(*stream)


def test_so_it_does_where_stamps_stay_off_by_no_more_than_they_have_been_before() -> None:
    stamps_s = regular(4000) + np.random.default_rng(0).normal(0.0, 2e-3, 4000) * (np.arange(4000) < 600)
    stamps_s[3000:3100] += 0.0035
    same_without_the_short_way(ramp(4000), stamps_s)


@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(1, 249),
    counted=st.booleans(),
    jitter_s=st.sampled_from([0.0, 2e-5]),
    error=st.sampled_from([0.98, 1.0, 1.02]),
)
def test_a_gap_is_filled_with_as_many_samples_as_were_lost(
    size: int, counted: bool, jitter_s: float, error: float
) -> None:
    assume((size + 1) / (RATE_HZ * error) <= 1.0)  # a longer one is a reset
    n_samples = 3000
    stamps_s = regular(n_samples, RATE_HZ * error) + np.random.default_rng(size).normal(0.0, jitter_s, n_samples)
    kept = np.ones(n_samples, dtype=bool)
    kept[2000 : 2000 + size] = False
    timeline = Timeline(spec_of())
    counter = np.arange(n_samples)[kept] if counted else None
    samples, times_s, state = joined(feed(timeline, ramp(n_samples)[kept], stamps_s[kept], [1990, 2003], counter))
    assert len(samples) == n_samples
    expected = BRIDGED if size * timeline._floats[timeline_kernel.F_PERIOD] <= 0.1 else MISSING
    np.testing.assert_array_equal(state == expected, ~kept)
    # The ramp is straight, so the straight line between the neighbours restores it.
    np.testing.assert_allclose(samples, ramp(n_samples), atol=1e-6)
    np.testing.assert_allclose(times_s[500:], stamps_s[500:], atol=1e-3)


def test_empty_chunks_give_nothing() -> None:
    timeline = Timeline(spec_of())
    assert timeline.process(Chunk(timeline.spec, np.empty((0, 2), np.float32), np.empty(0), 0)) == []


def test_the_kernel_is_compiled_here() -> None:
    assert compiled_kernel().compiled, compiled_kernel().notes
