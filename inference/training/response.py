"""How long a change takes to show: measured on the window that the model sees and the smoothing behind it."""

from __future__ import annotations

import math

import numpy as np
import torch

from inference.smoothing import ScoreTrack
from inference.training.corpus import MODEL_BANDS
from inference.training.network import FocusNetwork
from inference.training.windows import TOKENS, WINDOW_S
from streaming.features import SCHEMA

_HOP_S = 0.04
_SMOOTHING_S = 1.0
_MONTAGE_M = ((-0.03, 0.08, 0.0), (0.03, 0.08, 0.0), (-0.08, 0.0, 0.0), (0.08, 0.0, 0.0), (0.0, -0.08, 0.04))


@torch.no_grad()
def response_time_s(network: FocusNetwork, *, fall: float = 0.5) -> float:
    """Time from a step of the alpha power to 63 % of the change of `value`, s.

    Parameters
    ----------
    network
        Calibrated.
    fall
        What alpha power falls to.

    Returns
    -------
    With windows of `WINDOW_S` and smoothing of 1 s, without the filters' group delay, which each message states.
    """
    hops = round((WINDOW_S + 8 * _SMOOTHING_S) / _HOP_S)
    per_token = round(SCHEMA.token_s / _HOP_S)
    after = np.clip(np.arange(-TOKENS * per_token, hops) + 1, 0, per_token) / per_token  # share of a token after it
    alpha = np.array([low >= 8.0 and high <= 13.0 for low, high in MODEL_BANDS])
    power = np.where(alpha, 1.0 + (fall - 1.0) * after[:, None], 1.0)  # token power at each hop
    relative = np.log(power / power.sum(1, keepdims=True)) - np.log(1.0 / alpha.size)
    ends = np.arange(hops) + TOKENS * per_token
    tokens = relative[ends[:, None] + np.arange(-(TOKENS - 1), 1) * per_token]  # (hops, tokens, bands)
    x = np.repeat(tokens[:, None], len(_MONTAGE_M), axis=1).astype(np.float32)
    position = torch.tensor(_MONTAGE_M).expand(hops, -1, -1)
    logit = network(torch.from_numpy(x), position, torch.zeros(x.shape[:3], dtype=torch.bool))[0].double().numpy()
    raw = 1.0 / (1.0 + np.exp(-logit))
    track = ScoreTrack(_HOP_S, _SMOOTHING_S)
    still = x[0] * 0.0
    start = network(torch.from_numpy(still)[None], position[:1], torch.zeros(1, *x.shape[1:3], dtype=torch.bool))[0]
    track.add(1.0 / (1.0 + math.exp(-float(start))), 0, 0)
    value = np.array([track.add(float(p), hop + 1, 0)[0] for hop, p in enumerate(raw)])
    first = 1.0 / (1.0 + math.exp(-float(start)))
    change = (value - first) / (raw[-1] - first)
    return float((int(np.argmax(change >= 1.0 - math.exp(-1.0))) + 1) * _HOP_S)
