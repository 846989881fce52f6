"""Calibration of the network's logit, and what its error would be by chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference.bundle import Calibration, PlattScaling
from inference.training.calibration import (
    calibrated_by,
    cross_calibrated,
    error_by_chance,
    fit_calibrations,
    smoothed,
)
from inference.training.evaluate import OutOfFold, Predictions
from inference.training.metrics import Scores, calibration_error, delivered, pooled_auc


def said(scale: float, *, people: int = 24, differ: float = 0.0, electrodes: int = 19, seed: int = 0) -> Predictions:
    """Logits of which `scale * logit` is the true one; each person's are shifted by a normal variable.

    Windows come too far apart to be smoothed: `value` is `raw`.
    """
    generator = np.random.default_rng(seed)
    label = np.tile(np.repeat((0, 1), 200), people)
    person = np.repeat(np.arange(people), 400)
    true = generator.normal(np.where(label == 1, 0.5, -0.5), 1.0)  # two normals of variance 1, one logit apart
    logit = (true + differ * generator.normal(0.0, 1.0, people)[person]) / scale
    n = len(label)
    end_s = np.tile(np.arange(400.0), people)
    return Predictions(
        logit,
        np.zeros(n),
        np.ones(n),
        np.zeros(n, bool),
        label,
        person,
        person % 6,
        end_s,
        np.full(n, electrodes),
    )


def calibration(one: Predictions) -> PlattScaling:
    return fit_calibrations({("baseline", "19"): one})["baseline"]


def test_each_reference_has_a_calibration_of_its_own() -> None:
    found: OutOfFold = {
        ("baseline", "19"): said(1.0),
        ("none", "19"): said(0.25),
        ("none", "19 again"): said(0.25, seed=1),
    }
    fits = fit_calibrations(found)
    assert fits["baseline"].at(19) == pytest.approx((1.0, 0.0), abs=0.06)
    assert fits["none"].at(19) == pytest.approx((0.25, 0.0), abs=0.06)
    for one in cross_calibrated(found).values():
        assert calibration_error(one.scores) < 0.03


def test_what_a_logit_is_worth_may_go_with_the_number_of_electrodes() -> None:
    four = replace(said(0.5, electrodes=4, seed=1), fold=np.arange(24).repeat(400) % 6)
    off = replace(four, logit=four.logit + 1.0)
    found: OutOfFold = {("baseline", "19"): said(1.0), ("baseline", "4"): off}
    fit = fit_calibrations(found)["baseline"]
    assert fit.at(19) == pytest.approx((1.0, 0.0), abs=0.06)
    assert fit.at(4) == pytest.approx((0.5, -0.5), abs=0.06)
    assert (fit.fewest, fit.most) == (4, 19)
    for one in cross_calibrated(found).values():
        assert calibration_error(one.scores) < 0.03


def test_logits_without_a_mistake_still_have_a_calibration_that_a_model_may_carry() -> None:
    nineteen, four = said(1.0), said(1.0, electrodes=4)
    right, wrong = (np.where(one.label == 1, 40.0, -40.0) for one in (nineteen, four))
    found: OutOfFold = {
        ("baseline", "19"): replace(nineteen, logit=right),
        ("baseline", "4"): replace(four, logit=-0.001 * wrong),
    }
    fit = fit_calibrations(found)["baseline"]
    Calibration(scale_slope=fit.scale_slope, shift_slope=fit.shift_slope, fewest=fit.fewest, most=fit.most)
    assert all(np.isfinite(fit.at(electrodes)).all() for electrodes in (1, 4, 9, 19, 256))


def test_with_one_number_of_electrodes_nothing_goes_with_it() -> None:
    fit = calibration(said(0.5))
    assert (fit.scale_slope, fit.shift_slope) == (0.0, 0.0)
    assert fit.at(4) == fit.at(64)


def test_what_is_calibrated_is_what_a_client_gets() -> None:
    whole = said(1.0)
    often = replace(whole, end_s=whole.end_s * 0.5)  # two a second: smoothed
    of_value, of_raw = (calibrated_by(often, calibration(one), 9.0) for one in (often, whole))
    assert calibration_error(of_raw.scores) < 0.03
    assert calibration_error(of_value.value(of_value.scores)) < 0.5 * calibration_error(of_raw.value(of_raw.scores))


def test_a_run_is_smoothed_in_the_fit_as_the_service_smooths_it() -> None:
    probability = np.random.default_rng(0).random(50)
    scores = Scores(probability, np.zeros(50, np.int64), np.zeros(50, np.int64))
    np.testing.assert_allclose(smoothed(probability), delivered(scores, np.arange(50) * 0.5, 0.5).probability)


def test_the_fold_that_is_calibrated_has_no_say_in_it() -> None:
    whole = said(1.0)
    turned = replace(whole, label=np.where(whole.fold == 2, 1 - whole.label, whole.label))
    one, other = (cross_calibrated({("baseline", "19"): each})["baseline", "19"] for each in (whole, turned))
    own = whole.fold == 2
    assert one.scores.probability[own].tolist() == other.scores.probability[own].tolist()
    assert one.scores.probability[~own].tolist() != other.scores.probability[~own].tolist()


def test_alike_calibrated_scores_keep_the_order_of_the_logits_and_those_by_the_others_do_not() -> None:
    whole = said(1.0, people=6, differ=2.0)
    (one,) = cross_calibrated({("baseline", "19"): whole}).values()
    order = np.argsort(whole.logit)
    assert (np.diff(one.alike.probability[order]) >= 0.0).all()
    assert pooled_auc(one.scores) < pooled_auc(one.alike)


def test_a_calibrated_score_has_the_error_of_chance_and_an_overconfident_one_more() -> None:
    inside = []
    for seed in range(10):
        one = said(1.0, differ=0.8, seed=seed)
        # the calibration that is right over many people
        scale, shift = calibration(said(1.0, people=600, differ=0.8, seed=1000 + seed)).at(19)
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


def test_a_fold_has_no_say_in_what_counts_as_usual() -> None:
    whole = said(1.0)
    odd = replace(whole, ood=np.where(whole.fold == 2, 100.0, whole.ood))
    (one,) = cross_calibrated({("baseline", "19"): odd}).values()
    assert np.isnan(one.scores.probability).tolist() == (whole.fold == 2).tolist()
