"""A person's own rest: what a score is measured against, for whom it holds, and when it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from bci.errors import BaselineRefusedError
from inference.eyes import AlphaIndex, denies, eye_state
from inference.noise import FLAT_ABOVE, SpectralSlope
from inference.normalise import Features
from inference.types import EyeState

MIN_CLEAN_S = 15.0
"""Less clean rest than this is no baseline; the issue of its length: 60 s were no better than 30 s on EEGMAT."""

MIN_CLEAN_SHARE = 0.5
"""More than half of the span has to be clean, else the headset does not sit."""

TASK_SCORE = 0.7
"""Against this person's earlier baseline, a rest that scores above this on average looks like a task. `focusloop
evaluate focus` tells how often: of EEGMAT's people held out, all electrodes, .01 of the half minutes of rest and .60 of
those of task."""


class Baseline(BaseModel):
    """Mean relative log power per channel and band at rest, and everything that it is bound to.

    Parameters
    ----------
    participant, device, labels, model, model_sha256, eyes
        Where any of them differs, the baseline is not used. The checksum is empty in files of before it was kept.
    mean
        (channels, bands) natural-log shares.
    alpha_index
        From `inference.eyes`, of the same span.
    clean_s
        Seconds of clean rest it was made from.
    taken_unix_s
        When it was taken, Unix time; its age is shown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    participant: str
    device: str
    labels: tuple[str, ...]
    model: str
    model_sha256: str = ""
    eyes: EyeState
    mean: tuple[tuple[float, ...], ...]
    alpha_index: float
    clean_s: float
    taken_unix_s: float

    def array(self) -> Features:
        """Give the mean as float32 (channels, bands)."""
        return np.array(self.mean, np.float32)

    def age_s(self, now_unix_s: float) -> float:
        """Age, s."""
        return max(0.0, now_unix_s - self.taken_unix_s)

    def describe(self, now_unix_s: float) -> dict[str, object]:
        """Say what a client or a page wants to know of it."""
        return {
            "eyes": self.eyes,
            "clean_s": round(self.clean_s, 1),
            "age_s": round(self.age_s(now_unix_s), 1),
            "taken": datetime.fromtimestamp(self.taken_unix_s, UTC).isoformat(timespec="seconds"),
            "channels": list(self.labels),
        }


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose and of what a baseline is.

    Parameters
    ----------
    participant
        Id of the scored stream.
    device
        Name of the headset.
    labels
        Scored electrodes, in order.
    model
        `name@version`.
    model_sha256
        Of its graph: one that was trained anew under its old version is another model.
    bands
        That the model sees; 0 where nobody asks.
    """

    participant: str
    device: str
    labels: tuple[str, ...]
    model: str
    model_sha256: str = ""
    bands: int = 0

    def fits(self, baseline: Baseline) -> bool:
        """Tell whether a stored baseline may be used again."""
        if self.bands and any(len(row) != self.bands for row in baseline.mean):
            return False
        return self.matches(baseline) and self.model_sha256 == baseline.model_sha256

    def matches(self, baseline: Baseline) -> bool:
        """Tell whether person, headset, electrodes and the model's name are the same, whatever it was trained on."""
        return (baseline.participant, baseline.device, baseline.labels, baseline.model) == (
            self.participant,
            self.device,
            self.labels,
            self.model,
        )


_OTHER_EYES: dict[EyeState, tuple[str, str, str]] = {
    "open": ("closed", "as strong as with closed eyes", "look at the cross with open eyes"),
    "closed": ("open", "as weak as with open eyes", "keep the eyes closed"),
}


def refuse_other_eyes(index: float, asked: EyeState, open_index: float | None) -> None:
    """Refuse a rest whose alpha says that the eyes were not as they were asked to be.

    Parameters
    ----------
    index, asked, open_index
        As in `inference.eyes.denies`.

    Raises
    ------
    BaselineRefusedError
        `eye_state`.
    """
    if not denies(index, asked, open_index):
        return
    seems, like, do = _OTHER_EYES[asked]
    if asked == "closed" and open_index is not None:
        like = "no stronger than in your own rest with open eyes"
    msg = f"the eyes seem to have been {seems} (alpha is {like}); {do} and calibrate again"
    raise BaselineRefusedError("eye_state", msg)


class RestCollector:
    """Gathers the clean seconds of a rest, and makes a baseline of them or says why not.

    Parameters
    ----------
    owner
        Whose rest it is.
    hop_s
        Time between two frames, s.
    bands_hz
        That the model sees.
    channels
        Scored electrodes.
    """

    def __init__(self, owner: Owner, hop_s: float, bands_hz: Sequence[tuple[float, float]], channels: int) -> None:
        self._owner = owner
        self._hop_s = hop_s
        self._index = AlphaIndex(bands_hz)
        self._slope = SpectralSlope(bands_hz)
        self._sum = np.zeros((channels, len(bands_hz)))
        self._count = np.zeros(channels)
        self._frames = 0
        self._clean = 0
        self._indices: list[float] = []

    @property
    def clean_s(self) -> float:
        """Clean seconds so far."""
        return self._clean * self._hop_s

    @property
    def span_s(self) -> float:
        """Seconds so far, clean or not."""
        return self._frames * self._hop_s

    def add(self, relative: Features, usable: NDArray[np.bool_]) -> None:
        """Take in one frame: float32 (channels, bands) and bool (channels,); clean where half the channels are."""
        self._frames += 1
        if usable.mean() < 0.5:
            return
        self._clean += 1
        self._sum += relative * usable[:, None]
        self._count += usable
        index = self._index.of(relative, usable)
        if index is not None:
            self._indices.append(index)

    def mean(self) -> Features:
        """Give float32 (channels, bands), mean log shares; a channel that was never usable has those of the others."""
        usual = self._sum.sum(axis=0) / self._count.sum()
        mean = np.where(self._count[:, None] > 0, self._sum / np.maximum(self._count, 1.0)[:, None], usual)
        return mean.astype(np.float32)

    def check_clean(self) -> None:
        """Refuse a rest that had too little clean time.

        Raises
        ------
        BaselineRefusedError
            `too_noisy` or `too_short`.
        """
        if self.span_s >= MIN_CLEAN_S and self._clean < MIN_CLEAN_SHARE * self._frames:
            msg = (
                f"only {self.clean_s:.0f} of {self.span_s:.0f} s of rest were clean; settle the headset until the "
                "channels are good, sit still, and calibrate again"
            )
            raise BaselineRefusedError("too_noisy", msg)
        if self.clean_s < MIN_CLEAN_S:
            msg = f"{self.clean_s:.0f} s of clean rest, at least {MIN_CLEAN_S:.0f} s are needed (30 s are usual)"
            raise BaselineRefusedError("too_short", msg)

    def finish(
        self,
        now_unix_s: float,
        *,
        asked_eyes: EyeState | None,
        earlier_score: float | None = None,
        open_index: float | None = None,
    ) -> Baseline:
        """Make the baseline.

        Parameters
        ----------
        now_unix_s
            When, Unix time.
        asked_eyes
            State that the person was asked for; None where nobody said (a recording): then it is judged.
        earlier_score
            Mean score of this rest against the person's earlier baseline, None where there is none.
        open_index
            Alpha index of the same owner's rest with open eyes, None where there is none.

        Raises
        ------
        BaselineRefusedError
            `too_noisy`, `too_short`, `eye_state` or `looks_like_task`.
        """
        self.check_clean()
        mean = self.mean()
        slope = self._slope.of(mean)
        if slope > FLAT_ABOVE:
            msg = (
                f"this rest looks like noise: its power does not fall with frequency (slope {slope:.2f}, EEG's is "
                f"below {FLAT_ABOVE:g}); put the headset on, moisten or press on the electrodes, the reference too, "
                "relax jaw and brow, and calibrate again"
            )
            raise BaselineRefusedError("too_noisy", msg)
        alpha = float(np.mean(self._indices))
        eyes = asked_eyes or eye_state(alpha)
        if asked_eyes is not None:
            refuse_other_eyes(alpha, asked_eyes, open_index)
        if earlier_score is not None and earlier_score > TASK_SCORE:
            msg = (
                f"this rest scores {earlier_score:.2f} against the earlier baseline: it looks like a task; look at the "
                "cross and let the mind rest, or delete the earlier baseline if it was wrong "
                "(DELETE …/calibration?forget=true)"
            )
            raise BaselineRefusedError("looks_like_task", msg)
        return Baseline(
            participant=self._owner.participant,
            device=self._owner.device,
            labels=self._owner.labels,
            model=self._owner.model,
            model_sha256=self._owner.model_sha256,
            eyes=eyes,
            mean=tuple(tuple(float(v) for v in row) for row in mean),
            alpha_index=alpha,
            clean_s=self.clean_s,
            taken_unix_s=now_unix_s,
        )


def rebind(baseline: Baseline, owner: Owner) -> Baseline:
    """Use a baseline of one recording for another of the same person: the electrodes have to be the same.

    Raises
    ------
    BaselineRefusedError
        `other_headset`, naming the electrodes that are missing.
    """
    lacking = [label for label in owner.labels if label not in baseline.labels]
    if lacking:
        msg = (
            f"the baseline was recorded with {', '.join(baseline.labels)} ({baseline.device}); it has no "
            f"{', '.join(lacking)}: calibrate with the same headset, or name the common electrodes with --channels"
        )
        raise BaselineRefusedError("other_headset", msg)
    rows = tuple(baseline.mean[baseline.labels.index(label)] for label in owner.labels)
    update = {"participant": owner.participant, "device": owner.device, "labels": owner.labels, "mean": rows}
    return baseline.model_copy(update=update)
