from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from generated_people import generated_person, generated_series

from bci.errors import ConfigError, ModelError
from inference.bundle import DEFAULT_MODEL, find_model, load_bundle
from inference.session import FocusSession
from inference.training.config import TrainingConfig, load_config
from inference.training.corpus import Person
from inference.training.evaluate import out_of_fold, report
from inference.training.fit import fit
from inference.training.folds import fit_folds, fold_of
from inference.training.recipe import train, train_on
from inference.training.response import mean_curve, response_time_s, t63
from inference.training.windows import WINDOW_HOPS, baseline_windows, join, population_mean, running_windows

TINY = TrainingConfig(
    people=6,
    folds=2,
    members=2,
    width=4,
    steps=30,
    check_every=10,
    stop_people=1,
    batch=64,
    baseline_s=20.0,
    baseline_starts_s=(0.0,),
    table=1024,
    response_people=2,
)


@pytest.fixture(scope="module")
def corpus() -> list:
    return [generated_person(seed) for seed in range(6)]


def test_people_who_can_be_read_are_read_without_having_been_seen(corpus: list) -> None:
    table = report(corpus, out_of_fold(corpus, TINY, fit_folds(corpus, TINY)))
    against_rest = {row.montage: row for row in table.rows if row.reference == "baseline"}
    assert against_rest["8"].pooled.value > 0.9
    assert against_rest["4"].within.value > 0.85
    assert against_rest["8"].steady_pooled.value >= against_rest["8"].pooled.value
    assert against_rest["8"].coverage > 0.9
    assert abs(table.shuffled_auc.value - 0.5) < 0.15


def test_people_who_cannot_be_read_are_not() -> None:
    people = [generated_person(seed, effect=0.0) for seed in range(10, 16)]
    table = report(people, out_of_fold(people, TINY, fit_folds(people, TINY)))
    whole = next(row for row in table.rows if row.reference == "baseline" and row.montage == "8")
    assert 0.3 < whole.within.value < 0.7


def test_training_from_a_seed_gives_the_same_weights(corpus: list) -> None:
    one, other = (fit(corpus, TINY, seed=3, steps=5).network.state_dict() for _ in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_train_writes_a_model_that_loads_and_falls_with_alpha(corpus: list, tmp_path: Path) -> None:
    told: list[float] = []
    folder = train_on(corpus, TINY, out=tmp_path, progress=lambda _text, share: told.append(share))
    session = FocusSession(load_bundle(folder))
    card = session.bundle.card

    def logit(alpha: float) -> float:
        x, position, mask = session.inputs(1, 8)
        x[:], position[:], mask[:] = 0.0, corpus[0].rest.positions_m, False
        x[..., 2:4] = alpha
        return float(session.run(x, position, mask).logit[0])

    assert logit(0.5) < logit(0.0) < logit(-0.5)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(card.normalisation.population) == 8
    assert list(card.confidence.accuracy) == sorted(card.confidence.accuracy)
    assert 0.5 <= card.confidence.accuracy[0] <= card.confidence.accuracy[-1] < 1.0
    assert 0.0 < card.response_s < 25.0
    assert card.metrics["rest_20s_8ch"]["coverage"] > 0.9


def test_early_stopping_keeps_an_early_step_where_there_is_nothing_to_learn() -> None:
    people = [generated_person(seed, effect=0.0) for seed in range(20, 24)]
    eager = TINY.model_copy(update={"learning_rate": 0.1, "steps": 100, "patience": 2})
    assert 0 < fit(people, eager, seed=0).steps < 60


def test_response_time_is_the_time_to_63_percent_of_the_mean_curve() -> None:
    time_s = np.arange(1875) * 0.04
    rise = np.where(time_s < 50.0, 0.2, 0.2 + 0.6 * (1.0 - np.exp(-(time_s - 50.0) / 2.5)))
    curves = np.array([rise + 0.05, rise - 0.05])
    curves[0, :300] = np.nan
    assert t63(mean_curve(curves)) == pytest.approx(2.5, abs=0.1)


def test_a_model_that_scores_nobody_has_no_response_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.training.response.value_curve", lambda *_: np.full(1875, np.nan))
    with pytest.raises(ModelError, match="none of 2 simulated people a score"):
        response_time_s(FocusSession(find_model(DEFAULT_MODEL)), 2)


def test_no_window_touches_the_baseline_stretch() -> None:
    person = generated_person(0)
    rest, task = baseline_windows(person, 0, start_s=20.0, length_s=20.0, step=1)
    assert not ((rest.end >= 200) & (rest.end - WINDOW_HOPS + 1 < 400)).any()
    assert rest.end.min() == WINDOW_HOPS - 1
    assert len(task) == len(person.task) - WINDOW_HOPS + 1
    np.testing.assert_allclose(rest.reference[0], person.rest.relative[200:400].mean(0), atol=1e-5)


def test_running_windows_look_at_the_past_only() -> None:
    person = generated_person(0)
    usual = population_mean([person])
    whole = running_windows(person, 0, usual, step=1)[0]
    rest = person.rest
    cut = replace(rest, relative=rest.relative[:300], usable=rest.usable[:300], flags=rest.flags[:300])
    short = replace(person, rest=cut)
    part = running_windows(short, 0, usual, step=1)[0]
    np.testing.assert_array_equal(part.reference, whole.reference[: len(part)])


def test_recordings_with_fewer_electrodes_are_filled_with_masked_ones() -> None:
    few = generated_series(np.random.default_rng(0), np.zeros((8, 8)), 0.0, seconds=40, channels=3)
    both = join(
        [
            *baseline_windows(generated_person(1), 0, length_s=20, step=9),
            *baseline_windows(Person("few", few, few), 1, length_s=20, step=9),
        ]
    )
    batch = both.take(np.flatnonzero(both.person == 1))
    assert batch.mask[:, 3:].all()
    assert not batch.mask[:, :3].any()
    assert (batch.x[:, 3:] == 0).all()


def test_folds_hold_whole_people_of_nearly_equal_number() -> None:
    assert np.bincount(fold_of(24, TrainingConfig(folds=6))).tolist() == [4] * 6
    assert np.bincount(fold_of(7, TrainingConfig(folds=3))).tolist() == [3, 2, 2]
    assert sorted(fold_of(5, TrainingConfig()).tolist()) == [0, 1, 2, 3, 4]
    with pytest.raises(ConfigError, match="needs others that the network is fitted to"):
        fold_of(1, TrainingConfig())


def test_a_rest_too_short_for_its_baseline_is_refused() -> None:
    with pytest.raises(ConfigError, match="20 s of rest, need more than"):
        baseline_windows(generated_person(0, rest_s=20.0), 0, length_s=20.0, step=1)


def test_absent_data_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no EEGMAT recordings"):
        train(data=tmp_path, out=tmp_path)


def test_a_recipe_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("learning_speed = 3\n")
    with pytest.raises(ConfigError, match=r"learning_speed.*known are.*learning_rate"):
        load_config(path)
