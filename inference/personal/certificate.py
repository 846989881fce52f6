"""What a certificate says: how well focus could be read from a person, what that rests on, and what came before."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from inference.baseline import Owner
from inference.personal.head import PersonalHead
from inference.types import CertificateFigures, EyeState

Verdict = Literal["passed", "not_readable", "rests_on_eyes", "rests_on_muscle"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

ALPHA = 0.01
"""A head that reads no better than this share of the permutations is none."""

ALPHA_WITHOUT_ARTEFACTS = 0.1
"""The same with eyes and muscle projected out. A second gate behind the first: both have to open. Whom only blinks or
muscle betray is left with a p near 1, as what remains of them points the wrong way in the pair that is left out."""

MEASURE_AGAIN_DAYS = 30.0
"""From this age on people are told to measure again; nothing expires by itself."""

DAY_S = 86400.0

_NOT_SHOWN = {"head", "participant", "device", "labels", "model", "model_sha256"}
"""Fields that no client is told: what every message of the stream carries anyway, and weights."""


class _Stored(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Separation(_Stored):
    """How well cross and task are told apart by some features.

    Parameters
    ----------
    auc, low, high
        Area under the ROC curve of out-of-fold scores and its 95 % interval (jackknife over pairs of blocks).
    p_value
        Share of the permutations of blocks within pairs that reach it.
    """

    auc: float
    low: float
    high: float
    p_value: float


class Comparison(_Stored):
    """The session against the one before.

    Parameters
    ----------
    verdict, auc, low, high
        Of the earlier one.
    days
        Between the two.
    carried_auc, carried_p_value
        Of the earlier head on today's blocks, of which it saw none; None where the earlier one had no head.
    """

    verdict: Verdict
    auc: float
    low: float
    high: float
    days: float
    carried_auc: float | None = None
    carried_p_value: float | None = None


class Certificate(_Stored):
    """One measurement of one person, passed or not, and everything that it is bound to.

    Parameters
    ----------
    participant, device, labels, model, model_sha256, eyes
        As of a `Baseline`: where any of them differs, it is not used. The checksum is empty in files of before it was
        kept.
    verdict
        `passed`, or why not.
    brain
        By the head's own features, as the score uses them.
    without_artefacts
        The same after what eyes and muscle explain was projected out.
    ocular, muscular
        By those alone.
    ocular_share, muscular_share
        How much of the separation (AUC above .5) goes when they are projected out, 0..1.
    accuracy
        Share of out-of-fold windows on their side of the middle, cross and task counted alike.
    bands, regions
        Shares of what the head's weights draw from each; each adds up to 1.
    alpha_rise
        How much the index of `inference.eyes` was above that of the cross in the task, eyes open, ln; 0 where it fell.
        In some people alpha rises with the task: for them such a rise is no closing of the eyes.
    pairs, pairs_lost, block_s
        Pairs of blocks that were measured, that were left out, and the median length of a block, s.
    head
        Fitted on all pairs; only where it passed.
    earlier
        The measurement before this one.
    taken_unix_s
        When, Unix time.
    """

    participant: str
    device: str
    labels: tuple[str, ...]
    model: str
    model_sha256: str = ""
    eyes: EyeState
    verdict: Verdict
    brain: Separation
    without_artefacts: Separation
    ocular: Separation
    muscular: Separation
    ocular_share: float
    muscular_share: float
    accuracy: float
    bands: dict[str, float]
    regions: dict[str, float]
    alpha_rise: float
    pairs: int
    pairs_lost: int
    block_s: float
    head: PersonalHead | None
    earlier: Comparison | None
    taken_unix_s: float

    @property
    def passed(self) -> bool:
        """True where the score may use the head."""
        return self.verdict == "passed"

    def fits(self, owner: Owner, eyes: EyeState) -> bool:
        """Tell whether it is of this person, headset, montage, model and eye state."""
        if self.head is not None and owner.bands and any(len(row) != owner.bands for row in self.head.weights):
            return False
        return self.matches(owner, eyes) and self.model_sha256 == owner.model_sha256

    def matches(self, owner: Owner, eyes: EyeState) -> bool:
        """Tell whether all of that is the same, whatever the model of that name was trained on."""
        mine = (self.participant, self.device, self.labels, self.model, self.eyes)
        return mine == (owner.participant, owner.device, owner.labels, owner.model, eyes)

    def age_days(self, now_unix_s: float) -> float:
        """Age, days."""
        return max(0.0, now_unix_s - self.taken_unix_s) / DAY_S

    @property
    def figures(self) -> CertificateFigures:
        """What every message carries of it."""
        return CertificateFigures(self.brain.auc, self.brain.low, self.brain.high, self.taken_unix_s)

    def describe(self, now_unix_s: float) -> dict[str, object]:
        """Say what a client or a page wants to know of it."""
        days = self.age_days(now_unix_s)
        return {
            **self.model_dump(mode="json", exclude=_NOT_SHOWN),
            "age_days": round(days, 2),
            "measure_again": days > MEASURE_AGAIN_DAYS,
            "sentence": sentence(self),
        }


def figure(auc: float) -> str:
    """Write an AUC as papers do: .81, 1.00."""
    return f"{auc:.2f}".removeprefix("0")


def separation_words(auc: float, low: float, high: float) -> str:
    """Write an AUC with its interval: .81 [.74–.87]."""
    return f"{figure(auc)} [{figure(low)}–{figure(high)}]"


def sentence(certificate: Certificate) -> str:
    """Tell a person what came out, in plain words."""
    brain = certificate.brain
    said = separation_words(brain.auc, brain.low, brain.high)
    words = {
        "passed": (
            f"We can read your focus with {said}: of the single scores, {certificate.accuracy:.0%} are on the right "
            f"side. It rests on {_most(certificate)}."
        ),
        "not_readable": (
            f"We cannot read your focus with this headset for sure: {said}, and without what eyes and muscle explain "
            f"{figure(certificate.without_artefacts.auc)}, where .50 is chance. The score stays the general one; rely "
            "on what you do and where you look, or measure again on another day."
        ),
        "rests_on_eyes": (
            "What tells your task from your rest is your eyes, not your brain: with blinks and eye movements taken "
            f"out, {figure(certificate.without_artefacts.auc)} is left, where .50 is chance (eyes alone: "
            f"{figure(certificate.ocular.auc)}). The score stays the general one. Measure again with your eyes on the "
            "cross throughout, and blink as you always do."
        ),
        "rests_on_muscle": (
            "What tells your task from your rest is muscle, not your brain: with it taken out, "
            f"{figure(certificate.without_artefacts.auc)} is left, where .50 is chance (muscle alone: "
            f"{figure(certificate.muscular.auc)}). The score stays the general one. Measure again with a loose jaw and "
            "brow, and do not speak the numbers."
        ),
    }[certificate.verdict]
    return words + _since(certificate.earlier)


def _most(certificate: Certificate) -> str:
    band = max(certificate.bands, key=certificate.bands.__getitem__)
    region = max(certificate.regions, key=certificate.regions.__getitem__)
    return (
        f"{band} ({certificate.bands[band]:.0%}), most at the {region} of the head ({certificate.regions[region]:.0%})"
    )


def _since(earlier: Comparison | None) -> str:
    if earlier is None:
        return ""
    before = separation_words(earlier.auc, earlier.low, earlier.high)
    words = f" {_ago(earlier.days)} it was {before}{'' if earlier.verdict == 'passed' else ', not passed'}"
    if earlier.carried_auc is None:
        return words + "."
    return f"{words}; what was learnt then reads today's blocks with {figure(earlier.carried_auc)}."


def _ago(days: float) -> str:
    if days < 1.0:
        return "Earlier today" if days * 24 >= 1.0 else "Just before"
    return f"{days:.0f} day{'s' if round(days) != 1 else ''} ago"
