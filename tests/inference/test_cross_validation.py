"""The permutation test keeps its word, and the figures are those of the textbooks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from inference.personal.cross_validation import Windows, areas, fit, measure, out_of_fold, pair_means, sign_patterns


def made(
    generator: np.random.Generator, effect: float, pairs: int = 10, per_block: int = 6, features: int = 5
) -> Windows:
    """Blocks of windows that share what lasts for a block, with a drift over the session."""
    pair = np.repeat(np.arange(pairs), 2 * per_block)
    label = np.tile(np.repeat([1.0, -1.0], per_block), pairs)
    lasting = np.repeat(generator.normal(0, 1, (2 * pairs, features)), per_block, axis=0)
    values = lasting + generator.normal(0, 0.5, (len(pair), features)) + 0.3 * pair[:, None]
    values[:, 0] += effect * label
    return Windows(values, label, pair)


def test_a_p_value_below_five_percent_comes_in_five_percent_of_sessions_without_an_effect() -> None:
    generator = np.random.default_rng(3)
    p = np.array([measure(made(generator, 0.0, pairs=8)).p_value for _ in range(150)])
    assert (p <= 0.05).mean() <= 0.09  # 8 expected, 14 or more once in 50
    assert 0.4 < np.median(p) < 0.6


def test_an_effect_is_found_and_the_interval_holds_it() -> None:
    generator = np.random.default_rng(4)
    found = [measure(made(generator, 2.5)) for _ in range(40)]
    assert np.mean([one.p_value <= 0.01 for one in found]) >= 0.9
    for one in found:
        assert one.low <= one.auc <= one.high
    # What a session of this length gives on average lies in 95 % of the intervals, give or take.
    truth = np.mean([one.auc for one in found])
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.88


def test_perfect_reading_of_a_few_pairs_is_not_taken_for_certainty() -> None:
    drawn = made(np.random.default_rng(10), 0.0, pairs=8)
    found = measure(drawn.of(drawn.label[:, None] + 0.1 * np.random.default_rng(11).normal(size=(len(drawn.label), 1))))
    assert found.auc == 1.0
    assert 0.5 < found.low < 0.7  # 8 of 8: Clopper and Pearson give .63
    assert found.high == 1.0


@given(st.integers(2, 14))
def test_patterns_begin_with_the_truth_and_come_once_each_where_all_are_tried(pairs: int) -> None:
    patterns = sign_patterns(pairs, np.random.default_rng(0))
    assert (patterns[0] == 1.0).all()
    assert set(np.unique(patterns)) <= {-1.0, 1.0}
    if 2 ** (pairs - 1) == len(patterns):
        assert len(np.unique(patterns, axis=0)) == len(patterns)


def test_areas_are_those_of_scikit_learn() -> None:
    generator = np.random.default_rng(6)
    scores, labels = generator.normal(size=(4, 50)).round(1), generator.choice([-1.0, 1.0], (4, 50))
    expected = [roc_auc_score(label > 0, score) for label, score in zip(labels, scores, strict=True)]
    np.testing.assert_allclose(areas(scores, labels), expected)


def test_all_labels_changed_at_once_give_the_same_area() -> None:
    windows = made(np.random.default_rng(7), 0.4)
    both = np.stack([windows.label, -windows.label])
    same, other = areas(out_of_fold(windows, both), both)
    assert same == pytest.approx(other)


def test_a_pair_is_never_scored_by_a_head_that_saw_it() -> None:
    windows = made(np.random.default_rng(8), 1.0)
    changed = windows.label.copy()
    changed[windows.pair == 3] *= -1.0
    before, after = out_of_fold(windows, np.stack([windows.label, changed]))
    np.testing.assert_array_equal(before[windows.pair == 3], after[windows.pair == 3])
    assert not np.allclose(before[windows.pair == 4], after[windows.pair == 4])


def test_a_drift_over_minutes_is_not_learnt() -> None:
    generator = np.random.default_rng(9)
    windows = made(generator, 0.0)
    drifting = windows.of(np.column_stack([windows.features, 100.0 * windows.pair]))
    weights, _ = fit(drifting, windows.label[None])
    assert abs(weights[0, -1]) < 1e-9
    assert pair_means(drifting).shape == (10, 6)
