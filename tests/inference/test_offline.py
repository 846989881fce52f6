"""Offline is online: a recording's scores do not depend on how it was cut, nor on what it was batched with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny_model import write_tiny_model

from bci.errors import BaselineRefusedError, UnsupportedStreamError
from bci.files import Recording
from bci.registry import open_source
from inference import offline
from inference.bundle import ModelBundle
from inference.offline import RecordingScorer, Span, span_note
from inference.session import FocusSession
from inference.types import FocusScore
from streaming.pipeline import Pipeline


@pytest.fixture(scope="module")
def recording() -> Recording:
    """A minute of a simulated participant with two stretches of muscle."""
    source = open_source("simulator:focus?seed=9&speed=0&faults=emg@20-22,emg@40-41")
    spec = source.open()
    pieces: list[np.ndarray] = []
    while sum(map(len, pieces)) < 60 * 250:
        chunk = source.read(2500, 1.0)
        assert chunk is not None
        pieces.append(chunk.data)
    source.close()
    samples = np.concatenate(pieces)[: 60 * 250]
    count = len(samples)
    return Recording(replace(spec, origin="file"), samples.copy(), np.arange(count) / 250.0, np.arange(count))


def scored(session: FocusSession, recording: Recording, **options: object) -> list[FocusScore]:
    return list(RecordingScorer(session).score(recording, **options))  # type: ignore[arg-type] - passed on


@pytest.mark.parametrize("chunk_s", [0.004, 0.1, 3.3, 60.0])
def test_the_cut_of_a_recording_changes_no_score(
    tiny_session: FocusSession, recording: Recording, chunk_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = scored(tiny_session, recording)
    monkeypatch.setattr(offline, "CHUNK_S", chunk_s)
    other = scored(tiny_session, recording)
    assert [score.reason for score in other] == [score.reason for score in usual]
    assert [score.end_s for score in other] == [score.end_s for score in usual]
    for one, two in zip(usual, other, strict=True):
        assert two.value == pytest.approx(one.value, abs=1e-5)
    assert sum(score.valid for score in usual) > 300


def test_a_span_of_rest_becomes_a_baseline(tiny_session: FocusSession, recording: Recording) -> None:
    baseline = RecordingScorer(tiny_session).baseline(recording, Span(0.0, 20.0))
    assert 15.0 < baseline.clean_s < 20.0
    scores = scored(tiny_session, recording, baseline=baseline, force_baseline=True)
    assert all(score.calibrated for score in scores)


@pytest.mark.parametrize("jump_s", [-3600.0, -5.0, 3600.0])
def test_every_sample_is_scored_whatever_the_clock_of_the_file_does(
    tiny_session: FocusSession, recording: Recording, jump_s: float
) -> None:
    stamps_s = recording.stamps_s + np.where(np.arange(len(recording)) < 20 * 250, 0.0, jump_s)
    jumped = replace(recording, stamps_s=stamps_s)
    pipeline = Pipeline(jumped.spec, hop_s=offline.HOP_S)
    online = [frame.end_s for chunk in jumped.chunks(25) for frame in pipeline.process(chunk)]
    done_s: list[float] = []
    assert [score.end_s for score in scored(tiny_session, jumped, progress=done_s.append)] == online
    assert len(online) == pytest.approx(600, abs=4)
    assert done_s == sorted(done_s)
    assert done_s[-1] == pytest.approx(60.0, abs=0.1)


@pytest.mark.parametrize("jump_s", [-3600.0, 3600.0])
@pytest.mark.parametrize("jumps_after_s", [10.0, 30.0])
def test_a_span_of_rest_is_told_by_its_place_whatever_the_clock_of_the_file_does(
    tiny_session: FocusSession, recording: Recording, jump_s: float, jumps_after_s: float
) -> None:
    """Two jumps, there and back: what lies after both is where it was."""
    place_s = recording.stamps_s
    away = (place_s >= jumps_after_s) & (place_s < jumps_after_s + 2.0)
    jumped = replace(recording, stamps_s=place_s + jump_s * away)
    scorer = RecordingScorer(tiny_session)
    assert jumped.duration_s == pytest.approx(60.0, abs=0.1)
    assert span_note(jumped, Span(0.0, 60.0)) == ""
    intact, found = scorer.baseline(recording, Span(32.0, 60.0)), scorer.baseline(jumped, Span(32.0, 60.0))
    assert found.clean_s == pytest.approx(intact.clean_s, abs=0.5)


def test_a_span_that_is_not_there_is_too_short(tiny_session: FocusSession, recording: Recording) -> None:
    with pytest.raises(BaselineRefusedError) as refusal:
        RecordingScorer(tiny_session).baseline(recording, Span(100.0, 130.0))
    assert refusal.value.code == "too_short"


def test_chosen_channels_are_scored_and_others_named(tiny_session: FocusSession, recording: Recording) -> None:
    scorer = RecordingScorer(tiny_session, channels=["fz", "EEG Pz-REF"])
    assert scorer.baseline(recording, Span(0.0, 20.0)).labels == ("Fz", "Pz")
    with pytest.raises(UnsupportedStreamError, match="has no AF7"):
        list(RecordingScorer(tiny_session, channels=["AF7"]).score(recording))


def test_features_far_from_the_training_data_are_no_score(
    tmp_path_factory: pytest.TempPathFactory, recording: Recording
) -> None:
    strict = FocusSession(write_tiny_model(tmp_path_factory.mktemp("strict"), ood_threshold=-1.0))
    reasons = {score.reason for score in scored(strict, recording)}
    assert "out_of_distribution" in reasons
    assert None not in reasons


def test_a_model_of_other_features_is_refused(tmp_path_factory: pytest.TempPathFactory, recording: Recording) -> None:
    from bci.errors import ModelError

    other = FocusSession(write_tiny_model(tmp_path_factory.mktemp("other"), schema="band-log-power/000000000000"))
    with pytest.raises(ModelError, match="train it again"):
        scored(other, recording)


def test_confidence_falls_by_the_share_of_the_window_that_never_came(tiny: ModelBundle, recording: Recording) -> None:
    """Beyond what the electrodes lose in quality; a model that is always as sure leaves nothing else to vary."""
    sure = tiny.card.confidence.model_copy(update={"accuracy_uncalibrated": (0.9, 0.9)})
    session = FocusSession(replace(tiny, card=tiny.card.model_copy(update={"confidence": sure})))
    begin_s, end_s, window_s = 50.0, 50.5, tiny.card.window_s
    came = (recording.stamps_s < begin_s) | (recording.stamps_s >= end_s)
    samples, stamps_s, numbers = recording.samples[came], recording.stamps_s[came], recording.sample_numbers[came]
    holed = replace(recording, samples=samples, stamps_s=stamps_s, sample_numbers=numbers)
    held = 0
    for one, other in zip(scored(session, recording), scored(session, holed), strict=True):
        if one.confidence is None or other.confidence is None or other.quality is None or other.end_s is None:
            assert one.reason == other.reason, "a hole of half a second costs no score"
            continue
        intact = (other.confidence - 0.5) / (0.4 * other.quality)
        if end_s < other.end_s < begin_s + window_s:
            assert intact == pytest.approx(1.0 - (end_s - begin_s) / window_s, abs=0.005)
            assert other.confidence < one.confidence - 0.04
            held += 1
        elif other.end_s < begin_s or other.end_s > end_s + window_s + 1.0:
            assert intact == pytest.approx(1.0)
    assert held > 40


def test_nothing_invalid_carries_a_number(tiny_session: FocusSession, recording: Recording) -> None:
    for score in scored(tiny_session, recording):
        numbers = (score.value, score.raw, score.steady, score.relative, score.confidence, score.quality)
        assert (None in numbers) == (not score.valid)
        assert len(set(numbers)) > 1 or not score.valid
