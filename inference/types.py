"""What flows out of the model: a focus score that is valid, or says why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Reason = Literal[
    "paused",
    "no_data",
    "stale",
    "not_worn",
    "unassigned",
    "poor_contact",
    "artifact",
    "warming_up",
    "out_of_distribution",
    "baseline_mismatch",
]
"""Why a score is not valid, in the order in which they are looked for: the first that holds is given."""

REASONS: tuple[Reason, ...] = get_args(Reason)

EyeState = Literal["open", "closed"]


@dataclass(frozen=True, slots=True)
class CertificateFigures:
    """How well focus was measured to be readable from this person.

    Parameters
    ----------
    auc, low, high
        Area under the ROC curve, task against cross, cross-validated by block, and its 95 % interval.
    taken_unix_s
        When it was measured, Unix time.
    """

    auc: float
    low: float
    high: float
    taken_unix_s: float

    def fields(self, now_unix_s: float) -> dict[str, float]:
        """Give what a message carries."""
        days = max(0.0, now_unix_s - self.taken_unix_s) / 86400.0
        return {
            "auc": round(self.auc, 3),
            "low": round(self.low, 3),
            "high": round(self.high, 3),
            "age_days": round(days, 2),
        }


@dataclass(frozen=True, slots=True)
class FocusScore:
    """One focus score of one participant: an estimate of engagement as the training data defined it, no diagnosis.

    Every number that a client could take for a score is None while `reason` is not.

    Parameters
    ----------
    value
        0..1, after smoothing (exponential, time constant `smoothing_s`).
    steady
        0..1, causal mean of the valid raw scores of the last 20 s.
    relative
        0..1, place of `value` among this person's own values in this session; 0.5 = as usual.
    raw
        0..1, calibrated probability before smoothing.
    reason
        None where the score is valid, else the first reason that holds.
    confidence
        0.5..1, expected accuracy, as the model's card defines it; of a personal head, as its certificate measured it.
    quality
        Share of usable channel-time in the window, 0..1; None before there is a window.
    calibrated
        True where a personal baseline is in use.
    end_s
        Corrected stamp of the newest sample used, LSL clock; None where there never was one.
    model_id
        `name@version`.
    window_s, delay_s, response_s
        Length of the window; group delay at 10 Hz plus smoothing; measured time to 63 % of a step.
    certificate
        Of the personal head in use; None where there is none.
    """

    value: float | None
    steady: float | None
    relative: float | None
    raw: float | None
    reason: Reason | None
    confidence: float | None
    quality: float | None
    calibrated: bool
    end_s: float | None
    model_id: str
    window_s: float
    delay_s: float
    response_s: float
    certificate: CertificateFigures | None = None

    @property
    def valid(self) -> bool:
        """True where the score is one."""
        return self.reason is None
