"""What simpler and better-known scores make of the same windows of the same people, under the same folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt, welch
from sklearn.linear_model import LogisticRegression

from bci.errors import NotInstalledError
from bci.files.recording import Recording
from inference.training.corpus import HOP_S, MODEL_BANDS, series_of
from inference.training.eegmat import person_name, read_pair
from inference.training.metrics import Figure, Scores, causal_mean, class_weights, pooled_figure, within_figure
from inference.training.network import FocusNetwork, NetworkShape
from inference.training.windows import WINDOW_S, ends_of, windows_against

STEP_S = 1.0
SETTLE_S = 2.0
"""Left out at the start of each recording, where the filters ring."""

THETA, ALPHA, BETA = (4.0, 8.0), (8.0, 13.0), (13.0, 30.0)
RIDGE_C = 0.2

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One score and what it is worth, AUC task against rest.

    Parameters
    ----------
    name
        What it is.
    fitted
        True where it was fitted to other people, out of fold; False where it is a formula.
    pooled, within, steady
        Without a baseline; `steady` is the 20-s mean, pooled.
    rest_pooled, rest_within, rest_steady
        Against 30 s of own rest.
    """

    name: str
    fitted: bool
    pooled: Figure
    within: Figure
    steady: Figure
    rest_pooled: Figure
    rest_within: Figure
    rest_steady: Figure


@dataclass(frozen=True, slots=True)
class _Track:
    """All windows of all people, in one way of looking at them."""

    values: Values  # (windows, features)
    label: NDArray[np.int64]
    person: NDArray[np.int64]
    end_s: Values

    def against_rest(self, baseline_s: float) -> _Track:
        """Subtract the mean over the first of the rest, and leave out every window that touches it."""
        before = (self.label == 0) & (self.end_s <= baseline_s)
        near = (self.label == 0) & (self.end_s < baseline_s + WINDOW_S)
        values = self.values.copy()
        for person in np.unique(self.person):
            own = self.person == person
            values[own] -= values[own & before].mean(axis=0)
        return _Track(values[~near], self.label[~near], self.person[~near], self.end_s[~near])


def compare(
    folder: Path,
    people: Sequence[int],
    folds: NDArray[np.int64],
    *,
    baseline_s: float = 30.0,
    progress: Callable[[str, float], None] = lambda _text, _share: None,
) -> list[Comparison]:
    """Measure all of them on EEGMAT.

    Parameters
    ----------
    folder, people
        As for `read_eegmat`.
    folds
        (people,): fold of each, from `fold_of`.
    baseline_s
        Length of the rest.
    progress
        Told of each person and the share that is done.

    Raises
    ------
    ConfigError
        If a recording is missing.
    NotInstalledError
        If pyRiemann is not.
    """
    bands: list[_Track] = []
    mindful: list[_Track] = []
    free: list[_Track] = []
    covariances: list[_Track] = []
    for index, number in enumerate(people):
        progress(f"comparing on {person_name(number)}", index / len(people))
        for label, recording in enumerate(read_pair(folder, number)):
            cut = _Cutter(recording, label, index)
            bands.append(cut.track(_band_powers))
            mindful.append(cut.track(_mindfulness))
            free.append(_montage_free(recording, label, index))
            covariances.append(cut.track(_covariance, band_hz=(THETA[0], BETA[1])))
    power = _join(bands)
    theta, alpha, beta = (power.values[:, i] for i in range(3))
    formulas = {
        "engagement index β/(α+θ)": np.log(beta / (alpha + theta)),
        "relative alpha, falling": -np.log(alpha / (theta + alpha + beta)),
        "BrainFlow MINDFULNESS": _join(mindful).values[:, 0],
    }
    found = [
        _measured(name, False, *(_scores(t, t.values[:, 0]) for t in _both(_with(power, values[:, None]), baseline_s)))
        for name, values in formulas.items()
    ]
    found.append(
        _measured(
            "logistic regression, montage-free features",
            True,
            *(_scores(t, _out_of_fold(t, folds)) for t in _both(_join(free), baseline_s)),
        )
    )
    spatial = _join(covariances)
    riemann = (_tangent(spatial, folds, None), _tangent(spatial, folds, baseline_s))
    found.append(_measured("pyRiemann tangent space, 4-30 Hz, full rank (a trap: see the text)", True, *riemann))
    return found


class _Cutter:
    """Cuts a recording into windows."""

    def __init__(self, recording: Recording, label: int, person: int) -> None:
        self._rate = recording.spec.nominal_rate_hz
        self._label, self._person = label, person
        samples = recording.samples[:, list(recording.spec.scored)].astype(np.float64)
        self._samples = samples - samples[:1]

    def track(self, feature: Callable[[Values, float], Values], band_hz: tuple[float, float] | None = None) -> _Track:
        samples = self._samples
        if band_hz is not None:
            sections = butter(2, band_hz, "bandpass", fs=self._rate, output="sos")
            samples = cast("Values", sosfilt(sections, samples, axis=0))
        length = round(WINDOW_S * self._rate)
        ends = np.arange(length + round(SETTLE_S * self._rate), len(samples) + 1, round(STEP_S * self._rate))
        values = np.stack([feature(samples[end - length : end].T, self._rate) for end in ends])
        count = len(ends)
        return _Track(values, np.full(count, self._label), np.full(count, self._person), ends / self._rate)


def _band_powers(window: Values, rate_hz: float) -> Values:
    """Mean power over electrodes in theta, alpha, beta."""
    frequency, density = welch(window, rate_hz, nperseg=round(2.0 * rate_hz))
    return np.array(
        [density[:, (frequency >= low) & (frequency < high)].sum(1).mean() for low, high in (THETA, ALPHA, BETA)]
    )


@torch.no_grad()
def _montage_free(recording: Recording, label: int, person: int) -> _Track:
    """Mean, lateral and front-back slope of the log shares of the model's bands, from the online pipeline."""
    series = series_of(recording)
    ends = ends_of(series, round(SETTLE_S / HOP_S), round(STEP_S / HOP_S))
    nothing = np.zeros(series.relative.shape[1:], np.float32)
    windows = windows_against(series, ends, nothing, float(label), person).take(np.arange(len(ends)))
    bands = len(MODEL_BANDS)
    summary = FocusNetwork(NetworkShape(bands=bands)).paths(windows.x, windows.position_m, windows.mask).summary
    values = summary[:, : 3 * bands].double().numpy()
    count = len(ends)
    return _Track(values, np.full(count, label), np.full(count, person), ends.astype(np.float64) * HOP_S)


def _mindfulness(window: Values, rate_hz: float) -> Values:
    """BrainFlow's classifier, whose five coefficients take mean band powers; 1 = mindful."""
    from brainflow.data_filter import DataFilter

    shares, _ = DataFilter.get_avg_band_powers(
        np.ascontiguousarray(window), list(range(len(window))), int(rate_hz), True
    )
    return np.array([float(_mindful_model().predict(shares)[0])])


_MODELS: list[Any] = []


def _mindful_model() -> Any:  # noqa: ANN401 - brainflow has no types
    if not _MODELS:
        from brainflow.ml_model import BrainFlowClassifiers, BrainFlowMetrics, BrainFlowModelParams, MLModel

        MLModel.disable_ml_logger()
        kind = BrainFlowModelParams(BrainFlowMetrics.MINDFULNESS.value, BrainFlowClassifiers.DEFAULT_CLASSIFIER.value)
        model = MLModel(kind)
        model.prepare()
        _MODELS.append(model)
    return _MODELS[0]


def _covariance(window: Values, _rate_hz: float) -> Values:
    """Covariance between electrodes with OAS shrinkage, flat."""
    from sklearn.covariance import oas

    return np.asarray(oas(window.T)[0]).ravel()


def _tangent(track: _Track, folds: NDArray[np.int64], baseline_s: float | None) -> _Scored:
    """Tangent space and logistic regression; with a baseline each person is whitened by the mean of their rest."""
    try:
        from pyriemann.geometry.base import invsqrtm
        from pyriemann.geometry.mean import mean_riemann
        from pyriemann.tangentspace import TangentSpace
    except ImportError as error:
        msg = "pyriemann is not installed; pip install -c constraints.txt -e '.[compare]'"
        raise NotInstalledError(msg) from error
    size = round(np.sqrt(track.values.shape[1]))
    matrices = track.values.reshape(-1, size, size)
    keep = np.ones(len(matrices), bool)
    if baseline_s is not None:
        matrices = matrices.copy()
        before = (track.label == 0) & (track.end_s <= baseline_s)
        keep = (track.label == 1) | (track.end_s >= baseline_s + WINDOW_S)
        for person in np.unique(track.person):
            own = track.person == person
            whiten = invsqrtm(mean_riemann(matrices[own & before]))
            matrices[own] = whiten @ matrices[own] @ whiten
    kept = _Track(matrices[keep].reshape(int(keep.sum()), -1), track.label[keep], track.person[keep], track.end_s[keep])
    score = np.empty(len(kept.label))
    for fold in np.unique(folds):
        judge = folds[kept.person] == fold
        learn = np.flatnonzero(~judge)[::4]
        space = TangentSpace(metric="riemann").fit(kept.values[learn].reshape(-1, size, size))
        x = [np.asarray(space.transform(kept.values[rows].reshape(-1, size, size))) for rows in (learn, judge)]
        score[judge] = _fit(x[0], kept, learn).decision_function(x[1])
    return _scores(kept, score)


def _out_of_fold(track: _Track, folds: NDArray[np.int64]) -> Values:
    score = np.empty(len(track.label))
    for fold in np.unique(folds):
        judge = folds[track.person] == fold
        learn = np.flatnonzero(~judge)
        score[judge] = _fit(track.values[learn], track, learn).decision_function(track.values[judge])
    return score


def _fit(x: Values, track: _Track, rows: NDArray[np.int64]) -> Any:  # noqa: ANN401 - a scikit-learn pipeline
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    label = track.label[rows]
    # the ridge is meant for a mean loss over a thousand windows, however many there are
    model = LogisticRegression(C=RIDGE_C * 1000.0 / len(rows), max_iter=2000)
    return make_pipeline(StandardScaler(), model).fit(x, label, logisticregression__sample_weight=class_weights(label))


def _both(track: _Track, baseline_s: float) -> tuple[_Track, _Track]:
    return track, track.against_rest(baseline_s)


def _with(track: _Track, values: Values) -> _Track:
    return _Track(values, track.label, track.person, track.end_s)


def _join(tracks: Sequence[_Track]) -> _Track:
    return _Track(*(np.concatenate([getattr(one, name) for one in tracks]) for name in _Track.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class _Scored:
    scores: Scores
    end_s: Values


def _scores(track: _Track, score: Values) -> _Scored:
    return _Scored(Scores(score, track.label, track.person), track.end_s)


def _measured(name: str, fitted: bool, alone: _Scored, rest: _Scored) -> Comparison:
    figures: list[Figure] = []
    for one in (alone, rest):
        figures += [
            pooled_figure(one.scores),
            within_figure(one.scores),
            pooled_figure(causal_mean(one.scores, one.end_s)),
        ]
    return Comparison(name, fitted, *figures)
