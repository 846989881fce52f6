"""The linear paths, fitted to their optimum: logistic regression with ridge, one for each member's bag of people.

Two things keep them to what holds for most people and lasts. Whoever contradicts the others has no weight: in some
people alpha rises in the task, and a fit that has to please them, too, reads everybody worse. And each window is drawn
towards the mean of others of the same person and condition: what a client gets is smoothed, so the paths are to tell
conditions apart rather than single windows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import nn

from inference.training.config import TrainingConfig
from inference.training.network import FocusNetwork
from inference.training.windows import Batch

_COIN = math.log(0.5)
"""Mean log likelihood of labels that a coin is tossed for."""

_ROUNDS = 6
"""Of fitting and looking who contradicts; with the people of EEGMAT nothing changes after the second."""

Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HeadTable:
    """Windows as the two linear heads take them.

    Parameters
    ----------
    summary, moments
        float64 (n, features), scaled.
    label
        float32 (n,).
    person
        int64 (n,).
    piece
        int64 (n,): number of the batch; the windows of one are of one montage.
    """

    summary: Rows
    moments: Rows
    label: NDArray[np.float32]
    person: NDArray[np.int64]
    piece: NDArray[np.int64]

    def steadied(self, share: float) -> HeadTable:
        """Draw each window by `share` towards the mean of those of its person, condition and piece."""
        people = int(self.person.max()) + 1
        cells = (self.piece * people + self.person) * 2 + self.label.astype(np.int64)
        _, cell, count = np.unique(cells, return_inverse=True, return_counts=True)

        def drawn(rows: Rows) -> Rows:
            sums = np.zeros((len(count), rows.shape[1]))
            np.add.at(sums, cell, rows)
            return (1.0 - share) * rows + share * (sums / count[:, None])[cell]

        return replace(self, summary=drawn(self.summary), moments=drawn(self.moments))


@torch.no_grad()
def head_table(network: FocusNetwork, batches: Sequence[Batch]) -> HeadTable:
    """Follow windows, in which people and conditions are equally frequent, up to the heads; the scales are set."""
    parts = [network.paths(batch.x, batch.position_m, batch.mask) for batch in batches]
    return HeadTable(
        torch.cat([network.scaled_summary(part) for part in parts]).double().cpu().numpy(),
        torch.cat([network.scaled_moments(part) for part in parts]).double().cpu().numpy(),
        torch.cat([batch.label for batch in batches]).cpu().numpy(),
        torch.cat([batch.person for batch in batches]).cpu().numpy(),
        np.repeat(np.arange(len(batches)), [len(batch.label) for batch in batches]),
    )


def contradicting(table: HeadTable, counted: NDArray[np.bool_], config: TrainingConfig) -> NDArray[np.bool_]:
    """Find the people whose labels a coin would tell better than the paths that are fitted to the others.

    Parameters
    ----------
    table
        Windows, not steadied.
    counted
        bool (people,): who is trained on at all.
    config
        Its `set_aside` is the largest share of them who can be found: where more contradict, it is not they who are
        odd.

    Returns
    -------
    bool (people,); those who contradict most come first where there are too many.
    """
    most = int(config.set_aside * counted.sum())
    aside = np.zeros(len(counted), np.bool_)
    for _ in range(_ROUNDS if most else 0):
        weight = (counted & ~aside)[table.person].astype(np.float64)
        logit = np.mean(
            [_logistic(x, table.label, weight, ridge).decision_function(x) for x, ridge in _ways(table, config)], axis=0
        )
        right = -np.logaddexp(0.0, np.where(table.label == 1, -logit, logit))
        mean = np.full(len(counted), _COIN)
        for person in np.flatnonzero(counted):
            own = table.person == person
            mean[person] = right[own].mean() if own.any() else _COIN
        worst = np.argsort(mean, kind="stable")[:most]
        found = np.isin(np.arange(len(counted)), worst) & (mean < _COIN)
        if (found == aside).all():
            break
        aside = found
    return aside


@torch.no_grad()
def fit_heads(network: FocusNetwork, table: HeadTable, bags: NDArray[np.float32], config: TrainingConfig) -> None:
    """Fit `summary_head` and `moment_head` of every member.

    Gradient descent in few steps does not get there: the bands go together so closely that what tells the conditions
    apart lies along directions of little variance (AdamW, 200 steps: .80; the optimum: .85, AUC pooled).

    Parameters
    ----------
    network
        Its two linear heads are written.
    table
        From `head_table` of this network.
    bags
        (people, members): weight of each person.
    config
        Its ridges, half the squared norm of the standardised weights, times these, are added to the mean loss; and by
        how much windows are steadied.
    """
    heads: tuple[nn.Linear, nn.Linear] = (network.summary_head, network.moment_head)
    for head, (x, ridge) in zip(heads, _ways(table.steadied(config.steadied), config), strict=True):
        for member in range(bags.shape[1]):
            model = _logistic(x, table.label, bags[table.person, member].astype(np.float64), ridge)
            head.weight[member] = torch.from_numpy(model.coef_[0])
            head.bias[member] = float(np.ravel(model.intercept_)[0])


def _ways(table: HeadTable, config: TrainingConfig) -> tuple[tuple[Rows, float], tuple[Rows, float]]:
    return (table.summary, config.summary_l2), (table.moments, config.moment_l2)


def _logistic(x: Rows, label: NDArray[np.float32], weight: Rows, ridge: float) -> LogisticRegression:
    model = LogisticRegression(C=1.0 / (ridge * weight.sum()), solver="newton-cholesky", tol=1e-6)
    return model.fit(x, label, sample_weight=weight)
