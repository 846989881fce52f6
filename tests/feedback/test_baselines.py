"""Baselines on disk: used by whom they belong to, and nobody stumbles over one that is damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from feedback.baselines import BaselineStore
from inference.baseline import Baseline, Owner

OWNER = Owner("anna", "Test Headset", ("Fz", "Cz"), "tiny@1.0.0", "a" * 64, bands=3)


def baseline(eyes: str = "open", **changes: object) -> Baseline:
    fields = {
        "participant": OWNER.participant,
        "device": OWNER.device,
        "labels": OWNER.labels,
        "model": OWNER.model,
        "model_sha256": OWNER.model_sha256,
        "eyes": eyes,
        "mean": ((-1.0, -2.0, -3.0),) * 2,
        "alpha_index": -1.5,
        "clean_s": 30.0,
        "taken_unix_s": 1.8e9,
    }
    return Baseline.model_validate({**fields, **changes})


def test_what_was_stored_is_found_again(tmp_path: Path) -> None:
    store = BaselineStore(tmp_path)
    store.save(baseline("closed"))
    store.save(baseline())
    assert store.find(OWNER) == (baseline(), None)
    assert store.find(replace(OWNER, participant="ben")) == (None, None)


def test_a_model_trained_anew_takes_no_old_baseline_and_says_so(tmp_path: Path) -> None:
    store = BaselineStore(tmp_path)
    store.save(baseline())
    found, note = store.find(replace(OWNER, model_sha256="b" * 64))
    assert found is None
    assert note is not None
    assert "trained anew" in note
    assert "calibrate again" in note


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe\x00", b'{"participant": "anna"}'])
def test_a_damaged_file_is_told_and_forgotten_with_the_rest(tmp_path: Path, damage: bytes) -> None:
    store = BaselineStore(tmp_path)
    store.save(baseline("closed"))
    next(tmp_path.glob("*.json")).write_bytes(damage)
    found, note = store.find(OWNER)
    assert found is None
    assert note is not None
    assert "cannot be read" in note
    store.save(baseline())
    store.save(baseline(participant="ben"))
    assert store.delete(OWNER) == 1
    assert len(list(tmp_path.iterdir())) == 1  # ben's
