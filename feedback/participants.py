"""The scored streams of a service, as HTTP and WebSocket see them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import structlog

from bci.compiled import compiling_told
from bci.config import Config, ParticipantConfig
from bci.errors import ConfigError, ConflictError, NoSuchStreamError, SourceError
from feedback.assembly import HOP_S, Assembly
from feedback.baselines import BaselineStore
from feedback.calibrations import LiveCalibrations
from feedback.certificates import CertificateStore
from feedback.loop.closed_loop import ClosedLoop
from feedback.outlets.port import Outlet
from feedback.participant import Participant
from feedback.scoring import ScoringSink
from feedback.service.garbage import keep_what_is_loaded
from feedback.service.hub import Hub
from feedback.service.metrics import Metrics
from feedback.session_keeper import SessionKeeper
from inference.listing import list_models
from streaming.defects import Place
from streaming.engine import Engine
from streaming.features import SCHEMA
from streaming.reader import sentence
from streaming.types import StreamStatus

OPEN_WAIT_S = 3.0

COMPILING = "the signal path is being compiled (once; up to a minute)"

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
        self.loop = ClosedLoop(config.service.data_dir, self._tell, self._say, self._person, self._defect)
        self._outlets: tuple[Outlet, ...] = (*outlets, *self.loop.listeners)
        self._store = BaselineStore(config.service.data_dir / "baselines")
        self._certificates = CertificateStore(config.service.data_dir / "certificates")
        self._people: dict[str, Participant] = {}
        self._leaving: set[str] = set()
        self._assembly = Assembly(config.service, self._store, self._certificates, self._outlets)
        self._sink = ScoringSink(self._people, metrics, self._outlets, self._store, self._certificates)
        self.calibrations = LiveCalibrations(self._person, self._sink, self._store, self._certificates)
        self._engine = Engine(
            self.loop.tap(self._sink),
            hop_s=HOP_S,
            report=self._defect,
            observe=metrics.observe,
            rehearse=self._sink.rehearse,
        )
        self._keeper = SessionKeeper(config, self._people, self._sink.on_worker, metrics, self.loop.trials_of)
        self._boot: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._not_ready = "the service is starting"
        self._configured = [(wish, self._enter(wish)) for wish in config.participants]
        metrics.before_scrape(self._refresh_metrics)

    # The service's port

    async def startup(self, hub: Hub) -> None:
        """Start the engine; kernels are compiled and sources opened in the background."""
        self._sink.hub = hub
        self._not_ready = "what was recorded before is being looked at"
        await self._keeper.start()
        self._not_ready = "the signal path is being prepared"
        self._engine.start()
        for wish, _ in self._configured:
            self.loop.enter(wish)
        self._boot = asyncio.create_task(self._open_configured())
        self._looking = asyncio.create_task(self.loop.run(), name="loop")

    async def _open_configured(self) -> None:
        try:
            await self._prepare()
        except Exception as error:  # a task of its own: nobody waits for it
            self._not_ready = f"the service cannot be made ready: {sentence(error)}"
            _log.exception("not ready")
            self._defect("start", None, error)
            return
        self._not_ready = ""
        _log.info("ready", streams=len(self._people))

    async def _prepare(self) -> None:
        with compiling_told(self._tell_of_compiling):
            await asyncio.to_thread(self._assembly.warm_up)
        await asyncio.to_thread(keep_what_is_loaded)
        for wish, person in self._configured:
            if wish.baseline is not None:
                await asyncio.to_thread(self._assembly.take_baseline, person, wish.baseline)
            await self._begin(person)

    def _tell_of_compiling(self) -> None:
        if self._not_ready != COMPILING:
            self._not_ready = COMPILING
            _log.info("preparing", what=COMPILING)
            for stream in self._people:  # nothing is looked for yet, and a person shall know what is waited for
                self._sink.status(stream, StreamStatus("connecting", COMPILING))

    async def shutdown(self) -> None:
        """Release boards, inlets and files."""
        running = [task for task in (self._boot, self._looking) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.to_thread(self._engine.stop, 2.0)
        await asyncio.to_thread(self.loop.close)  # first: what it has yet to write belongs into the recordings
        await self._keeper.close()
        self.calibrations.close()
        for outlet in self._outlets:
            outlet.close()

    def ready(self) -> tuple[bool, str]:
        """Say whether scores can be made."""
        return not self._not_ready, self._not_ready or "ready"

    def streams(self) -> list[str]:
        """Name all streams."""
        return [name for name in self._people if name not in self._leaving]

    def view(self, stream: str) -> dict[str, Any]:
        """Show one stream."""
        return self._staying(stream).view(SCHEMA)

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
        self.loop.enter(wish)
        await self._begin(person)
        await asyncio.wait([asyncio.wrap_future(person.answered)], timeout=OPEN_WAIT_S)
        if person.status.state == "failed":
            detail = person.status.detail
            await self.remove(stream)
            raise SourceError(detail)
        return person.view(SCHEMA)

    async def remove(self, stream: str) -> None:
        """Close a stream and release its device; who hears that it is closed finds it no more."""
        person = self._staying(stream)
        self._leaving.add(stream)
        try:
            await asyncio.to_thread(self._engine.remove, stream)
            # Nothing is begun again, and its last status was the last.
            person.record_problem = person.recording_told = None
            await self._keeper.end(person)
            for outlet in self._outlets:
                await asyncio.to_thread(outlet.remove, stream)  # liblsl takes 25 ms to end one: everybody's scores wait
            del self._people[stream]  # from here on the id is free
        finally:
            self._leaving.discard(stream)
        self._metrics.forget(stream)
        if self._sink.hub is not None:
            self._sink.hub.forget(stream)

    def set_paused(self, stream: str, paused: bool) -> None:
        """Pause or resume scoring."""
        person = self._person(stream)
        person.paused = paused
        if person.scorer is not None:
            person.scorer.paused = paused

    async def simulate(self, stream: str, attention: float | None, fault: str | None) -> None:
        """Move the slider of `simulator:manual`, press or release a fault."""
        person = self._person(stream)
        manual = person.manual
        if manual is None:
            msg = f"'{stream}' is not a simulator:manual; only that one has a slider"
            raise ConflictError(msg)
        try:
            if attention is not None:
                manual.set_attention(attention)
            if fault == "no_data" and person.newest_s is not None:
                await self._plug_in_another(person, manual.attention)
            else:
                manual.set_fault(fault)
        except ValueError as error:
            raise ConfigError(str(error)) from error

    async def _plug_in_another(self, person: Participant, attention: float) -> None:
        """Take a headset that has never sent, for only such a one has `no_data`."""
        from bci.sources.simulator import ManualSimulator

        fresh = ManualSimulator(person.uri)
        fresh.set_attention(attention)
        fresh.set_fault("no_data")
        if person.calibration is not None and person.calibration.state == "running":
            await self.calibrations.cancel(person.id)
        person.source = fresh  # what is asked meanwhile is asked of it
        await asyncio.to_thread(self._engine.remove, person.id)
        if self._people.get(person.id) is person:
            person.start_over(fresh)
            self._open_source(person)  # its session goes on

    async def sessions(self) -> dict[str, Any]:
        """List what was recorded."""
        return await self._keeper.listing()

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

    def _defect(self, place: Place, stream: str | None, error: Exception) -> None:
        self._metrics.count_internal_error(place)
        person = self._people.get(stream) if stream is not None else None
        if person is not None:
            person.note_internal_error(place, error)

    def _tell(self, stream: str, topic: str, fields: Mapping[str, Any]) -> int:
        return self._sink.tell_event(stream, topic, fields)

    def _say(self, stream: str, topic: str, fields: Mapping[str, Any]) -> None:
        self._sink.publish(stream, topic, fields, wake=False)

    def _refresh_metrics(self) -> None:
        for stream, lane in self._engine.stats().streams.items():
            self._metrics.set_queue_depth(stream, lane.queued)
            self._metrics.set_lost(stream, self._people[stream].status.lost_samples if stream in self._people else 0)

    def _enter(self, wish: ParticipantConfig) -> Participant:
        if wish.id in self._people:
            msg = f"there is a stream '{wish.id}' already; take another id, or DELETE it first"
            raise ConflictError(msg)
        self.loop.check(wish)
        person = self._people[wish.id] = self._assembly.participant(wish)
        person.status = person.in_words(person.status)
        return person

    async def _begin(self, person: Participant) -> None:
        await self._keeper.begin(person)
        self._open_source(person)

    def _open_source(self, person: Participant) -> None:
        self._engine.add(person.id, person.source, lambda spec: self._assembly.pipeline(person, spec))

    def _staying(self, stream: str) -> Participant:
        if stream in self._leaving:
            msg = f"no stream '{stream}' any more; it is being closed"
            raise NoSuchStreamError(msg)
        return self._person(stream)

    def _person(self, stream: str) -> Participant:
        person = self._people.get(stream)
        if person is None:
            msg = f"no stream '{stream}'; there are {', '.join(self._people) or 'none'}"
            raise NoSuchStreamError(msg)
        return person
