"""What the service needs of the rest of the house: the port that `feedback/participants.py` implements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from bci.config import NeurofeedbackConfig, PlanConfig
    from feedback.service.hub import Hub
    from feedback.service.trial_clock import Stamp
    from feedback.service.wire.client_messages import SendMarker, SendTrial
    from feedback.service.wire.http_bodies import AnswerProposal, SetController

View = dict[str, Any]
"""A JSON object as HTTP gives it out."""


class Calibrations(Protocol):
    """Baselines and certificates of the streams: begun, shown, cancelled, confirmed. Called on the event loop."""

    async def start(self, stream: str, seconds: float, phases: Sequence[str]) -> View:
        """Begin recording a baseline; gives the state that `view` shows.

        Raises
        ------
        NoSuchStreamError
        ConflictError
            One is running, or there is nothing to record.
        """
        ...

    async def start_certificate(self, stream: str, blocks: int, block_seconds: float) -> View:
        """Begin a guided calibration; gives the state that `view` shows.

        Raises
        ------
        NoSuchStreamError
        ConflictError
            One is running, or there is nothing to record.
        ConfigError
            Blocks that no certificate can be made of.
        """
        ...

    def view(self, stream: str) -> View:
        """Show the running or last calibration.

        Raises
        ------
        NoSuchStreamError
            No such stream; a stream never calibrated has the state `none`.
        """
        ...

    async def cancel(self, stream: str, *, forget: bool = False) -> None:
        """End a running calibration without a baseline; with `forget` the baseline in use or ended is deleted, too.

        Returns once that is done.

        Raises
        ------
        NoSuchStreamError
        """
        ...

    async def confirm_baseline(self, stream: str) -> None:
        """Use again the baseline that ended because the headset was off; returns once it is in use.

        Raises
        ------
        NoSuchStreamError
        ConflictError
            There is none.
        """
        ...


class Loop(Protocol):
    """What closes the loop: trials, markers, controllers, answers to proposals. Called on the event loop."""

    def accept_trial(self, trial: SendTrial, stamp: Stamp, kept: Callable[[bool], None]) -> None:
        """Take an answered trial in, once; `kept` says when it is on disk, True for one that had come before.

        Raises
        ------
        ConflictError
            If the disk takes no trials.
        """
        ...

    def accept_marker(self, marker: SendMarker, stamp: Stamp) -> None:
        """Tell everyone who listens of a marker."""
        ...

    def answer_proposal(self, stream: str, answer: AnswerProposal) -> None:
        """Take a person's answer to a proposal in.

        Raises
        ------
        NoSuchStreamError
        """
        ...

    def set_controller(self, stream: str, asked: SetController) -> View:
        """Give a stream a difficulty controller, or change the one it has.

        Raises
        ------
        NoSuchStreamError
        ConfigError
            If the settings cannot be; the controller is as it was.
        """
        ...

    def controller(self, stream: str) -> View:
        """Show a stream's controller; one without has the state `none`.

        Raises
        ------
        NoSuchStreamError
        """
        ...

    def end_controller(self, stream: str) -> None:
        """Take a stream's controller away.

        Raises
        ------
        NoSuchStreamError
        """
        ...

    def set_neurofeedback(self, stream: str, asked: NeurofeedbackConfig) -> View:
        """Begin a neurofeedback protocol, with rest; one that runs is ended.

        Raises
        ------
        NoSuchStreamError
        ConfigError
            If the settings cannot be, or the headset has no such electrodes; what ran goes on.
        """
        ...

    def neurofeedback(self, stream: str) -> View:
        """Show a stream's neurofeedback; one without has the state `none`.

        Raises
        ------
        NoSuchStreamError
        """
        ...

    def end_neurofeedback(self, stream: str) -> None:
        """End a stream's neurofeedback.

        Raises
        ------
        NoSuchStreamError
        """
        ...

    def set_plan(self, stream: str, asked: PlanConfig) -> View:
        """Give a person a plan, of which nothing is done yet.

        Raises
        ------
        NoSuchStreamError
        """
        ...

    def plan(self, stream: str) -> View:
        """Show a plan and what is left of it; without tasks where there is none.

        Raises
        ------
        NoSuchStreamError
        """
        ...

    def end_plan(self, stream: str) -> None:
        """Forget a plan.

        Raises
        ------
        NoSuchStreamError
        """
        ...


class Participants(Protocol):
    """The scored streams of this service, as HTTP and WebSocket see them.

    All methods are called on the event loop; those that wait for a device or the worker are coroutines, the others
    return at once.
    """

    @property
    def calibrations(self) -> Calibrations:
        """Baselines and certificates."""
        ...

    @property
    def loop(self) -> Loop:
        """Trials, and what follows from them."""
        ...

    async def startup(self, hub: Hub) -> None:
        """Start the engine and the configured participants; return before models and devices are ready.

        Raises
        ------
        FocusloopError
            The service ends with this sentence.
        """
        ...

    async def shutdown(self) -> None:
        """Release boards, inlets and files; within 2 s."""
        ...

    def ready(self) -> tuple[bool, str]:
        """Say whether scores can be made, and in a sentence what is missing."""
        ...

    def streams(self) -> list[str]:
        """Name all streams, in the order they were added."""
        ...

    def view(self, stream: str) -> View:
        """Show one stream.

        Raises
        ------
        NoSuchStreamError
        """
        ...

    async def add(self, stream: str, sources: Sequence[str], montage: Sequence[str] | None, model: str | None) -> View:
        """Open a new stream.

        Raises
        ------
        ConflictError
            The id is taken.
        ConfigError, SourceError, ProfileError, ModelError
            It cannot be opened as asked.
        """
        ...

    async def remove(self, stream: str) -> None:
        """Close a stream and release its devices.

        Raises
        ------
        NoSuchStreamError
        """
        ...

    def set_paused(self, stream: str, paused: bool) -> None:
        """Pause or resume scoring; paused scores have the reason `paused`.

        Raises
        ------
        NoSuchStreamError
        """
        ...

    async def simulate(self, stream: str, attention: float | None, fault: str | None) -> None:
        """Move the slider of `simulator:manual`; attention None leaves it, fault None ends the fault.

        The fault `no_data` takes another headset, which has never sent: the stream is closed and opened again.

        Raises
        ------
        NoSuchStreamError
        ConflictError
            The stream's source is not `simulator:manual`.
        ConfigError
            No such fault.
        """
        ...

    async def sessions(self) -> View:
        """List what was recorded: `{"recording": true, "sessions": [...], "disk": {...}}`."""
        ...

    async def devices(self) -> Mapping[str, Any]:
        """Say what is here and what could be: `{"here": [...], "possible": [...]}`."""
        ...

    def models(self) -> list[View]:
        """List the models that were found."""
        ...
