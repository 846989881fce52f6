"""The model card: what a model was made of, what was measured, and what its score does not mean."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from inference.bundle import ModelCard
from inference.training.evaluate import AUC_HEADS, NUMBER_HEADS, FocusReport, Row
from inference.training.metrics import Null, failed
from inference.training.trained_on import EEGMAT, TrainedOn

HEADS = ("baseline", "electrodes", *AUC_HEADS, *NUMBER_HEADS)


def card_text(card: ModelCard, report: FocusReport, trained_on: TrainedOn = EEGMAT) -> str:
    """Write the card of a model from its contract, its out-of-fold report and what is said of its data."""
    best = next(row for row in report.rows if row.reference == "baseline")
    template = (resources.files(__package__ or "") / trained_on.template).read_text("utf-8")
    return template.format(
        name=card.name,
        version=card.version,
        people=report.people,
        last=report.people - 1,
        window_s=card.window_s,
        tokens=card.tokens,
        token_s=card.token_s,
        schema=card.feature_schema,
        response_s=card.response_s,
        opset=card.opset,
        heads=f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}",
        rows="\n".join(_line(row) for row in report.rows),
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
    return f"| {null.question} | {null.value:.3f} | {null.gate} | {verdict} |"


def _verdict(nulls: Sequence[Null]) -> str:
    bad = failed(nulls)
    if not bad:
        return "It passes every gate."
    return f"**It fails {', '.join(null.name for null in bad)} and was exported all the same (`--force`).**"


def _line(row: Row) -> str:
    cells = [
        "30 s of rest" if row.reference == "baseline" else "none",
        row.montage,
        *(str(figure) for figure in row.aucs),
        *row.numbers,
    ]
    return f"| {' | '.join(cells)} |"
