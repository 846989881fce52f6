"""From a guided calibration to a certificate: how well it separates, and whether that rests on the brain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci.errors import BaselineRefusedError, CertificateRefusedError
from inference.baseline import Baseline, Owner, RestCollector
from inference.eyes import CHANGE, SURELY_CLOSED_ABOVE
from inference.personal.certificate import ALPHA, ALPHA_WITHOUT_ARTEFACTS, Certificate, Comparison, Separation, Verdict
from inference.personal.cross_validation import (
    Measured,
    Values,
    Windows,
    areas,
    fit,
    measure,
    out_of_fold,
    pair_means,
    sign_patterns,
)
from inference.personal.cue_windows import MUSCLE_FROM_HZ, CueWindows, cue_windows, pair_blocks
from inference.personal.cued_session import CONDITIONS, STRIDE_S, Condition, CuedSession
from inference.personal.head import PersonalHead
from inference.personal.regions import Regions, regions_of
from inference.scorer import StreamScorer
from streaming.types import Flag

MIN_PAIRS = 8
"""With fewer pairs no permutation test can be as sure as `ALPHA` asks."""

GONE_SHARE = 0.5
"""An electrode that is usable for less than this share of the blocks is gone; half of them gone is no calibration."""

BLINKING_SHARE = 0.01
"""Share of the tokens in which a blink is seen while eyes are open; none at all in the other condition says closed."""

_NUISANCE_RIDGE = 1e-3


@dataclass(frozen=True, slots=True)
class Reading:
    """How the model of a stream reads its windows.

    Parameters
    ----------
    owner
        Whose.
    positions_m
        float32 (channels, 3).
    bands_hz
        Of the model's features.
    tokens, token_s
        Of its window.
    """

    owner: Owner
    positions_m: NDArray[np.float32]
    bands_hz: Sequence[tuple[float, float]]
    tokens: int
    token_s: float


def reading_of(scorer: StreamScorer) -> Reading:
    """Tell how a stream's windows are read."""
    card = scorer.card
    return Reading(scorer.owner, scorer.positions_m, card.bands_hz, card.tokens, card.token_s)


def certify(
    session: CuedSession, reading: Reading, now_unix_s: float, earlier: Certificate | None = None
) -> tuple[Certificate, Baseline]:
    """Measure a calibration.

    Parameters
    ----------
    session
        As recorded, all its blocks.
    reading
        Whose it is, and how windows are made.
    now_unix_s
        When, Unix time.
    earlier
        The measurement before, of the same owner.

    Returns
    -------
    The certificate, passed or not; and the baseline of its cross blocks, which the head is relative to.

    Raises
    ------
    CertificateRefusedError
        `too_few_blocks`, `too_noisy` or `eye_state`: there is nothing to measure.
    """
    check_blocks([block.condition for block in session.blocks])
    _check_electrodes(session, reading.owner.labels)
    baseline = _baseline(session, reading, now_unix_s)
    regions = regions_of(reading.positions_m)
    _check_eyes(session, regions)
    windows = cue_windows(session, baseline.array(), regions, reading.bands_hz, reading.tokens, reading.token_s)
    if not len(windows.brain.label) or windows.brain.pairs < MIN_PAIRS:
        left = windows.brain.pairs if len(windows.brain.label) else 0
        msg = (
            f"only {left} of {left + windows.pairs_lost} pairs of blocks had enough clean signal, at least {MIN_PAIRS} "
            "are needed; settle the headset until the channels are good, sit still, and calibrate again"
        )
        raise CertificateRefusedError("too_noisy", msg)
    return _measure(session, windows, regions, reading, now_unix_s, earlier), baseline


def check_blocks(conditions: Sequence[str]) -> None:
    """Refuse a design that no permutation test could certify.

    Raises
    ------
    CertificateRefusedError
        `too_few_blocks`
    """
    pairs = len(pair_blocks(conditions))
    if pairs < MIN_PAIRS:
        crosses, tasks = (sum(c == name for c in conditions) for name in ("cross", "task"))
        msg = (
            f"{crosses} blocks of cross and {tasks} of task make {pairs} pairs of neighbours; a certificate needs at "
            f"least {MIN_PAIRS} pairs, one block of each in changing order (30 blocks of 10 s are usual): with one "
            "long block of each, whatever else changed between them would count as focus"
        )
        raise CertificateRefusedError("too_few_blocks", msg)


def _check_electrodes(session: CuedSession, labels: Sequence[str]) -> None:
    usable = session.usable[session.inside("cross") | session.inside("task")]
    share = usable.sum(axis=0) / max(1, len(usable))
    gone = [label for label, part in zip(labels, share.tolist(), strict=True) if part < GONE_SHARE]
    if 2 * len(gone) >= len(labels):
        msg = (
            f"{', '.join(gone)} had no usable signal for most of the time, {len(gone)} of {len(labels)} electrodes; "
            "press them on or moisten them until the channels are good, and calibrate again"
        )
        raise CertificateRefusedError("too_noisy", msg)


def _baseline(session: CuedSession, reading: Reading, now_unix_s: float) -> Baseline:
    rest = RestCollector(reading.owner, STRIDE_S, reading.bands_hz, len(reading.positions_m))
    for token in np.flatnonzero(session.inside("cross")):
        rest.add(session.relative[token], session.usable[token])
    try:
        return rest.finish(now_unix_s, asked_eyes="open")
    except BaselineRefusedError as error:
        code = "eye_state" if error.code == "eye_state" else "too_noisy"
        raise CertificateRefusedError(code, f"the cross blocks: {error}") from error


def _check_eyes(session: CuedSession, regions: Regions) -> None:
    """Refuse closed eyes in either condition: then the eyes would be measured, not focus."""
    blink: NDArray[np.bool_] = np.asarray(session.flagged(Flag.BLINK)[:, regions.eyes].any(axis=1))
    alpha: dict[Condition, float] = {}
    blinks: dict[Condition, float] = {}
    for condition in CONDITIONS:
        inside = session.inside(condition)
        alpha[condition] = _mean_alpha(session, condition)
        blinks[condition] = float(blink[inside].mean())
    turns: tuple[tuple[Condition, Condition], ...] = (("cross", "task"), ("task", "cross"))
    for condition, other in turns:
        rises = alpha[condition] - alpha[other] > CHANGE
        closed_only_here = rises and blinks[condition] == 0.0 and blinks[other] >= BLINKING_SHARE
        if alpha[condition] > SURELY_CLOSED_ABOVE or closed_only_here:
            where = "looking at the cross" if condition == "cross" else "at the task"
            msg = (
                f"the eyes seem to have been closed while {where} (alpha is as strong as with closed eyes, or rises "
                "while no blink comes); keep them open throughout, and calibrate again"
            )
            raise CertificateRefusedError("eye_state", msg)


def _mean_alpha(session: CuedSession, condition: Condition) -> float:
    known = session.alpha[session.inside(condition)]
    return float(np.nanmean(known)) if np.isfinite(known).any() else -np.inf


def _measure(
    session: CuedSession,
    windows: CueWindows,
    regions: Regions,
    reading: Reading,
    now_unix_s: float,
    earlier: Certificate | None,
) -> Certificate:
    brain, eyes, muscle = windows.brain, windows.ocular, windows.muscular
    whole, by_eyes, by_muscle = measure(brain), measure(eyes), measure(muscle)
    rest = measure(without(brain, np.hstack([eyes.features, muscle.features])))
    owner = reading.owner
    bands, places, head = _head(brain, whole, regions, reading.bands_hz)
    eyes_share, muscle_share = (_lost_share(whole.auc, brain, artefact.features) for artefact in (eyes, muscle))
    verdict = _verdict(whole, rest, by_eyes, by_muscle)
    return Certificate(
        participant=owner.participant,
        device=owner.device,
        labels=owner.labels,
        model=owner.model,
        model_sha256=owner.model_sha256,
        eyes="open",
        verdict=verdict,
        brain=_separation(whole),
        without_artefacts=_separation(rest),
        ocular=_separation(by_eyes),
        muscular=_separation(by_muscle),
        ocular_share=eyes_share,
        muscular_share=muscle_share,
        accuracy=_accuracy(whole.scores, brain.label),
        bands=bands,
        regions=places,
        alpha_rise=max(0.0, _mean_alpha(session, "task") - _mean_alpha(session, "cross")),
        pairs=brain.pairs,
        pairs_lost=windows.pairs_lost,
        block_s=float(np.median([block.stop_s - block.start_s for block in session.blocks])),
        head=head if verdict == "passed" else None,
        earlier=_compare(earlier, brain, regions, len(reading.bands_hz), now_unix_s),
        taken_unix_s=now_unix_s,
    )


def _verdict(whole: Measured, rest: Measured, by_eyes: Measured, by_muscle: Measured) -> Verdict:
    if whole.p_value <= ALPHA and whole.low > 0.5 and rest.p_value <= ALPHA_WITHOUT_ARTEFACTS:
        return "passed"
    # Where eyes or muscle tell the conditions apart, the person should hear that it is they.
    verdict: Verdict = "rests_on_eyes" if by_eyes.auc >= by_muscle.auc else "rests_on_muscle"
    clearest = min(by_eyes.p_value, by_muscle.p_value)
    return verdict if clearest <= ALPHA else "not_readable"


def without(windows: Windows, artefacts: Values) -> Windows:
    """Project artefacts out of features: what a linear map of them explains within pairs is subtracted.

    The map is fitted without labels, so that permutations stay exact.

    Parameters
    ----------
    windows
        Whose features are cleaned.
    artefacts
        float64 (windows, artefact features).
    """
    theirs = windows.of(artefacts)
    centred = artefacts - pair_means(theirs)[windows.pair]
    scale = np.maximum(centred.std(axis=0), 1e-9)
    standard = centred / scale
    ours = windows.features - pair_means(windows)[windows.pair]
    gram = standard.T @ standard + _NUISANCE_RIDGE * len(standard) * np.eye(standard.shape[1])
    explained = (artefacts - artefacts.mean(axis=0)) / scale @ np.linalg.solve(gram, standard.T @ ours)
    return windows.of(windows.features - explained)


def _lost_share(auc: float, brain: Windows, artefacts: Values) -> float:
    labels = brain.label[None]
    left = float(areas(out_of_fold(without(brain, artefacts), labels), labels)[0])
    return float(np.clip((auc - left) / (auc - 0.5), 0.0, 1.0)) if auc > 0.5 else 0.0


def _separation(measured: Measured) -> Separation:
    return Separation(auc=measured.auc, low=measured.low, high=measured.high, p_value=measured.p_value)


def _accuracy(scores: Values, label: Values) -> float:
    return float(
        np.mean([((scores * side > 0.0) & (label == side)).sum() / (label == side).sum() for side in (1.0, -1.0)])
    )


def _head(
    brain: Windows, whole: Measured, regions: Regions, bands_hz: Sequence[tuple[float, float]]
) -> tuple[dict[str, float], dict[str, float], PersonalHead]:
    weights, centre = fit(brain, brain.label[None])
    grid = weights[0].reshape(len(regions.names), len(bands_hz))
    task, cross = (brain.features[brain.label == side].mean(axis=0) for side in (1.0, -1.0))
    drawn = np.maximum(grid * (task - cross).reshape(grid.shape), 0.0)
    drawn /= max(float(drawn.sum()), 1e-12)
    bands: dict[str, float] = {}
    for (low, _), share in zip(bands_hz, drawn.sum(axis=0), strict=True):
        if low >= MUSCLE_FROM_HZ:
            continue
        name = "theta (4–8 Hz)" if low < 8.0 else "alpha (8–13 Hz)" if low < 13.0 else "beta (13–30 Hz)"
        bands[name] = bands.get(name, 0.0) + float(share)
    places = {name: float(share) for name, share in zip(regions.names, drawn.sum(axis=1), strict=True)}
    head = PersonalHead(
        regions=regions.names,
        weights=tuple(tuple(float(w) for w in row) for row in grid),
        offset=float(weights[0] @ centre),
        gain=_gain(whole.scores, brain.label),
    )
    return bands, places, head


def _gain(scores: Values, label: Values) -> float:
    """Slope of a logistic regression without intercept: scores are centred by their fold already."""
    gain = 0.0
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-np.clip(gain * scores, -30.0, 30.0)))
        slope = scores @ (0.5 * (label + 1.0) - p) - 1e-3 * gain
        curve = (scores**2) @ (p * (1.0 - p)) + 1e-3
        gain += slope / curve
    return float(gain)


def _compare(
    earlier: Certificate | None, brain: Windows, regions: Regions, bands: int, now_unix_s: float
) -> Comparison | None:
    if earlier is None:
        return None
    auc: float | None = None
    p_value: float | None = None
    if earlier.head is not None and earlier.head.fits(regions, bands):
        scores = brain.features @ earlier.head.array().ravel()
        patterns = sign_patterns(brain.pairs, np.random.default_rng(0))
        labels = brain.label * patterns[:, brain.pair]
        found = areas(np.broadcast_to(scores, labels.shape), labels)
        auc, p_value = float(found[0]), float((found >= found[0] - 1e-12).mean())
    return Comparison(
        verdict=earlier.verdict,
        auc=earlier.brain.auc,
        low=earlier.brain.low,
        high=earlier.brain.high,
        days=earlier.age_days(now_unix_s),
        carried_auc=auc,
        carried_p_value=p_value,
    )
