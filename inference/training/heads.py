"""The linear paths, fitted to their optimum: logistic regression with ridge, one for each member's bag of people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from inference.training.network import FocusNetwork
from inference.training.windows import Batch


@torch.no_grad()
def fit_heads(
    network: FocusNetwork, table: Sequence[Batch], bags: NDArray[np.float32], *, summary_l2: float, moment_l2: float
) -> None:
    """Fit `summary_head` and `moment_head` of every member.

    Gradient descent in few steps does not get there: the bands go together so closely that what tells the conditions
    apart lies along directions of little variance (AdamW, 200 steps: .80; the optimum: .85, AUC pooled).

    Parameters
    ----------
    network
        Its scales are set; its two linear heads are written.
    table
        Windows in which people and conditions are equally frequent.
    bags
        (people, members): weight of each person.
    summary_l2, moment_l2
        Ridge: half the squared norm of the standardised weights, times this, is added to the mean loss.
    """
    parts = [network.paths(batch.x, batch.position_m, batch.mask) for batch in table]
    label = torch.cat([batch.label for batch in table]).cpu().numpy()
    person = torch.cat([batch.person for batch in table]).cpu().numpy()
    features = {
        "summary": torch.cat([network.scaled_summary(part) for part in parts]),
        "moment": torch.cat([network.scaled_moments(part) for part in parts]),
    }
    for name, head, ridge in (
        ("summary", network.summary_head, summary_l2),
        ("moment", network.moment_head, moment_l2),
    ):
        x = features[name].double().cpu().numpy()
        for member in range(bags.shape[1]):
            weight = bags[person, member].astype(np.float64)
            model = LogisticRegression(C=1.0 / (ridge * weight.sum()), solver="newton-cholesky", tol=1e-6)
            model.fit(x, label, sample_weight=weight)
            head.weight[member] = torch.from_numpy(model.coef_[0])
            head.bias[member] = float(np.ravel(model.intercept_)[0])
