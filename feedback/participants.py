"""The scored streams of a service, as HTTP and WebSocket see them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import numpy as np
import structlog

from bci.config import Config, ParticipantConfig
from bci.errors import (
    ConfigError,
    ConflictError,
    NoSuchStreamError,
    SourceError,
)
from feedback.assembly import HOP_S, Assembly
from feedback.baselines import BaselineStore
from feedback.calibration import CalibrationRun, check_phases
from feedback.certificates import CertificateStore
from feedback.guided import GuidedRun, Plan
from feedback.outlets.port import Outlet
from feedback.participant import Participant, describe_certificate
from feedback.scoring import ScoringSink
from feedback.service.hub import Hub
from feedback.service.metrics import Metrics
from inference.listing import list_models
from inference.personal.cued_session import random_order
from inference.scorer import StreamScorer
from streaming.engine import Engine
from streaming.features import SCHEMA

OPEN_WAIT_S = 3.0

_log = structlog.get_logger("focusloop.participants")


class LiveParticipants:
    """Implements `feedback.service.ports.Participants` over the engine. Its methods run on the event loop.

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
        self._certificates = CertificateStore(config.service.data_dir / "certificates")
        self._measurer = ThreadPoolExecutor(1, "certificate")
        self._people: dict[str, Participant] = {}
        self._assembly = Assembly(config.service, self._store, self._certificates, self._outlets)
        self._sink = ScoringSink(self._people, metrics, self._outlets, self._store, self._certificates)
        self._engine = Engine(self._sink, hop_s=HOP_S, observe=metrics.observe)
        self._boot: asyncio.Task[None] | None = None
        self._not_ready = "the service is starting"
        self._configured = [(wish, self._enter(wish)) for wish in config.participants]
        metrics.before_scrape(self._refresh_metrics)

    # The service's port

    async def startup(self, hub: Hub) -> None:
        """Start the engine; kernels are compiled and sources opened in the background."""
        self._sink.hub = hub
        self._not_ready = "the signal path is being compiled (once; up to a minute)"
        self._engine.start()
        self._boot = asyncio.create_task(self._open_configured())

    async def _open_configured(self) -> None:
        _log.info("preparing", what=self._not_ready)
        await asyncio.to_thread(self._assembly.warm_up)
        for wish, person in self._configured:
            if wish.baseline is not None:
                await asyncio.to_thread(self._assembly.take_baseline, person, wish.baseline)
            self._begin(person)
        self._not_ready = ""
        _log.info("ready", streams=len(self._people))

    async def shutdown(self) -> None:
        """Release boards, inlets and files."""
        if self._boot is not None:
            self._boot.cancel()
            await asyncio.gather(self._boot, return_exceptions=True)
        await asyncio.to_thread(self._engine.stop, 2.0)
        self._measurer.shutdown(wait=False, cancel_futures=True)
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
        await asyncio.wait([asyncio.wrap_future(person.answered)], timeout=OPEN_WAIT_S)
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
        self._sink.publish(stream, "status", {"state": "closed", "detail": "removed"})
        if self._sink.hub is not None:
            self._sink.hub.forget(stream)

    async def start_calibration(self, stream: str, seconds: float, phases: Sequence[str]) -> dict[str, Any]:
        """Begin to gather rest."""
        person = self._person(stream)
        check_phases(seconds, phases)
        return self._start(person, CalibrationRun(self._calibratable(person), seconds, tuple(phases)))

    async def start_certificate(self, stream: str, blocks: int, block_seconds: float) -> dict[str, Any]:
        """Begin a guided calibration: blocks of cross and task in an order drawn by lot."""
        person = self._person(stream)
        plan = Plan(blocks, block_seconds)
        plan.check(person.model.bundle.card.window_s)
        scorer = self._calibratable(person)
        earlier, _ = self._certificates.newest(scorer.owner)
        order = random_order(plan.blocks, np.random.default_rng())
        return self._start(person, GuidedRun(scorer, plan, order, self._measurer.submit, earlier))

    def _calibratable(self, person: Participant) -> StreamScorer:
        if person.calibration is not None and person.calibration.state == "running":
            msg = f"a calibration of '{person.id}' is running; cancel it first (DELETE)"
            raise ConflictError(msg)
        if person.scorer is None or person.status.state != "streaming":
            msg = f"'{person.id}' has no signal to calibrate on ({person.status.state}: {person.status.detail})"
            raise ConflictError(msg)
        if person.scorer.unassigned:
            msg = f"nobody has said where the electrodes of '{person.id}' are; give a montage first"
            raise ConflictError(msg)
        return person.scorer

    def _start(self, person: Participant, run: CalibrationRun | GuidedRun) -> dict[str, Any]:
        person.calibration = run
        self._sink.on_worker(run.begin)
        self._sink.publish(person.id, "calibration", run.fields())
        return run.fields()

    def calibration(self, stream: str) -> dict[str, Any]:
        """Show the running or last calibration, and the baseline in use."""
        person = self._person(stream)
        scorer = person.scorer
        state = person.calibration.fields() if person.calibration else {"state": "none"}
        now = time.time()
        baseline = scorer.baseline.describe(now) if scorer and scorer.baseline else None
        history = self._certificates.history(scorer.owner)[0] if scorer else ()
        return {
            **state,
            "baseline": baseline,
            "certificate": describe_certificate(scorer, now),
            "history": [certificate.describe(now) for certificate in history],
        }

    async def cancel_calibration(self, stream: str, *, forget: bool = False) -> None:
        """End a running calibration; with `forget` delete the baseline in use and what was certified, too."""
        person = self._person(stream)
        run, scorer = person.calibration, person.scorer
        if run is not None and run.state == "running":
            self._sink.on_worker(lambda: self._cancel(stream, run))
        if forget and scorer is not None:
            self._certificates.delete(scorer.owner)
            self._sink.on_worker(lambda: scorer.use_certificate(None))
            if scorer.baseline is not None:
                self._store.delete(scorer.owner)
                self._sink.on_worker(lambda: scorer.use_baseline(None))

    def _cancel(self, stream: str, run: CalibrationRun | GuidedRun) -> None:
        run.cancel()
        self._sink.publish(stream, "calibration", run.fields())

    def confirm_baseline(self, stream: str) -> None:
        """Use again the baseline that ended because the headset was off."""
        scorer = self._person(stream).scorer
        if scorer is None or scorer.ended_baseline is None:
            msg = f"'{stream}' has no baseline that ended because the headset was off"
            raise ConflictError(msg)
        self._sink.on_worker(scorer.confirm_baseline)

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

    def _refresh_metrics(self) -> None:
        stats = self._engine.stats()
        self._metrics.set_errors(stats.errors)
        for stream, lane in stats.streams.items():
            self._metrics.set_queue_depth(stream, lane.queued)
            self._metrics.set_lost(stream, self._people[stream].status.lost_samples if stream in self._people else 0)

    def _enter(self, wish: ParticipantConfig) -> Participant:
        if wish.id in self._people:
            msg = f"there is a stream '{wish.id}' already; take another id, or DELETE it first"
            raise ConflictError(msg)
        person = self._people[wish.id] = self._assembly.participant(wish)
        return person

    def _begin(self, person: Participant) -> None:
        self._engine.add(person.id, person.source, lambda spec: self._assembly.pipeline(person, spec))

    def _person(self, stream: str) -> Participant:
        person = self._people.get(stream)
        if person is None:
            msg = f"no stream '{stream}'; there are {', '.join(self._people) or 'none'}"
            raise NoSuchStreamError(msg)
        return person
