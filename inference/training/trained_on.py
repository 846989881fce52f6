"""What a model was trained on, as its contract and its card say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from inference.training.evaluate import EYES_WARNING

EEGMAT_LICENCE = "EEGMAT (PhysioNet, doi 10.13026/C2JQ1P): Open Data Commons Attribution License 1.0"


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """Words about the data of a model.

    Parameters
    ----------
    template
        Of the card, beside `card.py`.
    licence
        Of the data.
    told
        What was told from what, on what; goes into `metrics.evaluation` of `model.toml`.
    command
        That gives the figures again.
    warning
        What the figures do not mean.
    fields
        What the template asks for beside the figures.
    """

    template: str
    licence: str
    told: str
    command: str
    warning: str
    fields: Mapping[str, str] = field(default_factory=dict)


EEGMAT = TrainedOn(
    template="card_template.md",
    licence=EEGMAT_LICENCE,
    told="EEGMAT, task against rest",
    command="focusloop evaluate focus",
    warning=EYES_WARNING,
)
