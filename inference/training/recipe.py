"""The recipe: from EEGMAT to a model folder, with figures of people that the fitted networks never saw.

`python -m inference.training.recipe --out models` trains the default model again.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.isotonic import IsotonicRegression

from bci.errors import ModelError
from inference.bundle import load_bundle
from inference.normalise import RunningMean
from inference.session import FocusSession, choose_providers
from inference.training.calibration import cross_calibrated, fit_calibrations, ood_limits
from inference.training.config import TrainingConfig, load_config
from inference.training.corpus import Person
from inference.training.eegmat import eegmat_folder, person_name, read_eegmat
from inference.training.evaluate import (
    FocusReport,
    out_of_fold,
    report,
    report_of,
)
from inference.training.export import Measured, export
from inference.training.fit import Fitted
from inference.training.folds import Progress, Watch, fit_folds, fit_or_find, silent
from inference.training.holdout import evaluate_hold_out
from inference.training.kept import KeptFits
from inference.training.lengths import baseline_lengths
from inference.training.metrics import Scores, class_weights, failed, not_asked
from inference.training.nulls import nulls_of
from inference.training.response import response_time_s
from inference.training.trained_on import EEGMAT, TrainedOn

MARGINS = tuple(round(0.05 * k, 2) for k in range(11))
_FOLDS_SHARE = 0.85


def train(
    config: TrainingConfig | None = None,
    *,
    data: Path | None = None,
    out: Path,
    force: bool = False,
    kept: KeptFits | None = None,
    watch: Watch | None = None,
    tell: Callable[[str], object] = print,
    progress: Progress = silent,
) -> Path:
    """Train, measure and export the default model.

    Parameters
    ----------
    config
        The recipe; None for the default.
    data
        Folder of EEGMAT; None looks where data sets lie (`datasets.data_root`).
    out
        Folder of models; the model goes to `out/<name>/<version>`.
    force
        Export also a model that fails a null; its card says so.
    kept
        Where finished fits are kept, so that training that was interrupted goes on; None keeps none.
    watch
        Told the loss at each step of each fit.
    tell
        Takes a sentence for a person on what could not be asked.
    progress
        Told what is done, and the share of it.

    Returns
    -------
    The model's folder.

    Raises
    ------
    ConfigError
        If the data are not there or too few.
    ModelError
        If the model fails a null, or the exported graph does not compute what the network does.
    """
    config = config or TrainingConfig()
    folder = eegmat_folder(data)
    corpus = read_eegmat(folder, config.numbers, lambda name: progress(f"reading {name}", 0.0))
    return train_on(
        corpus, config, out=out, force=force, others=folder.parent, kept=kept, watch=watch, tell=tell, progress=progress
    )


def evaluate_focus(
    data: Path | None = None,
    config: TrainingConfig | None = None,
    progress: Progress = silent,
    *,
    held_out: Sequence[int] = (),
    kept: KeptFits | None = None,
) -> FocusReport:
    """Fit the recipe on all folds of EEGMAT and report it on the people left out, with the nulls.

    Parameters
    ----------
    data
        Folder of EEGMAT; None looks where data sets lie (`datasets.data_root`). The nulls' data are looked for
        beside it.
    config
        The recipe; None for the default.
    progress
        Told what is done, and the share of it.
    held_out
        Numbers of people who are scored only by a network of all the others, calibrated on those; without folds over
        everybody there are no nulls. Empty: everybody is scored, in folds.
    kept
        Where finished fits are kept.

    Raises
    ------
    ConfigError
        If the data are not there, or too few.
    """
    config = config or TrainingConfig()
    folder = eegmat_folder(data)
    corpus = read_eegmat(folder, config.numbers, lambda name: progress(f"reading {name}", 0.0))
    torch.set_num_threads(1)
    if held_out:
        return evaluate_hold_out(corpus, config, [person_name(number) for number in held_out], progress, kept=kept)
    fitted = fit_folds(corpus, config, lambda text, share: progress(text, _FOLDS_SHARE * share), kept=kept)
    exported = _fit_everybody(
        corpus,
        config,
        fitted,
        kept,
        lambda share: progress("all people", _FOLDS_SHARE + (1 - _FOLDS_SHARE) * share),
    )
    progress("nulls", 1.0)
    nulls = nulls_of(corpus, config, fitted, folder.parent, exported)
    told = report(corpus, out_of_fold(corpus, config, fitted), nulls)
    return replace(told, lengths=baseline_lengths(corpus, config, fitted))


def train_on(
    corpus: Sequence[Person],
    config: TrainingConfig,
    *,
    out: Path,
    force: bool = False,
    others: Path | None = None,
    trained_on: TrainedOn = EEGMAT,
    kept: KeptFits | None = None,
    watch: Watch | None = None,
    tell: Callable[[str], object] = print,
    progress: Progress = silent,
) -> Path:
    """Train on people that were read already, with the nulls' recordings in `others`; otherwise like `train`.

    What contract and card say of these people is `trained_on`.
    """
    torch.set_num_threads(1)  # so small a network gains nothing from more, and the sums keep their order
    folds = fit_folds(corpus, config, lambda text, share: progress(text, _FOLDS_SHARE * share), kept=kept, watch=watch)
    found = out_of_fold(corpus, config, folds)
    fitted = _fit_everybody(
        corpus,
        config,
        folds,
        kept,
        lambda share: progress("all people", _FOLDS_SHARE + (1 - _FOLDS_SHARE) * share),
        watch,
    )
    nulls = nulls_of(corpus, config, folds, others, fitted)
    if absent := not_asked(nulls):
        tell(f"not asked, as their recordings are not beside the data: {', '.join(null.name for null in absent)}")
    if (bad := failed(nulls)) and not force:
        told = "; ".join(f"{null.name}: {null.question} is {null.value:.3f}" for null in bad)
        msg = f"the model knows what it must not ({told}) and is not exported; --force exports it, and its card says so"
        raise ModelError(msg)
    fits = fit_calibrations(found)
    fitted.network.calibrate(fits["baseline"].scale, fits["baseline"].shift)
    limits = ood_limits(found)
    calibrated = cross_calibrated(found)
    usual = inspect.signature(RunningMean).parameters
    progress("figures", 1.0)
    measured = Measured(
        report=replace(report_of(corpus, calibrated, nulls), warning=trained_on.warning),
        ood_limit=limits["baseline"],
        ood_limit_uncalibrated=limits["none"],
        margin=MARGINS,
        calibrations=fits,
        accuracy=expected_accuracy([one.cautious for (of, _), one in calibrated.items() if of == "baseline"]),
        accuracy_uncalibrated=expected_accuracy([one.cautious for (of, _), one in calibrated.items() if of == "none"]),
        response_s=0.0,
        population=fitted.population,
        prior_s=float(usual["prior_s"].default),
        time_constant_s=float(usual["time_constant_s"].default),
        aside=fitted.aside,
    )
    folder = export(fitted.network, measured, config, out, trained_on)
    # measured with the model as it will run, so it is written once more
    seconds = response_time_s(FocusSession(load_bundle(folder), choose_providers(("cpu",))), config.response_people)
    return export(fitted.network, replace(measured, response_s=seconds), config, out, trained_on)


def _fit_everybody(
    corpus: Sequence[Person],
    config: TrainingConfig,
    folds: Sequence[Fitted],
    kept: KeptFits | None,
    progress: Callable[[float], None],
    watch: Watch | None = None,
) -> Fitted:
    """Fit the network that is exported, for as many steps as the folds took in the middle."""
    return fit_or_find(
        corpus,
        config,
        seed=config.seed,
        steps=max(1, int(np.median([one.steps for one in folds]))),
        kept=kept,
        watch=None if watch is None else partial(watch, "all people"),
        progress=progress,
    )


def expected_accuracy(scores: Sequence[Scores]) -> tuple[float, ...]:
    """Accuracy at each of `MARGINS`: hits in tenths of the windows by |p - 0.5|, made monotone, held at both ends.

    Rest and task count the same. Tenths, so that a handful of the surest windows does not promise certainty.
    """
    kept = [one.of(~np.isnan(one.probability)) for one in scores]
    margin = np.concatenate([np.abs(one.probability - 0.5) for one in kept])
    hit = np.concatenate([(one.probability > 0.5) == (one.label == 1) for one in kept])
    weight = np.concatenate([class_weights(one.label) for one in kept])
    tenths = np.array_split(np.argsort(margin), 10)
    centre = [margin[rows].mean() for rows in tenths]
    share = [np.average(hit[rows], weights=weight[rows]) for rows in tenths]
    curve = IsotonicRegression(y_min=0.5, y_max=0.99, out_of_bounds="clip").fit(centre, share)
    return tuple(float(value) for value in curve.predict(np.array(MARGINS)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train from the command line, without the rest of focusloop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of EEGMAT")
    parser.add_argument("--out", type=Path, default=Path("models"))
    parser.add_argument("--config", type=Path, help="a recipe.toml")
    given = parser.parse_args(arguments)

    def show(text: str, share: float) -> None:
        sys.stderr.write(f"\r\x1b[K{share:4.0%} {text}")

    folder = train(load_config(given.config), data=given.data, out=given.out, progress=show)
    sys.stderr.write(f"\n{folder}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
