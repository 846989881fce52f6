"""A recorded session scored again as it was when it was live: its baselines, certificates and pauses hold again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from bci.errors import BaselineRefusedError
from bci.types import Noted
from inference.baseline import Baseline, rebind
from inference.personal.certificate import Certificate
from inference.scorer import StreamScorer
from streaming.types import FeatureFrame

SCORING = frozenset({"baseline", "certificate", "paused"})
"""What is noted of how a session was scored."""

_TOLERANCE_S = 1e-3
"""Stamps of a replay count from elsewhere, and are rounded elsewhere; a hop is 40 ms and more."""


class Replay:
    """Follows what a recording of ours notes of how it was scored, and has a scorer do the same.

    A baseline that somebody else has given the scorer stays: the recorded ones are then left alone.

    Parameters
    ----------
    tell
        Takes a sentence for a person on each baseline or certificate that is used, or cannot be.
    baselines
        False leaves recorded baselines and certificates alone from the start.
    """

    def __init__(self, tell: Callable[[str], object], *, baselines: bool = True) -> None:
        self._tell = tell
        self._baselines = baselines
        self._waiting: deque[Noted] = deque()
        self._used: Baseline | None = None
        self._begun = False

    def take(self, noted: Iterable[Noted]) -> None:
        """Remember what is noted of scoring, oldest first, on the clock of the frames; other notes are left out."""
        self._waiting.extend(one for one in noted if one.said.get("type") in SCORING)

    def begin(self, scorer: StreamScorer, frames: Sequence[FeatureFrame]) -> int:
        """Set the scorer up for the first of these frames.

        The baseline that a recording begins with holds from its first sample.

        Parameters
        ----------
        scorer
            All frames before these have been scored.
        frames
            Oldest first, at least one.

        Returns
        -------
        int
            How many of the frames may be scored before the next change, at least one.
        """
        while self._waiting and (self._is_first_baseline() or self._waiting[0].at_s <= frames[0].end_s + _TOLERANCE_S):
            said = self._waiting.popleft().said
            self._begun |= said["type"] == "baseline"
            self._apply(scorer, said)
        if not self._waiting:
            return len(frames)
        next_s = self._waiting[0].at_s - _TOLERANCE_S
        return max(1, sum(frame.end_s < next_s for frame in frames))

    def _is_first_baseline(self) -> bool:
        return not self._begun and self._waiting[0].said["type"] == "baseline"

    def _apply(self, scorer: StreamScorer, said: Mapping[str, Any]) -> None:
        if said["type"] == "paused":
            scorer.paused = bool(said.get("paused"))
        elif not self._baselines or scorer.baseline not in (None, self._used):
            return
        elif said["type"] == "baseline":
            self._use_baseline(scorer, said.get("baseline"))
        else:
            self._use_certificate(scorer, said.get("certificate"))

    def _use_baseline(self, scorer: StreamScorer, fields: object) -> None:
        if fields is None:
            if scorer.baseline is not None:
                scorer.use_baseline(None)
                self._tell("baseline as recorded: none from here on")
            self._used = None
            return
        try:
            recorded = Baseline.model_validate(fields)
            if recorded.model_sha256 != scorer.owner.model_sha256:
                self._tell(f"the recorded baseline is of {recorded.model}, another model than this one; it is not used")
                return
            baseline = rebind(recorded, scorer.owner)
        except (BaselineRefusedError, ValidationError) as error:
            self._tell(f"the recorded baseline cannot be used: {error}")
            return
        scorer.use_baseline(baseline)
        self._used = scorer.baseline
        self._tell(f"baseline as recorded: {baseline.clean_s:.0f} s of clean rest, eyes {baseline.eyes}")

    def _use_certificate(self, scorer: StreamScorer, fields: object) -> None:
        if fields is None:
            scorer.use_certificate(None)
            return
        try:
            certificate = Certificate.model_validate(fields)
        except ValidationError as error:
            self._tell(f"the recorded certificate cannot be used: {error}")
            return
        owner = scorer.owner
        scorer.use_certificate(
            certificate.model_copy(update={"participant": owner.participant, "device": owner.device})
        )
        if scorer.uses_head:
            self._tell("certificate as recorded: scored with the person's own head")
