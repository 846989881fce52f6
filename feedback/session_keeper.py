"""Keeps a recording of every participant going, and says of each what is recorded and what hinders it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from bci.config import Config
from bci.errors import ConflictError, FocusloopError
from feedback.assembly import describe
from feedback.participant import Participant
from feedback.service.metrics import Metrics
from feedback.sessions.catalogue import Sessions, SessionsError
from feedback.sessions.database import DatabaseError, rows_as_json
from feedback.sessions.header import recording_wish
from feedback.sessions.recovery import TrialsOf
from streaming.recording.file import RecordingError

KEEP_EVERY_S = 5.0
NOTE_EVERY = 6
"""So many turns of the keeper between two notes of how far running sessions are; the service itself knows it better."""

_log = structlog.get_logger("focusloop.sessions")


class SessionKeeper:
    """Begins, ends and lists sessions. Its methods run on the event loop; scores never wait for it.

    What cannot be recorded is scored all the same: the stream says so, and recording is tried again.

    Parameters
    ----------
    config
        Parsed configuration.
    people
        Participants by id.
    on_worker
        Has something done to a participant between two frames.
    metrics
        Shows what recordings take of the disk.
    trials_of
        Gives the trials that are on disk of a session.
    """

    def __init__(
        self,
        config: Config,
        people: Mapping[str, Participant],
        on_worker: Callable[[str, Callable[[], None]], object],
        metrics: Metrics,
        trials_of: TrialsOf,
    ) -> None:
        self._config, self._people, self._on_worker, self._trials_of = config, people, on_worker, trials_of
        self._sessions: Sessions | None = None
        self._problem = "the service is starting"
        self._keeping: asyncio.Task[None] | None = None
        metrics.gauge("focusloop_recordings_bytes", "What all recordings take", lambda: self._disk()["used_bytes"] or 0)
        metrics.gauge("focusloop_recordings_free_bytes", "Free on their disk", lambda: self._disk()["free_bytes"] or 0)
        metrics.gauge("focusloop_recordings", "Sessions that are recorded now", self._running)

    async def start(self) -> None:
        """Take the data directory.

        Raises
        ------
        ConflictError
            If another service uses it.
        """
        await self._open()
        self._keeping = asyncio.create_task(self._keep(), name="sessions")

    async def close(self) -> None:
        """End every session, and let go of the data directory."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        await asyncio.gather(*(self.end(person) for person in self._people.values()))
        if self._sessions is not None:
            await asyncio.to_thread(self._sessions.close)

    async def begin(self, person: Participant) -> None:
        """Begin a session, before the person's source is opened; where that cannot be, it is tried again."""
        if not self._config.service.record:
            return
        try:
            sessions = self._open_sessions()
            recorder = await asyncio.to_thread(sessions.begin, person.id, [person.uri.text], person.model.bundle.id)
        except (RecordingError, SessionsError, DatabaseError) as error:
            if person.record_problem != str(error):
                _log.error("not recorded", stream=person.id, problem=str(error))
            person.record_problem = str(error)
            return
        person.record_problem = None
        person.recorder = recorder
        self._on_worker(person.id, lambda: describe(person))
        _log.info("recording", stream=person.id, session=recorder.session_id)

    async def end(self, person: Participant) -> None:
        """End a session: its file is closed with its footers."""
        recorder, person.recorder = person.recorder, None
        if recorder is not None and self._sessions is not None:
            row = await asyncio.to_thread(self._sessions.finish, recorder)
            _log.info("recorded", stream=person.id, session=row.id, state=row.state)

    async def listing(self) -> dict[str, Any]:
        """List what was recorded, the newest first, and what it takes of the disk.

        Raises
        ------
        SessionsError, DatabaseError
            If nothing can be kept in the data directory.
        """
        sessions = self._open_sessions()
        rows = await asyncio.to_thread(sessions.database.sessions)
        running = [person.recorder.row() for person in self._people.values() if person.recorder is not None]
        now = {row.id: row for row in running}
        disk = await asyncio.to_thread(sessions.disk)
        return {
            "recording": self._config.service.record,
            "sessions": rows_as_json(now.get(row.id, row) for row in rows),
            "disk": disk,
        }

    async def _open(self) -> None:
        try:
            self._sessions = await asyncio.to_thread(
                Sessions, self._config.service.data_dir, recording_wish(self._config), self._trials_of
            )
            await asyncio.to_thread(self._sessions.recover)
        except ConflictError:
            raise
        except FocusloopError as error:
            if self._problem != str(error):
                _log.error("nothing can be recorded", problem=str(error))
            self._problem = str(error)

    def _open_sessions(self) -> Sessions:
        if self._sessions is None:
            raise SessionsError(self._problem)
        return self._sessions

    def _running(self) -> int:
        return sum(p.recorder is not None and p.recorder.problem is None for p in self._people.values())

    def _disk(self) -> dict[str, int | None]:
        return self._sessions.disk() if self._sessions is not None else {"used_bytes": None, "free_bytes": None}

    async def _keep(self) -> None:
        """Keep the database up to date, and begin anew where a recording has stopped."""
        for turn in itertools.count(1):
            await asyncio.sleep(KEEP_EVERY_S)
            if self._sessions is None:
                await self._open_again()
            people = list(self._people.values())
            running = [p.recorder for p in people if p.recorder is not None and not p.recorder.over]
            if self._sessions is not None and turn % NOTE_EVERY == 0:
                try:
                    await asyncio.to_thread(self._sessions.refresh, running)
                except DatabaseError as error:
                    _log.error("sessions cannot be noted", problem=str(error))
            for person in people:
                await self._keep_recording(person)

    async def _open_again(self) -> None:
        try:
            await self._open()
        except ConflictError as error:
            self._problem = str(error)

    async def _keep_recording(self, person: Participant) -> None:
        recorder = person.recorder
        if recorder is not None and recorder.over:
            problem = recorder.problem or "the recording has stopped"
            _log.error("recording stopped", stream=person.id, session=recorder.session_id, problem=problem)
            person.record_problem = problem
            await self.end(person)
        if person.recorder is None and person.record_problem is not None and person.id in self._people:
            await self.begin(person)
