from __future__ import annotations

import tracemalloc
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_eeg import LABELS, chunk_of, made_uv, pieces_of, stream_spec

from bci.errors import ConfigError, UnsupportedStreamError
from bci.types import Channel, Chunk, StreamSpec
from streaming.bank import boundary, open_bank
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline
from streaming.types import FeatureFrame

SPEC = stream_spec(rate_hz=256.0)


def eventful() -> Chunk:
    """Give 12 s with everything that a headset does to one: offset, pop, blink, hum, NaN, rail, lost samples."""
    uv = made_uv(8, 12.0, 256.0, offset_uv=20_000.0)
    t = np.arange(len(uv)) / 256.0
    uv[t > 3.0, 2] += 4000.0
    uv[:, 0] += 300.0 * np.exp(-0.5 * ((t - 5.0) / 0.07) ** 2)
    uv[:, 5] += 400.0 * np.sin(2 * np.pi * 50.0 * t) * (1.0 + 0.5 * np.sin(3.0 * t))
    uv[(t > 6.0) & (t < 6.3), 3] = np.nan
    uv[t > 8.0, 6] = -187_500.0
    kept = np.ones(len(uv), dtype=bool)
    kept[(t > 9.0) & (t < 9.06)] = False
    kept[(t > 10.0) & (t < 10.4)] = False
    stamps = 50.0 + t[kept] + np.random.default_rng(0).normal(0.0, 0.0005, kept.sum())
    return Chunk(SPEC, uv[kept].astype(np.float32), stamps, 0)


def frames_of(pipeline: Pipeline, chunks: list[Chunk]) -> list[FeatureFrame]:
    return [frame for chunk in chunks for frame in pipeline.process(chunk)]


def assert_same(some: list[FeatureFrame], others: list[FeatureFrame]) -> None:
    assert [(f.hop, f.generation, f.end_s, f.settled, f.bridged) for f in some] == [
        (f.hop, f.generation, f.end_s, f.settled, f.bridged) for f in others
    ]
    for name in ("values", "quality", "flags"):
        np.testing.assert_array_equal(
            np.stack([getattr(f, name) for f in some]), np.stack([getattr(f, name) for f in others])
        )


EVENTFUL = eventful()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cuts=st.lists(st.integers(0, len(EVENTFUL)), max_size=30), hop_s=st.sampled_from([0.04, 0.1]))
def test_chunking_never_changes_a_feature(cuts: list[int], hop_s: float) -> None:
    whole = frames_of(Pipeline(SPEC, hop_s=hop_s), [EVENTFUL])
    pieces = frames_of(Pipeline(SPEC, hop_s=hop_s), pieces_of(EVENTFUL, cuts))
    assert_same(pieces, whole)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cuts=st.lists(st.integers(0, 1500), max_size=12))
def test_nor_without_a_compiler(cuts: list[int]) -> None:
    part = pieces_of(EVENTFUL, [1500])[0]
    whole = frames_of(Pipeline(SPEC, path="scipy"), [part])
    assert_same(frames_of(Pipeline(SPEC, path="scipy"), pieces_of(part, cuts)), whole)


def test_sample_by_sample_is_the_same_too() -> None:
    part = pieces_of(EVENTFUL, [1400])[0]
    assert_same(frames_of(Pipeline(SPEC), pieces_of(part, list(range(1400)))), frames_of(Pipeline(SPEC), [part]))


@pytest.mark.parametrize("rate", [100.0, 250.0, 256.0, 1000.0])
def test_both_paths_give_the_same_features(rate: float) -> None:
    spec = stream_spec(rate_hz=rate)
    uv = made_uv(8, 6.0, rate, offset_uv=-5000.0)
    t = np.arange(len(uv)) / rate
    uv[t > 3.0, 2] += 900.0
    uv[:, 0] += 300.0 * np.exp(-0.5 * ((t - 4.0) / 0.07) ** 2)
    uv[(t > 2.0) & (t < 2.2), 5] = np.nan
    chunk = chunk_of(spec, uv)
    compiled, scipy = Pipeline(spec), Pipeline(spec, path="scipy")
    some, others = frames_of(compiled, [chunk]), frames_of(scipy, [chunk])
    assert (compiled.report.path, scipy.report.path) == ("compiled", "scipy")
    assert len(some) == len(others) == 150
    for one, other in zip(some, others, strict=True):
        np.testing.assert_allclose(one.values, other.values, atol=1e-6)
        np.testing.assert_allclose(one.quality, other.quality, atol=1e-6)
        np.testing.assert_array_equal(one.flags, other.flags)


def test_one_channel_does_not_depend_on_its_neighbours() -> None:
    uv = made_uv(8, 4.0)
    spec = stream_spec()
    alone = stream_spec(labels=(LABELS[4],))
    together = frames_of(Pipeline(spec), [chunk_of(spec, uv)])
    single = frames_of(Pipeline(alone), [chunk_of(alone, uv[:, 4:5])])
    np.testing.assert_array_equal([f.values[4] for f in together], [f.values[0] for f in single])


@pytest.mark.parametrize("rate", [125.0, 250.0, 256.0, 500.0, 2048.0])
def test_a_rhythm_has_the_power_that_it_has(rate: float) -> None:
    spec = stream_spec(labels=("Cz", "Pz"), rate_hz=rate)
    t = np.arange(round(6.0 * rate)) / rate
    uv = np.stack([20.0 * np.sin(2 * np.pi * f * t) for f in (9.0, 21.0)], axis=1)
    last = Pipeline(spec).process(chunk_of(spec, uv))[-1]
    assert last.values[0, 3] == pytest.approx(np.log(200.0), abs=0.06)
    assert last.values[1, 6] == pytest.approx(np.log(200.0), abs=0.06)
    assert last.values[0, 6] < np.log(0.3)


def test_a_dc_offset_leaves_no_transient() -> None:
    spec = stream_spec()
    uv = np.round(made_uv(8, 3.0))  # whole µV, so that the offset costs float32 nothing
    offset = 2.0**16  # 65 mV
    flat = frames_of(Pipeline(spec), [chunk_of(spec, uv)])
    high = frames_of(Pipeline(spec), [chunk_of(spec, uv + offset)])
    np.testing.assert_array_equal([f.values for f in high], [f.values for f in flat])
    np.testing.assert_array_equal([f.quality for f in high], [f.quality for f in flat])


@given(
    rate=st.floats(100.0, 4096.0, allow_nan=False),
    hop=st.sampled_from([Fraction(1, 25), Fraction(1, 10)]),
    k=st.integers(1, 10**7),
)
def test_hop_ends_are_rounded_from_the_exact_product(rate: float, hop: Fraction, k: int) -> None:
    per_hop = Fraction(rate).limit_denominator(1000) * hop
    assert boundary(k, per_hop) == int(k * per_hop + Fraction(1, 2))


@pytest.mark.parametrize(("rate", "hop_s"), [(256.0, 0.04), (250.0, 0.04), (125.0, 0.1), (128.0, 0.04)])
def test_hops_fall_on_exact_sample_counts(rate: float, hop_s: float) -> None:
    spec = stream_spec(labels=("Cz",), rate_hz=rate)
    pipeline = Pipeline(spec, hop_s=hop_s)
    uv = made_uv(1, 8.0, rate)
    ends: list[int] = []
    for i in range(len(uv)):
        needed = pipeline.samples_to_next_hop
        made = pipeline.process(chunk_of(spec, uv[i : i + 1], first_sample=i))
        assert bool(made) == (needed == 1)
        ends += [i + 1] * len(made)
    exact = Fraction(rate) * Fraction(hop_s).limit_denominator(1000)
    assert ends == [int(k * exact + Fraction(1, 2)) for k in range(1, len(ends) + 1)]


def test_frames_say_what_they_are() -> None:
    spec = stream_spec()
    pipeline = Pipeline(spec)
    frames = pipeline.process(chunk_of(spec, made_uv(8, 4.0)))
    assert len(frames) == 100
    assert [f.hop for f in frames] == list(range(100))
    assert {f.schema_id for f in frames} == {SCHEMA.id}
    assert frames[0].values.shape == (8, SCHEMA.n_bands)
    assert frames[0].values.dtype == frames[0].quality.dtype == np.float32
    assert frames[0].flags.dtype == np.uint8
    assert not frames[0].values.flags.writeable
    first = next(f for f in frames if f.settled)
    assert first.end_s - 100.0 == pytest.approx(pipeline.report.settle_s, abs=0.04)
    assert frames[-1].end_s == pytest.approx(100.0 + 4.0 - 1 / 250.0, abs=1e-4)
    assert pipeline.report.frames == 100
    assert pipeline.report.group_delay_s == pipeline.group_delay_s


def test_a_long_gap_starts_anew_and_says_so() -> None:
    spec = stream_spec()
    uv = made_uv(8, 6.0)
    pipeline = Pipeline(spec)
    frames = frames_of(pipeline, [chunk_of(spec, uv[:750]), chunk_of(spec, uv[750:], first_sample=1500)])
    generations = [f.generation for f in frames]
    assert sorted(set(generations)) == [0, 1]
    again = [f for f in frames if f.generation == 1]
    assert again[0].hop == 0
    assert not again[0].settled
    assert pipeline.report.n_resets == 1
    assert "missing" in pipeline.report.resets[-1][1]


@pytest.mark.parametrize("line_hz", [50.0, 60.0])
def test_the_mains_are_found(line_hz: float) -> None:
    spec = stream_spec()
    uv = made_uv(8, 4.0)
    t = np.arange(len(uv)) / 250.0
    pipeline = Pipeline(spec)
    pipeline.process(chunk_of(spec, uv))
    assert pipeline.report.line_hz is None
    pipeline.reset(spec)
    pipeline.process(chunk_of(spec, uv + 30.0 * np.sqrt(2) * np.sin(2 * np.pi * line_hz * t)[:, None]))
    assert pipeline.report.line_hz == line_hz
    assert pipeline.report.line_uv == pytest.approx(30.0, rel=0.05)
    fixed = Pipeline(spec, mains=50)
    assert (fixed.report.line_hz, fixed.report.notched_hz) == (50.0, (50.0,))


def test_silence_is_told_by_the_clock_that_is_handed_in() -> None:
    spec = stream_spec()
    pipeline = Pipeline(spec)
    assert pipeline.advance(5.0).newest_s is None
    pipeline.process(chunk_of(spec, made_uv(8, 1.0)))
    health = pipeline.advance(102.0)
    assert health.newest_s == pytest.approx(101.0, abs=0.01)
    assert health.silent_s == pytest.approx(1.0, abs=0.01)


def test_free_electrodes_are_judged_though_not_scored() -> None:
    spec = replace(stream_spec(), channels=(*(Channel(str(i)) for i in range(4)), Channel("acc", kind="aux")))
    assert spec.unassigned
    pipeline = Pipeline(spec)
    frames = pipeline.process(chunk_of(spec, np.hstack([made_uv(4, 2.0), np.zeros((500, 1))])))
    assert frames[0].quality.shape == (4,)
    assert pipeline.columns == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (replace(SPEC, channels=()), "the stream has no channels"),
        (replace(SPEC, channels=(Channel("x", kind="aux"),)), "none of its 1 channels is EEG"),
        (replace(SPEC, channels=SPEC.channels * 40), "320 EEG channels, at most 256"),
        (replace(SPEC, nominal_rate_hz=0.0), "irregular"),
        (replace(SPEC, nominal_rate_hz=50.0), "rate is 50 Hz, 100 to 4096 Hz"),
        (replace(SPEC, nominal_rate_hz=20_000.0), "20000 Hz"),
        (replace(SPEC, nominal_rate_hz=float("nan")), "rate is nan"),
    ],
)
def test_a_stream_that_cannot_be_scored_is_refused_in_a_sentence(spec: StreamSpec, words: str) -> None:
    with pytest.raises(UnsupportedStreamError, match=words):
        Pipeline(spec)


@pytest.mark.parametrize("hop_s", [0.0, -1.0, 0.03, 1.6])
def test_a_token_is_whole_hops(hop_s: float) -> None:
    with pytest.raises(ConfigError, match="hop of"):
        Pipeline(SPEC, hop_s=hop_s)


def test_strange_numbers_never_reach_a_feature() -> None:
    spec = stream_spec()
    rng = np.random.default_rng(4)
    uv = made_uv(8, 4.0)
    for value in (np.nan, np.inf, -np.inf, 3e38, -3e38):
        uv[rng.integers(0, len(uv), 60), rng.integers(0, 8, 60)] = value
    frames = Pipeline(spec).process(chunk_of(spec, uv))
    assert all(np.isfinite(f.values).all() for f in frames)
    assert all(((f.quality >= 0) & (f.quality <= 1)).all() for f in frames)


def test_a_stream_costs_less_than_a_megabyte() -> None:
    spec = stream_spec()
    Pipeline(spec).process(chunk_of(spec, made_uv(8, 1.0)))
    tracemalloc.start()
    try:
        pipeline = Pipeline(spec)
        pipeline.process(chunk_of(spec, made_uv(8, 1.0)))
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 1_000_000


def test_memory_is_flat_over_ten_thousand_seconds() -> None:
    spec = stream_spec(labels=("Cz", "Pz"))
    bank = open_bank(Pipeline(spec, hop_s=0.1).new_state())
    uv = made_uv(2, 100.0)
    state = np.zeros(len(uv), dtype=np.uint8)
    bank.process(uv, state, None)
    tracemalloc.start()
    try:
        for _ in range(100):
            assert bank.process(uv, state, None)[0] == 1000
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert bank.hop == 101_000
    assert used < 200_000
