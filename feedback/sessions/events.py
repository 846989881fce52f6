"""Trials and markers: accepted once, acknowledged when they are on the disk, handed on to whoever counts them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from bci.errors import ConflictError
from feedback.sessions.database import DatabaseError, SessionDatabase, StoredEvent

KEPT_RUNS = 1024
"""Runs whose trials are remembered; those of others are looked up."""


@dataclass(frozen=True, slots=True)
class AcceptedTrial:
    """A trial that is on the disk and counts, once.

    Parameters
    ----------
    participant, session
        Whose it is, and the session that it belongs to.
    run, trial
        Its name: a repeat is not handed on.
    task, block
        As the client said; None where it did not.
    correct
        None where there is no right or wrong.
    rt_ms
        Reaction time; None where there was no answer.
    at_lsl_s, at_unix_s
        When it ended, by both clocks.
    stamped
        `client` where its own clock could be used, `arrival` where not.
    message
        Everything that the client said, with fields that we do not know.
    """

    participant: str
    session: str
    run: str
    trial: int
    task: str | None
    block: int | None
    correct: bool | None
    rt_ms: float | None
    at_lsl_s: float
    at_unix_s: float
    stamped: str
    message: Mapping[str, Any]


class TrialListener(Protocol):
    """Whoever learns from trials, such as a difficulty policy."""

    def on_trial(self, trial: AcceptedTrial) -> None:
        """Take a trial that counts, on the event loop: return within a millisecond, or do the work elsewhere.

        It comes once for each trial. A process that is killed between the disk and this call has accepted the trial
        without it: what depends on all of them starts from `SessionDatabase.trials`.
        """
        ...


def accepted_trial(event: StoredEvent) -> AcceptedTrial:
    """Read a stored trial."""
    said = event.message
    return AcceptedTrial(
        event.participant,
        event.session,
        str(said["run"]),
        int(said["trial"]),
        said.get("task"),
        said.get("block"),
        said.get("correct"),
        said.get("rt_ms"),
        event.at_lsl_s,
        event.at_unix_s,
        str(said.get("stamped", "arrival")),
        said,
    )


class Recorder(Protocol):
    """What the log needs of a participant's recording."""

    @property
    def session_id(self) -> str:
        """The session that is recorded now; it is in the database."""
        ...

    def write_event(self, event: StoredEvent, receipt: object) -> bool:
        """Have an event written, at once; False where no file takes it, and the database has to do."""
        ...


@dataclass(slots=True, eq=False)
class _Entry:
    event: StoredEvent
    waiting: list[tuple[Future[bool], bool]] = field(default_factory=list)
    saved: bool = False

    def fail(self, error: Exception) -> None:
        waiting, self.waiting = self.waiting, []
        for future, _ in waiting:
            future.set_exception(error)

    def succeed(self) -> None:
        waiting, self.waiting = self.waiting, []
        for future, duplicate in waiting:
            future.set_result(duplicate)


class EventLog:
    """Accepts trials and markers of all participants. Safe from any thread.

    Parameters
    ----------
    database
        Where they are kept beside the recordings, and where repeats are known from.
    accepted
        Called with each event that is new and on the disk, on a thread of ours.
    """

    def __init__(self, database: SessionDatabase, accepted: Callable[[StoredEvent], None]) -> None:
        self._database, self._accepted = database, accepted
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str, int], _Entry] = {}
        self._known: OrderedDict[tuple[str, str], set[int]] = OrderedDict()
        self._unsaved: list[_Entry] = []
        self._saver = ThreadPoolExecutor(1, "events")

    def accept(self, recorder: Recorder, event: StoredEvent) -> Future[bool]:
        """Have an event kept.

        Parameters
        ----------
        recorder
            Of its participant.
        event
            A trial's message has `run` and `trial`.

        Returns
        -------
        Future
            Done when it is on the disk: True where it is a repeat that had been counted before. An error of ours where
            it is not on the disk yet; sent again, it is counted once all the same.

        Raises
        ------
        DatabaseError
            If the database cannot be asked for repeats.
        """
        future: Future[bool] = Future()
        entry = _Entry(event, [(future, False)])
        if event.kind == "trial":
            known = self._runs_trials(event)
            key = _key(event)
            with self._lock:
                if key[2] in known:
                    future.set_result(True)
                    return future
                before = self._waiting.get(key)
                if before is not None:
                    before.waiting.append((future, True))
                    return future
                self._waiting[key] = entry
        if not recorder.write_event(event, entry):
            self._saver.submit(self.on_disk, [entry])
        return future

    def close(self) -> None:
        """Finish what is under way."""
        self._saver.shutdown()
        self.save_again()

    # What becomes of what a recording was given

    def on_disk(self, receipts: Sequence[object]) -> None:
        """Keep in the database what the recording has on the disk; then it is acknowledged."""
        with self._lock:
            entries = [*self._unsaved, *(r for r in receipts if isinstance(r, _Entry))]
            self._unsaved = []
        if not entries:
            return
        try:
            self._database.add_events([entry.event for entry in entries])
        except DatabaseError as error:
            with self._lock:
                self._unsaved += entries
            for entry in entries:
                entry.fail(error)
            return
        for entry in entries:
            with self._lock:
                if entry.event.kind == "trial":
                    key = _key(entry.event)
                    self._waiting.pop(key, None)
                    if key[:2] in self._known:  # else it is looked up when it is asked for
                        self._known[key[:2]].add(key[2])
                entry.succeed()
            self._accepted(entry.event)

    def on_trouble(self, problem: str, receipts: Sequence[object]) -> None:
        """Tell who waits that it is not on the disk yet; it stays to be written."""
        for entry in (r for r in receipts if isinstance(r, _Entry)):
            with self._lock:
                entry.fail(ConflictError(f"not on the disk yet: {problem}; send it again, it is counted once"))

    def on_lost(self, problem: str, receipts: Sequence[object]) -> None:
        """Forget what was not written: sent again, it goes to the next recording."""
        for entry in (r for r in receipts if isinstance(r, _Entry)):
            with self._lock:
                if entry.event.kind == "trial":
                    self._waiting.pop(_key(entry.event), None)
                entry.fail(ConflictError(f"not on the disk: {problem}; send it again"))

    def save_again(self) -> None:
        """Try what the database had not taken."""
        if self._unsaved:
            self.on_disk(())

    def _runs_trials(self, event: StoredEvent) -> set[int]:
        run = (event.participant, str(event.message["run"]))
        with self._lock:
            known = self._known.get(run)
        if known is None:
            found = self._database.trials_of_run(*run)
            with self._lock:
                known = self._known.setdefault(run, set())
                known |= found
                while len(self._known) > KEPT_RUNS:
                    self._known.popitem(last=False)
        return known


def _key(event: StoredEvent) -> tuple[str, str, int]:
    return (event.participant, str(event.message["run"]), int(event.message["trial"]))
