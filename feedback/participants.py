"""The scored streams of a service: the engine's frames become scores, the scores become messages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol, cast, get_args

import numpy as np

from bci.clock import ClockAnchor, lsl_now_s
from bci.config import Config, ParticipantConfig
from bci.errors import (
    BaselineRefusedError,
    ConfigError,
    ConflictError,
    FocusloopError,
    NoSuchStreamError,
    SourceError,
)
from bci.files import read_recording
from bci.montage import eeg_channel
from bci.registry import open_source
from bci.types import Chunk, StreamSpec
from bci.uri import parse_uri
from feedback.baselines import BaselineStore
from feedback.calibration import CalibrationRun, check_phases
from feedback.display import DisplayTap
from feedback.messages import bands_fields, focus_fields, quality_fields
from feedback.participant import Participant
from feedback.service.hub import Hub
from feedback.service.metrics import Metrics, Stage
from inference.baseline import Baseline, rebind
from inference.bundle import DEFAULT_MODEL, find_model
from inference.listing import list_models
from inference.offline import RecordingScorer, parse_span
from inference.scorer import BatchScorer, Due, StreamScorer
from inference.session import FocusSession, choose_providers
from inference.types import FocusScore
from streaming.engine import Engine
from streaming.features import SCHEMA
from streaming.lane import Due as DueFrames
from streaming.pipeline import Pipeline
from streaming.types import StreamStatus

HOP_S = 0.04
OPEN_WAIT_S = 3.0


class Outlet(Protocol):
    """Another way out for scores: LSL, OSC."""

    def open(self, stream: str, *, origin: str = "live", model: str = "") -> None:
        """Make a participant findable before the first score."""
        ...

    def on_score(self, stream: str, score: Mapping[str, Any]) -> None:
        """Send the fields of a `focus` message."""
        ...

    def remove(self, stream: str) -> None:
        """End a participant's outlet."""
        ...

    def close(self) -> None:
        """End all."""
        ...


class LiveParticipants:
    """Implements `feedback.service.ports.Participants` over the engine, and is the engine's sink.

    The sink's methods run on the engine's worker thread, all others on the event loop.

    Parameters
    ----------
    config
        Parsed configuration.
    metrics
        Where latencies and counts go.
    outlets
        Ways out beside the WebSocket.

    Raises
    ------
    ModelError
        If the default model cannot be used.
    """

    def __init__(self, config: Config, metrics: Metrics, outlets: Sequence[Outlet] = ()) -> None:
        self._config = config
        self._metrics = metrics
        self._outlets = tuple(outlets)
        self._store = BaselineStore(config.service.data_dir / "baselines")
        self._people: dict[str, Participant] = {}
        self._sessions: dict[str, FocusSession] = {}
        self._batches: dict[str, BatchScorer] = {}
        self._hub: Hub | None = None
        self._engine = Engine(self, hop_s=HOP_S, observe=self._observe)
        self._boot: asyncio.Task[None] | None = None
        self._not_ready = "the service is starting"
        self._anchor = ClockAnchor.now()
        self._session(DEFAULT_MODEL)
        self._configured = [(wish, self._enter(wish)) for wish in config.participants]
        metrics.before_scrape(self._refresh_metrics)

    # The service's port

    async def startup(self, hub: Hub) -> None:
        """Start the engine; kernels are compiled and sources opened in the background."""
        self._hub = hub
        self._not_ready = "the signal path is being compiled (once; up to a minute)"
        self._engine.start()
        self._boot = asyncio.create_task(self._open_configured())

    async def _open_configured(self) -> None:
        await asyncio.to_thread(_compile_signal_path)
        for wish, person in self._configured:
            if wish.baseline is not None:
                await asyncio.to_thread(self._take_baseline, person, wish.baseline)
            self._begin(person)
        self._not_ready = ""

    async def shutdown(self) -> None:
        """Release boards, inlets and files."""
        if self._boot is not None:
            self._boot.cancel()
            await asyncio.gather(self._boot, return_exceptions=True)
        await asyncio.to_thread(self._engine.stop, 2.0)
        for outlet in self._outlets:
            outlet.close()

    def ready(self) -> tuple[bool, str]:
        """Say whether scores can be made."""
        return not self._not_ready, self._not_ready or "ready"

    def views(self) -> list[dict[str, Any]]:
        """List all streams."""
        return [person.view(SCHEMA) for person in self._people.values()]

    def view(self, stream: str) -> dict[str, Any]:
        """Show one stream."""
        return self._person(stream).view(SCHEMA)

    async def add(
        self, stream: str, sources: Sequence[str], montage: Sequence[str] | None, model: str | None
    ) -> dict[str, Any]:
        """Open a new stream and wait a little for what its device says."""
        if self._not_ready:
            raise ConflictError(self._not_ready)
        wish = ParticipantConfig(
            id=stream, sources=tuple(sources), montage=tuple(montage) if montage else None, model=model
        )
        person = self._enter(wish)
        self._begin(person)
        await asyncio.to_thread(person.answered.wait, OPEN_WAIT_S)
        if person.status.state == "failed":
            detail = person.status.detail
            await self.remove(stream)
            raise SourceError(detail)
        return person.view(SCHEMA)

    async def remove(self, stream: str) -> None:
        """Close a stream and release its device."""
        self._person(stream)
        await asyncio.to_thread(self._engine.remove, stream)
        self._people.pop(stream, None)
        self._metrics.forget(stream)
        for outlet in self._outlets:
            outlet.remove(stream)
        self._publish(stream, "status", {"state": "closed", "detail": "removed"})
        if self._hub is not None:
            self._hub.forget(stream)

    async def start_calibration(self, stream: str, seconds: float, phases: Sequence[str]) -> dict[str, Any]:
        """Begin to gather rest."""
        person = self._person(stream)
        check_phases(seconds, phases)
        if person.calibration is not None and person.calibration.state == "running":
            msg = f"a calibration of '{stream}' is running; cancel it first (DELETE)"
            raise ConflictError(msg)
        if person.scorer is None or person.status.state != "streaming":
            msg = f"'{stream}' has no signal to calibrate on ({person.status.state}: {person.status.detail})"
            raise ConflictError(msg)
        if person.scorer.unassigned:
            msg = f"nobody has said where the electrodes of '{stream}' are; give a montage first"
            raise ConflictError(msg)
        run = CalibrationRun(person.scorer, seconds, tuple(phases))
        run.begin()
        person.calibration = run
        self._publish(stream, "calibration", run.fields())
        return run.fields()

    def calibration(self, stream: str) -> dict[str, Any]:
        """Show the running or last calibration, and the baseline in use."""
        person = self._person(stream)
        scorer = person.scorer
        state = person.calibration.fields() if person.calibration else {"state": "none"}
        baseline = scorer.baseline.describe(time.time()) if scorer and scorer.baseline else None
        return {**state, "baseline": baseline}

    async def cancel_calibration(self, stream: str) -> None:
        """End a running calibration without a baseline."""
        run = self._person(stream).calibration
        if run is not None and run.state == "running":
            run.cancel()
            self._publish(stream, "calibration", run.fields())

    def confirm_baseline(self, stream: str) -> bool:
        """Use again the baseline that ended because the headset was off."""
        scorer = self._person(stream).scorer
        return scorer is not None and scorer.confirm_baseline()

    def set_paused(self, stream: str, paused: bool) -> None:
        """Pause or resume scoring."""
        person = self._person(stream)
        person.paused = paused
        if person.scorer is not None:
            person.scorer.paused = paused

    def simulate(self, stream: str, attention: float | None, fault: str | None) -> None:
        """Move the slider of `simulator:manual`, press or release a fault."""
        from bci.sources.simulator import ManualSimulator

        source = self._person(stream).source
        if not isinstance(source, ManualSimulator):
            msg = f"'{stream}' is not a simulator:manual; only that one has a slider"
            raise ConflictError(msg)
        try:
            if attention is not None:
                source.set_attention(attention)
            source.set_fault(fault)
        except ValueError as error:
            raise ConfigError(str(error)) from error

    async def devices(self) -> Mapping[str, Any]:
        """Say what is here and what could be."""
        from bci.devices import here, possible

        found = await asyncio.to_thread(here)
        return {
            "here": [asdict(one) for one in found.devices],
            "notes": list(found.notes),
            "possible": [asdict(one) for one in possible()],
        }

    def models(self) -> list[dict[str, Any]]:
        """List the models that are found, verified or with what is wrong with them."""
        return list_models(self._config.service.models_dir)

    # The engine's sink, on the worker thread

    def due(self, batch: Sequence[DueFrames]) -> None:
        """Score whatever fell due, in one model call for each model."""
        begun = time.perf_counter()
        waiting: dict[str, list[tuple[Participant, Due]]] = {}
        for item in batch:
            person = self._people.get(item.stream_id)
            if person is None or person.scorer is None:
                continue
            prepared = waiting.setdefault(person.model.bundle.id, [])
            prepared += [(person, person.scorer.prepare(frame)) for frame in item.frames]
        for model_id, pairs in waiting.items():
            scores = self._batches[model_id].score([due for _, due in pairs])
            self._metrics.observe("model", time.perf_counter() - begun)
            for (person, due), score in zip(pairs, scores, strict=True):
                self._tell(person, due, score)

    def status(self, stream_id: str, status: StreamStatus) -> None:
        """Publish a change of state."""
        person = self._people.get(stream_id)
        if person is None:
            return
        person.status = status
        if status.state != "connecting":
            person.answered.set()
        self._publish(
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
        """Note the newest stamp; make raw and spectrum where somebody looks."""
        person, hub = self._people.get(stream_id), self._hub
        if person is None or hub is None or person.display is None or not len(chunk):
            return
        if hub.wants(stream_id, "raw") and (fields := person.display.raw(chunk, self._anchor)):
            self._publish(stream_id, "raw", fields)
        if hub.wants(stream_id, "spectrum") and (fields := person.display.spectrum(chunk, self._anchor)):
            self._publish(stream_id, "spectrum", fields)

    def tick(self, now_s: float) -> None:
        """Say once a second that nothing comes, and why."""
        self._anchor = ClockAnchor.now()
        for person in list(self._people.values()):
            score = person.silence(now_s)
            if score is None:
                continue
            self._send_score(person, score)
            run = person.calibration
            if run is not None and run.state == "running" and now_s - (person.newest_s or now_s) > 10.0:
                run.starve()
                self._publish(person.id, "calibration", run.fields())

    # Inside

    def _observe(self, stage: str, seconds: float) -> None:
        if stage in get_args(Stage):
            self._metrics.observe(cast("Stage", stage), seconds)

    def _refresh_metrics(self) -> None:
        for stream, lane in self._engine.stats().streams.items():
            self._metrics.set_queue_depth(stream, lane.queued)
            self._metrics.set_lost(stream, self._people[stream].status.lost_samples if stream in self._people else 0)

    def _tell(self, person: Participant, due: Due, score: FocusScore) -> None:
        now_s = lsl_now_s()
        person.newest_s = due.frame.end_s
        if now_s - due.frame.end_s > 1.0:
            score = due.scorer.refuse(due, "paused" if person.paused else "stale")
        person.scored_frames += 1
        person.valid_frames += score.valid
        self._send_score(person, score)
        run, hub = person.calibration, self._hub
        if run is not None and run.state == "running":
            changed = run.step(score, time.time())
            if run.finished:
                self._adopt(person, run)
            if changed or due.frame.hop % 12 == 0:
                self._publish(person.id, "calibration", run.fields())
        if hub is not None and person.quality_due(now_s):
            labels = due.scorer.labels
            self._publish(person.id, "quality", quality_fields(due.frame, labels, self._anchor))
            if hub.wants(person.id, "bands"):
                self._publish(person.id, "bands", bands_fields(due.frame, labels, SCHEMA, self._anchor))

    def _send_score(self, person: Participant, score: FocusScore) -> None:
        origin = person.spec.origin if person.spec else "live"
        begun = time.perf_counter()
        fields = focus_fields(score, origin, self._anchor, lsl_now_s())
        self._publish(person.id, "focus", fields)
        self._metrics.observe("publish", time.perf_counter() - begun)
        if score.end_s is not None and person.status.state == "streaming":
            self._metrics.observe("total", lsl_now_s() - score.end_s)
        self._metrics.count_score(person.id, score.valid)
        for outlet in self._outlets:
            outlet.on_score(person.id, fields)

    def _adopt(self, person: Participant, run: CalibrationRun) -> None:
        for baseline in run.taken:
            try:
                self._store.save(baseline)
            except OSError as error:
                person.notes.append(f"the baseline could not be stored ({error.strerror}); it lasts until the end")
        best = max(run.taken, key=lambda b: b.eyes == "open")
        run.scorer.use_baseline(best)

    def _enter(self, wish: ParticipantConfig) -> Participant:
        """Make a participant; nothing is opened yet."""
        if wish.id in self._people:
            msg = f"there is a stream '{wish.id}' already; take another id, or DELETE it first"
            raise ConflictError(msg)
        if len(wish.sources) != 1:
            msg = f"'{wish.id}' has {len(wish.sources)} sources; this version scores one EEG source a participant"
            raise ConfigError(msg)
        uri = parse_uri(wish.sources[0])
        if wish.montage is not None:
            if uri.montage is not None and uri.montage != wish.montage:
                msg = f"'{wish.id}': the URI and the configuration name different montages"
                raise ConfigError(msg)
            uri = uri.with_montage(wish.montage)
        person = Participant(wish.id, uri, open_source(uri), self._session(wish.model or DEFAULT_MODEL))
        self._people[wish.id] = person
        return person

    def _begin(self, person: Participant) -> None:
        self._engine.add(person.id, person.source, lambda spec: self._build(person, spec))

    def _take_baseline(self, person: Participant, text: str) -> None:
        """Make the baseline that the configuration names; what is wrong with it is said in the stream's fallbacks."""
        try:
            path, span = parse_span(text)
            recording = read_recording(path, montage=person.uri.montage)
            person.recorded_baseline = RecordingScorer(person.model, mains=self._config.service.mains).baseline(
                recording, span
            )
        except FocusloopError as error:
            person.notes.append(f"baseline {text}: {error}")

    def _build(self, person: Participant, spec: StreamSpec) -> Pipeline:
        """Make pipeline and scorer once the device has said what it is. On the source's thread."""
        pipeline = Pipeline(spec, hop_s=HOP_S, mains=self._config.service.mains)
        bundle = person.model.bundle
        scorer = StreamScorer(person.id, spec, bundle, SCHEMA, hop_s=HOP_S, group_delay_s=pipeline.group_delay_s)
        scorer.paused = person.paused
        scorer.use_baseline(self._baseline_for(person, scorer))
        person.spec, person.pipeline, person.display = spec, pipeline, DisplayTap(spec)
        person.scorer = scorer
        for outlet in self._outlets:
            outlet.open(person.id, origin=spec.origin, model=bundle.id)
        return pipeline

    def _baseline_for(self, person: Participant, scorer: StreamScorer) -> Baseline | None:
        if person.recorded_baseline is not None:
            try:
                return rebind(person.recorded_baseline, scorer.owner)
            except BaselineRefusedError as error:
                person.notes.append(str(error))
        baseline, note = self._store.find(scorer.owner)
        if note and note not in person.notes:
            person.notes.append(note)
        return baseline

    def _session(self, model_id: str) -> FocusSession:
        service = self._config.service
        bundle = find_model(model_id, service.models_dir)
        session = self._sessions.get(bundle.id)
        if session is None:
            explicit = service.providers is not None
            choice = choose_providers(service.providers or ("tensorrt", "cuda", "cpu"), explicit=explicit)
            session = self._sessions[bundle.id] = FocusSession(bundle, choice)
            self._batches[bundle.id] = BatchScorer(session)
        return session

    def _person(self, stream: str) -> Participant:
        person = self._people.get(stream)
        if person is None:
            msg = f"no stream '{stream}'; there are {', '.join(self._people) or 'none'}"
            raise NoSuchStreamError(msg)
        return person

    def _publish(self, stream: str, topic: str, fields: Mapping[str, Any]) -> None:
        if self._hub is not None:
            self._hub.publish(stream, topic, fields)


def _compile_signal_path() -> None:
    """Compile the kernels, or find them in the cache: the first stream shall not wait for them."""
    channels = tuple(eeg_channel(label) for label in ("Fp1", "Fp2", "O1", "O2"))
    spec = StreamSpec("warm-up", "warm-up", "EEG", 250.0, channels, "warm-up")
    samples = np.zeros((250, len(channels)), np.float32)
    Pipeline(spec, hop_s=HOP_S).process(Chunk(spec, samples, np.arange(250) / 250.0, 0))
