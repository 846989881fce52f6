"""Where trials are accepted, once each: the one place between the WebSocket, the controllers and the disk."""

from __future__ import annotations

from collections.abc import Callable

from bci.clock import ClockAnchor
from feedback.controller import TrialKey
from feedback.controllers import Controllers
from feedback.service.schemas import SendTrial
from feedback.service.trial_clock import Stamp
from feedback.trial_journal import KeptTrial, TrialJournal


class TrialDesk:
    """Accepts trials, hands the new ones to the controller of their stream, and all of them to the journal.

    Parameters
    ----------
    controllers
        Of all streams.
    journal
        Where trials are kept.
    """

    def __init__(self, controllers: Controllers, journal: TrialJournal) -> None:
        self._controllers = controllers
        self._journal = journal

    def accept(self, trial: SendTrial, stamp: Stamp, kept: Callable[[], None]) -> bool:
        """Take a trial in; the difficulty that follows goes out at once.

        Parameters
        ----------
        trial
            As it came.
        stamp
            Where it lies on the LSL clock.
        kept
            Called on the journal's thread once the trial is on disk.

        Returns
        -------
        bool
            True for a repeat, which is not counted again.

        Raises
        ------
        ConflictError
            If the disk takes no trials; nothing was counted then.
        """
        self._journal.admit()
        key = (trial.stream, trial.run, trial.trial)
        state = None
        repeated = self._journal.known(key)
        if not repeated:
            state = self._controllers.accept_trial(
                trial.stream,
                TrialKey(trial.run, trial.trial),
                correct=trial.correct,
                rt_s=None if trial.rt_ms is None else trial.rt_ms / 1e3,
                level=trial.level,
                stamp_s=stamp.lsl_s,
                uncertainty_s=stamp.uncertainty_s,
            )
        when_unix_s = ClockAnchor.now().to_unix(stamp.lsl_s)
        message = trial.model_dump_json(exclude_defaults=True)
        self._journal.keep(
            KeptTrial(key, when_unix_s, stamp.lsl_s, stamp.uncertainty_s, stamp.how, message), state, kept
        )
        return repeated
