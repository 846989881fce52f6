"""A recorded session gives the very chunks, features and scores that it gave when it was live."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from session_files import chunks, new_session

from bci.files import read_recording
from bci.types import Chunk
from inference.batch import BatchScorer
from inference.bundle import DEFAULT_MODEL, find_model
from inference.scorer import StreamScorer
from inference.session import FocusSession, choose_providers
from inference.types import FocusScore
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline
from streaming.types import FeatureFrame

HOP_S = 0.04


def frames_of(parts: list[Chunk]) -> list[FeatureFrame]:
    pipeline = Pipeline(parts[0].spec, hop_s=HOP_S)
    return [frame for part in parts for frame in pipeline.process(part)]


def scores_of(frames: Iterable[FeatureFrame], part: Chunk) -> list[FocusScore]:
    batch = BatchScorer(FocusSession(find_model(DEFAULT_MODEL), choose_providers(("cpu",))))
    scorer = StreamScorer("", part.spec, batch.session.bundle, SCHEMA, hop_s=HOP_S, group_delay_s=0.1)
    return batch.score([scorer.prepare(frame) for frame in frames])


@pytest.mark.parametrize("foreign", [False, True])
def test_features_are_the_same_to_the_last_bit_and_scores_within_1e_5(tmp_path: Path, foreign: bool) -> None:
    live = chunks(400, foreign=foreign)  # 17 s with gaps, by a clock that is slewed where it is foreign
    session = new_session(tmp_path)
    for number, chunk in enumerate(live):
        assert session.chunk(chunk)
        if number % 6 == 0:
            session.write()
    session.finish()
    recording = read_recording(tmp_path / "s.xdf", "Cap")
    again = list(recording.chunks(77))
    assert again[0].spec == replace(live[0].spec, device=recording.spec.device, origin="file")
    np.testing.assert_array_equal(
        recording.sample_numbers, np.concatenate([c.first_sample + np.arange(10) for c in live])
    )
    stamps_s = np.concatenate([c.timestamps_s for c in live])
    np.testing.assert_array_equal(recording.stamps_s, stamps_s - stamps_s[0])
    before, after = frames_of(live), frames_of(again)
    assert len(before) == len(after) > 300
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.quality, other.quality)
        np.testing.assert_array_equal(one.flags, other.flags)
    scores = list(zip(scores_of(before, live[0]), scores_of(after, again[0]), strict=True))
    assert any(one.value is not None for one, _ in scores)
    for one, other in scores:
        assert one.reason == other.reason
        if one.value is not None and other.value is not None:
            assert abs(one.value - other.value) < 1e-5
