"""What closes the loop of a running service: trials and focus in, difficulty and proposals out, for every stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from bci.config import ControllerConfig, ParticipantConfig
from feedback.loop.controller import Controller, ControllerSettings
from feedback.loop.controllers import Controllers
from feedback.loop.proposer import Proposer
from feedback.loop.trial_desk import TrialDesk, moment
from feedback.loop.trial_journal import TrialJournal
from feedback.outlets.port import Outlet
from feedback.service.trial_clock import Stamp
from feedback.service.wire.client_messages import SendMarker, SendTrial
from feedback.service.wire.http_bodies import AnswerProposal, SetController

TICK_S = 1.0

_log = structlog.get_logger("focusloop.loop")


class ClosedLoop:
    """Implements `feedback.service.ports.Loop`. Its methods run on the event loop.

    Parameters
    ----------
    data_dir
        Where trials are kept.
    tell
        Sends a message: stream, topic, fields.
    require
        Raises `NoSuchStreamError` where there is no such stream.
    baseline_age_s
        Age of the baseline that a stream is scored against, seconds; None where there is none.
    """

    def __init__(
        self,
        data_dir: Path,
        tell: Callable[[str, str, Mapping[str, Any]], object],
        require: Callable[[str], object],
        baseline_age_s: Callable[[str], float | None],
    ) -> None:
        self._tell = tell
        self._require = require
        self._journal = TrialJournal(data_dir / "trials.sqlite")
        self._controllers = Controllers(self._journal, tell)
        self._proposer = Proposer(tell, baseline_age_s)
        self._desk = TrialDesk(self._controllers, self._proposer, self._journal, tell)

    @property
    def listeners(self) -> tuple[Outlet, ...]:
        """Those who hear every score."""
        return self._controllers, self._proposer

    def check(self, wish: ParticipantConfig) -> None:
        """See whether a participant can be given what the configuration asks for.

        Raises
        ------
        ConfigError
            If it cannot be.
        """
        if wish.controller is not None:
            Controller(wish.id, _settings(wish.controller))

    def enter(self, wish: ParticipantConfig) -> None:
        """Give a participant what the configuration asks for, or what it had before the service was restarted."""
        if wish.controller is None:
            self._controllers.reopen(wish.id)
        else:
            self._controllers.set(wish.id, _settings(wish.controller))

    async def run(self) -> None:
        """Let silence and tiredness be noticed, until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self._controllers.tick()
            self._proposer.tick()

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
        self._require(stream)
        self._proposer.answer(stream, answer.kind, accepted=answer.accepted)
        _log.info("proposal answered", stream=stream, kind=answer.kind, accepted=answer.accepted)

    def set_controller(self, stream: str, asked: SetController) -> dict[str, Any]:
        """Give a stream a difficulty controller, or change the one it has."""
        self._require(stream)
        return self._controllers.set(stream, _settings(asked))

    def controller(self, stream: str) -> dict[str, Any]:
        """Show a stream's controller."""
        self._require(stream)
        return self._controllers.view(stream) or {"state": "none"}

    def end_controller(self, stream: str) -> None:
        """Take a stream's controller away."""
        self._require(stream)
        self._controllers.end(stream)


def _settings(asked: SetController | ControllerConfig) -> ControllerSettings:
    return ControllerSettings(asked.policy, asked.target, asked.limits, asked.params)
