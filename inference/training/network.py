"""The focus network: any number and placement of electrodes, two ways to a logit, a few members in one graph.

One way is montage-free and linear: mean, lateral and front-back slope of each band over the usable electrodes, and how
much the band swings from token to token. The other looks at where things are: self-attention over (channel, time)
tokens that know their electrode, beside a linear path whose weights vary smoothly over the head, and with how many
electrodes there are: what four can tell is weighed otherwise than what nineteen can. Their logits are averaged, and so
are the members', each trained on its own resample of the people; how far the members disagree is the `spread`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

HEAD_RADIUS_M = 0.09
SCORE_LIMIT = 20.0
"""Attention scores are clipped here: so exp needs no maximum taken out first, which is what makes softmax slow."""

LEAST_ATTENTION = 1e-12
"""Far below every sum of exp(clipped score): a fully masked item hears nothing, and stays finite."""

LEAST_SWING = 1e-4
"""Floor of the variance over tokens: keeps the square root's slope finite where a band stands still."""

PLACES = 7
"""What a channel tells of its electrode: x, y, z, their squares, and 1."""

FEWEST_SEEN, USUAL_SEEN, MOST_SEEN = 12.0, 54.0, 114.0
"""Usable (channel, token) pairs of 2, 9 and 19 electrodes: the span over which weights vary with their number. Beyond
what training has seen they stay what they are at its end."""


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """Size of the network.

    Parameters
    ----------
    bands
        Band powers a token holds.
    members
        Heads side by side.
    width
        Numbers an attention token holds.
    slope_ridge
        Added to the mean square distance (in head radii) that a slope is divided by: shrinks the slope over
        electrodes that lie in one line.
    """

    bands: int = 8
    members: int = 8
    width: int = 8
    slope_ridge: float = 0.05

    @property
    def summaries(self) -> int:
        """Montage-free features."""
        return 4 * self.bands

    @property
    def moments(self) -> int:
        """Features of the linear path whose weights vary over the head and with the number of electrodes."""
        return 2 * (PLACES + 1) * self.bands


class Paths(NamedTuple):
    """What a window looks like on its ways to a logit.

    Parameters
    ----------
    summary
        (b, 4 f): mean of each band, its slope to the right, its slope to the front, its standard deviation over the
        tokens of a channel (mean over channels).
    moments
        (b, 16 f): means of each band weighted by `PLACES`, and its standard deviation as above; then the same times
        the logarithm of how many tokens are usable (`USUAL_SEEN`: 0).
    pooled
        (b, width): attention tokens, averaged.
    """

    summary: Tensor
    moments: Tensor
    pooled: Tensor


class FocusNetwork(nn.Module):
    """Both ways, the members, the calibration and the distance from the training data."""

    band_scale: Tensor
    summary_scale: Tensor
    moment_scale: Tensor
    centre: Tensor
    whiten: Tensor
    calibration: Tensor

    def __init__(self, shape: NetworkShape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or NetworkShape()
        self.summary_head = nn.Linear(shape.summaries, shape.members)
        self.moment_head = nn.Linear(shape.moments, shape.members)
        self.pooled_head = nn.Linear(shape.width, shape.members, bias=False)
        self.band_in = nn.Linear(shape.bands, shape.width, bias=False)
        self.place_in = nn.Linear(PLACES, 2 * shape.width, bias=False)
        self.query = nn.Linear(shape.width, shape.width, bias=False)
        self.value = nn.Linear(shape.width, shape.width, bias=False)
        for head in (self.summary_head, self.moment_head, self.pooled_head):
            nn.init.zeros_(head.weight)
        for head in (self.summary_head, self.moment_head):
            nn.init.zeros_(head.bias)
        self.register_buffer("band_scale", torch.ones(shape.bands))
        self.register_buffer("summary_scale", torch.ones(shape.summaries))
        self.register_buffer("moment_scale", torch.ones(shape.moments))
        self.register_buffer("centre", torch.zeros(shape.summaries))
        self.register_buffer("whiten", torch.eye(shape.summaries))
        self.register_buffer("calibration", torch.tensor([1.0, 0.0]))

    def paths(self, x: Tensor, position_m: Tensor, mask: Tensor) -> Paths:
        """Follow a batch up to the heads; arguments as for `forward`."""
        usable = (~mask).to(x.dtype)
        # log ratios to the geometric mean of the bands: a common gain, and a band that has none, leave them alone
        x = (x - x.mean(3, keepdim=True)) * usable.unsqueeze(3)
        position = position_m / HEAD_RADIUS_M
        place = nn.functional.pad(torch.cat([position, position * position], 2), (0, 1), value=1.0)
        weight = usable.sum(2, keepdim=True)
        known = weight.clamp(min=1.0)
        level = x.sum(2) / known
        swing = ((x * x).sum(2) / known - level * level).clamp(min=LEAST_SWING).sqrt()
        columns = torch.cat([level * weight, swing * weight, weight], 2)
        sums = place.transpose(1, 2) @ columns  # (b, places, 2 f + 1)
        means = sums / sums[:, -1:, -1:].clamp(min=1.0)
        bands = self.shape.bands
        moments, swings, places = means[:, :, :bands], means[:, -1:, bands:-1], means[:, :, -1:]
        mean, at = moments[:, -1:], places[:, :2]
        slope = (moments[:, :2] - at * mean) / (places[:, 3:5] - at * at + self.shape.slope_ridge)
        summary = torch.cat([mean, slope, swings], 1).flatten(1)
        by_place = torch.cat([moments, swings], 1).flatten(1)
        plenty = torch.log(sums[:, -1, -1:].clamp(FEWEST_SEEN, MOST_SEEN) / USUAL_SEEN)
        return Paths(summary, torch.cat([by_place, plenty * by_place], 1), self._attend(x, place, usable))

    def _attend(self, x: Tensor, place: Tensor, usable: Tensor) -> Tensor:
        gate, offset = self.place_in(place).unsqueeze(2).chunk(2, 3)
        tokens = (self.band_in(x / self.band_scale) * gate + offset).flatten(1, 2)  # (b, n, width)
        usable = usable.flatten(1).unsqueeze(1)  # (b, 1, n)
        score = (self.query(tokens) @ tokens.transpose(1, 2)).clamp(-SCORE_LIMIT, SCORE_LIMIT)
        attention = torch.exp(score) * usable
        attention = attention / (attention.sum(2, keepdim=True) + LEAST_ATTENTION)
        mixed = torch.relu(tokens + self.value(attention @ tokens))
        return ((usable @ mixed) / usable.sum(2, keepdim=True).clamp(min=1.0)).flatten(1)

    def logits(self, paths: Paths) -> tuple[Tensor, Tensor]:
        """Give the uncalibrated logits of the two ways, (b, members) each: montage-free, and by place."""
        by_place = self.moment_head(self.scaled_moments(paths)) + self.pooled_head(paths.pooled)
        return self.summary_head(self.scaled_summary(paths)), by_place

    def scaled_summary(self, paths: Paths) -> Tensor:
        """Summaries as the montage-free head takes them."""
        return paths.summary / self.summary_scale

    def scaled_moments(self, paths: Paths) -> Tensor:
        """Moments as the linear head by place takes them."""
        return paths.moments / self.moment_scale

    def forward(self, x: Tensor, position_m: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score a batch.

        Parameters
        ----------
        x
            float32 (b, c, t, f): log band shares minus the person's reference; finite, and of no matter where masked.
        position_m
            float32 (b, c, 3): electrode positions, metres, MNE head frame.
        mask
            bool (b, c, t), True = unusable.

        Returns
        -------
        logit
            (b,): its logistic function is the calibrated probability.
        spread
            (b,): standard deviation of the members' logits.
        ood
            (b,): squared Mahalanobis distance of the summaries from the training data, divided by their number;
            about 1 for windows like those of training.
        """
        paths = self.paths(x, position_m, mask)
        free, by_place = self.logits(paths)
        members = 0.5 * (free + by_place) * self.calibration[0]
        mean = members.mean(1, keepdim=True)
        spread = torch.sqrt(((members - mean) ** 2).mean(1))
        distance = (paths.summary - self.centre) @ self.whiten
        return mean.flatten() + self.calibration[1], spread, (distance * distance).mean(1)

    @torch.no_grad()
    def set_scales(self, x: Tensor, position_m: Tensor, mask: Tensor) -> None:
        """Fix the input scales from training windows; they are constants of the graph, not learned."""
        self.band_scale.copy_(x[~mask].std(0).clamp(min=1e-3))
        paths = self.paths(x, position_m, mask)
        self.summary_scale.copy_(paths.summary.std(0).clamp(min=1e-3))
        self.moment_scale.copy_(paths.moments.std(0).clamp(min=1e-3))

    @torch.no_grad()
    def set_distribution(self, summary: Tensor, shrinkage: float = 0.05) -> None:
        """Fix what counts as usual from the summaries of training windows, whatever their label.

        The covariance is shrunk towards its own diagonal, so that directions that hardly vary in the training data
        do not dominate.
        """
        centred = (summary - summary.mean(0)).double()
        covariance = centred.T @ centred / len(centred)
        shrunk = (1 - shrinkage) * covariance + shrinkage * torch.diag(covariance.diagonal())
        inverse = torch.linalg.inv(torch.linalg.cholesky(shrunk))  # |inverse @ v|² is the squared distance
        self.centre.copy_(summary.mean(0))
        self.whiten.copy_(inverse.T)

    @torch.no_grad()
    def calibrate(self, scale: float, shift: float) -> None:
        """Fold a logistic calibration into the graph."""
        self.calibration.copy_(torch.tensor([scale, shift]))
