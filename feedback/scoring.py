"""The engine's sink: frames become scores, scores become messages. Everything here runs on the worker's thread."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from bci.clock import ClockAnchor, lsl_now_s
from bci.types import Chunk
from feedback.baselines import BaselineStore
from feedback.calibration import CalibrationRun
from feedback.certificates import CertificateStore
from feedback.guided import GuidedRun
from feedback.messages import bands_fields, explanation_fields, focus_fields, quality_fields
from feedback.outlets.port import EventOutlet, Outlet
from feedback.participant import Participant
from feedback.played import Played
from feedback.service.hub import Hub
from feedback.service.metrics import Metrics
from feedback.state_log import log_change
from inference.attribution import attribute
from inference.batch import BatchScorer
from inference.scorer import Due
from inference.types import FocusScore
from streaming.features import SCHEMA
from streaming.lane import Due as DueFrames
from streaming.types import StreamStatus

STALE_S = 1.0
STARVED_S = 10.0
"""A calibration without signal for so long is refused."""

MAX_EXPLAINED = 4
"""Explanations between two calls of the model; those of a whole class wait for their turn, the scores never."""


class ScoringSink:
    """Implements `streaming.sink.EngineSink`.

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
        self._event_outlets = [one for one in outlets if isinstance(one, EventOutlet)]
        self._store = store
        self._certificates = certificates
        self._anchor = ClockAnchor.now()
        self._newest: tuple[Participant, Due, FocusScore] | None = None
        self._later: deque[tuple[str, Callable[[], None], Future[None]]] = deque()

    def on_worker(self, stream: str, work: Callable[[], None]) -> Future[None]:
        """Have something done to a stream between two frames: the worker alone touches scorers and calibrations.

        Returns
        -------
        Future
            Done once the worker has; it carries the error that the work raised.
        """
        done: Future[None] = Future()
        self._later.append((stream, work, done))
        return done

    def publish(self, stream: str, topic: str, fields: Mapping[str, Any], *, wake: bool = True) -> int:
        """Send a message once there is a hub, and record that; any thread. Gives its number, 0 where none was sent."""
        if self.hub is None:
            return 0
        seq = self.hub.publish(stream, topic, fields, wake=wake)
        if topic not in ("focus", "trial"):  # a trial is recorded once it is in the journal
            person = self._people.get(stream)
            if person is not None and person.recorder is not None:
                person.recorder.sent(topic, fields, seq, lsl_now_s())
        return seq

    def tell_event(self, stream: str, topic: str, fields: Mapping[str, Any]) -> int:
        """Send what happened to everyone, LSL's markers among them; any thread. Gives its number."""
        seq = self.publish(stream, topic, fields)
        for outlet in self._event_outlets:
            outlet.on_event(stream, topic, fields)
        return seq

    def tell_calibration(self, stream: str, run: CalibrationRun | GuidedRun) -> None:
        """Say how far a calibration is, or how it ended."""
        run.end_told = run.state != "running"
        self.publish(stream, "calibration", run.fields())

    def due(self, batch: Sequence[DueFrames]) -> dict[str, Exception]:
        """Score whatever fell due, in one model call for each model; an error stays with the stream it belongs to."""
        failures = self._catch_up()
        while batch:
            now, batch = self._until_next_change(batch, failures)
            failures |= self._score(now)
        return failures

    def _until_next_change(
        self, batch: Sequence[DueFrames], failures: dict[str, Exception]
    ) -> tuple[Sequence[DueFrames], Sequence[DueFrames]]:
        """Part what fell due where a recording that is played was scored in another way from some frame on."""
        now, later = [], []
        for item in batch:
            person = self._people.get(item.stream_id)
            n = len(item.frames)
            if person is not None and person.played is not None and person.scorer is not None:
                try:
                    n = person.played.replay.begin(person.scorer, item.frames)
                except Exception as error:
                    failures[item.stream_id] = error
                    continue
            now.append(item if n == len(item.frames) else replace(item, frames=item.frames[:n]))
            if n < len(item.frames):
                later.append(replace(item, frames=item.frames[n:]))
        return now, later

    def _score(self, batch: Sequence[DueFrames]) -> dict[str, Exception]:
        failures: dict[str, Exception] = {}
        begun = time.perf_counter()
        waiting: dict[BatchScorer, list[tuple[Participant, Due]]] = {}
        for item in batch:
            person = self._people.get(item.stream_id)
            if person is None or person.scorer is None:
                continue
            if person.recorder is not None:
                person.recorder.frame(item.frames[0], person.scorer)
            prepared = waiting.setdefault(person.batch, [])
            try:
                prepared += [(person, person.scorer.prepare(frame)) for frame in item.frames]
            except Exception as error:
                failures[person.id] = error
        explain: dict[str, tuple[Participant, Due, FocusScore]] = {}
        for batch_scorer, pairs in waiting.items():
            outcomes = batch_scorer.score_each([due for _, due in pairs])
            self._metrics.observe("model", time.perf_counter() - begun)
            for (person, due), outcome in zip(pairs, outcomes, strict=True):
                if person.id not in failures:
                    score = self._conclude(person, due, outcome, failures)
                    if score is not None:
                        self._newest = person, due, score
                        explain[person.id] = (person, due, score)
        if self.hub is not None:
            self.hub.wake()
        self._explain_some(explain.values(), failures)
        return failures

    def rehearse(self) -> None:
        """Do once more what the newest score took, and keep nothing of it (`streaming.rehearsal`)."""
        if self._newest is None:
            return
        person, due, score = self._newest
        if self._people.get(person.id) is not person:
            self._newest = None
            return
        person.batch.rehearse(due)
        focus_fields(score, person.origin, self._anchor, lsl_now_s(), recorded=person.recorded)

    def _conclude(
        self, person: Participant, due: Due, outcome: FocusScore | Exception, failures: dict[str, Exception]
    ) -> FocusScore | None:
        if isinstance(outcome, Exception):
            failures[person.id] = outcome
            return None
        try:
            return self._tell(person, due, outcome)
        except Exception as error:
            failures[person.id] = error
            return None

    def _explain_some(
        self, scored: Iterable[tuple[Participant, Due, FocusScore]], failures: dict[str, Exception]
    ) -> None:
        """Say once a second what a score rests on, where somebody listens, after the scores are on their way."""
        told, now_s = 0, lsl_now_s()
        for person, due, score in scored:
            if told == MAX_EXPLAINED:
                return
            if person.id in failures or not self._explanation_wanted(person, now_s):
                continue
            told += 1
            try:
                self._explain(person, score, due)
            except Exception as error:
                failures[person.id] = error

    def _explanation_wanted(self, person: Participant, now_s: float) -> bool:
        return self.hub is not None and self.hub.wants(person.id, "explanation") and person.explanation_due(now_s)

    def _explain(self, person: Participant, score: FocusScore, due: Due | None = None) -> None:
        told = None
        if score.valid and due is not None and due.x is not None:
            told = attribute(person.model, due.x, due.scorer.positions_m, due.window.usable, calibrated=due.calibrated)
        self.publish(person.id, "explanation", explanation_fields(score, told, self._anchor, lsl_now_s()))

    def status(self, stream_id: str, status: StreamStatus) -> None:
        """Publish a change of state."""
        person = self._people.get(stream_id)
        if person is None:
            return
        status = person.in_words(status)
        log_change(stream_id, person.status, status)
        person.status = status
        if person.recorder is not None:
            person.recorder.lost(status.lost_samples)
        if status.state != "connecting" and not person.answered.done():
            person.answered.set_result(None)
        self._say_status(person)

    def _say_status(self, person: Participant) -> None:
        status, recording = person.status, person.recording_state
        person.recording_told = recording
        self.publish(
            person.id,
            "status",
            {
                "state": status.state,
                "detail": status.detail,
                "rate_hz": status.rate_hz,
                "lost_samples": status.lost_samples,
                "battery": status.battery,
                "recording": recording,
            },
        )

    def chunk(self, stream_id: str, chunk: Chunk) -> None:
        """Record it, and make raw and spectrum where somebody looks."""
        person, hub = self._people.get(stream_id), self.hub
        if person is not None and person.recorder is not None:
            person.recorder.chunk(chunk)
        if person is not None and (chunk.noted or person.played is not None):
            self._play(person, chunk)
        if person is None or hub is None or person.display is None or not len(chunk):
            return
        if hub.wants(stream_id, "raw") and (fields := person.display.raw(chunk, self._anchor)):
            self.publish(stream_id, "raw", fields)
        if hub.wants(stream_id, "spectrum") and (fields := person.display.spectrum(chunk, self._anchor)):
            self.publish(stream_id, "spectrum", fields)

    def _play(self, person: Participant, chunk: Chunk) -> None:
        """Tell again what a recording that is played says of these samples."""
        played = person.played = person.played or Played(person.note)
        played.take(chunk)
        if not len(chunk):
            return
        for topic, fields in played.due(float(chunk.timestamps_s[-1]), self._anchor):
            seq = self.tell_event(person.id, topic, fields)
            if topic == "trial" and person.recorder is not None:
                person.recorder.sent(topic, fields, seq, fields["t_lsl_s"])

    def tick(self, now_s: float) -> dict[str, Exception]:
        """Say once a second that nothing comes, and why."""
        failures = self._catch_up()
        self._anchor = ClockAnchor.now()
        for person in list(self._people.values()):
            try:
                if person.recording_state != person.recording_told:
                    self._say_status(person)
                self._notice_silence(person, now_s)
            except Exception as error:
                failures[person.id] = error
        return failures

    def _notice_silence(self, person: Participant, now_s: float) -> None:
        score = person.silence(now_s)
        if score is None:
            return
        self._send_score(person, score, now_s)
        if self._explanation_wanted(person, now_s):
            self._explain(person, score)
        if self.hub is not None:
            self.hub.wake()
        run = person.calibration
        if run is not None and run.state == "running" and now_s - (person.newest_s or now_s) > STARVED_S:
            run.starve()
            if run.finished:
                self._adopt(person, run)
            self.tell_calibration(person.id, run)

    def _catch_up(self) -> dict[str, Exception]:
        failures: dict[str, Exception] = {}
        while self._later:
            stream, work, done = self._later.popleft()
            try:
                work()
            except Exception as error:
                failures[stream] = error
                done.set_exception(error)
            else:
                done.set_result(None)
        return failures

    def _tell(self, person: Participant, due: Due, score: FocusScore) -> FocusScore:
        """Send a score and what goes with it; gives the score that was sent."""
        now_s = lsl_now_s()
        person.newest_s = due.frame.end_s
        if now_s - due.frame.end_s > STALE_S:
            score = due.scorer.refuse(due, "paused" if person.paused else "stale")
        person.scored_frames += 1
        person.valid_frames += score.valid
        self._send_score(person, score, now_s)
        run, hub = person.calibration, self.hub
        if run is not None and not run.end_told:
            changed = run.step(due, score, time.time())
            if run.finished:
                self._adopt(person, run)
            if changed or run.state != "running" or due.frame.hop % 12 == 0:
                self.tell_calibration(person.id, run)
        if hub is not None and person.quality_due(now_s):
            labels = due.scorer.labels
            self.publish(person.id, "quality", quality_fields(due.frame, labels, self._anchor))
            if hub.wants(person.id, "bands"):
                self.publish(person.id, "bands", bands_fields(due.frame, labels, SCHEMA, self._anchor))
        return score

    def _send_score(self, person: Participant, score: FocusScore, now_s: float) -> None:
        fields = focus_fields(score, person.origin, self._anchor, now_s, recorded=person.recorded)
        seq = self.publish(person.id, "focus", fields, wake=False)
        if person.recorder is not None:
            person.recorder.score(fields, seq, now_s)
        sent_s = lsl_now_s()
        self._metrics.observe("publish", sent_s - now_s)
        if score.end_s is not None and person.status.state == "streaming":
            self._metrics.observe("total", sent_s - score.end_s)
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
