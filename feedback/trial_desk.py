"""Where trials are accepted, once each: the one place between the WebSocket and the difficulty controllers."""

from __future__ import annotations

from collections import OrderedDict

from feedback.controller import TrialKey
from feedback.controllers import Controllers
from feedback.service.schemas import SendTrial
from feedback.service.trial_clock import Stamp

REMEMBERED = 16384
"""Trials of all streams that a repeat is recognised among, beyond those that a controller has counted."""


class TrialDesk:
    """Accepts trials and hands the new ones to the controller of their stream.

    Parameters
    ----------
    controllers
        Of all streams.
    """

    def __init__(self, controllers: Controllers) -> None:
        self._controllers = controllers
        self._seen: OrderedDict[tuple[str, TrialKey], None] = OrderedDict()

    def accept(self, trial: SendTrial, stamp: Stamp) -> bool:
        """Take a trial in; True for a repeat.

        Parameters
        ----------
        trial
            As it came.
        stamp
            Where it lies on the LSL clock.
        """
        key = TrialKey(trial.run, trial.trial)
        if (trial.stream, key) in self._seen or self._controllers.counted(trial.stream, key):
            return True
        self._seen[trial.stream, key] = None
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        self._controllers.accept_trial(
            trial.stream,
            key,
            correct=trial.correct,
            rt_s=None if trial.rt_ms is None else trial.rt_ms / 1e3,
            level=trial.level,
            stamp_s=stamp.lsl_s,
            uncertainty_s=stamp.uncertainty_s,
        )
        return False
