"""All difficulty controllers of a service: trials and scores in, `difficulty` out, states on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
import structlog

from bci.clock import ClockAnchor, lsl_now_s
from bci.errors import ConflictError, FocusloopError
from feedback.loop.controller import Controller, ControllerSettings, TrialKey
from feedback.loop.trial_journal import TrialJournal

_log = structlog.get_logger("focusloop.controller")


class Controllers:
    """The controllers by stream; an outlet of the scorer, too, which is how they hear of focus.

    Parameters
    ----------
    journal
        Keeps the state of each, together with the trial that made it.
    tell
        Sends a message: stream, topic, fields.
    clock
        LSL clock, seconds.
    """

    def __init__(
        self,
        journal: TrialJournal,
        tell: Callable[[str, str, Mapping[str, Any]], object],
        clock: Callable[[], float] = lsl_now_s,
    ) -> None:
        self._journal = journal
        self._send = tell
        self._clock = clock
        self._by_stream: dict[str, Controller] = {}

    # Trials

    def accept_trial(
        self,
        stream: str,
        key: TrialKey,
        *,
        correct: bool,
        rt_s: float | None,
        level: float | None = None,
        stamp_s: float | None = None,
        uncertainty_s: float | None = None,
    ) -> str | None:
        """Count a trial, once, and publish the next difficulty; None where nobody controls.

        Parameters
        ----------
        stream, key
            Whose trial, and which.
        correct, rt_s, level
            The answer, its reaction time in seconds, the level it was done at (None for the one that was set).
        stamp_s, uncertainty_s
            When it was answered, LSL clock, and how surely; told with the difficulty that follows.

        Returns
        -------
        str or None
            State of the controller, to be kept with the trial.
        """
        controller = self._by_stream.get(stream)
        if controller is None:
            return None
        previous = controller.level
        decision = controller.count(key, correct=correct, rt_s=rt_s, level=level, now_s=self._clock())
        after = {"run": key.run, "trial": key.trial, "t_trial_lsl_s": stamp_s, "uncertainty_s": uncertainty_s}
        self._tell(stream, {**controller.fields(decision, previous, decision.reason), "after": after})
        return _written(controller)

    # Settings

    def set(self, stream: str, settings: ControllerSettings) -> dict[str, Any]:
        """Give a stream a controller, or change the one it has.

        Raises
        ------
        ConfigError
            If the settings cannot be.
        """
        controller = self._by_stream.get(stream)
        if controller is None:
            controller = self._open(stream, settings)
            reason = f"Difficulty is controlled by {settings.policy}; the level is {controller.level:.2f}."
            _log.info("controller started", stream=stream, **settings.fields(), trials=controller.trials, reason=reason)
            previous = controller.level
        else:
            previous = controller.level
            reason = controller.change(settings)
        self._tell(stream, controller.fields(None, previous, reason))
        self._journal.save(stream, _written(controller))
        return controller.view()

    def view(self, stream: str) -> dict[str, Any] | None:
        """Show the controller of a stream; None where it has none."""
        controller = self._by_stream.get(stream)
        return None if controller is None else controller.view()

    def end(self, stream: str) -> None:
        """Take a stream's controller away and forget what it learned."""
        if self._by_stream.pop(stream, None) is not None:
            self._journal.save(stream, None)
            _log.info("controller ended", stream=stream)

    def reopen(self, stream: str) -> None:
        """Go on with the controller that this stream had before the service was restarted, if any."""
        if stream in self._by_stream:
            return
        state = self._read(stream)
        if state is not None:
            settings = ControllerSettings(**state["settings"])
            try:
                controller = self._restored(stream, settings, state)
            except FocusloopError as error:  # its package is gone, or it was written by another version
                _log.warning("controller cannot go on", stream=stream, error=str(error))
                return
            self._by_stream[stream] = controller
            self._tell(stream, controller.fields(None, controller.level, _going_on(controller)))

    # Time

    def tick(self) -> dict[str, Exception]:
        """Look for silence; gives errors by the stream that each belongs to."""
        failures: dict[str, Exception] = {}
        for stream, controller in list(self._by_stream.items()):  # another thread may remove one
            try:
                reason = controller.silence(self._clock())
                if reason is not None:
                    self._tell(stream, controller.fields(None, controller.level, reason))
            except Exception as error:
                failures[stream] = error
        return failures

    # As an outlet of the scorer

    def open(self, stream: str, *, origin: str = "live", model: str = "") -> None:
        """Nothing to open."""

    def on_score(self, stream: str, score: Mapping[str, Any]) -> None:
        """Hear of focus, on the worker's thread."""
        controller = self._by_stream.get(stream)
        if controller is not None:
            controller.hear(score, self._clock())

    def remove(self, stream: str) -> None:
        """Let go of a stream that was closed; what was learned stays on disk for when it comes back."""
        self._by_stream.pop(stream, None)

    def close(self) -> None:
        """Everything is on disk already."""

    # Disk

    def _open(self, stream: str, settings: ControllerSettings) -> Controller:
        state = self._read(stream)
        controller = Controller(stream, settings)
        if state is not None:
            before = ControllerSettings(**state["settings"])
            try:
                restored = self._restored(stream, before, state)
                if before.fields() != settings.fields():  # what is asked for now wins; the log says so
                    restored.change(settings)
                controller = restored
            except FocusloopError as error:  # its package is gone
                _log.warning("controller state unusable, it learns anew", stream=stream, error=str(error))
        self._by_stream[stream] = controller
        return controller

    def _restored(self, stream: str, settings: ControllerSettings, state: Mapping[str, Any]) -> Controller:
        controller = Controller(stream, settings)
        try:
            controller.restore(state)
        except (KeyError, TypeError, ValueError) as error:
            _log.warning("controller state unusable, it learns anew", stream=stream, error=str(error))
            return Controller(stream, settings)
        return controller

    def _read(self, stream: str) -> dict[str, Any] | None:
        try:
            kept = self._journal.state(stream)
            if kept is None:
                return None
            state: dict[str, Any] = orjson.loads(kept)
            ControllerSettings(**state["settings"])
        except (ConflictError, orjson.JSONDecodeError, KeyError, TypeError) as error:
            _log.warning("controller state unreadable, it learns anew", stream=stream, error=str(error))
            return None
        return state

    def _tell(self, stream: str, fields: Mapping[str, Any]) -> None:
        now_s = self._clock()
        stamped = {"t_unix_s": ClockAnchor.now().to_unix(now_s), "t_lsl_s": now_s, "after": None, **fields}
        self._send(stream, "difficulty", stamped)


def _written(controller: Controller) -> str:
    return orjson.dumps(controller.state()).decode()


def _going_on(controller: Controller) -> str:
    return f"Goes on after a restart with {controller.trials} trials behind it; the level is {controller.level:.2f}."
