"""Labels that mean nothing teach nothing, and the same fit to true labels does."""

from __future__ import annotations

import numpy as np
import torch
from generated_people import generated_person

from inference.training.config import TrainingConfig
from inference.training.corpus import Person
from inference.training.fit import Fitted
from inference.training.folds import fit_folds, fold_of
from inference.training.label_null import DRAWS, fits_to_shuffled_labels
from inference.training.windows import baseline_windows, join

CONFIG = TrainingConfig(
    people=12,
    folds=2,
    members=1,
    width=4,
    steps=2,
    batch=64,
    baseline_s=20.0,
    baseline_starts_s=(0.0,),
    table=1024,
)


def auc(fitted: Fitted, people: list[Person]) -> float:
    windows = join(
        [part for i, person in enumerate(people) for part in baseline_windows(person, i, length_s=20.0, step=20)]
    )
    batch = windows.take(np.arange(len(windows)))
    with torch.no_grad():
        logit = fitted.network(batch.x, batch.position_m, batch.mask)[0].numpy()
    rest, task = logit[windows.label == 0], logit[windows.label == 1]
    return float((task[:, None] > rest).mean())


def test_swapped_for_half_of_the_people_labels_teach_nothing_that_true_ones_do() -> None:
    people = [generated_person(seed) for seed in range(12)]
    fitted = fit_folds(people, CONFIG)
    folds = fold_of(len(people), CONFIG)
    strangers = [[person for person, own in zip(people, folds, strict=True) if own == fold] for fold in range(2)]
    true = [auc(one, own) for one, own in zip(fitted, strangers, strict=True)]
    assert min(true) > 0.9
    draws = fits_to_shuffled_labels(people, CONFIG, fitted)
    shuffled = [[auc(one, own) for one, own in zip(draw, strangers, strict=True)] for draw in draws]
    assert len(shuffled) == DRAWS
    assert 0.3 < np.mean(shuffled) < 0.7
    assert np.std(shuffled) > 0.01  # each was fitted to other labels
