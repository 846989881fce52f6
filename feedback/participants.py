"""The scored streams of a service, as HTTP and WebSocket see them."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import numpy as np
import structlog

from bci.config import Config, ParticipantConfig
from bci.errors import ConfigError, ConflictError, NoSuchStreamError, SourceError
from feedback.assembly import HOP_S, Assembly
from feedback.baselines import BaselineStore
from feedback.calibration import CalibrationRun, check_phases
from feedback.certificates import CertificateStore
from feedback.controller import Controller, ControllerSettings
from feedback.controllers import Controllers
from feedback.guided import GuidedRun, Plan
from feedback.outlets.port import Outlet
from feedback.participant import Participant, describe_certificate
from feedback.proposer import Proposer
from feedback.scoring import ScoringSink
from feedback.service.hub import Hub
from feedback.service.metrics import Metrics
from feedback.service.schemas import AnswerProposal, SendMarker, SendTrial, SetController
from feedback.service.trial_clock import Stamp
from feedback.session_keeper import SessionKeeper
from feedback.sessions.recorder import ParticipantRecorder
from feedback.trial_desk import TrialDesk, moment
from feedback.trial_journal import TrialJournal
from inference.listing import list_models
from inference.personal.cued_session import random_order
from inference.scorer import StreamScorer
from streaming.compiled import compiling_told
from streaming.defects import Place
from streaming.engine import Engine
from streaming.features import SCHEMA
from streaming.reader import sentence
from streaming.types import StreamStatus

OPEN_WAIT_S = 3.0
TICK_S = 1.0
COMPILING = "the signal path is being compiled (once; up to a minute)"
WORKER_WAIT_S = 2.0
"""The worker looks at what it was asked four times a second at least."""

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
        self._journal = TrialJournal(config.service.data_dir / "trials.sqlite")
        self._controllers = Controllers(self._journal, self._tell)
        self._proposer = Proposer(self._tell, self._baseline_age_s)
        self._desk = TrialDesk(self._controllers, self._proposer, self._journal, self._tell, self._recorder)
        self._outlets: tuple[Outlet, ...] = (*outlets, self._controllers, self._proposer)
        self._store = BaselineStore(config.service.data_dir / "baselines")
        self._certificates = CertificateStore(config.service.data_dir / "certificates")
        self._measurer = ThreadPoolExecutor(1, "certificate")
        self._people: dict[str, Participant] = {}
        self._assembly = Assembly(config.service, self._store, self._certificates, self._outlets)
        self._sink = ScoringSink(self._people, metrics, self._outlets, self._store, self._certificates)
        self._engine = Engine(self._sink, hop_s=HOP_S, report=self._defect, observe=metrics.observe)
        self._keeper = SessionKeeper(config, self._people, self._sink.on_worker, metrics, self._journal.of_session)
        self._boot: asyncio.Task[None] | None = None
        self._ticking: asyncio.Task[None] | None = None
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
            self._give_controller(wish)
        self._boot = asyncio.create_task(self._open_configured())
        self._ticking = asyncio.create_task(self._tick(), name="controllers")

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
        # What was loaded until here stays: a garbage collector that looks through all of it holds every score up for
        # half a second, again and again. What comes from here on is collected as ever.
        await asyncio.to_thread(gc.collect)
        gc.freeze()
        for wish, person in self._configured:
            if wish.baseline is not None:
                await asyncio.to_thread(self._assembly.take_baseline, person, wish.baseline)
            await self._begin(person)

    async def _tick(self) -> None:
        """Let silence and tiredness be noticed."""
        while True:
            await asyncio.sleep(TICK_S)
            self._controllers.tick()
            self._proposer.tick()

    def _tell_of_compiling(self) -> None:
        if self._not_ready != COMPILING:
            self._not_ready = COMPILING
            _log.info("preparing", what=COMPILING)
            for (
                person
            ) in self._people.values():  # nothing is looked for yet, and a person shall know what is waited for
                person.status = StreamStatus("connecting", COMPILING)
                status = {"state": "connecting", "detail": COMPILING, "rate_hz": None, "lost_samples": 0}
                self._sink.publish(person.id, "status", status | {"battery": None})

    async def shutdown(self) -> None:
        """Release boards, inlets and files."""
        running = [task for task in (self._boot, self._ticking) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.to_thread(self._engine.stop, 2.0)
        await asyncio.to_thread(self._journal.close)  # first: what it has yet to write belongs into the recordings
        await self._keeper.close()
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
        self._give_controller(wish)
        await self._begin(person)
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
        person = self._people.get(stream)
        if person is not None:
            person.record_problem = None  # nothing is begun again
            await self._keeper.end(person)
        for outlet in self._outlets:
            await asyncio.to_thread(outlet.remove, stream)  # liblsl takes 25 ms to end one: everybody's scores wait
        self._people.pop(stream, None)  # from here on the id is free
        self._metrics.forget(stream)
        self._sink.publish(stream, "status", {"state": "closed", "detail": "removed"})
        if self._sink.hub is not None:
            self._sink.hub.forget(stream)

    async def start_calibration(self, stream: str, seconds: float, phases: Sequence[str]) -> dict[str, Any]:
        """Begin to gather rest."""
        person = self._person(stream)
        check_phases(seconds, phases)
        return self._start(person, self._rest(person, seconds, phases))

    def _rest(self, person: Participant, seconds: float, phases: Sequence[str]) -> CalibrationRun:
        scorer = self._calibratable(person)
        return CalibrationRun(scorer, seconds, tuple(phases), self._open_index(scorer))

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
        self._sink.on_worker(person.id, run.begin)
        self._sink.tell_calibration(person.id, run)
        return run.fields()

    def _open_index(self, scorer: StreamScorer) -> float | None:
        """Find this person's alpha with open eyes: of the baseline in use, or of a stored one that fits."""
        known = (scorer.baseline, self._store.find(scorer.owner)[0])  # `find` gives open eyes first
        return next((one.alpha_index for one in known if one is not None and one.eyes == "open"), None)

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
        """End a running calibration; with `forget` delete the baseline in use or ended, and what was certified, too."""
        person = self._person(stream)
        run, scorer = person.calibration, person.scorer
        if run is not None and run.state == "running":
            await self._acted(stream, lambda: self._cancel(stream, run))
        if not forget or scorer is None:
            return
        self._certificates.delete(scorer.owner)
        await self._acted(stream, lambda: scorer.use_certificate(None))
        if (scorer.baseline or scorer.ended_baseline) is not None:
            self._store.delete(scorer.owner)
            await self._acted(stream, lambda: scorer.use_baseline(None))

    def _cancel(self, stream: str, run: CalibrationRun | GuidedRun) -> None:
        if run.state == "running":  # it may have ended meanwhile
            run.cancel()
            self._sink.tell_calibration(stream, run)

    async def confirm_baseline(self, stream: str) -> None:
        """Use again the baseline that ended because the headset was off."""
        scorer = self._person(stream).scorer
        if scorer is None or scorer.ended_baseline is None:
            msg = f"'{stream}' has no baseline that ended because the headset was off"
            raise ConflictError(msg)
        await self._acted(stream, scorer.confirm_baseline)

    async def _acted(self, stream: str, work: Callable[[], None]) -> None:
        """Wait until the worker has done it, so that whoever asks next sees it."""
        done = asyncio.wrap_future(self._sink.on_worker(stream, work))
        await asyncio.wait([done], timeout=WORKER_WAIT_S)  # which leaves the work to be done, if it takes longer
        if not done.done():
            msg = f"'{stream}': scoring is busy, and this is not done yet; look again in some seconds"
            raise ConflictError(msg)
        done.result()

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
            await self.cancel_calibration(person.id)
        person.source = fresh  # what is asked meanwhile is asked of it
        await asyncio.to_thread(self._engine.remove, person.id)
        if self._people.get(person.id) is person:
            person.start_over(fresh)
            self._open_source(person)  # its session goes on

    def accept_trial(self, trial: SendTrial, stamp: Stamp, kept: Callable[[bool], None]) -> None:
        """Take an answered trial in, once."""
        loop = asyncio.get_running_loop()

        def on_disk() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(lambda: kept(repeated))

        repeated = self._desk.accept(trial, stamp, on_disk)

    def accept_marker(self, marker: SendMarker, stamp: Stamp) -> None:
        """Tell everyone who listens of a marker."""
        self._tell(marker.stream, "marker", {**moment(stamp), "label": marker.label})

    def answer_proposal(self, stream: str, answer: AnswerProposal) -> None:
        """Take a person's answer to a proposal in."""
        self._person(stream)
        self._proposer.answer(stream, answer.kind, accepted=answer.accepted)
        _log.info("proposal answered", stream=stream, kind=answer.kind, accepted=answer.accepted)

    def set_controller(self, stream: str, asked: SetController) -> dict[str, Any]:
        """Give a stream a difficulty controller, or change the one it has."""
        self._person(stream)
        return self._controllers.set(stream, ControllerSettings(asked.policy, asked.target, asked.limits, asked.params))

    def controller(self, stream: str) -> dict[str, Any]:
        """Show a stream's controller."""
        self._person(stream)
        return self._controllers.view(stream) or {"state": "none"}

    def end_controller(self, stream: str) -> None:
        """Take a stream's controller away."""
        self._person(stream)
        self._controllers.end(stream)

    def _give_controller(self, wish: ParticipantConfig) -> None:
        asked = wish.controller
        if asked is None:
            self._controllers.reopen(wish.id)
        else:
            settings = ControllerSettings(asked.policy, asked.target, asked.limits, asked.params)
            self._controllers.set(wish.id, settings)

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

    def _recorder(self, stream: str) -> ParticipantRecorder | None:
        person = self._people.get(stream)
        return person.recorder if person is not None else None

    def _baseline_age_s(self, stream: str) -> float | None:
        scorer = self._person(stream).scorer
        baseline = scorer.baseline if scorer is not None else None
        return None if baseline is None else baseline.age_s(time.time())

    def _refresh_metrics(self) -> None:
        for stream, lane in self._engine.stats().streams.items():
            self._metrics.set_queue_depth(stream, lane.queued)
            self._metrics.set_lost(stream, self._people[stream].status.lost_samples if stream in self._people else 0)

    def _enter(self, wish: ParticipantConfig) -> Participant:
        if wish.id in self._people:
            msg = f"there is a stream '{wish.id}' already; take another id, or DELETE it first"
            raise ConflictError(msg)
        if wish.controller is not None:
            asked = wish.controller
            Controller(wish.id, ControllerSettings(asked.policy, asked.target, asked.limits, asked.params))  # or refuse
        person = self._people[wish.id] = self._assembly.participant(wish)
        return person

    async def _begin(self, person: Participant) -> None:
        await self._keeper.begin(person)
        self._open_source(person)

    def _open_source(self, person: Participant) -> None:
        self._engine.add(person.id, person.source, lambda spec: self._assembly.pipeline(person, spec))

    def _person(self, stream: str) -> Participant:
        person = self._people.get(stream)
        if person is None:
            msg = f"no stream '{stream}'; there are {', '.join(self._people) or 'none'}"
            raise NoSuchStreamError(msg)
        return person
