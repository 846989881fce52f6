"""A guided calibration while it runs: which block, how far, and what was measured in the end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from bci.errors import CertificateRefusedError, ConfigError
from feedback.calibration import State
from inference.baseline import Baseline
from inference.personal.certificate import Certificate, sentence
from inference.personal.certifying import MIN_PAIRS, certify, reading_of
from inference.personal.cued_session import (
    GUARD_S,
    STRIDE_S,
    Condition,
    CuedBlock,
    CueRecorder,
    shortest_block_s,
)
from inference.scorer import Due, StreamScorer
from inference.types import FocusScore

READY_WITHIN_S = 30.0
"""The first window that can be scored has to come within this; else the headset does not sit."""

Measurement = tuple[Certificate, Baseline]
Submit = Callable[[Callable[[], Measurement]], "Future[Measurement]"]
"""Has the measuring done elsewhere: it takes a second, and a frame comes each 40 ms."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many blocks, and how long.

    Parameters
    ----------
    blocks
        In all, cross and task; an even number.
    block_s
        Length of each, s of signal.
    """

    blocks: int = 30
    block_s: float = 10.0

    def check(self, window_s: float) -> None:
        """Refuse a plan that cannot become a certificate.

        Parameters
        ----------
        window_s
            Of the model: a block has to hold one that is kept, after the moment in which a person reads the cue.

        Raises
        ------
        ConfigError
            Saying what is possible.
        """
        if self.blocks % 2 or not 2 * MIN_PAIRS <= self.blocks <= 120:
            msg = f"blocks {self.blocks}: expected an even number from {2 * MIN_PAIRS} to 120 (30 are usual)"
            raise ConfigError(msg)
        shortest_s = shortest_block_s(window_s)
        if not shortest_s <= self.block_s <= 60.0:
            msg = (
                f"block_seconds {self.block_s:g}: expected {shortest_s:g} to 60 (10 are usual); a window of the score "
                f"lasts {window_s:g} s, none begins in the first {GUARD_S:g} s, and one is kept each {STRIDE_S:g} s"
            )
            raise ConfigError(msg)


@dataclass(slots=True)
class GuidedRun:
    """One guided calibration of one person, fed by the worker.

    Parameters
    ----------
    scorer
        Whose frames are kept.
    plan
        Blocks.
    order
        What each block asks for, from `random_order`.
    submit
        Has it measured.
    earlier
        The measurement before, of the same owner.
    """

    scorer: StreamScorer
    plan: Plan
    order: tuple[Condition, ...]
    submit: Submit
    earlier: Certificate | None = None
    state: State = "running"
    code: str | None = None
    message: str = ""
    certificate: Certificate | None = None
    baseline: Baseline | None = None
    end_told: bool = False
    """True once clients have heard how it ended."""
    _recorder: CueRecorder | None = None
    _blocks: list[CuedBlock] = field(default_factory=list)
    _first_s: float | None = None
    _started_s: float | None = None
    _now_s: float = 0.0
    _measuring: Future[Measurement] | None = None

    def begin(self) -> None:
        """Start to keep frames; the first block begins with the first window that can be scored."""
        self._recorder = CueRecorder(self.scorer.hop_s)

    @property
    def phase(self) -> str:
        """`ready`, `cross`, `task` or `measuring`: what the person does now, or did last."""
        if self._measuring is not None or self.certificate is not None:
            return "measuring"
        return "ready" if self._started_s is None else self.order[min(len(self._blocks), len(self.order) - 1)]

    @property
    def finished(self) -> bool:
        """True where something was measured, passed or not."""
        return self.certificate is not None

    @property
    def _elapsed_s(self) -> float:
        return 0.0 if self._started_s is None else min(self.plan.block_s, self._now_s - self._started_s)

    def progress(self) -> float:
        """Share of the blocks that is done, 0..1."""
        return min(1.0, (len(self._blocks) + self._elapsed_s / self.plan.block_s) / self.plan.blocks)

    def step(self, due: Due, score: FocusScore | None, now_unix_s: float) -> bool:
        """Take a frame in; True where the state or phase changed."""
        del score  # the head is fitted on what the model sees, not on what it says
        if self.state != "running" or self._recorder is None:
            return False
        if self._measuring is not None:
            return self.collect()
        self._now_s = due.frame.end_s
        self._recorder.add(due.frame, due.window, due.reason is None)
        if self._started_s is None:
            return self._wait(due)
        if self._now_s - self._started_s < self.plan.block_s:
            return False
        self._blocks.append(CuedBlock(self.order[len(self._blocks)], self._started_s, self._now_s))
        self._started_s = self._now_s
        if len(self._blocks) == len(self.order):
            self._started_s = None
            self._measure(self._recorder, now_unix_s)
        return True

    def _wait(self, due: Due) -> bool:
        if due.reason is None:
            self._started_s = self._now_s
            return True
        self._first_s = self._now_s if self._first_s is None else self._first_s
        if self._now_s - self._first_s < READY_WITHIN_S:
            return False
        msg = f"no score could be made within {READY_WITHIN_S:.0f} s ({due.reason}); mend that and calibrate again"
        self._leave("refused", "too_noisy", msg)
        return True

    def _measure(self, recorder: CueRecorder, now_unix_s: float) -> None:
        session, reading, earlier = recorder.session(self._blocks), reading_of(self.scorer), self.earlier
        self._measuring = self.submit(lambda: certify(session, reading, now_unix_s, earlier))

    def collect(self) -> bool:
        """Take what was measured, once it is there; True where the run ended with it."""
        if self.state != "running" or self._measuring is None or not self._measuring.done():
            return False
        try:
            certificate, baseline = self._measuring.result()
        except CertificateRefusedError as refusal:
            self._leave("refused", refusal.code, str(refusal))
            return True
        self.certificate = certificate
        if certificate.passed:
            self.baseline = baseline
            self._leave("done", None, sentence(certificate))
        else:
            self._leave("refused", certificate.verdict, sentence(certificate))
        return True

    def cancel(self, message: str = "") -> None:
        """End without a measurement."""
        done = f"broken off after {len(self._blocks)} of {self.plan.blocks} blocks; it takes all of them: begin again"
        self._leave("cancelled", "broken_off", message or done)

    def starve(self) -> None:
        """End because no signal comes any more; what is being measured already goes on."""
        if self._measuring is not None:
            self.collect()
            return
        msg = f"the signal stopped after {len(self._blocks)} of {self.plan.blocks} blocks; mend it and begin again"
        self._leave("refused", "broken_off", msg)

    def change_headset(self, scorer: StreamScorer) -> None:
        """Go on with the scorer of a source that came back; other electrodes end the calibration."""
        if self.state != "running":
            return
        before, self.scorer = self.scorer, scorer
        if scorer.owner != before.owner:
            was, now = ", ".join(before.labels), ", ".join(scorer.labels)
            self._leave("refused", "other_headset", f"the electrodes changed from {was} to {now}; begin again")

    def fields(self) -> dict[str, Any]:
        """Give the fields of a `calibration` message."""
        left_s = self.plan.blocks * self.plan.block_s * (1.0 - self.progress())
        return {
            "state": self.state,
            "phase": self.phase,
            "progress": round(self.progress(), 4),
            "code": self.code,
            "message": self.message,
            "block": min(len(self._blocks) + 1, self.plan.blocks),
            "blocks": self.plan.blocks,
            "block_left_s": round(self.plan.block_s - self._elapsed_s, 2) if self._started_s is not None else None,
            "left_s": round(left_s, 1),
            "certificate": self.certificate.describe(self.certificate.taken_unix_s) if self.certificate else None,
        }

    def _leave(self, state: State, code: str | None, message: str) -> None:
        self.state, self.code, self.message = state, code, message
