"""Who is scored by whom, where and how long is trained, and training that goes on where it was interrupted."""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from generated_people import generated_person

from bci.errors import ConfigError, ModelError
from feedback.cli.main import main
from inference.training import recipe
from inference.training.config import TrainingConfig, load_config
from inference.training.corpus import Person
from inference.training.device import Device, choose_device
from inference.training.evaluate import out_of_fold
from inference.training.fit import _rate, fit
from inference.training.folds import fit_folds, fold_of
from inference.training.holdout import evaluate_hold_out
from inference.training.kept import KeptFits
from inference.training.network import FocusNetwork, NetworkShape
from inference.training.tensorboard import loss_writer

TINY = TrainingConfig(
    people=8,
    folds=2,
    members=2,
    width=4,
    steps=5,
    table=1024,
    batch=32,
    baseline_s=20.0,
    baseline_starts_s=(0.0,),
)


@pytest.fixture(scope="module")
def corpus() -> list[Person]:
    return [generated_person(seed) for seed in range(8)]


def test_a_fold_for_each_person_scores_each_by_all_the_others(corpus: list[Person]) -> None:
    config = TINY.model_copy(update={"folds": len(corpus)})
    assert sorted(fold_of(len(corpus), config)) == list(range(len(corpus)))


def test_people_held_out_are_scored_and_nobody_else(corpus: list[Person]) -> None:
    held = [corpus[2].id, corpus[5].id]
    found = evaluate_hold_out(corpus, TINY, held)
    assert found.people == 2
    row = next(row for row in found.rows if row.reference == "baseline")
    assert {name.split()[0] for name in row.worst} == set(held)
    assert row.within.value > 0.8


def test_nothing_is_fitted_to_people_held_out(corpus: list[Person], tmp_path: Path) -> None:
    kept, held = KeptFits(tmp_path), [corpus[2].id, corpus[5].id]
    evaluate_hold_out(corpus, TINY, held, kept=kept)
    fits = set(tmp_path.iterdir())
    assert len(fits) == TINY.folds + 1
    stranger = generated_person(99, effect=0.0)
    people = [Person(one.id, stranger.rest, stranger.task) if one.id in held else one for one in corpus]
    found = evaluate_hold_out(people, TINY, held, kept=kept)
    assert set(tmp_path.iterdir()) == fits  # others held out: the very same fits
    assert 0.2 < found.rows[0].within.value < 0.8


def test_unknown_people_and_too_few_others_are_refused(corpus: list[Person]) -> None:
    with pytest.raises(ConfigError, match="Subject77 cannot be held out"):
        evaluate_hold_out(corpus, TINY, ["Subject77"])
    with pytest.raises(ConfigError, match="2 people are left"):
        evaluate_hold_out(corpus, TINY, [person.id for person in corpus[2:]])
    with pytest.raises(ConfigError, match="name at least two"):
        evaluate_hold_out(corpus, TINY, [corpus[0].id])


def test_training_goes_on_where_it_was_and_ends_with_the_same_weights(corpus: list[Person], tmp_path: Path) -> None:
    kept = KeptFits(tmp_path / "fits")
    whole = fit_folds(corpus, TINY)

    def stop(text: str, share: float) -> None:
        if text.startswith("fold 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_folds(corpus, TINY, stop, kept=kept)
    assert len(list(kept.folder.glob("*.pt"))) == 1
    steps: list[int] = []
    resumed = fit_folds(corpus, TINY, kept=kept, watch=lambda _name, step, _loss: steps.append(step))
    assert steps == list(range(1, TINY.steps + 1))  # only the second fold was fitted
    for one, other in zip(whole, resumed, strict=True):
        assert one.population == other.population
        ours, theirs = one.network.state_dict(), other.network.state_dict()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    a, b = (out_of_fold(corpus, TINY, fitted)["baseline", "8"].logit for fitted in (whole, resumed))
    np.testing.assert_array_equal(a, b)


def test_another_recipe_or_other_people_find_no_fit_of_the_old_ones(corpus: list[Person], tmp_path: Path) -> None:
    kept = KeptFits(tmp_path)
    fit_folds(corpus, TINY, kept=kept)
    learn = [person for person, fold in zip(corpus, fold_of(len(corpus), TINY), strict=True) if fold != 0]
    assert kept.find(learn, TINY, 1) is not None
    assert kept.find(learn, TINY, 2) is None
    assert kept.find(learn[1:], TINY, 1) is None
    assert kept.find(learn, TINY.model_copy(update={"noise": 0.2}), 1) is None
    mirrored = replace(learn[0].rest, positions_m=learn[0].rest.positions_m * np.float32([-1, 1, 1]))
    assert kept.find([replace(learn[0], rest=mirrored), *learn[1:]], TINY, 1) is None


@pytest.mark.parametrize("damage", ["cut short", "of another network", "of something else"])
def test_a_kept_fit_that_is_none_is_fitted_anew(corpus: list[Person], tmp_path: Path, damage: str) -> None:
    kept = KeptFits(tmp_path)
    fitted = fit_folds(corpus, TINY, kept=kept)[0]
    learn = [person for person, fold in zip(corpus, fold_of(len(corpus), TINY), strict=True) if fold != 0]
    if damage == "of another network":
        wide = FocusNetwork(NetworkShape(members=TINY.members, width=2 * TINY.width))
        kept.keep(replace(fitted, network=wide), learn, TINY, 1)
    else:
        for path in tmp_path.glob("*.pt"):
            if damage == "cut short":
                path.write_bytes(path.read_bytes()[:100])
            else:
                torch.save({"weights": [1.0]}, path)
    assert kept.find(learn, TINY, 1) is None
    kept.keep(fitted, learn, TINY, 1)
    assert kept.find(learn, TINY, 1) is not None


def test_people_can_be_listed_by_number(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    listed = TINY.model_copy(update={"people": (3, 5, 8)})
    path.write_text(listed.to_toml())
    assert load_config(path).numbers == (3, 5, 8)
    assert TINY.numbers == tuple(range(8))


def test_the_loss_of_each_fit_is_on_disk_for_tensorboard(corpus: list[Person], tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with loss_writer(tmp_path) as watch:
        fit_folds(corpus, TINY, watch=watch)
    logged = EventAccumulator(str(tmp_path))
    logged.Reload()
    assert set(logged.Tags()["scalars"]) == {"loss/fold 1 of 2", "loss/fold 2 of 2"}
    curve = logged.Scalars("loss/fold 2 of 2")
    assert [point.step for point in curve] == list(range(1, TINY.steps + 1))
    assert all(0.0 < point.value < 2.0 for point in curve)


def test_without_tensorboard_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.writer", None)
    with pytest.raises(ConfigError, match=r"pip install .*\[train\]"), loss_writer(tmp_path):
        pass


def test_early_stopping_takes_the_best_check_and_waits_no_longer_than_its_patience(corpus: list[Person]) -> None:
    config = TINY.model_copy(
        update={"stop_people": 2, "check_every": 2, "patience": 2, "steps": 400, "learning_rate": 0.3}
    )
    seen: list[int] = []
    fitted = fit(corpus, config, seed=1, watch=lambda step, _loss: seen.append(step))
    assert len(seen) < config.steps
    assert len(seen) == fitted.steps + config.patience * config.check_every


def test_the_rate_warms_up_and_decays_to_nothing() -> None:
    rates = [_rate(step, 100, 10) for step in range(100)]
    assert rates[:10] == pytest.approx([k / 10 for k in range(1, 11)])
    assert rates[10] == pytest.approx(1.0)
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert rates[-1] < 0.01


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_here_falls_back_in_words(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    used, told = choose_device(device)
    assert used == "cpu"
    assert told is not None
    assert told.startswith(f"--device {device}: ")


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_a_device_that_is_here_is_taken(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device(device) == (device, None)


def test_the_command_says_the_fallback_and_trains_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[TrainingConfig] = []

    def noted(config: TrainingConfig, **_options: object) -> Path:
        asked.append(config)
        return tmp_path

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(recipe, "train", noted)
    assert main(["train", "--device", "cuda", "--out", str(tmp_path)]) == 0
    assert asked[0].device == "cpu"
    said = capsys.readouterr()
    assert "training on the CPU" in said.err
    assert said.out.strip() == str(tmp_path)


def test_a_fit_that_the_disk_refuses_says_so_and_those_before_it_stay(
    corpus: list[Person], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = Path.write_bytes, []

    def fill_up(path: Path, content: bytes) -> int:
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(path)
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    with pytest.raises(ModelError, match=r"a fit cannot be kept \(No space left on device\)"):
        fit_folds(corpus, TINY, kept=KeptFits(tmp_path))
    assert [path.suffix for path in tmp_path.iterdir()] == [".pt"]
