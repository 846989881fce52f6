"""Calibration of the network's logit, and what its error would be by chance."""

from __future__ import annotations

import numpy as np
import pytest

from inference.training.calibration import cross_calibrated, error_by_chance, fit_calibrations
from inference.training.evaluate import OutOfFold, Predictions
from inference.training.metrics import Scores, calibration_error


def said(scale: float, *, people: int = 24, differ: float = 0.0, seed: int = 0) -> Predictions:
    """Logits of which `scale * logit` is the true one; each person's are shifted by a normal variable."""
    generator = np.random.default_rng(seed)
    label = np.tile(np.repeat((0, 1), 200), people)
    person = np.repeat(np.arange(people), 400)
    true = generator.normal(np.where(label == 1, 0.5, -0.5), 1.0)  # two normals of variance 1, one logit apart
    logit = (true + differ * generator.normal(0.0, 1.0, people)[person]) / scale
    n = len(label)
    return Predictions(logit, np.zeros(n), np.ones(n), np.zeros(n, bool), label, person, person % 6, np.zeros(n))


def test_each_reference_has_a_calibration_of_its_own() -> None:
    found: OutOfFold = {("baseline", "19"): said(1.0), ("none", "19"): said(0.25), ("none", "4"): said(0.25, seed=1)}
    fits = fit_calibrations(found)
    assert fits["baseline"] == pytest.approx((1.0, 0.0), abs=0.06)
    assert fits["none"] == pytest.approx((0.25, 0.0), abs=0.06)
    for scores in cross_calibrated(found, {"baseline": 9.0, "none": 9.0}).values():
        assert calibration_error(scores) < 0.03


def test_the_fold_that_is_calibrated_has_no_say_in_it() -> None:
    whole = said(1.0)
    label = np.where(whole.fold == 2, 1 - whole.label, whole.label)
    turned = Predictions(
        whole.logit, whole.spread, whole.ood, whole.refused, label, whole.person, whole.fold, whole.end_s
    )
    one, other = (
        cross_calibrated({("baseline", "19"): each}, {"baseline": 9.0})["baseline", "19"] for each in (whole, turned)
    )
    own = whole.fold == 2
    assert one.probability[own].tolist() == other.probability[own].tolist()
    assert one.probability[~own].tolist() != other.probability[~own].tolist()


def test_a_calibrated_score_has_the_error_of_chance_and_an_overconfident_one_more() -> None:
    inside = []
    for seed in range(10):
        one = said(1.0, differ=0.8, seed=seed)
        # the calibration that is right over many people
        fits = fit_calibrations({("baseline", "19"): said(1.0, people=600, differ=0.8, seed=1000 + seed)})
        scale, shift = fits["baseline"]
        right = Scores(1.0 / (1.0 + np.exp(-scale * one.logit - shift)), one.label, one.person)
        chance = error_by_chance(right, draws=60)
        assert chance.low < chance.value < chance.high
        inside.append(calibration_error(right) <= chance.high)
        wrong = Scores(1.0 / (1.0 + np.exp(-4.0 * scale * one.logit - shift)), one.label, one.person)
        assert calibration_error(wrong) > error_by_chance(wrong, draws=60).high
    assert sum(inside) >= 8


def test_the_error_of_chance_falls_with_the_number_of_people() -> None:
    def by_chance(people: int) -> float:
        one = said(1.0, people=people, differ=0.8)
        return error_by_chance(Scores(1.0 / (1.0 + np.exp(-one.logit)), one.label, one.person), draws=40).value

    assert by_chance(96) < 0.75 * by_chance(12)


def test_whoever_was_scored_in_one_condition_only_is_left_out_of_the_error_of_chance() -> None:
    one = said(1.0, people=5, differ=0.8)
    probability = 1.0 / (1.0 + np.exp(-one.logit))
    gone = np.where((one.person == 4) & (one.label == 1), np.nan, probability)
    four = one.person < 4
    assert error_by_chance(Scores(gone, one.label, one.person), draws=20) == error_by_chance(
        Scores(probability[four], one.label[four], one.person[four]), draws=20
    )
    alone = one.person == 0
    assert np.isnan(error_by_chance(Scores(probability[alone], one.label[alone], one.person[alone])).value)
