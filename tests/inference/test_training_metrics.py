from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from inference.training.metrics import (
    Scores,
    auc,
    balanced_accuracy,
    calibration_error,
    causal_mean,
    class_weights,
    coverage,
    delivered,
    pooled_auc,
    pooled_figure,
    within_auc,
    within_figure,
)


def scores(probability: list[float], label: list[int], person: list[int]) -> Scores:
    return Scores(np.array(probability), np.array(label), np.array(person))


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.4, 0.5, 0.9]), st.booleans()), min_size=2))
def test_auc_is_the_one_of_scikit_learn(pairs: list[tuple[float, bool]]) -> None:
    values, task = np.array([value for value, _ in pairs]), np.array([one for _, one in pairs])
    if task.all() or not task.any():
        with pytest.raises(ValueError, match="no AUC"):
            auc(values, task)
    else:
        assert auc(values, task) == pytest.approx(roc_auc_score(task, values), abs=1e-12)


@pytest.mark.parametrize("values", [[], [np.nan, 0.5]])
def test_what_was_not_measured_has_no_auc(values: list[float]) -> None:
    with pytest.raises(ValueError, match="no AUC"):
        auc(np.array(values), np.arange(len(values)) > 0)


def test_within_looks_at_each_person_alone() -> None:
    both = scores([0.1, 0.2, 0.8, 0.9], [0, 1, 0, 1], [0, 0, 1, 1])
    assert within_auc(both) == 1.0
    assert pooled_auc(both) == 0.75


def test_abstaining_wins_nothing() -> None:
    sure = scores([0.1, 0.4, 0.6, 0.9], [0, 1, 0, 1], [0] * 4)
    shy = scores([0.1, np.nan, np.nan, 0.9], [0, 1, 0, 1], [0] * 4)
    silent = scores([np.nan] * 4, [0, 1, 0, 1], [0] * 4)
    assert coverage(shy) == 0.5
    assert pooled_auc(silent) == 0.5
    assert balanced_accuracy(silent) == 0.5
    assert balanced_accuracy(shy) == 0.75
    assert pooled_auc(sure) == 0.75


@given(st.lists(st.booleans(), min_size=4, max_size=40).filter(lambda labels: 0 < sum(labels) < len(labels)))
def test_class_weights_balance_the_classes(labels: list[bool]) -> None:
    label = np.array(labels, np.int64)
    weight = class_weights(label)
    assert weight[label == 1].sum() == pytest.approx(weight[label == 0].sum())
    assert weight.mean() == pytest.approx(1.0)


def test_calibration_error_is_zero_where_probabilities_hold_and_large_where_not() -> None:
    generator = np.random.default_rng(0)
    probability = generator.random(40_000)
    label = (generator.random(40_000) < probability).astype(np.int64)
    person = np.zeros(40_000, np.int64)
    assert calibration_error(Scores(probability, label, person)) < 0.02
    assert calibration_error(Scores(1 - probability, label, person)) > 0.3


def test_intervals_hold_their_figure() -> None:
    generator = np.random.default_rng(1)
    person = np.repeat(np.arange(10), 40)
    label = np.tile(np.repeat([0, 1], 20), 10)
    probability = np.clip(0.5 + 0.1 * (label - 0.5) + generator.normal(0, 0.1, 400), 0, 1)
    for figure in (pooled_figure, within_figure):
        found = figure(Scores(probability, label, person))
        assert 0.5 < found.low < found.value < found.high < 1.0


def test_causal_mean_looks_back_twenty_seconds_and_stays_in_its_recording() -> None:
    end_s = np.array([0.0, 10.0, 19.0, 30.0, 0.0])
    one = scores([0.0, 1.0, np.nan, 0.5, 0.25], [0, 0, 0, 0, 1], [0] * 5)
    steady = causal_mean(one, end_s).probability
    np.testing.assert_allclose(steady, [0.0, 0.5, np.nan, 0.5, 0.25])


def test_what_is_delivered_is_smoothed_as_the_service_does_and_begins_anew_after_a_gap() -> None:
    probability = [0.2, 0.8, 0.8, np.nan, 0.9, 0.1, 0.3]
    end_s = np.array([5.0, 5.5, 6.0, 6.5, 7.0, 5.0, 9.0])
    value = delivered(scores(probability, [0] * 5 + [1] * 2, [0] * 7), end_s, 0.5).probability
    kept = np.exp(-0.5)
    assert value[0] == 0.2
    assert value[1] == pytest.approx(0.8 - 0.6 * kept)
    assert value[2] == pytest.approx(0.8 - 0.6 * kept**2)
    assert np.isnan(value[3])
    assert value[4:].tolist() == [0.9, 0.1, 0.3]  # after a refusal, in another recording, after four seconds
