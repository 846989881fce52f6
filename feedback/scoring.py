"""The engine's sink: frames become scores, scores become messages. Everything here runs on the worker's thread."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bci.clock import ClockAnchor, lsl_now_s
from bci.types import Chunk
from feedback.baselines import BaselineStore
from feedback.calibration import CalibrationRun
from feedback.certificates import CertificateStore
from feedback.guided import GuidedRun
from feedback.messages import bands_fields, focus_fields, quality_fields
from feedback.outlets.port import Outlet
from feedback.participant import Participant
from feedback.service.hub import Hub
from feedback.service.metrics import Metrics
from inference.scorer import BatchScorer, Due
from inference.types import FocusScore
from streaming.features import SCHEMA
from streaming.lane import Due as DueFrames
from streaming.types import StreamStatus

STALE_S = 1.0
STARVED_S = 10.0
"""A calibration without signal for so long is refused."""


class ScoringSink:
    """Implements `streaming.engine.EngineSink`.

    Parameters
    ----------
    people
        Participants by id; the event loop adds and removes them.
    metrics
        Where latencies and counts go.
    outlets
        Ways out beside the WebSocket.
    store
        Where baselines are kept.
    certificates
        Where certificates are.
    """

    def __init__(
        self,
        people: Mapping[str, Participant],
        metrics: Metrics,
        outlets: Sequence[Outlet],
        store: BaselineStore,
        certificates: CertificateStore,
    ) -> None:
        self.hub: Hub | None = None
        self._people = people
        self._metrics = metrics
        self._outlets = outlets
        self._store = store
        self._certificates = certificates
        self._anchor = ClockAnchor.now()
        self._later: deque[Callable[[], None]] = deque()

    def on_worker(self, work: Callable[[], None]) -> None:
        """Have something done between two frames: scorers and calibrations are touched by the worker alone."""
        self._later.append(work)

    def publish(self, stream: str, topic: str, fields: Mapping[str, Any], *, wake: bool = True) -> None:
        """Send a message, once there is a hub; any thread."""
        if self.hub is not None:
            self.hub.publish(stream, topic, fields, wake=wake)

    def due(self, batch: Sequence[DueFrames]) -> None:
        """Score whatever fell due, in one model call for each model."""
        self._catch_up()
        begun = time.perf_counter()
        waiting: dict[BatchScorer, list[tuple[Participant, Due]]] = {}
        for item in batch:
            person = self._people.get(item.stream_id)
            if person is None or person.scorer is None:
                continue
            prepared = waiting.setdefault(person.batch, [])
            prepared += [(person, person.scorer.prepare(frame)) for frame in item.frames]
        for batch_scorer, pairs in waiting.items():
            scores = batch_scorer.score([due for _, due in pairs])
            self._metrics.observe("model", time.perf_counter() - begun)
            for (person, due), score in zip(pairs, scores, strict=True):
                self._tell(person, due, score)
        if self.hub is not None:
            self.hub.wake()

    def status(self, stream_id: str, status: StreamStatus) -> None:
        """Publish a change of state."""
        person = self._people.get(stream_id)
        if person is None:
            return
        person.status = status
        if status.state != "connecting" and not person.answered.done():
            person.answered.set_result(None)
        self.publish(
            stream_id,
            "status",
            {
                "state": status.state,
                "detail": status.detail,
                "rate_hz": status.rate_hz,
                "lost_samples": status.lost_samples,
                "battery": status.battery,
            },
        )

    def chunk(self, stream_id: str, chunk: Chunk) -> None:
        """Make raw and spectrum where somebody looks."""
        person, hub = self._people.get(stream_id), self.hub
        if person is None or hub is None or person.display is None or not len(chunk):
            return
        if hub.wants(stream_id, "raw") and (fields := person.display.raw(chunk, self._anchor)):
            self.publish(stream_id, "raw", fields)
        if hub.wants(stream_id, "spectrum") and (fields := person.display.spectrum(chunk, self._anchor)):
            self.publish(stream_id, "spectrum", fields)

    def tick(self, now_s: float) -> None:
        """Say once a second that nothing comes, and why."""
        self._catch_up()
        self._anchor = ClockAnchor.now()
        for person in list(self._people.values()):
            score = person.silence(now_s)
            if score is None:
                continue
            self._send_score(person, score)
            if self.hub is not None:
                self.hub.wake()
            run = person.calibration
            if run is not None and run.state == "running" and now_s - (person.newest_s or now_s) > STARVED_S:
                run.starve()
                if run.state != "running":
                    self._adopt(person, run)
                self.publish(person.id, "calibration", run.fields())

    def _catch_up(self) -> None:
        while self._later:
            self._later.popleft()()

    def _tell(self, person: Participant, due: Due, score: FocusScore) -> None:
        now_s = lsl_now_s()
        person.newest_s = due.frame.end_s
        if now_s - due.frame.end_s > STALE_S:
            score = due.scorer.refuse(due, "paused" if person.paused else "stale")
        person.scored_frames += 1
        person.valid_frames += score.valid
        self._send_score(person, score)
        run, hub = person.calibration, self.hub
        if run is not None and run.state == "running":
            changed = run.step(due, score, time.time())
            if changed and run.state != "running":
                self._adopt(person, run)
            if changed or due.frame.hop % 12 == 0:
                self.publish(person.id, "calibration", run.fields())
        if hub is not None and person.quality_due(now_s):
            labels = due.scorer.labels
            self.publish(person.id, "quality", quality_fields(due.frame, labels, self._anchor))
            if hub.wants(person.id, "bands"):
                self.publish(person.id, "bands", bands_fields(due.frame, labels, SCHEMA, self._anchor))

    def _send_score(self, person: Participant, score: FocusScore) -> None:
        begun = time.perf_counter()
        fields = focus_fields(score, person.origin, self._anchor, lsl_now_s())
        self.publish(person.id, "focus", fields, wake=False)
        self._metrics.observe("publish", time.perf_counter() - begun)
        if score.end_s is not None and person.status.state == "streaming":
            self._metrics.observe("total", lsl_now_s() - score.end_s)
        self._metrics.count_score(person.id, score.valid)
        for outlet in self._outlets:
            outlet.on_score(person.id, fields)

    def _adopt(self, person: Participant, run: CalibrationRun | GuidedRun) -> None:
        """Use and keep what a calibration made; one that was refused may have measured something all the same."""
        guided = isinstance(run, GuidedRun)
        baselines = ([run.baseline] if run.baseline else []) if guided else run.taken if run.state == "done" else []
        for baseline in baselines:
            self._keep(person, "baseline", lambda one=baseline: self._store.save(one))
        if baselines:
            run.scorer.use_baseline(max(baselines, key=lambda b: b.eyes == "open"))
        certificate = run.certificate if guided else None
        if certificate is not None:
            self._keep(person, "certificate", lambda: self._certificates.save(certificate))
            run.scorer.use_certificate(certificate)

    def _keep(self, person: Participant, what: str, save: Callable[[], None]) -> None:
        try:
            save()
        except OSError as error:
            person.notes.append(f"the {what} could not be stored ({error.strerror}); it lasts until the end")
