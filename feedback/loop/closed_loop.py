"""What closes the loop of a running service: trials and focus in, difficulty and proposals out, for every stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from bci.config import ControllerConfig, NeurofeedbackConfig, ParticipantConfig, PlanConfig
from feedback.assembly import HOP_S
from feedback.loop.controller import Controller, ControllerSettings
from feedback.loop.controllers import Controllers
from feedback.loop.frame_tap import FrameTap
from feedback.loop.neurofeedback_run import criteria_of
from feedback.loop.neurofeedbacks import Neurofeedbacks
from feedback.loop.proposer import Proposer
from feedback.loop.trial_desk import TrialDesk, moment
from feedback.loop.trial_journal import KeptTrial, TrialJournal
from feedback.outlets.port import Outlet
from feedback.participant import Participant
from feedback.service.trial_clock import Stamp
from feedback.service.wire.client_messages import SendMarker, SendTrial
from feedback.service.wire.http_bodies import AnswerProposal, SetController
from feedback.sessions.recorder import ParticipantRecorder
from streaming.defects import Report, report_nothing
from streaming.sink import EngineSink

TICK_S = 1.0

_log = structlog.get_logger("focusloop.loop")


class ClosedLoop:
    """Implements `feedback.service.ports.Loop`. Its methods run on the event loop.

    Parameters
    ----------
    data_dir
        Where trials are kept.
    tell
        Sends a message to those who listen, and as an event to LSL: stream, topic, fields; gives its number.
    publish
        Sends it to those who listen alone, together with the scores that follow.
    person
        Gives a participant by id, or raises `NoSuchStreamError`.
    defect
        Hears of errors that nobody expected.
    """

    def __init__(
        self,
        data_dir: Path,
        tell: Callable[[str, str, Mapping[str, Any]], int],
        publish: Callable[[str, str, Mapping[str, Any]], object],
        person: Callable[[str], Participant],
        defect: Report = report_nothing,
    ) -> None:
        self._tell = tell
        self._person = person
        self._defect = defect
        self._journal = TrialJournal(data_dir / "trials.sqlite")
        self._controllers = Controllers(self._journal, tell)
        self._proposer = Proposer(tell, self._baseline_age_s)
        self._neurofeedbacks = Neurofeedbacks(publish, tell, lambda stream: person(stream).labels, HOP_S)
        self._desk = TrialDesk(self._controllers, self._proposer, self._journal, tell, self._recorder)

    @property
    def listeners(self) -> tuple[Outlet, ...]:
        """Those who hear every score."""
        return self._controllers, self._proposer, self._neurofeedbacks

    def tap(self, sink: EngineSink) -> EngineSink:
        """Show the neurofeedback what is about to be scored."""
        return FrameTap(sink, self._neurofeedbacks)

    def check(self, wish: ParticipantConfig) -> None:
        """See whether a participant can be given what the configuration asks for.

        Raises
        ------
        ConfigError
            If it cannot be.
        """
        if wish.controller is not None:
            Controller(wish.id, _settings(wish.controller))
        if wish.neurofeedback is not None:
            criteria_of(wish.neurofeedback)

    def enter(self, wish: ParticipantConfig) -> None:
        """Give a participant what the configuration asks for, or what it had before the service was restarted."""
        if wish.controller is None:
            self._controllers.reopen(wish.id)
        else:
            self._controllers.set(wish.id, _settings(wish.controller))
        if wish.neurofeedback is not None:
            self._neurofeedbacks.set(wish.id, wish.neurofeedback)
        if wish.plan is not None:
            self._proposer.set_plan(wish.id, wish.plan)

    async def run(self) -> None:
        """Let silence and tiredness be noticed, until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            for failures in (self._controllers.tick(), self._proposer.tick(self._neurofeedbacks.running())):
                for stream, error in failures.items():
                    _log.error("loop tick failed", stream=stream, exc_info=error)
                    self._defect("tick", stream, error)

    def trials_of(self, session: str) -> list[KeptTrial]:
        """Give the trials on disk that came while a session was recorded; from any thread.

        Raises
        ------
        ConflictError
            If they cannot be read.
        """
        return self._journal.of_session(session)

    def close(self) -> None:
        """Write what waits for the disk."""
        self._journal.close()

    # The service's port

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
        return self._controllers.set(stream, _settings(asked))

    def controller(self, stream: str) -> dict[str, Any]:
        """Show a stream's controller."""
        self._person(stream)
        return self._controllers.view(stream) or {"state": "none"}

    def end_controller(self, stream: str) -> None:
        """Take a stream's controller away."""
        self._person(stream)
        self._controllers.end(stream)

    def set_neurofeedback(self, stream: str, asked: NeurofeedbackConfig) -> dict[str, Any]:
        """Begin a neurofeedback protocol, with rest."""
        self._person(stream)
        return self._neurofeedbacks.set(stream, asked)

    def neurofeedback(self, stream: str) -> dict[str, Any]:
        """Show a stream's neurofeedback."""
        self._person(stream)
        return self._neurofeedbacks.view(stream)

    def end_neurofeedback(self, stream: str) -> None:
        """End a stream's neurofeedback."""
        self._person(stream)
        self._neurofeedbacks.end(stream)

    def set_plan(self, stream: str, asked: PlanConfig) -> dict[str, Any]:
        """Give a person a plan."""
        self._person(stream)
        return self._proposer.set_plan(stream, asked)

    def plan(self, stream: str) -> dict[str, Any]:
        """Show a plan, and what is left of it."""
        self._person(stream)
        return self._proposer.plan(stream)

    def end_plan(self, stream: str) -> None:
        """Forget a plan."""
        self._person(stream)
        self._proposer.end_plan(stream)

    def _recorder(self, stream: str) -> ParticipantRecorder | None:
        return self._person(stream).recorder

    def _baseline_age_s(self, stream: str) -> float | None:
        scorer = self._person(stream).scorer
        baseline = scorer.baseline if scorer is not None else None
        return None if baseline is None else baseline.age_s(time.time())


def _settings(asked: SetController | ControllerConfig) -> ControllerSettings:
    return ControllerSettings(asked.policy, asked.target, asked.limits, asked.params)
