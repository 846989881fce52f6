"""The neurofeedback of one stream: rest first, then thresholds from it, then rewards while the criteria hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bci.config import CriterionConfig, NeurofeedbackConfig
from bci.errors import ConfigError
from feedback.difficulty.band_power import BandPower
from feedback.difficulty.neurofeedback import Neurofeedback, Shown
from feedback.difficulty.thresholds import BlockThreshold, FixedThreshold, PercentileThreshold, Threshold
from streaming.features import SCHEMA
from streaming.types import FeatureFrame, Flag

State = Literal["rest", "running", "failed"]

UNRELATED = frozenset({"baseline_mismatch"})
"""Reasons for no score that say nothing of band power: training alpha with closed eyes is no mistake."""

_NO_CONTACT = Flag.RAILED | Flag.FLAT | Flag.LINE | Flag.CONTACT


@dataclass(frozen=True, slots=True)
class Criterion:
    """A criterion as it is asked for, and what it reads."""

    name: str
    asked: CriterionConfig
    power: BandPower | None
    """None for the focus."""


def criteria_of(settings: NeurofeedbackConfig) -> tuple[Criterion, ...]:
    """Make the criteria of a protocol.

    Raises
    ------
    ConfigError
        For edges that no bands have, electrodes of the focus, or the same criterion twice.
    """
    made: list[Criterion] = []
    for asked in settings.criteria:
        if asked.band_hz is None and asked.channels is not None:
            msg = "`channels` go with `band_hz`: the focus is read from the whole head"
            raise ConfigError(msg)
        feature = "focus" if asked.band_hz is None else f"{asked.band_hz[0]:g}-{asked.band_hz[1]:g} Hz"
        name = feature if asked.channels is None else f"{feature} {' '.join(asked.channels)}"
        if any(one.name == name and one.asked.side == asked.side for one in made):
            msg = f"the criterion '{asked.side} {name}' is given twice"
            raise ConfigError(msg)
        power = None if asked.band_hz is None else BandPower(asked.band_hz, SCHEMA.bands_hz)
        made.append(Criterion(name, asked, power))
    return tuple(made)


class NeurofeedbackRun:
    """Takes the frames and scores of a stream; gives what is told of them. Only the worker's thread calls it.

    Parameters
    ----------
    settings
        What is rewarded, and how.
    hop_s
        Between two frames, seconds.

    Raises
    ------
    ConfigError
        If the settings cannot be.
    """

    def __init__(self, settings: NeurofeedbackConfig, hop_s: float) -> None:
        self.settings = settings
        self._hop_s = hop_s
        self._criteria = criteria_of(settings)
        self._labels: tuple[str, ...] | None = None
        self._start("")

    def _start(self, detail: str) -> None:
        self.state: State = "rest"
        self.detail = detail
        self.warnings: tuple[str, ...] = ()
        self.rewards = 0
        self._columns: list[list[int]] = []
        self._rest: list[list[NDArray[np.float64]]] = [[] for _ in self._criteria]
        self._protocol: Neurofeedback | None = None
        self._thresholds: dict[str, Threshold] = {}
        self._predicted: float | None = None
        self._seen = self._held = 0
        self._block_began_s: float | None = None

    def check(self, labels: Sequence[str]) -> None:
        """See whether a headset has the electrodes that are asked for.

        Raises
        ------
        ConfigError
            If it has not.
        """
        known = {label.casefold() for label in labels}
        for criterion in self._criteria:
            missing = [one for one in criterion.asked.channels or () if one.casefold() not in known]
            if missing:
                msg = f"no electrode {', '.join(missing)} is scored here; there are {', '.join(labels) or 'none'}"
                raise ConfigError(msg)

    def take(self, frame: FeatureFrame, labels: tuple[str, ...], score: Mapping[str, Any]) -> dict[str, Any]:
        """Take a moment in; gives the fields of a `neurofeedback` message that are not of its time.

        Parameters
        ----------
        frame
            Band powers of the token that ends now.
        labels
            Of its channels.
        score
            Fields of the `focus` message of the same moment.
        """
        if labels != self._labels:
            self._meet(labels)
        reason: str | None = score["reason"]
        if reason in UNRELATED and all(one.power is not None for one in self._criteria):
            reason = None
        if self.state == "failed" or reason is not None or len(labels) != len(frame.values):
            return self.interrupt(reason or "unassigned")
        levels = [self._levels(one, i, frame, score) for i, one in enumerate(self._criteria)]
        if any(one is None for one in levels):
            return self.interrupt(self._why(frame))
        known = [one for one in levels if one is not None]
        if self._protocol is None:
            return self._gather(known)
        return self._read(frame.end_s, known)

    def interrupt(self, reason: str) -> dict[str, Any]:
        """Reward nothing, dwell anew, and say why."""
        if self._protocol is not None:
            self._protocol.read(0.0, {})
        return self._fields(None, None, reason)

    def _meet(self, labels: tuple[str, ...]) -> None:
        before, self._labels = self._labels, labels
        if before is not None:
            self._start("The electrodes are others now: rest is measured anew.")
        try:
            self.check(labels)
        except ConfigError as error:
            self.state, self.detail = "failed", str(error)
            return
        places = {label.casefold(): i for i, label in enumerate(labels)}
        self._columns = [
            [places[label.casefold()] for label in one.asked.channels or labels] if one.power is not None else []
            for one in self._criteria
        ]

    def _levels(
        self, criterion: Criterion, place: int, frame: FeatureFrame, score: Mapping[str, Any]
    ) -> NDArray[np.float64] | None:
        if criterion.power is not None:
            return criterion.power.levels_db(frame.values, frame.quality, self._columns[place])
        return None if score["value"] is None else np.array([float(score["value"])])

    def _why(self, frame: FeatureFrame) -> str:
        """Say why too few of the electrodes can be read, as a score would."""
        columns = sorted({column for one in self._columns for column in one})
        off = sum(bool(int(frame.flags[column]) & _NO_CONTACT) for column in columns)
        return "poor_contact" if 2 * off > len(columns) else "artifact"

    def _gather(self, levels: Sequence[NDArray[np.float64]]) -> dict[str, Any]:
        for kept, one in zip(self._rest, levels, strict=True):
            kept.append(one)
        if len(self._rest[0]) * self._hop_s >= self.settings.rest_s:
            self._settle()
        return self._fields(None, None, None)

    def _settle(self) -> None:
        """Make the thresholds from rest."""
        readings: dict[str, NDArray[np.float64]] = {}
        for criterion, kept in zip(self._criteria, self._rest, strict=True):
            rest = np.array(kept)
            readings[_key(criterion)] = rest[:, 0] if criterion.power is None else criterion.power.settle(rest)
        together = np.logical_and.reduce([np.isfinite(one) for one in readings.values()])
        baseline = {name: one[together].tolist() for name, one in readings.items()}
        self._rest = [[] for _ in self._criteria]
        try:
            self._thresholds = {_key(one): self._threshold(one, baseline[_key(one)]) for one in self._criteria}
        except ConfigError as error:
            self.detail = f"Rest is measured anew: {error}."
            return
        asked = self.settings
        self._protocol = Neurofeedback(
            self._thresholds,
            dwell_s=asked.dwell_s,
            refractory_s=asked.refractory_s,
            discrete=asked.feedback == "discrete",
        )
        self.warnings = tuple(self._protocol.warnings(baseline))
        self._predicted = rate = self._protocol.predicted_rate(baseline)
        self.state = "running"
        self.detail = f"At rest all criteria held {rate:.0%} of the time."

    def _threshold(self, criterion: Criterion, baseline: Sequence[float]) -> Threshold:
        asked, settings = criterion.asked, self.settings
        if asked.threshold == "block":
            bounds = {"most_a_block": settings.most_a_block_sd, "most_in_all": settings.most_in_all_sd}
            return BlockThreshold(asked.side, baseline, asked.share, **bounds)
        if asked.threshold == "percentile":
            readings = round(settings.percentile_s / self._hop_s)
            return PercentileThreshold(asked.side, baseline, asked.share, readings=readings)
        return FixedThreshold(asked.side, baseline, asked.share)

    def _read(self, t_s: float, levels: Sequence[NDArray[np.float64]]) -> dict[str, Any]:
        assert self._protocol is not None  # noqa: S101 - `take` asked
        readings = {
            _key(one): float(level[0]) if one.power is None else one.power.reading(level)
            for one, level in zip(self._criteria, levels, strict=True)
        }
        if any(reading is None for reading in readings.values()):
            return self.interrupt("artifact")
        self._end_block(t_s)
        shown = self._protocol.read(t_s, readings)
        self._seen += 1
        self._held += all(shown.met.values())
        self.rewards += shown.rewarded
        return self._fields(readings, shown, None)

    def _end_block(self, t_s: float) -> None:
        if self._block_began_s is None:
            self._block_began_s = t_s
        if self._protocol is not None and t_s - self._block_began_s >= self.settings.block_s:
            self._block_began_s = t_s
            moved = self._protocol.end_block()
            if moved:
                self.detail = "; ".join(moved) + "."

    def _fields(
        self, readings: Mapping[str, float | None] | None, shown: Shown | None, reason: str | None
    ) -> dict[str, Any]:
        continuous = self.settings.feedback == "continuous"
        return {
            **self.summary(),
            "valid": shown is not None,
            "reason": reason,
            "rewarded": shown is not None and shown.rewarded,
            "brightness": _rounded(shown.brightness if shown is not None and continuous else None),
            "criteria": [self._told(one, readings, shown) for one in self._criteria],
        }

    def _told(
        self, criterion: Criterion, readings: Mapping[str, float | None] | None, shown: Shown | None
    ) -> dict[str, Any]:
        key = _key(criterion)
        threshold = self._thresholds.get(key)
        return {
            "name": criterion.name,
            "side": criterion.asked.side,
            "unit": "dB" if criterion.power is not None else "1",
            "reading": _rounded(None if readings is None else readings[key]),
            "threshold": _rounded(None if threshold is None else threshold.value),
            "met": None if shown is None else shown.met[key],
        }

    def summary(self) -> dict[str, Any]:
        """Say how far it is."""
        gathered_s = len(self._rest[0]) * self._hop_s
        return {
            "state": self.state,
            "detail": self.detail,
            "warnings": list(self.warnings),
            "progress": 1.0 if self.state == "running" else round(min(1.0, gathered_s / self.settings.rest_s), 3),
            "rewards": self.rewards,
            "predicted": _rounded(self._predicted),
            "share_met": _rounded(self._held / self._seen if self._seen else None),
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _key(criterion: Criterion) -> str:
    return f"{criterion.asked.side} {criterion.name}"
