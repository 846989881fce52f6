"""What the length of the baseline is worth: the same networks, the same people, against more and less of their rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inference.training.calibration import cross_calibrated
from inference.training.config import TrainingConfig
from inference.training.corpus import Person
from inference.training.evaluate import (
    Length,
    OutOfFold,
    evaluation_windows,
    join_predictions,
    predict,
)
from inference.training.fit import Fitted
from inference.training.folds import fold_of
from inference.training.metrics import causal_mean, pooled_figure, within_figure
from inference.training.windows import Reference

LENGTHS_S = (0.0, 30.0, 60.0)


def baseline_lengths(corpus: Sequence[Person], config: TrainingConfig, fitted: Sequence[Fitted]) -> list[Length]:
    """Measure each of `LENGTHS_S`, calibrated by the other folds.

    Parameters
    ----------
    corpus, config
        As the folds were fitted to them.
    fitted
        The network of each fold.
    """
    found: list[Length] = []
    folds = fold_of(len(corpus), config)
    for seconds in LENGTHS_S:
        reference: Reference = "baseline" if seconds else "none"
        asked = config.model_copy(update={"baseline_s": seconds}) if seconds else config
        said = join_predictions(
            [
                predict(
                    one,
                    evaluation_windows(corpus, np.flatnonzero(folds == fold), reference, one.population, asked),
                    None,
                    fold,
                )
                for fold, one in enumerate(fitted)
            ]
        )
        # the calibration is that of this length alone, whatever it is called
        alone: OutOfFold = {("baseline", "all"): said}
        scores = cross_calibrated(alone)["baseline", "all"].alike
        steady = causal_mean(scores, said.end_s)
        found.append(
            Length(seconds, pooled_figure(scores), within_figure(scores), pooled_figure(steady), within_figure(steady))
        )
    return found
