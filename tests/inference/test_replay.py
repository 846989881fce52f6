"""How a session was scored when it was live holds again at the same frames; what somebody else chose stays."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from bci.montage import eeg_channel
from bci.types import Noted, StreamSpec
from inference.baseline import Baseline
from inference.bundle import DEFAULT_MODEL, find_model
from inference.replay import Replay
from inference.scorer import StreamScorer
from streaming.features import SCHEMA
from streaming.types import FeatureFrame

LABELS = ("Fp1", "Fp2", "O1", "O2")


def new_scorer() -> StreamScorer:
    spec = StreamSpec("s", "s", "EEG", 250.0, tuple(eeg_channel(label) for label in LABELS), "s.xdf")
    return StreamScorer("p01", spec, find_model(DEFAULT_MODEL), SCHEMA, hop_s=0.04, group_delay_s=0.1)


def baseline(scorer: StreamScorer, level: float = 0.0, **other: object) -> Baseline:
    owner = scorer.owner
    fields: dict[str, Any] = {
        "participant": "p01",
        "device": "Cap",
        "labels": owner.labels,
        "model": owner.model,
        "model_sha256": owner.model_sha256,
        "eyes": "open",
        "mean": ((level,) * owner.bands,) * len(owner.labels),
        "alpha_index": 0.0,
        "clean_s": 30.0,
        "taken_unix_s": 1.0,
    }
    return Baseline(**{**fields, **other})


def noted(at_s: float, kind: str, value: object) -> Noted:
    return Noted(at_s, {"type": kind, kind: value})


def frames(*ends_s: float) -> list[FeatureFrame]:
    return cast("list[FeatureFrame]", [SimpleNamespace(end_s=end_s) for end_s in ends_s])


def test_a_baseline_holds_from_the_frame_at_which_it_was_taken() -> None:
    scorer, told = new_scorer(), list[str]()
    replay = Replay(told.append)
    taken = baseline(scorer, 0.5)
    replay.take([noted(0.5, "baseline", None), noted(2.0, "baseline", taken.model_dump(mode="json"))])
    assert replay.begin(scorer, frames(1.0, 1.96, 2.0, 2.04)) == 2
    assert scorer.baseline is None
    assert replay.begin(scorer, frames(2.0, 2.04)) == 2
    assert scorer.baseline is not None
    assert scorer.baseline.mean == taken.mean
    assert told == ["baseline as recorded: 30 s of clean rest, eyes open"]


def test_the_baseline_that_a_recording_begins_with_holds_from_its_first_sample_and_pauses_do_too() -> None:
    scorer = new_scorer()
    replay = Replay(lambda _: None)
    replay.take([noted(0.5, "baseline", baseline(scorer).model_dump(mode="json")), noted(1.0, "paused", True)])
    assert replay.begin(scorer, frames(0.1, 0.9, 1.0)) == 2
    assert scorer.calibrated
    assert not scorer.paused
    assert replay.begin(scorer, frames(1.0)) == 1
    assert scorer.paused


def test_a_baseline_that_somebody_else_chose_stays_and_one_of_another_model_is_told() -> None:
    scorer, told = new_scorer(), list[str]()
    own = baseline(scorer, 0.1)
    scorer.use_baseline(own)
    replay = Replay(told.append)
    replay.take([noted(0.0, "baseline", baseline(scorer, 0.5).model_dump(mode="json"))])
    replay.begin(scorer, frames(1.0))
    assert scorer.baseline == own
    scorer = new_scorer()
    replay = Replay(told.append)
    replay.take([noted(0.0, "baseline", baseline(scorer, model_sha256="other").model_dump(mode="json"))])
    replay.begin(scorer, frames(1.0))
    assert scorer.baseline is None
    assert "another model than this one" in told[0]
