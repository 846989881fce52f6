"""How well focus can be read from one person: measured on their own blocks of rest and task, by a fixed rule.

The person's head is fitted to windows of alternating blocks and judged on pairs of blocks that it never saw. It passes
where all of this holds:

1. *It reads.* AUC significant at .05 against all orders that the coin could have drawn (permutation within pairs), and
   the lower end of its 95 % interval (bootstrap over pairs) above .55.
2. *It is not the eyes or the muscles.* The same holds, with a lower end above .5, after blinks, frontal 1-4 Hz, muscle
   flags and power above 30 Hz have been regressed out of every feature.
3. *They do not do it better.* Neither the ocular nor the muscular features alone are significant with an AUC that
   reaches that of the features cleaned of them.

A relabelling and its mirror image give the same AUC, because a head may point either way (some people invert), so only
half of them are counted, with the observed one among them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci.errors import CertificateRefusedError
from inference.baseline import Baseline, Owner
from inference.blocks import MIN_PAIRS, MUSCULAR, OCULAR, BlockWindows, fill_channels
from inference.eyes import CHANGE, CLOSED_ABOVE, SURELY_CLOSED_ABOVE
from inference.head import Standard, Values, auc_many, fit_many, out_of_fold, spatial_basis
from inference.readability import Certificate, Code, Measured, Shares

SIGNIFICANT = 0.05
READS_ABOVE = 0.55
CLEANED_ABOVE = 0.5
BLOCK_SHARE = 1.0 / 3.0
"""Of its windows, so many have to be left of a block, else its pair does not count."""

LOST_BELOW = 0.5
"""A channel that was usable for less than this share of the time is lost."""

_BOOTSTRAPS = 2000
_RELABELLINGS = 512
_SEED = 20261


def relabellings(pairs: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Give which pairs are swapped: bool (relabellings, pairs), the first row all False; the first pair never is.

    All of them up to ten pairs, beyond that a random sample.
    """
    if 2 ** (pairs - 1) <= _RELABELLINGS:
        rows = list(itertools.product((False, True), repeat=pairs - 1))
        swapped = np.array(rows, bool).reshape(len(rows), pairs - 1)
    else:
        swapped = rng.random((_RELABELLINGS, pairs - 1)) < 0.5
        swapped[0] = False
    return np.column_stack([np.zeros(len(swapped), bool), swapped])


def certify(
    windows: BlockWindows,
    baseline: Baseline,
    positions_m: NDArray[np.float32],
    bands_hz: Sequence[tuple[float, float]],
    *,
    owner: Owner,
    block_s: float,
    now_unix_s: float,
) -> Certificate:
    """Measure how well focus can be read from a person, and fit the head that reads it.

    Parameters
    ----------
    windows
        Of all blocks.
    baseline
        Of the rest blocks: the head works on what is left after it is subtracted, as every score does.
    positions_m
        float32 (channels, 3).
    bands_hz
        Of the features.
    owner
        Whom it belongs to.
    block_s
        Length of a block, s.
    now_unix_s
        When, Unix time.

    Returns
    -------
    A certificate that passed or did not; either is kept.

    Raises
    ------
    CertificateRefusedError
        Where nothing could be measured: `broken_off`, `one_block`, `too_few_blocks`, `channels_lost`, `eye_state` or
        `too_noisy`.
    """
    check_measurable(windows, owner.labels)
    kept, pair, task = _whole_pairs(windows)
    relative = fill_channels(windows.relative[kept].astype(np.float64) - baseline.array())
    basis = spatial_basis(positions_m)
    features = np.einsum("kc,ncf->nkf", basis, relative).reshape(len(relative), -1)
    trial = _Trial(features, windows.nuisance[kept], pair, task)
    full, cleaned = trial.measure(features), trial.measure(features, trial.nuisance)
    ocular, muscular = (trial.measure(trial.nuisance[:, columns]) for columns in (OCULAR, MUSCULAR))
    code = judge(full, cleaned, ocular, muscular)
    weights, bias, accuracy = trial.head(basis, len(bands_hz))
    return Certificate(
        participant=owner.participant,
        device=owner.device,
        labels=owner.labels,
        model=owner.model,
        code=code,
        full=full,
        cleaned=cleaned,
        ocular=ocular,
        muscular=muscular,
        accuracy=accuracy,
        weights=tuple(tuple(float(v) for v in row) for row in weights),
        bias=bias,
        shares=_shares(weights, relative, task, positions_m, bands_hz, trial),
        alpha_index=(_alpha(windows, "rest"), _alpha(windows, "task")),
        pairs=trial.pairs,
        block_s=block_s,
        taken_unix_s=now_unix_s,
    )


def check_measurable(windows: BlockWindows, labels: Sequence[str]) -> None:
    """Refuse blocks in which nothing can be measured.

    Parameters
    ----------
    windows
        As gathered.
    labels
        Electrodes.

    Raises
    ------
    CertificateRefusedError
        As `certify`.
    """
    _check_blocks(windows)
    _check_channels(windows, labels)
    _check_eyes(windows)


def judge(full: Measured, cleaned: Measured, ocular: Measured, muscular: Measured) -> Code | None:
    """Apply the rule: None where it passed, else what it failed on."""
    if full.p >= SIGNIFICANT or full.low <= READS_ABOVE:
        return "unreadable"
    alone = max((ocular, muscular), key=lambda one: one.auc)
    better = any(one.p < SIGNIFICANT and one.auc >= cleaned.auc for one in (ocular, muscular))
    if cleaned.p >= SIGNIFICANT or cleaned.low <= CLEANED_ABOVE or better:
        return "rests_on_eyes" if alone is ocular else "rests_on_muscle"
    return None


@dataclass(slots=True)
class _Trial:
    """The windows that count, and everything that is measured on them with the same folds and relabellings.

    Parameters
    ----------
    features, nuisance
        (windows, …).
    pair
        (windows,), from 0 without holes.
    task
        bool (windows,).
    """

    features: Values
    nuisance: Values
    pair: NDArray[np.int64]
    task: NDArray[np.bool_]

    @property
    def pairs(self) -> int:
        """Count of pairs."""
        return int(self.pair.max()) + 1

    def measure(self, features: Values, nuisance: Values | None = None) -> Measured:
        """Give AUC, interval and p of heads on these features."""
        rng = np.random.default_rng(_SEED)
        swapped = relabellings(self.pairs, rng)
        labels = (self.task ^ swapped[:, self.pair]).astype(np.float64)
        scores = out_of_fold(features, labels, self.pair, nuisance)
        aucs = auc_many(scores, labels)
        low, high = self._interval(scores[0], rng)
        return Measured(auc=float(aucs[0]), low=low, high=high, p=float((aucs >= aucs[0] - 1e-9).mean()))

    def observed(self, nuisance: Values) -> float:
        """Give the AUC alone, with some nuisance regressed out."""
        labels = self.task.astype(np.float64)[None]
        return float(auc_many(out_of_fold(self.features, labels, self.pair, nuisance), labels)[0])

    def _interval(self, scores: Values, rng: np.random.Generator) -> tuple[float, float]:
        """Bootstrap over pairs: a pair comes as a whole, and AUC is a sum over pairs of blocks."""
        wins = np.empty((self.pairs, self.pairs))
        chances = np.empty((self.pairs, self.pairs))
        tasks = [np.sort(scores[(self.pair == k) & self.task]) for k in range(self.pairs)]
        rests = [np.sort(scores[(self.pair == k) & ~self.task]) for k in range(self.pairs)]
        for i, task in enumerate(tasks):
            for j, rest in enumerate(rests):
                below = np.searchsorted(rest, task, "left") + np.searchsorted(rest, task, "right")
                wins[i, j], chances[i, j] = below.sum() / 2.0, len(task) * len(rest)
        drawn = rng.multinomial(self.pairs, np.full(self.pairs, 1.0 / self.pairs), _BOOTSTRAPS).astype(np.float64)
        aucs = ((drawn @ wins) * drawn).sum(axis=1) / ((drawn @ chances) * drawn).sum(axis=1)
        low, high = np.percentile(aucs, (2.5, 97.5))
        return float(low), float(high)

    def head(self, basis: Values, bands: int) -> tuple[Values, float, float]:
        """Fit the head to all windows; its scale and threshold come from the out-of-fold scores.

        Returns
        -------
        Weights (channels, bands), bias, and balanced accuracy out of fold.
        """
        labels = self.task.astype(np.float64)[None]
        unseen = out_of_fold(self.features, labels, self.pair)
        seen = Standard.of(unseen.T)
        slope, threshold = fit_many(seen(unseen.T), labels)
        steep = max(0.0, float(slope[0, 0]))  # a head that points the wrong way is worth nothing, not its opposite
        hit = (steep * seen(unseen.T)[:, 0] + threshold[0] > 0.0) == self.task
        accuracy = float(np.mean([hit[self.task].mean(), hit[~self.task].mean()]))
        gain = float(steep / seen.scale[0])
        offset = float(threshold[0] - gain * seen.centre[0])
        standard = Standard.of(self.features)
        weights, intercept = fit_many(standard(self.features), labels)
        direction = weights[0] / standard.scale
        bias = float(intercept[0] - direction @ standard.centre)
        spread = np.einsum("kc,kf->cf", basis, direction.reshape(-1, bands))
        return gain * spread, gain * bias + offset, accuracy


def _shares(
    weights: Values,
    relative: Values,
    task: NDArray[np.bool_],
    positions_m: NDArray[np.float32],
    bands_hz: Sequence[tuple[float, float]],
    trial: _Trial,
) -> Shares:
    apart = np.abs(weights * (relative[task].mean(axis=0) - relative[~task].mean(axis=0)))
    apart /= max(float(apart.sum()), 1e-12)
    regions: dict[str, float] = {}
    for place, share in zip(positions_m, apart.sum(axis=1), strict=True):
        name = _region(place)
        regions[name] = regions.get(name, 0.0) + float(share)
    labels = task.astype(np.float64)[None]
    whole = float(auc_many(out_of_fold(trial.features, labels, trial.pair), labels)[0]) - 0.5

    def lost(columns: Sequence[int]) -> float:
        if whole <= 0.0:
            return 0.0
        left = trial.observed(trial.nuisance[:, columns]) - 0.5
        return float(np.clip(1.0 - left / whole, 0.0, 1.0))

    return Shares(
        bands={f"{low:g}-{high:g} Hz": float(v) for (low, high), v in zip(bands_hz, apart.sum(axis=0), strict=True)},
        regions=regions,
        ocular=lost(OCULAR),
        muscular=lost(MUSCULAR),
    )


def _region(place: NDArray[np.float32]) -> str:
    side, forward, up = (float(v) for v in place)
    if forward > 0.03:
        return "frontal"
    if forward < -0.05:
        return "posterior"
    return "temporal" if abs(side) > 0.06 and up < 0.04 else "central"


def _alpha(windows: BlockWindows, phase: str) -> float:
    return float(np.nanmean([a for a, p in zip(windows.alpha_index, windows.phases, strict=True) if p == phase]))


def _check_blocks(windows: BlockWindows) -> None:
    counts = [windows.phases.count(phase) for phase in ("rest", "task")]
    if not windows.complete:
        msg = f"the calibration was broken off after {len(windows.phases)} blocks; start it again and stay to the end"
        raise CertificateRefusedError("broken_off", msg)
    if min(counts) <= 1:
        msg = (
            f"{counts[0]} block of rest and {counts[1]} of task: one block cannot be told from the time it was "
            f"recorded at; record at least {MIN_PAIRS} pairs in alternation"
        )
        raise CertificateRefusedError("one_block", msg)
    if min(counts) < MIN_PAIRS:
        msg = (
            f"{counts[0]} blocks of rest and {counts[1]} of task: chance cannot be excluded with fewer than "
            f"{MIN_PAIRS} pairs; record more blocks"
        )
        raise CertificateRefusedError("too_few_blocks", msg)
    for number in range(0, len(windows.phases) - 1, 2):
        if windows.phases[number] == windows.phases[number + 1]:
            msg = f"blocks {number + 1} and {number + 2} are both {windows.phases[number]}; alternate rest and task"
            raise CertificateRefusedError("too_few_blocks", msg)


def _check_channels(windows: BlockWindows, labels: Sequence[str]) -> None:
    share = windows.usable.mean(axis=0)
    lost = [label for label, usable in zip(labels, share, strict=True) if usable < LOST_BELOW]
    if 2 * len(lost) >= len(labels):
        msg = (
            f"{', '.join(lost)} gave no usable signal for most of the time; settle the headset until they are good, "
            "or leave them out of the montage, and measure again"
        )
        raise CertificateRefusedError("channels_lost", msg)


def _check_eyes(windows: BlockWindows) -> None:
    alpha = windows.alpha_index
    usual = float(np.nanmedian(alpha))
    rest, task = _alpha(windows, "rest"), _alpha(windows, "task")
    if max(rest, task) > SURELY_CLOSED_ABOVE:
        what = "rest" if rest > task else "task"
        msg = (
            f"in the {what} blocks the eyes seem to have been closed (alpha is as strong as with closed eyes); keep "
            "them open in every block and measure again"
        )
        raise CertificateRefusedError("eye_state", msg)
    if rest > CLOSED_ABOVE and rest - task > 2 * CHANGE:
        msg = "the eyes seem to have been closed in rest and open in the task; keep them open in every block"
        raise CertificateRefusedError("eye_state", msg)
    closed = [k + 1 for k, a in enumerate(alpha) if a > SURELY_CLOSED_ABOVE and a - usual > CHANGE]
    if len(closed) > 1:
        msg = (
            f"in blocks {', '.join(map(str, closed))} the eyes seem to have been closed; keep them open in every block"
        )
        raise CertificateRefusedError("eye_state", msg)


def _whole_pairs(windows: BlockWindows) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.bool_]]:
    """Give which windows count, the pair of each that does, counted anew, and whether it is of the task."""
    pairs = len(windows.phases) // 2
    counts = np.bincount(windows.block, minlength=2 * pairs)[: 2 * pairs].reshape(pairs, 2)
    whole = (counts >= max(1.0, BLOCK_SHARE * windows.expected)).all(axis=1)
    if whole.sum() < MIN_PAIRS:
        msg = (
            f"only {int(whole.sum())} of {pairs} pairs of blocks had enough clean signal, {MIN_PAIRS} are needed; "
            "settle the headset, sit still, and measure again"
        )
        raise CertificateRefusedError("too_noisy", msg)
    number = np.cumsum(whole) - 1
    kept = np.zeros(len(windows.block), bool)
    inside = windows.block < 2 * pairs
    kept[inside] = whole[windows.block[inside] // 2]
    block = windows.block[kept]
    task = np.array([windows.phases[b] == "task" for b in block])
    return kept, number[block // 2], task
