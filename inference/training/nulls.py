"""What a focus model must not know: nulls that gate a release.

A model fitted on closed-eyes rest against arithmetic can score well for reasons that have nothing to do with thinking:
the eyes, drift over a session, novelty, muscle, a flaw of the files. Each null is a question whose honest answer is
known beforehand. Every person is scored by a network that never saw them; recordings of other data sets, whose people
nobody trained on, by the network that is exported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bci.errors import ConfigError
from bci.files.reading import read_recording
from inference.eyes import AlphaIndex, contradicts
from inference.training.config import TrainingConfig
from inference.training.corpus import HOP_S, MODEL_BANDS, FrameSeries, Person, segments_of
from inference.training.fit import Fitted
from inference.training.folds import fold_of
from inference.training.label_null import DRAWS, fits_to_shuffled_labels
from inference.training.metrics import Null, auc, not_asked
from inference.training.windows import (
    EVALUATION_STEP_FRAMES,
    WINDOW_S,
    Windows,
    ends_of,
    join,
    windows_against,
)
from inference.types import EyeState
from inference.validity import RULES

Values = NDArray[np.float64]
Spans = dict[tuple[str, EyeState], list[FrameSeries]]

_LUAB_ELECTRODES = ("Fp1", "Fp2")

_LECTURES = ("Control", "Understanding")

_LEAST_SHUFFLED = 12
"""People from whom on the null of shuffled labels gates: of fewer, halves that were swapped do not balance."""


def nulls_of(
    corpus: Sequence[Person],
    config: TrainingConfig,
    fitted: Sequence[Fitted],
    data: Path | None,
    exported: Fitted | None = None,
) -> list[Null]:
    """Answer all questions.

    Parameters
    ----------
    corpus
        People, as the folds were fitted to them.
    config, fitted
        The recipe, and its network of each fold.
    data
        Folder that holds `openbci-luab` and `muse-biohack`; None where there is none. What it lacks is not asked.
    exported
        The network of everybody, which is asked about other data sets; None asks the mean of the folds' networks.

    Raises
    ------
    ConfigError
        If the people's own recordings are too short to ask what gates.
    """
    folds = fold_of(len(corpus), config)
    own = [fitted[fold] for fold in folds]
    plain = _against_rest(corpus, config, own, None)
    found = [
        *_within_rest(corpus, own),
        _swap(corpus, config, own),
        _shuffled_in_time(corpus, config, own),
        *_without_high(corpus, config, own, plain),
        *_count_quality(corpus, plain),
        _shuffled_labels(corpus, config, fitted, folds),
    ]
    if short := not_asked(found):
        msg = (
            f"the recordings are too short to ask for {', '.join(null.name for null in short)}: a rest, and a task, "
            f"has to outlast a baseline and a window ({config.baseline_s + WINDOW_S:.0f} s); record more, or shorten "
            "`baseline_s` in the recipe"
        )
        raise ConfigError(msg)
    judged = fitted if exported is None else [exported]
    spans: Spans = {} if data is None else _luab(data / "openbci-luab")
    control, understood = ({} if data is None else _by_person(data / "muse-biohack", of) for of in _LECTURES)
    return [
        *found,
        *_eyes(spans, judged),
        *_lectures(control, understood, judged),
        _same_condition_elsewhere(control, judged),
    ]


@torch.no_grad()
def logits_of(networks: Sequence[Fitted], windows: Windows) -> Values:
    """Mean logit of some networks, (n,); 0 where too little of a window is usable: abstaining wins nothing."""
    if not len(windows):
        return np.zeros(0)
    parts: list[Values] = []
    for rows in np.array_split(np.arange(len(windows)), max(1, len(windows) // 512)):
        batch = windows.take(rows)
        said = torch.stack([one.network(batch.x, batch.position_m, batch.mask)[0] for one in networks]).mean(0)
        usable = 1.0 - batch.mask.float().mean((1, 2))
        parts.append(torch.where(usable >= RULES.usable_share, said, torch.zeros(())).double().numpy())
    return np.concatenate(parts)


def _auc(negative: Values, positive: Values) -> float:
    if not len(negative) or not len(positive):
        return float("nan")  # nobody to ask
    return auc(np.r_[negative, positive], np.arange(len(negative) + len(positive)) >= len(negative))


def _stretch(series: FrameSeries, reference: NDArray[np.float32], start: int, stop: int) -> Windows:
    ends = ends_of(series, start, EVALUATION_STEP_FRAMES)
    return windows_against(series, ends[ends < stop], reference, 0.0, 0)


def _within_rest(corpus: Sequence[Person], own: Sequence[Fitted]) -> list[Null]:
    """First against last third of rest, against its middle; and later rest against the baseline's own seconds."""
    early, late, base, after = [], [], [], []
    for person, fitted in zip(corpus, own, strict=True):
        rest, n = person.rest, len(person.rest)
        middle = rest.mean(n // 3, 2 * n // 3)
        early.append(logits_of([fitted], _stretch(rest, middle, 0, n // 3)))
        late.append(logits_of([fitted], _stretch(rest, middle, 2 * n // 3, n)))
        stop = round(30.0 / HOP_S)
        first = rest.mean(0, stop)
        base.append(logits_of([fitted], _stretch(rest, first, 0, stop)))
        after.append(logits_of([fitted], _stretch(rest, first, stop, n)))
    return [
        Null("drift", "first against last third of rest, AUC", _auc(*_joined(early, late)), 0.42, 0.58),
        Null(
            "same condition",
            "later rest against the baseline's own 30 s, AUC",
            _auc(*_joined(base, after)),
            None,
            0.58,
        ),
    ]


def _joined(*parts: Sequence[Values]) -> list[Values]:
    return [np.concatenate([np.zeros(0), *part]) for part in parts]


def _swap(corpus: Sequence[Person], config: TrainingConfig, own: Sequence[Fitted]) -> Null:
    rest, task = [], []
    stop = round(config.baseline_s / HOP_S)
    for person, fitted in zip(corpus, own, strict=True):
        reference = person.task.mean(0, stop)
        rest.append(logits_of([fitted], _stretch(person.rest, reference, 0, len(person.rest))))
        task.append(logits_of([fitted], _stretch(person.task, reference, stop, len(person.task))))
    return Null("swap", "baseline taken from the task, AUC task against rest", _auc(*_joined(rest, task)), 0.75)


def _against_rest(
    corpus: Sequence[Person],
    config: TrainingConfig,
    own: Sequence[Fitted],
    change: Callable[[Windows, int], Windows] | None,
) -> tuple[list[Values], list[Values]]:
    """Logits of rest and of task by person, against the first seconds of rest."""
    stop = round(config.baseline_s / HOP_S)
    rest, task = [], []
    for index, (person, fitted) in enumerate(zip(corpus, own, strict=True)):
        reference = person.rest.mean(0, stop)
        windows = join(
            [
                _stretch(person.rest, reference, stop, len(person.rest)),
                _stretch(person.task, reference, 0, len(person.task)),
            ]
        )
        n_rest = len(ends_of(person.rest, stop, EVALUATION_STEP_FRAMES))
        said = logits_of([fitted], windows if change is None else change(windows, index))
        rest.append(said[:n_rest])
        task.append(said[n_rest:])
    return rest, task


def _shuffled_in_time(corpus: Sequence[Person], config: TrainingConfig, own: Sequence[Fitted]) -> Null:
    def shuffle(windows: Windows, index: int) -> Windows:
        return windows.shuffled_in_time(np.random.default_rng(index))

    rest, task = _against_rest(corpus, config, own, shuffle)
    return Null(
        "channels shuffled in time",
        "each electrode's windows of rest and task dealt anew, AUC",
        _auc(*_joined(rest, task)),
        0.45,
        0.55,
    )


def _without_high(
    corpus: Sequence[Person], config: TrainingConfig, own: Sequence[Fitted], plain: tuple[list[Values], list[Values]]
) -> list[Null]:
    if not all("below 30 Hz" in person.views for person in corpus):
        return []
    filtered = _against_rest([person.seen("below 30 Hz") for person in corpus], config, own, None)
    lost = _auc(*_joined(*plain)) - _auc(*_joined(*filtered))
    return [Null("without > 30 Hz", "AUC lost where all above 30 Hz is filtered away", lost, None, 0.03)]


def _count_quality(corpus: Sequence[Person], plain: tuple[list[Values], list[Values]]) -> list[Null]:
    each = [_auc(rest, task) for rest, task in zip(*plain, strict=True)]
    found: list[Null] = []
    for well, text in ((True, "who count well"), (False, "who count badly")):
        values = [auc for auc, person in zip(each, corpus, strict=True) if person.counts_well is well]
        if values:
            found.append(
                Null(f"people {text}", f"AUC within, {len(values)} people {text} (only told)", float(np.mean(values)))
            )
    return found


def _shuffled_labels(
    corpus: Sequence[Person], config: TrainingConfig, fitted: Sequence[Fitted], folds: NDArray[np.int64]
) -> Null:
    each = [
        _auc(*_joined(*_against_rest(corpus, config, [draw[fold] for fold in folds], None)))
        for draw in fits_to_shuffled_labels(corpus, config, fitted)
    ]
    text = f"linear paths trained again with rest and task swapped for half of the people, AUC, mean of {DRAWS}"
    gate = (0.42, 0.58) if len(corpus) >= _LEAST_SHUFFLED else (None, None)
    return Null("trained on shuffled labels", text, float(np.mean(each)), *gate)


def _same_condition_elsewhere(control: Mapping[str, FrameSeries], fitted: Sequence[Fitted]) -> Null:
    """Another data set, other people, another headset: later rest against the baseline's own seconds."""
    stop = round(30.0 / HOP_S)
    base, after = [], []
    for series in control.values():
        first = series.mean(0, stop)
        base.append(logits_of(fitted, _stretch(series, first, 0, stop)))
        after.append(logits_of(fitted, _stretch(series, first, stop, len(series))))
    text = "muse-biohack, later control against the baseline's own 30 s, AUC"
    return Null("same condition elsewhere", text, _auc(*_joined(base, after)), None, 0.58)


def _luab(folder: Path) -> Spans:
    spans: Spans = {}
    for path in sorted(folder.glob("*.txt")):
        state: EyeState = "closed" if "_closed_" in path.name else "open"
        series = [one for one in segments_of(read_recording(path, montage=_LUAB_ELECTRODES)) if one.usable.any()]
        if series:
            longest = max(series, key=len)
            spans.setdefault((path.name.split("_")[0], state), []).append(longest)
    return spans


def _eyes(spans: Spans, fitted: Sequence[Fitted]) -> list[Null]:
    """Score one counting task with eyes open and closed: whatever the score says here, it says of the eyes."""
    alpha = AlphaIndex(MODEL_BANDS)
    people = sorted({name for name, _ in spans})

    def against(base: EyeState, other: EyeState) -> tuple[list[Values], list[Values]]:
        pairs = [
            (one, two) for name in people for one in spans.get((name, base), []) for two in spans.get((name, other), [])
        ]
        pairs = [(one, two) for one, two in pairs if one is not two]
        references = [one.mean(0, len(one)) for one, _ in pairs]

        def said(series: FrameSeries, mean: NDArray[np.float32]) -> Values:
            return logits_of(fitted, _stretch(series, mean, 0, len(series)))

        return (
            [said(one, mean) for (one, _), mean in zip(pairs, references, strict=True)],
            [said(two, mean) for (_, two), mean in zip(pairs, references, strict=True)],
        )

    def index(series: FrameSeries) -> float:
        values = [alpha.of(frame, usable) for frame, usable in zip(series.relative, series.usable, strict=True)]
        return float(np.mean([value for value in values if value is not None]))

    both = [name for name in people if (name, "open") in spans and (name, "closed") in spans]
    level = {
        (name, state): float(np.mean([index(one) for one in spans[name, state]]))
        for name in both
        for state in ("open", "closed")
    }
    missed = sum(not contradicts(level[name, "open"], level[name, "closed"], "closed") for name in both)
    open_open, open_closed = against("open", "open"), against("open", "closed")
    return [
        Null(
            "eyes: open, open",
            "open baseline, another open file against its own, AUC",
            _auc(*_joined(*open_open)),
            None,
            0.58,
        ),
        Null(
            "eyes: open, closed",
            "open baseline, closed eyes against its own, AUC (never higher)",
            _auc(*_joined(*open_closed)),
            None,
            0.5,
        ),
        Null(
            "eyes: closed, open",
            "closed baseline, open eyes: share of people for whom the mismatch is missed (only told)",
            missed / len(both) if both else float("nan"),
        ),
    ]


def _lectures(
    control: Mapping[str, FrameSeries], understood: Mapping[str, FrameSeries], fitted: Sequence[Fitted]
) -> list[Null]:
    """Score lectures that were understood against control, of people who have both: EEG does not tell them apart.

    Against the first 30 s of the own control, and against what is usual for people. A higher AUC would be a leak.
    """
    usual = np.mean([one.population for one in fitted], axis=0).astype(np.float32)
    found: list[Null] = []
    for text, own in (("30 s of own control", True), ("no baseline", False)):
        said: tuple[list[Values], list[Values]] = ([], [])
        for name in sorted(control.keys() & understood.keys()):
            mean = control[name].mean(0, round(30.0 / HOP_S))
            reference = mean if own else np.broadcast_to(usual, mean.shape)
            for one, series in zip(said, (control[name], understood[name]), strict=True):
                one.append(logits_of(fitted, _stretch(series, reference, 0, len(series))))
        question = f"muse-biohack, understanding against control ({text}), AUC"
        found.append(Null(f"lectures, {text}", question, _auc(*_joined(*said)), None, 0.60))
    return found


def _by_person(folder: Path, condition: str) -> dict[str, FrameSeries]:
    """Longest stretch of each person's recording of a condition."""
    return {
        path.name.partition(condition)[0]: max(segments_of(read_recording(path)), key=len)
        for path in sorted(folder.glob(f"*{condition}.csv*"))
    }
