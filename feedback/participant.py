"""One participant as the service knows them: source, scorer, calibration, and what to say when nothing comes."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bci.registry import origin_of
from bci.source import Source
from bci.types import Origin, StreamSpec
from bci.uri import SourceUri
from feedback.calibration import CalibrationRun
from feedback.display import DisplayTap
from feedback.guided import GuidedRun
from feedback.played import Played
from feedback.sessions.recorder import ParticipantRecorder
from inference.baseline import Baseline
from inference.batch import BatchScorer
from inference.bundle import ModelBundle
from inference.scorer import StreamScorer
from inference.session import FocusSession
from inference.types import FocusScore, Reason
from streaming.defects import Place
from streaming.features import FeatureSchema
from streaming.pipeline import Pipeline
from streaming.types import StreamStatus

if TYPE_CHECKING:
    from bci.sources.simulator import ManualSimulator

STALE_S = 1.0
SILENT_EVERY_S = 1.0
"""In silence one invalid message a second."""


@dataclass(slots=True)
class Participant:
    """A scored stream. Attributes below `source` are set on the source's and worker's threads, read on any.

    Parameters
    ----------
    id
        Of the stream.
    uri
        Where its EEG comes from.
    source
        The adapter.
    batch
        Scores it together with the others of the same model.
    """

    id: str
    uri: SourceUri
    source: Source
    batch: BatchScorer
    spec: StreamSpec | None = None
    pipeline: Pipeline | None = None
    scorer: StreamScorer | None = None
    display: DisplayTap | None = None
    status: StreamStatus = field(default_factory=lambda: StreamStatus("connecting"))
    answered: Future[None] = field(default_factory=Future)
    """Done when the device has answered, with a signal or an error."""
    recorded_baseline: Baseline | None = None
    """From the recording that the configuration names."""
    calibration: CalibrationRun | GuidedRun | None = None
    recorder: ParticipantRecorder | None = None
    """None before the first session begins, and where it could not."""
    record_problem: str | None = None
    """Why no session could begin."""
    recording_told: dict[str, Any] | None = None
    """As the last status had it."""
    paused: bool = False
    played: Played | None = None
    """What its recording says, where it is one that says something."""
    notes: list[str] = field(default_factory=list)
    newest_s: float | None = None
    """Stamp of the newest sample that came, LSL clock."""
    silent_told_s: float = float("-inf")
    quality_told_s: float = float("-inf")
    explanation_told_s: float = float("-inf")
    internal_errors: int = 0
    """Errors that nobody expected and that belong to this stream."""
    last_internal_error: str | None = None
    valid_frames: int = 0
    scored_frames: int = 0

    @property
    def origin(self) -> Origin:
        """Where its signals come from, or will, once the device is known."""
        return self.spec.origin if self.spec is not None else origin_of(self.uri)

    @property
    def model(self) -> FocusSession:
        """The session that scores it; its bundle names the model."""
        return self.batch.session

    @property
    def labels(self) -> list[str]:
        """Scored electrodes."""
        return [] if self.spec is None else [self.spec.channels[i].label for i in self.spec.scored]

    def in_words(self, status: StreamStatus) -> StreamStatus:
        """Say what is looked for while a source that is being opened says nothing itself: LSL looks for ten seconds."""
        silent = status.state == "connecting" and not status.detail
        return replace(status, detail=f"looking for {self.uri.text}") if silent else status

    def silence(self, now_s: float) -> FocusScore | None:
        """Give the invalid score that silence asks for at this moment, at most one a second; None where signal flows.

        Parameters
        ----------
        now_s
            LSL clock.
        """
        if self.newest_s is not None and now_s - self.newest_s <= STALE_S:
            return None
        if now_s - self.silent_told_s < SILENT_EVERY_S:
            return None
        self.silent_told_s = now_s
        reason: Reason = "paused" if self.paused else "no_data" if self.newest_s is None else "stale"
        if self.scorer is not None:
            self.scorer.restart()
            return self.scorer.no_score(reason, self.newest_s)
        card = self.model.bundle.card
        return FocusScore(
            *(None,) * 4,
            reason=reason,
            confidence=None,
            quality=None,
            calibrated=False,
            end_s=None,
            model_id=self.model.bundle.id,
            window_s=card.window_s,
            delay_s=0.0,
            response_s=card.response_s,
        )

    def view(self, schema: FeatureSchema) -> dict[str, Any]:
        """Show everything that `GET /v1/streams/{id}` shows."""
        spec, pipeline, scorer, manual = self.spec, self.pipeline, self.scorer, self.manual
        bundle: ModelBundle = self.model.bundle
        report = pipeline.report if pipeline else None
        fallbacks = [*self.model.fallbacks, *(report.fallbacks if report else ()), *self.notes]
        return {
            "id": self.id,
            "sources": [self.uri.text],
            "origin": self.origin,
            "device": spec.device if spec else None,
            "profile": spec.profile if spec else None,
            "profile_verified": spec.profile_verified if spec else False,
            "channels": [c.label for c in spec.channels] if spec else [],
            "montage": self.labels,
            "unassigned": spec.unassigned if spec else False,
            "state": self.status.state,
            "detail": self.status.detail,
            "nominal_rate_hz": spec.nominal_rate_hz if spec else None,
            "rate_hz": self.status.rate_hz,
            "lost_samples": self.status.lost_samples,
            "battery": self.status.battery,
            "valid_share": self.valid_frames / self.scored_frames if self.scored_frames else None,
            "paused": self.paused,
            "model": bundle.id,
            "provider": self.model.provider,
            "feature_schema": schema.id,
            "signal_path": report.path if report else None,
            "line_hz": report.line_hz if report else None,
            "line_uv": report.line_uv if report else None,
            "delay": {
                "window_s": bundle.card.window_s,
                "group_delay_s": pipeline.group_delay_s if pipeline else None,
                "delay_s": scorer.delay_s if scorer else None,
                "response_s": bundle.card.response_s,
            },
            "baseline": scorer.baseline.describe(time.time()) if scorer and scorer.baseline else None,
            "certificate": describe_certificate(scorer, time.time()),
            "baseline_ended": bool(scorer and scorer.ended_baseline),
            "recording": self._recording_view(),
            "fallbacks": fallbacks,
            "simulator": {"attention": manual.attention, "fault": manual.fault} if manual else None,
            "internal_errors": {"count": self.internal_errors, "last": self.last_internal_error},
        }

    @property
    def manual(self) -> ManualSimulator | None:
        """The source, where it is a `simulator:manual`."""
        if self.uri.scheme != "simulator":
            return None
        from bci.sources.simulator import ManualSimulator  # it takes time that a service without it does not have

        return self.source if isinstance(self.source, ManualSimulator) else None

    def note(self, sentence: str) -> None:
        """Keep a sentence for the view, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def start_over(self, source: Source) -> None:
        """Forget the headset: this source has not been opened, and nothing has come from it yet."""
        self.source = source
        self.spec = self.pipeline = self.scorer = self.display = None
        self.newest_s = None

    def note_internal_error(self, place: Place, error: Exception) -> None:
        """Keep what happened for the view; from any thread."""
        self.internal_errors += 1
        self.last_internal_error = f"{place}: {type(error).__name__}: {error}"

    @property
    def recorded(self) -> bool:
        """True where what comes is written to a recording."""
        return self.recorder is not None and self.recorder.problem is None

    @property
    def recording_state(self) -> dict[str, Any] | None:
        """Say what is recorded, and what hinders it; None where recording is off."""
        recorder = self.recorder
        if recorder is not None:
            return {"session": recorder.session_id, "problem": recorder.problem}
        return {"session": None, "problem": self.record_problem} if self.record_problem else None

    def _recording_view(self) -> dict[str, Any] | None:
        state = self.recording_state
        return None if state is None else {**state, "bytes": self.recorder.bytes if self.recorder is not None else 0}

    def quality_due(self, now_s: float) -> bool:
        """Say whether half a second has passed since quality and bands were last told."""
        if 0.0 <= now_s - self.quality_told_s < 0.5:
            return False
        self.quality_told_s = now_s
        return True

    def explanation_due(self, now_s: float) -> bool:
        """Say whether a second has passed since it was last told what the score rests on."""
        if 0.0 <= now_s - self.explanation_told_s < 1.0:
            return False
        self.explanation_told_s = now_s
        return True


def describe_certificate(scorer: StreamScorer | None, now_unix_s: float) -> dict[str, object] | None:
    """Say what was last measured of a person, and whether the score uses it; None where nothing was."""
    if scorer is None or scorer.certificate is None:
        return None
    return {**scorer.certificate.describe(now_unix_s), "in_use": scorer.uses_head}
