"""What was measured of one person, as it is kept: figures, head, owner and age."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from inference.blocks import fill_channels, window_mean
from inference.normalise import Features
from inference.types import Readability

Code = Literal["unreadable", "rests_on_eyes", "rests_on_muscle"]
"""What a measured person can fail on."""

CODES: tuple[Code, ...] = get_args(Code)

MAX_AGE_DAYS = 90.0
"""An older certificate is kept, and not used: caps sit otherwise, habits change. A choice, not a measurement."""

_DAY_S = 86400.0


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Measured(_Kept):
    """AUC out of fold, its 95 % interval over pairs of blocks, and the permutation p."""

    auc: float
    low: float
    high: float
    p: float

    def __str__(self) -> str:
        """Format as people read it: .81 [.74–.87]."""
        return f"{_short(self.auc)} [{_short(self.low)}–{_short(self.high)}]"


class Shares(_Kept):
    """What the head rests on.

    Parameters
    ----------
    bands, regions
        Shares of the distance between task and rest; each sums to 1.
    ocular, muscular
        Share of AUC - .5 that goes when the ocular or muscular features are regressed out, 0..1.
    """

    bands: dict[str, float]
    regions: dict[str, float]
    ocular: float
    muscular: float


class Certificate(_Kept):
    """How well focus was measured to be readable from one person.

    Parameters
    ----------
    participant, device, labels, model
        Where any of them differs, it is not used.
    code
        None where it passed.
    full, cleaned, ocular, muscular
        The head; the head after ocular and muscular features were regressed out; those features alone.
    accuracy
        Balanced accuracy out of fold at a probability of one half: the confidence of a score by this head.
    weights, bias
        (channels, bands) and number: log odds of the task from log shares minus the baseline.
    shares
        What it rests on.
    alpha_index
        Means of rest and of task: alpha between them is no change of the eyes.
    pairs, block_s
        Of blocks that counted; length, s.
    taken_unix_s
        When; its age is shown.
    """

    participant: str
    device: str
    labels: tuple[str, ...]
    model: str
    code: Code | None
    full: Measured
    cleaned: Measured
    ocular: Measured
    muscular: Measured
    accuracy: float
    weights: tuple[tuple[float, ...], ...]
    bias: float
    shares: Shares
    alpha_index: tuple[float, float]
    pairs: int
    block_s: float
    taken_unix_s: float

    @property
    def passed(self) -> bool:
        """True where the score may rest on it."""
        return self.code is None

    def age_days(self, now_unix_s: float) -> float:
        """Age, days."""
        return max(0.0, now_unix_s - self.taken_unix_s) / _DAY_S

    def expired(self, now_unix_s: float) -> bool:
        """Tell whether it is too old to be used."""
        return self.age_days(now_unix_s) > MAX_AGE_DAYS

    def sentence(self) -> str:
        """Say the result to the person."""
        if self.code is None:
            return f"we can read your focus with {self.full}"
        if self.code == "unreadable":
            return (
                f"we cannot read your focus from this recording ({self.full}); the general score stays what it is. "
                "Settle the headset and measure again on another day"
            )
        what, do = (
            ("eyes", "blink as you like in both kinds of blocks, look at the same place")
            if self.code == "rests_on_eyes"
            else ("muscles", "keep jaw and forehead loose in both kinds of blocks")
        )
        alone = self.ocular if self.code == "rests_on_eyes" else self.muscular
        return (
            f"what differs between your blocks is your {what} ({alone} from them alone, {self.cleaned} without): "
            f"that is not focus; {do}, and measure again"
        )

    def describe(self, now_unix_s: float) -> dict[str, object]:
        """Say what a client or a page wants to know of it."""
        return {
            "passed": self.passed,
            "code": self.code,
            "sentence": self.sentence(),
            **self.full.model_dump(),
            "accuracy": round(self.accuracy, 3),
            "without_eyes_and_muscle": self.cleaned.model_dump(),
            "eyes_alone": self.ocular.model_dump(),
            "muscle_alone": self.muscular.model_dump(),
            "rests_on": self.shares.model_dump(),
            "pairs": self.pairs,
            "block_s": self.block_s,
            "age_days": round(self.age_days(now_unix_s), 2),
            "expired": self.expired(now_unix_s),
            "taken": datetime.fromtimestamp(self.taken_unix_s, UTC).isoformat(timespec="seconds"),
        }


class Head:
    """A certificate at work: a dot product a score.

    Parameters
    ----------
    certificate
        One that passed.
    """

    def __init__(self, certificate: Certificate) -> None:
        self.certificate = certificate
        self.readability = Readability(
            certificate.full.auc, certificate.full.low, certificate.full.high, certificate.taken_unix_s
        )
        self.confidence = certificate.accuracy
        rest, task = certificate.alpha_index
        self.alpha_rise = max(0.0, task - rest)
        self._weights = np.array(certificate.weights, np.float32).ravel()
        self._bias = certificate.bias

    def logit(self, x: Features, usable: NDArray[np.bool_]) -> float:
        """Score a window.

        Parameters
        ----------
        x
            float32 (channels, tokens, bands): log shares minus the baseline.
        usable
            bool (channels, tokens).
        """
        logit = float(fill_channels(window_mean(x, usable)).ravel() @ self._weights) + self._bias
        return logit if math.isfinite(logit) else 0.0


def _short(value: float) -> str:
    text = f"{value:.2f}"
    return text.removeprefix("0") if value < 1.0 else text
