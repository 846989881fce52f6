"""Honest evaluation: people that the network never saw, their rest, fewer electrodes, and the cost of abstaining.

Every score comes from a network whose training set held none of the person's recordings; windows that the rules or the
distribution check refuse count as 0.5.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from inference.baseline import TASK_SCORE
from inference.training.calibration import Calibrated, cross_calibrated, error_by_chance
from inference.training.config import TrainingConfig
from inference.training.corpus import HOP_S, Person
from inference.training.curves import Curve, curve_of
from inference.training.fit import Fitted
from inference.training.folds import fold_of
from inference.training.metrics import (
    Figure,
    Null,
    Scores,
    balanced_accuracy,
    calibration_error,
    causal_mean,
    coverage,
    detection,
    person_aucs,
    pooled_auc,
    pooled_figure,
    within_figure,
)
from inference.training.windows import (
    EVALUATION_STEP_FRAMES,
    Reference,
    Windows,
    baseline_windows,
    join,
    running_windows,
)
from inference.validity import RULES

MONTAGES: dict[str, tuple[str, ...] | None] = {
    "19": None,
    "8": ("Fp1", "Fp2", "C3", "C4", "P3", "P4", "O1", "O2"),
    "4": ("Fp1", "Fp2", "T7", "T8"),
}
"""Electrodes that a figure is given for; linked-ear reference, so the four are no Muse."""

RE_REFERENCED = "4 against Fp1 and Fp2"
"""The same four against the mean of the two frontal ones, which is nearer to a Muse, and none either."""

REFERENCES: tuple[Reference, ...] = ("baseline", "none")
HALF_MINUTE_S = 30.0
"""As long as a baseline takes."""

EYES_WARNING = (
    "EEGMAT's rest was recorded with eyes closed, the eye state of its task is not stated: these figures may in part "
    "measure the opening of eyes. A score holds only against a baseline of the same eye state."
)


@dataclass(frozen=True, slots=True)
class Predictions:
    """What networks said of windows of people that they had not seen.

    Parameters
    ----------
    logit, spread, ood
        float64 (n,), not calibrated.
    refused
        bool (n,): too little of the window was usable.
    label, person, fold, electrodes
        int64 (n,); `electrodes` is how many the montage has.
    end_s
        float64 (n,): end of the window in its recording, s.
    """

    logit: NDArray[np.float64]
    spread: NDArray[np.float64]
    ood: NDArray[np.float64]
    refused: NDArray[np.bool_]
    label: NDArray[np.int64]
    person: NDArray[np.int64]
    fold: NDArray[np.int64]
    end_s: NDArray[np.float64]
    electrodes: NDArray[np.int64]


OutOfFold = dict[tuple[Reference, str], Predictions]
"""By reference and montage."""


def out_of_fold(
    corpus: Sequence[Person],
    config: TrainingConfig,
    fitted: Sequence[Fitted],
    folds: NDArray[np.int64] | None = None,
) -> OutOfFold:
    """Score every person by the network that never saw them.

    Parameters
    ----------
    corpus, config
        People and recipe.
    fitted
        The network of each fold.
    folds
        (people,): fold of each, negative where nobody scores them; None deals them as `fold_of` does.
    """
    folds = fold_of(len(corpus), config) if folds is None else folds
    looks: list[tuple[Sequence[Person], dict[str, list[int] | None]]] = [(corpus, montage_columns(corpus))]
    if all("re-referenced" in person.views for person in corpus):
        looks.append(([person.seen("re-referenced") for person in corpus], {RE_REFERENCED: None}))
    parts: dict[tuple[Reference, str], list[Predictions]] = {}
    for fold, one in enumerate(fitted):
        own = np.flatnonzero(folds == fold)
        for (people, columns), reference in itertools.product(looks, REFERENCES):
            windows = evaluation_windows(people, own, reference, one.population, config)
            for montage, channels in columns.items():
                parts.setdefault((reference, montage), []).append(predict(one, windows, channels, fold))
    return {key: join_predictions(said) for key, said in parts.items()}


def evaluation_windows(
    corpus: Sequence[Person],
    people: NDArray[np.int64],
    reference: Reference,
    population: Sequence[float],
    config: TrainingConfig,
) -> Windows:
    """Windows of some people: against their first `baseline_s` of rest, or each recording by itself."""
    parts: list[Windows] = []
    for index in people:
        person = corpus[index]
        if reference == "baseline":
            parts += baseline_windows(person, int(index), length_s=config.baseline_s, step=EVALUATION_STEP_FRAMES)
        else:
            parts += running_windows(person, int(index), population, step=EVALUATION_STEP_FRAMES)
    return join(parts)


def montage_columns(corpus: Sequence[Person]) -> dict[str, list[int] | None]:
    """Columns of the montages whose electrodes every person has."""
    labels = corpus[0].rest.labels
    if any(series.labels != labels for person in corpus for series in (person.rest, person.task)):
        return {str(len(labels)): None}
    return {str(len(labels)): None} | {
        name: [labels.index(label) for label in wanted]
        for name, wanted in MONTAGES.items()
        if wanted is not None and set(wanted) < set(labels)
    }


@torch.no_grad()
def predict(fitted: Fitted, windows: Windows, channels: Sequence[int] | None, fold: int) -> Predictions:
    """Run a network over windows."""
    batches = [
        windows.take(rows, channels) for rows in np.array_split(np.arange(len(windows)), max(1, len(windows) // 512))
    ]
    said = [
        torch.cat(column).double().numpy()
        for column in zip(*(fitted.network(b.x, b.position_m, b.mask) for b in batches), strict=True)
    ]
    usable = torch.cat([1.0 - b.mask.float().mean((1, 2)) for b in batches]).numpy()
    return Predictions(
        *said,
        refused=usable < RULES.usable_share,
        label=windows.label.astype(np.int64),
        person=windows.person,
        fold=np.full(len(windows), fold),
        end_s=windows.end.astype(np.float64) * HOP_S,
        # whoever has fewer than others is filled up with channels that lie nowhere
        electrodes=torch.cat([(b.position_m != 0.0).any(2).sum(1) for b in batches]).numpy(),
    )


def join_predictions(parts: Sequence[Predictions]) -> Predictions:
    """Put predictions together, in order."""
    names = Predictions.__dataclass_fields__
    return Predictions(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


AUC_HEADS = (
    "window, pooled",
    "window, within",
    "`value`, pooled",
    "`value`, within",
    "20-s mean, pooled",
    "20-s mean, within",
)
NUMBER_HEADS = (
    "balanced accuracy",
    "precision",
    "recall",
    "F1",
    "ECE (by chance: median, 97.5 %)",
    "ECE of `value`",
    "coverage",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a reference and a montage.

    `pooled` and `within` are of single windows (`raw`), `value_…` of what a client gets, smoothed over 1 s, `steady_…`
    of the mean over 20 s. `error_by_chance` is what the calibration error of a calibrated score of so many people is.
    """

    reference: Reference
    montage: str
    pooled: Figure
    within: Figure
    value_pooled: Figure
    value_within: Figure
    steady_pooled: Figure
    steady_within: Figure
    balanced_accuracy: float
    precision: float
    recall: float
    f1: float
    calibration_error: float
    error_by_chance: Figure
    value_calibration_error: float
    coverage: float
    worst: tuple[str, ...]

    @property
    def aucs(self) -> tuple[Figure, ...]:
        """What the tables show under `AUC_HEADS`."""
        return (
            self.pooled,
            self.within,
            self.value_pooled,
            self.value_within,
            self.steady_pooled,
            self.steady_within,
        )

    @property
    def numbers(self) -> tuple[str, ...]:
        """What the tables show under `NUMBER_HEADS`."""
        return (
            *(f"{value:.3f}" for value in (self.balanced_accuracy, self.precision, self.recall, self.f1)),
            f"{self.calibration_error:.3f} ({self.error_by_chance.value:.2f}, {self.error_by_chance.high:.2f})",
            f"{self.value_calibration_error:.3f}",
            f"{self.coverage:.3f}",
        )


def tabulate(corpus: Sequence[Person], calibrated: Mapping[tuple[Reference, str], Calibrated]) -> list[Row]:
    """Make the table of figures of calibrated scores."""
    rows: list[Row] = []
    for (reference, montage), one in calibrated.items():
        scores, alike = one.scores, one.alike
        value, steady = one.value(alike), causal_mean(alike, one.end_s)
        each = person_aucs(alike)
        worst = sorted(each, key=each.__getitem__)[:4]
        rows.append(
            Row(
                reference,
                montage,
                pooled_figure(alike),
                within_figure(alike),
                pooled_figure(value),
                within_figure(value),
                pooled_figure(steady),
                within_figure(steady),
                balanced_accuracy(scores),
                *detection(scores),
                calibration_error(scores),
                error_by_chance(scores),
                calibration_error(one.value(scores)),
                coverage(scores),
                tuple(f"{corpus[person].id} {each[person]:.2f}" for person in worst),
            )
        )
    return rows


@dataclass(frozen=True, slots=True)
class Length:
    """Figures with all electrodes after `seconds` of own rest; 0 is the running mean, each recording by itself."""

    seconds: float
    pooled: Figure
    within: Figure
    steady_pooled: Figure
    steady_within: Figure


@dataclass(frozen=True, slots=True)
class FocusReport:
    """What `focusloop evaluate focus` prints.

    Parameters
    ----------
    rows
        The table.
    shuffled_auc
        Pooled AUC, 19 channels against rest, when recordings change their labels at random: has to be near 0.5.
    people
        How many.
    nulls
        What the model must not know, and whether it does.
    curves
        With all electrodes, against rest and without a baseline.
    lengths
        What the length of the baseline is worth; empty where it was not measured.
    warning
        What the figures do not mean.
    """

    rows: list[Row]
    shuffled_auc: Figure
    people: int
    nulls: list[Null] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    lengths: list[Length] = field(default_factory=list)
    warning: str = EYES_WARNING


def shuffled_labels_auc(scores: Scores, *, draws: int = 200, seed: int = 0) -> Figure:
    """Pooled AUC when each person's two recordings swap labels by the toss of a coin: mean and 95 % range."""
    generator = np.random.default_rng(seed)
    values: list[float] = []
    for _ in range(draws):
        swap = generator.random(int(scores.person.max()) + 1) < 0.5
        label = np.where(swap[scores.person], 1 - scores.label, scores.label)
        values.append(pooled_auc(Scores(scores.probability, label, scores.person)))
    low, high = np.percentile(values, [2.5, 97.5])
    return Figure(float(np.mean(values)), float(low), float(high))


def looks_like_task(one: Calibrated) -> list[Null]:
    """Tell how many half minutes score above what is refused as a baseline (`inference.baseline.TASK_SCORE`)."""
    told: list[Null] = []
    for label, name in ((0, "rest"), (1, "task")):
        means: list[float] = []
        for person in np.unique(one.scores.person):
            own = (one.scores.person == person) & (one.scores.label == label) & ~np.isnan(one.scores.probability)
            half = np.floor(one.end_s / HALF_MINUTE_S)
            for number in np.unique(half[own]):
                rows = own & (half == number)
                if np.ptp(one.end_s[rows]) >= 0.75 * HALF_MINUTE_S:
                    means.append(float(one.scores.probability[rows].mean()))
        if means:
            share = float(np.mean(np.array(means) > TASK_SCORE))
            question = f"{len(means)} half minutes of {name}: share that scores above {TASK_SCORE:g} (only told)"
            told.append(Null(f"half minutes of {name}", question, share))
    return told


def report(corpus: Sequence[Person], found: OutOfFold, nulls: Sequence[Null] = ()) -> FocusReport:
    """Make the report of out-of-fold predictions."""
    return report_of(corpus, cross_calibrated(found), nulls)


def report_of(
    corpus: Sequence[Person],
    calibrated: Mapping[tuple[Reference, str], Calibrated],
    nulls: Sequence[Null] = (),
) -> FocusReport:
    """Make the report of calibrated scores."""
    widest = {reference: next(key for key in calibrated if key[0] == reference) for reference in REFERENCES}
    shuffled = shuffled_labels_auc(calibrated[widest["baseline"]].alike)
    names = [person.id for person in corpus]
    titles: dict[Reference, str] = {"baseline": "Against own rest", "none": "Without a baseline"}
    curves = [curve_of(f"{titles[key[0]]}, {key[1]} electrodes", calibrated[key], names) for key in widest.values()]
    people = len(np.unique(calibrated[widest["baseline"]].scores.person))
    told = [*nulls, *looks_like_task(calibrated[widest["baseline"]])]
    return FocusReport(tabulate(corpus, calibrated), shuffled, people, told, curves)
