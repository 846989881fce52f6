"""The linear paths are fitted to what holds for most people and lasts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from generated_people import generated_person

from inference.training.config import TrainingConfig
from inference.training.corpus import Person
from inference.training.evaluate import out_of_fold, report
from inference.training.fit import fit
from inference.training.folds import fit_folds
from inference.training.heads import HeadTable, contradicting

CONFIG = TrainingConfig(
    people=8, folds=4, members=1, width=4, steps=2, batch=64, baseline_s=20.0, baseline_starts_s=(0.0,), table=2048
)


def inverted(seed: int) -> Person:
    """Someone who does in the task what the others do at rest."""
    person = generated_person(seed, rest_s=60.0, task_s=60.0)
    return Person(f"inverted{seed}", person.task, person.rest)


def table(means: list[float], seed: int = 0) -> HeadTable:
    """One feature, two pieces; the task of each person is `mean` above the rest."""
    generator = np.random.default_rng(seed)
    person = np.tile(np.repeat(np.arange(len(means)), 40), 2)
    label = np.tile(np.repeat((0, 1), 20), 2 * len(means)).astype(np.float32)
    x = generator.normal(0.0, 0.3, (len(label), 1)) + (np.array(means)[person] * (label - 0.5))[:, None]
    return HeadTable(x, x, label, person, np.repeat((0, 1), len(label) // 2))


def found(means: list[float], counted: list[bool] | None = None, **changed: float) -> list[int]:
    who = np.array(counted or [True] * len(means))
    return np.flatnonzero(contradicting(table(means), who, CONFIG.model_copy(update=changed))).tolist()


def test_whoever_contradicts_the_others_is_found_and_nobody_else() -> None:
    assert found([1.0, 1.0, -1.0, 1.0, 0.5, 1.0, 1.0, 0.2]) == [2]
    assert found([1.0] * 8) == []


def test_where_too_many_contradict_those_who_do_most_are_found() -> None:
    assert found([1.0, -0.9, -1.5, 1.0, 1.0, 1.0, 1.0, 1.0, -1.2], set_aside=0.25) == [2, 8]
    assert found([1.0, -1.0, 1.0, 1.0], set_aside=0.0) == []


def test_whoever_is_not_trained_on_is_not_asked() -> None:
    means = [1.0, 1.0, -1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert found(means, [True, True, False, *[True] * 5]) == []


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_steadied_windows_keep_their_mean_and_lose_of_their_scatter(share: float) -> None:
    before = table([1.0, 2.0])
    after = before.steadied(share)
    for piece, person, label in np.ndindex(2, 2, 2):
        own = (before.piece == piece) & (before.person == person) & (before.label == label)
        assert after.summary[own].mean() == pytest.approx(before.summary[own].mean())
        assert after.moments[own].std() == pytest.approx((1.0 - share) * before.moments[own].std(), abs=1e-12)


def test_those_left_out_are_named_have_no_weight_and_are_scored_like_everybody() -> None:
    people = [*(generated_person(seed, rest_s=60.0, task_s=60.0) for seed in range(7)), inverted(7)]
    fitted = fit(people, CONFIG, seed=0, steps=2)
    assert fitted.aside == ("inverted7",)
    assert fit(people, CONFIG.model_copy(update={"set_aside": 0.0}), seed=0, steps=2).aside == ()
    row = report(people, out_of_fold(people, CONFIG, fit_folds(people, CONFIG))).rows[0]
    assert row.worst[0].startswith("inverted7 0.0")


def test_a_person_without_a_window_in_the_table_is_not_left_out() -> None:
    rows = table([1.0] * 5)
    few = replace(
        rows,
        **{name: getattr(rows, name)[rows.person != 3] for name in ("summary", "moments", "label", "person", "piece")},
    )
    assert not contradicting(few, np.ones(5, np.bool_), CONFIG).any()
