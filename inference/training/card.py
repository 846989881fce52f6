"""The model card: what a model was made of, what was measured, and what its score does not mean."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from inference.bundle import ModelCard
from inference.training.config import TrainingConfig
from inference.training.eegmat import person_name
from inference.training.evaluate import AUC_HEADS, NUMBER_HEADS, FocusReport, Row
from inference.training.metrics import Null, failed, not_asked
from inference.training.trained_on import EEGMAT, TrainedOn

HEADS = ("baseline", "electrodes", *AUC_HEADS, *NUMBER_HEADS)


def card_text(
    card: ModelCard,
    report: FocusReport,
    config: TrainingConfig,
    aside: Sequence[str] = (),
    trained_on: TrainedOn = EEGMAT,
) -> str:
    """Write the card of a model.

    Parameters
    ----------
    card, report
        Its contract, and its out-of-fold report.
    config
        The recipe.
    aside
        Ids of the people who were given no weight, for they contradict the others.
    trained_on
        What is said of its data.
    """
    best = next(row for row in report.rows if row.reference == "baseline")
    template = (resources.files(__package__ or "") / trained_on.template).read_text("utf-8")
    return template.format(
        name=card.name,
        version=card.version,
        people=report.people,
        listed=_listed(config.numbers),
        baseline_s=config.baseline_s,
        scheme=_scheme(config, report.people),
        montage=best.montage,
        aside=_aside(aside, named=trained_on is EEGMAT),
        window_s=card.window_s,
        tokens=card.tokens,
        token_s=card.token_s,
        schema=card.feature_schema,
        response_s=card.response_s,
        opset=card.opset,
        heads=f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}",
        rows="\n".join(_line(row, config.baseline_s) for row in report.rows),
        nulls="\n".join(_null(null) for null in report.nulls),
        verdict=_verdict(report.nulls),
        shuffled=report.shuffled_auc,
        warning=report.warning,
        worst=", ".join(best.worst),
        ood=card.ood.threshold,
        ood_none=card.ood.threshold_uncalibrated,
        **trained_on.fields,
    )


def _null(null: Null) -> str:
    verdict = {True: "passed", False: "**failed**", None: ""}[null.passed]
    return f"| {null.question} | {null.answer} | {null.gate} | {verdict} |"


def _verdict(nulls: Sequence[Null]) -> str:
    bad, absent = failed(nulls), not_asked(nulls)
    told = "It passes every gate." if not absent else "It passes every gate that was asked."
    if bad:
        told = f"**It fails {', '.join(null.name for null in bad)} and was exported all the same (`--force`).**"
    if absent:
        told += f" **Not asked, as their recordings were not there: {', '.join(null.name for null in absent)}.**"
    return told


def _listed(numbers: Sequence[int]) -> str:
    names = [person_name(number) for number in numbers]
    one_after_another = len(names) > 2 and list(numbers) == list(range(numbers[0], numbers[0] + len(names)))
    return f"{names[0]} to {names[-1]}" if one_after_another else ", ".join(names)


def _scheme(config: TrainingConfig, people: int) -> str:
    if config.folds >= people:
        return "each by a network of all the others"
    return f"in {config.folds} groups, each by a network of all the other groups"


def _aside(ids: Sequence[str], *, named: bool) -> str:
    if not ids:
        return "Nobody contradicts the others so much as to be left out of the fit"
    who = ", ".join(ids) if named else f"{len(ids)} of them"
    return (
        f"{who}: a coin tells their labels better than the paths that are fitted to the others. They were given no "
        "weight in the fit; in the figures, where each fold decides anew, everybody counts the same"
    )


def _line(row: Row, baseline_s: float) -> str:
    cells = [
        f"{baseline_s:g} s of rest" if row.reference == "baseline" else "none",
        row.montage,
        *(str(figure) for figure in row.aucs),
        *row.numbers,
    ]
    return f"| {' | '.join(cells)} |"
