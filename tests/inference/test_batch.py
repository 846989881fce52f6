"""A window that breaks costs its own person a score, and nobody else."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

import numpy as np
import pytest

from bci.montage import eeg_channel
from bci.registry import open_source
from bci.types import Chunk, StreamSpec
from inference.batch import BatchScorer
from inference.scorer import Due, StreamScorer
from inference.session import FocusSession, channel_bucket
from inference.types import FocusScore
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline
from streaming.types import FeatureFrame

HOP_S = 0.1
LABELS = ("Fp1", "Fp2", "O1", "O2")


@pytest.fixture(scope="module")
def frames() -> list[FeatureFrame]:
    """Ten seconds of a simulated participant."""
    source = open_source(f"simulator:focus?seed=2&speed=0&channels=4&montage={','.join(LABELS)}")
    spec = source.open()
    chunk = source.read(2500, 1.0)
    source.close()
    assert chunk is not None
    return list(Pipeline(spec, hop_s=HOP_S).process(Chunk(spec, chunk.data, chunk.timestamps_s, 0)))


def people(session: FocusSession, count: int) -> list[StreamScorer]:
    spec = StreamSpec("cap", "cap", "EEG", 250.0, tuple(eeg_channel(label) for label in LABELS), "cap")
    return [StreamScorer(f"p{i}", spec, session.bundle, SCHEMA, hop_s=HOP_S, group_delay_s=0.1) for i in range(count)]


def dues(scorers: list[StreamScorer], frames: list[FeatureFrame]) -> list[Due]:
    """The newest window of each, everything before it seen."""
    return [[scorer.prepare(frame) for frame in frames][-1] for scorer in scorers]


def asked(session: FocusSession, due: Due) -> tuple[float, float, float]:
    """What the graph says of one window."""
    assert due.x is not None
    channels = len(due.x)
    x, where, mask = session.inputs(1, channel_bucket(channels))
    x[:], where[:], mask[:] = 0.0, 0.0, True
    x[0, :channels], where[0, :channels], mask[0, :channels] = due.x, due.scorer.positions_m, ~due.window.usable
    output = session.run(x, where, mask)
    return float(output.logit[0]), float(output.spread[0]), float(output.ood[0])


def other_bands(due: Due) -> Due:
    assert due.x is not None
    return replace(due, x=due.x[:, :, :7])


def other_electrodes(due: Due) -> Due:
    due.scorer.positions_m = np.zeros((9, 3), np.float32)
    return due


def other_end(due: Due) -> Due:
    due.scorer.check_baseline = None  # type: ignore[assignment] - a scorer that is no more what it was
    due.scorer.card = None  # type: ignore[assignment] - the same
    return due


@pytest.mark.parametrize("breaks", [other_bands, other_electrodes, other_end])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_window_that_breaks_costs_no_other_its_score(
    tiny_session: FocusSession, frames: list[FeatureFrame], breaks: object, place: int
) -> None:
    good = BatchScorer(tiny_session).score(dues(people(tiny_session, 1), frames))[0]
    assert good.valid
    three = dues(people(tiny_session, 3), frames)
    three[place] = breaks(three[place])  # type: ignore[operator] - one of the functions above
    outcomes = BatchScorer(tiny_session).score_each(three)
    assert isinstance(outcomes.pop(place), Exception)
    for outcome in outcomes:
        assert isinstance(outcome, FocusScore)
        assert outcome.value == pytest.approx(good.value, abs=1e-5)
        assert (outcome.reason, outcome.end_s) == (good.reason, good.end_s)


def test_without_an_error_they_are_scored_in_one_call(tiny_session: FocusSession, frames: list[FeatureFrame]) -> None:
    batch, scorers = BatchScorer(tiny_session), people(tiny_session, 3)
    assert all(isinstance(outcome, FocusScore) for outcome in batch.score_each(dues(scorers, frames)))
    assert batch.calls == 1


def test_a_model_that_fails_on_batches_only_still_scores_and_is_told_once(
    tiny_session: FocusSession,
    frames: list[FeatureFrame],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = tiny_session.run

    def small(x: np.ndarray, where: np.ndarray, mask: np.ndarray) -> object:
        if len(x) > 1:
            msg = "out of memory"
            raise RuntimeError(msg)
        return run(x, where, mask)

    monkeypatch.setattr(tiny_session, "run", small)
    batch = BatchScorer(tiny_session)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            outcomes = batch.score_each(dues(people(tiny_session, 3), frames))
            assert all(isinstance(outcome, FocusScore) and outcome.valid for outcome in outcomes)
    assert len([record for record in caplog.records if "one by one" in record.message]) == 1


def test_without_a_baseline_the_logit_is_calibrated_otherwise_than_against_one(
    tiny_session: FocusSession, frames: list[FeatureFrame]
) -> None:
    (due,) = dues(people(tiny_session, 1), frames)
    graph = asked(tiny_session, due)
    calibration = tiny_session.bundle.card.calibration

    def said(calibrated: bool) -> tuple[float, float]:
        scorer = people(tiny_session, 1)[0]
        score = scorer.finish(replace(due, scorer=scorer, calibrated=calibrated), *graph)
        assert score.raw is not None
        assert score.confidence is not None
        return math.log(score.raw / (1.0 - score.raw)), score.confidence

    (against_rest, sure), (alone, less_sure) = said(True), said(False)
    electrodes = len(due.scorer.labels)
    for logit, calibrated in ((against_rest, True), (alone, False)):
        scale, shift = calibration.of(calibrated).at(electrodes)
        assert logit == pytest.approx(scale * graph[0] + shift)
    assert calibration.of(True).at(electrodes) != calibration.of(True).at(electrodes + 1)
    assert less_sure < sure


def test_a_rehearsal_changes_no_score_and_counts_as_no_call(
    tiny_session: FocusSession, frames: list[FeatureFrame]
) -> None:
    def scores(rehearsed: bool) -> tuple[list[FocusScore], int]:
        (scorer,), batch = people(tiny_session, 1), BatchScorer(tiny_session)
        found: list[FocusScore] = []
        for frame in frames:
            due = scorer.prepare(frame)
            found += batch.score([due])
            if rehearsed:
                batch.rehearse(due)
        return found, batch.calls

    assert scores(rehearsed=True) == scores(rehearsed=False)
    assert any(score.valid for score in scores(rehearsed=True)[0])
