"""A model that knows what it must not is not exported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from generated_people import generated_person, generated_series

from bci.errors import ConfigError, ModelError
from inference.bundle import load_bundle
from inference.training.config import TrainingConfig
from inference.training.corpus import Person
from inference.training.folds import fit_folds
from inference.training.metrics import Null, failed, not_asked
from inference.training.nulls import nulls_of
from inference.training.recipe import train_on

CONFIG = TrainingConfig(
    people=6,
    folds=2,
    members=1,
    width=4,
    steps=2,
    stop_people=0,
    batch=64,
    baseline_s=20.0,
    baseline_starts_s=(0.0,),
    table=512,
    response_people=1,
)


def drifting(seed: int) -> Person:
    """Someone whose alpha falls from the first to the last third of rest, as much as it falls in the task."""
    generator = np.random.default_rng(seed)
    habit = generator.normal(0, 0.7, (1, 8)) + generator.normal(0, 0.2, (8, 8))
    parts = [generated_series(generator, habit, alpha, seconds=20.0) for alpha in (0.0, -0.8, -1.6)]
    rest = replace(
        parts[0],
        relative=np.concatenate([part.relative for part in parts]),
        usable=np.concatenate([part.usable for part in parts]),
        flags=np.concatenate([part.flags for part in parts]),
    )
    return Person(f"drifting{seed}", rest, generated_series(generator, habit, -1.6, seconds=30.0))


@pytest.mark.parametrize(
    ("value", "low", "high", "passed", "gate"),
    [
        (0.5, 0.42, 0.58, True, "0.42 to 0.58"),
        (0.6, 0.42, 0.58, False, "0.42 to 0.58"),
        (0.7, 0.75, None, False, "at least 0.75"),
        (0.01, None, 0.03, True, "at most 0.03"),
        (0.9, None, None, None, ""),
        (float("nan"), None, 0.6, None, "at most 0.6"),
    ],
)
def test_a_null_passes_inside_its_gate(
    value: float, low: float | None, high: float | None, passed: bool | None, gate: str
) -> None:
    null = Null("name", "question", value, low, high)
    assert null.passed is passed
    assert null.gate == gate
    assert failed([null]) == ([null] if passed is False else [])
    assert not_asked([null]) == ([null] if null.answer == "not asked" else [])


def test_people_who_only_follow_the_task_pass() -> None:
    people = [generated_person(seed, rest_s=120.0, task_s=60.0) for seed in range(6)]
    found = {null.name: null for null in nulls_of(people, CONFIG, fit_folds(people, CONFIG), None)}
    assert {"drift", "same condition", "swap", "channels shuffled in time"} <= found.keys()
    assert found["swap"].passed
    assert found["drift"].passed
    assert found["channels shuffled in time"].passed


def test_tasks_too_short_to_ask_what_gates_are_refused() -> None:
    people = [generated_person(seed, rest_s=120.0, task_s=18.0) for seed in range(6)]
    with pytest.raises(ConfigError, match=r"too short to ask for swap: .* \(25 s\); record more"):
        nulls_of(people, CONFIG, fit_folds(people, CONFIG), None)


def test_what_cannot_be_asked_is_said_on_the_card(tmp_path: Path) -> None:
    people = [generated_person(seed, rest_s=120.0, task_s=60.0) for seed in range(6)]
    for name in ("muse-biohack", "openbci-luab"):
        (tmp_path / "data" / name).mkdir(parents=True)  # as where a download was broken off
    folder = train_on(people, CONFIG, out=tmp_path / "out", others=tmp_path / "data")
    card = (folder / "CARD.md").read_text("utf-8")
    assert (
        "It passes every gate that was asked. **Not asked, as their recordings were not there: eyes: open, open" in card
    )
    assert "| not asked | at most 0.5 |" in card
    assert "eyes_open_open" not in load_bundle(folder).card.metrics["nulls"]


def test_a_model_that_follows_drift_is_not_exported_without_force(tmp_path: Path) -> None:
    people = [drifting(seed) for seed in range(6)]
    with pytest.raises(ModelError, match=r"drift: first against last third of rest, AUC is 0\.[789].*--force"):
        train_on(people, CONFIG, out=tmp_path)
    assert not list(tmp_path.iterdir())
    folder = train_on(people, CONFIG, out=tmp_path, force=True)
    assert load_bundle(folder).card.metrics["nulls"]["drift"] > 0.7
    assert "It fails drift" in (folder / "CARD.md").read_text("utf-8")
