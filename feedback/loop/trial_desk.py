"""Where trials are accepted, once each: the one place between the WebSocket, those who act on trials, and the disk.

A trial comes into the recording of its stream once the journal has it: what a recording holds is never counted again,
and what it lacks when it is cut off is added from the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bci.clock import ClockAnchor
from feedback.difficulty.trial import Trial
from feedback.loop.controller import TrialKey
from feedback.loop.controllers import Controllers
from feedback.loop.proposer import Proposer
from feedback.loop.trial_journal import KeptTrial, TrialJournal
from feedback.service.trial_clock import Stamp
from feedback.service.wire.client_messages import SendTrial
from feedback.sessions.recorder import ParticipantRecorder


class TrialDesk:
    """Accepts trials: new ones are told, counted by their stream's controller and heard by the proposer; all are kept.

    Parameters
    ----------
    controllers, proposer
        Of all streams.
    journal
        Where trials are kept.
    tell
        Sends a message: stream, topic, fields; gives its number.
    recorder
        Records a stream; None where it is not recorded.
    """

    def __init__(
        self,
        controllers: Controllers,
        proposer: Proposer,
        journal: TrialJournal,
        tell: Callable[[str, str, Mapping[str, Any]], int],
        recorder: Callable[[str], ParticipantRecorder | None],
    ) -> None:
        self._controllers = controllers
        self._proposer = proposer
        self._journal = journal
        self._tell = tell
        self._recorder = recorder

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
        recorder = self._recorder(trial.stream)
        entry = KeptTrial(
            (trial.stream, trial.run, trial.trial),
            ClockAnchor.now().to_unix(stamp.lsl_s),
            stamp.lsl_s,
            stamp.uncertainty_s,
            stamp.how,
            trial.model_dump_json(exclude_defaults=True),
            None if recorder is None else recorder.session_id,
        )
        if self._journal.known(entry.key):
            self._journal.keep(entry, None, kept)
            return True
        fields = entry.fields()
        seq = self._tell(trial.stream, "trial", fields)

        def on_disk() -> None:
            if recorder is not None:
                recorder.sent("trial", fields, seq, stamp.lsl_s)
            kept()

        self._journal.keep(entry, self._count(trial, stamp), on_disk)
        return False

    def _count(self, trial: SendTrial, stamp: Stamp) -> str | None:
        rt_s = None if trial.rt_ms is None else trial.rt_ms / 1e3
        view = self._controllers.view(trial.stream)
        level = view["level"] if trial.level is None and view is not None else trial.level
        state = self._controllers.accept_trial(
            trial.stream,
            TrialKey(trial.run, trial.trial),
            correct=trial.correct,
            rt_s=rt_s,
            level=trial.level,
            stamp_s=stamp.lsl_s,
            uncertainty_s=stamp.uncertainty_s,
        )
        usable_rt_s = Trial(trial.correct, rt_s).usable_rt_s
        self._proposer.on_trial(trial.stream, trial.task, usable_rt_s, level)
        return state


def moment(stamp: Stamp) -> dict[str, Any]:
    """Give the fields of a message that say when something happened at a client, and how surely."""
    return {
        "t_unix_s": ClockAnchor.now().to_unix(stamp.lsl_s),
        "t_lsl_s": stamp.lsl_s,
        "uncertainty_ms": None if stamp.uncertainty_s is None else stamp.uncertainty_s * 1e3,
        "stamped": stamp.how,
    }
