"""Where trials are accepted, once each: the one place between the WebSocket, those who act on trials, and the disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bci.clock import ClockAnchor
from feedback.loop.controller import TrialKey
from feedback.loop.controllers import Controllers
from feedback.loop.proposer import Proposer
from feedback.loop.trial_journal import KeptTrial, TrialJournal
from feedback.service.trial_clock import Stamp
from feedback.service.wire.client_messages import SendTrial


class TrialDesk:
    """Accepts trials: new ones are told, counted by their stream's controller and heard by the proposer; all are kept.

    Parameters
    ----------
    controllers, proposer
        Of all streams.
    journal
        Where trials are kept.
    tell
        Sends a message: stream, topic, fields.
    """

    def __init__(
        self,
        controllers: Controllers,
        proposer: Proposer,
        journal: TrialJournal,
        tell: Callable[[str, str, Mapping[str, Any]], object],
    ) -> None:
        self._controllers = controllers
        self._proposer = proposer
        self._journal = journal
        self._tell = tell

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
        when = moment(stamp)
        repeated = self._journal.known(key)
        state = None if repeated else self._count(trial, stamp, when)
        message = trial.model_dump_json(exclude_defaults=True)
        self._journal.keep(
            KeptTrial(key, when["t_unix_s"], stamp.lsl_s, stamp.uncertainty_s, stamp.how, message), state, kept
        )
        return repeated

    def _count(self, trial: SendTrial, stamp: Stamp, when: Mapping[str, Any]) -> str | None:
        told = trial.model_dump(include={"run", "trial", "task", "block", "correct", "rt_ms", "level"})
        self._tell(trial.stream, "trial", {**when, **told})
        rt_s = None if trial.rt_ms is None else trial.rt_ms / 1e3
        state = self._controllers.accept_trial(
            trial.stream,
            TrialKey(trial.run, trial.trial),
            correct=trial.correct,
            rt_s=rt_s,
            level=trial.level,
            stamp_s=stamp.lsl_s,
            uncertainty_s=stamp.uncertainty_s,
        )
        self._proposer.on_trial(trial.stream, trial.task, rt_s, trial.level)
        return state


def moment(stamp: Stamp) -> dict[str, Any]:
    """Give the fields of a message that say when something happened at a client, and how surely."""
    return {
        "t_unix_s": ClockAnchor.now().to_unix(stamp.lsl_s),
        "t_lsl_s": stamp.lsl_s,
        "uncertainty_ms": None if stamp.uncertainty_s is None else stamp.uncertainty_s * 1e3,
        "stamped": stamp.how,
    }
