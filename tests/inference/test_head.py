"""The head against scikit-learn, and the laws of its parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from inference.head import RIDGE, auc_many, fit_many, out_of_fold, regress_out, spatial_basis


def made(seed: int = 3, n: int = 160, d: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n, d))
    labels = (rng.random((5, n)) < 1 / (1 + np.exp(-features[:, 0]))).astype(float)
    return features, labels


def test_each_labelling_gets_the_fit_that_scikit_learn_gives() -> None:
    features, labels = made()
    weights, intercept = fit_many(features, labels)
    for row, label in enumerate(labels):
        other = LogisticRegression(C=1.0 / (RIDGE * len(features)), tol=1e-10).fit(features, label)
        np.testing.assert_allclose(weights[row], other.coef_[0], atol=1e-4)
        assert intercept[row] == pytest.approx(other.intercept_[0], abs=1e-3)


def test_auc_is_that_of_scikit_learn_with_ties() -> None:
    features, labels = made()
    scores = np.round(features[:, :5].T, 1)
    assert auc_many(scores, labels) == pytest.approx(
        [roc_auc_score(label, score) for label, score in zip(labels, scores, strict=True)]
    )


@given(st.integers(0, 1000))
def test_a_mirrored_labelling_has_the_same_auc(seed: int) -> None:
    features, labels = made(seed, n=60)
    pair = np.repeat(np.arange(6), 10)
    both = np.stack([labels[0], 1.0 - labels[0]])
    if not 0.0 < labels[0].mean() < 1.0:
        return
    scores = out_of_fold(features, both, pair)
    one, other = auc_many(scores, both)
    assert one == pytest.approx(other, abs=1e-6)


def test_no_window_is_scored_by_a_head_that_saw_its_pair() -> None:
    features, labels = made(n=120)
    pair = np.repeat(np.arange(6), 20)
    before = out_of_fold(features, labels, pair)
    changed = labels.copy()
    changed[:, pair == 2] = 1.0 - changed[:, pair == 2]
    after = out_of_fold(features, changed, pair)
    np.testing.assert_array_equal(before[:, pair == 2], after[:, pair == 2])
    assert not np.allclose(before[:, pair != 2], after[:, pair != 2])


def test_what_a_nuisance_explains_is_gone() -> None:
    rng = np.random.default_rng(1)
    nuisance = rng.standard_normal((400, 2))
    brain = rng.standard_normal((400, 3))
    mixed = brain + nuisance @ rng.standard_normal((2, 3))
    left = regress_out(mixed, nuisance, np.arange(400) < 300)
    for column in range(3):
        assert abs(np.corrcoef(left[300:, column], nuisance[300:, 0])[0, 1]) < 0.2
        assert np.corrcoef(left[300:, column], brain[300:, column])[0, 1] > 0.95


@pytest.mark.parametrize(("channels", "rank"), [(1, 1), (2, 2), (4, 3), (19, 3)])
def test_bands_are_reduced_to_mean_and_slopes(channels: int, rank: int) -> None:
    places = np.random.default_rng(0).normal(scale=0.07, size=(channels, 3)).astype(np.float32)
    basis = spatial_basis(places)
    assert basis.shape == (rank, channels)
    np.testing.assert_allclose(basis @ basis.T, np.eye(rank), atol=1e-9)
    np.testing.assert_allclose(np.abs(basis[0]), 1.0 / np.sqrt(channels), atol=1e-9)
