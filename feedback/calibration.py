"""A calibration while it runs: which phase, how far, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bci.errors import BaselineRefusedError, ConfigError
from inference.baseline import Baseline, RestCollector, refuse_other_eyes
from inference.scorer import StreamScorer
from inference.types import EyeState, FocusScore

State = Literal["none", "running", "done", "refused", "cancelled"]
PHASES: dict[str, EyeState] = {"eyes_open": "open", "eyes_closed": "closed"}
PATIENCE = 2.0
"""A phase ends at the latest after this multiple of the clean seconds that it asked for."""


def check_phases(seconds: float, phases: Sequence[str]) -> None:
    """Refuse a calibration that cannot become a baseline.

    Raises
    ------
    ConfigError
        Saying what is possible.
    """
    unknown = [phase for phase in phases if phase not in PHASES]
    if unknown or not phases or len(set(phases)) != len(phases):
        msg = f"phases {list(phases)}: expected one or both of {', '.join(PHASES)}, each once"
        raise ConfigError(msg)
    if not 5.0 <= seconds <= 300.0:
        msg = f"seconds {seconds:g}: expected 5 to 300 (30 are usual)"
        raise ConfigError(msg)


@dataclass(slots=True)
class CalibrationRun:
    """One calibration of one person, fed by the worker.

    Parameters
    ----------
    scorer
        Whose rest is gathered.
    seconds
        Clean seconds that each phase asks for.
    phases
        Names from `PHASES`, in order.
    open_index
        Alpha index of the same person's rest with open eyes; None where there is none.
    """

    scorer: StreamScorer
    seconds: float
    phases: tuple[str, ...]
    open_index: float | None = None
    state: State = "running"
    code: str | None = None
    message: str = ""
    _phase: int = 0
    _collector: RestCollector | None = None
    _earlier: list[float] = field(default_factory=list)
    taken: list[Baseline] = field(default_factory=list)
    end_told: bool = False
    """True once clients have heard how it ended."""

    def begin(self) -> None:
        """Start gathering the first phase."""
        self._collector = self.scorer.collect()

    @property
    def phase(self) -> str:
        """Name of the phase that runs or ran last."""
        return self.phases[min(self._phase, len(self.phases) - 1)]

    def progress(self) -> float:
        """Share that is done, 0..1."""
        if self.state == "done":
            return 1.0
        clean = 0.0 if self._collector is None else self._collector.clean_s
        return min(1.0, (self._phase + min(1.0, clean / self.seconds)) / len(self.phases))

    @property
    def finished(self) -> bool:
        """True where there is a baseline to use."""
        return self.state == "done"

    def step(self, score: FocusScore, now_unix_s: float) -> bool:
        """Look at what has gathered, after each frame; True where the state or phase changed."""
        if self.state != "running" or self._collector is None:
            return False
        baseline = self.scorer.baseline
        if score.raw is not None and baseline is not None and baseline.eyes == PHASES[self.phase]:
            self._earlier.append(score.raw)
        collector = self._collector
        if collector.clean_s < self.seconds and collector.span_s < PATIENCE * self.seconds:
            return False
        self._end_phase(collector, now_unix_s)
        return True

    def cancel(self, message: str = "cancelled") -> None:
        """End without a baseline."""
        self._leave("cancelled", None, message)

    def starve(self) -> None:
        """End because no signal comes any more."""
        clean = 0.0 if self._collector is None else self._collector.clean_s
        self._leave(
            "refused", "too_short", f"the signal stopped after {clean:.0f} s of clean rest; mend it and calibrate again"
        )

    def change_headset(self, scorer: StreamScorer) -> None:
        """Go on with the scorer of a source that came back; other electrodes end the calibration."""
        if self.state != "running":
            return
        before, self.scorer = self.scorer, scorer
        if scorer.owner == before.owner:
            scorer.collect(self._collector)
            return
        was, now = ", ".join(before.labels), ", ".join(scorer.labels)
        self._leave("refused", "other_headset", f"the electrodes changed from {was} to {now}; calibrate again")

    def fields(self) -> dict[str, Any]:
        """Give the fields of a `calibration` message."""
        return {
            "state": self.state,
            "phase": self.phase,
            "progress": round(self.progress(), 3),
            "code": self.code,
            "message": self.message,
        }

    def _end_phase(self, collector: RestCollector, now_unix_s: float) -> None:
        earlier = sum(self._earlier) / len(self._earlier) if self._earlier else None
        try:
            baseline = collector.finish(
                now_unix_s, asked_eyes=PHASES[self.phase], earlier_score=earlier, open_index=self.open_index
            )
            if baseline.eyes == "open":
                self.open_index = baseline.alpha_index
                for closed in self.taken:  # closed eyes came first: only now can they be held against open ones
                    refuse_other_eyes(closed.alpha_index, closed.eyes, self.open_index)
        except BaselineRefusedError as refusal:
            self._leave("refused", refusal.code, str(refusal))
            return
        self.taken.append(baseline)
        self._earlier.clear()
        self._phase += 1
        if self._phase < len(self.phases):
            self._collector = self.scorer.collect()
            return
        self._leave("done", None, f"{baseline.clean_s:.0f} s of clean rest, eyes {baseline.eyes}")

    def _leave(self, state: State, code: str | None, message: str) -> None:
        self.state, self.code, self.message = state, code, message
        self.scorer.stop_collecting()
