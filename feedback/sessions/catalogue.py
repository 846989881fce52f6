"""The sessions of a data directory: one service at a time records, and what it left behind is found again."""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bci.clock import ClockAnchor
from bci.errors import ConflictError, FocusloopError
from feedback.sessions.database import SessionDatabase, SessionRow, choose_session
from feedback.sessions.recorder import ParticipantRecorder, new_row
from feedback.sessions.recovery import TrialsOf, found_again, recovered
from streaming.recording.session import SessionFile, Track
from streaming.recording.tracks import HEADER_FIELDS
from streaming.recording.writer import DiskBudget, RecordingWriter

log = logging.getLogger(__name__)

FINISH_S = 1.5
"""For one file to be closed; what the disk does not take in this time is repaired at the next start."""


class SessionsError(FocusloopError):
    """Sessions cannot be kept in this data directory."""


def folder_of(data_dir: Path) -> Path:
    """Give the folder of the recordings."""
    return data_dir / "sessions"


def find_recording(wanted: str, data_dir: Path) -> tuple[Path, SessionRow | None]:
    """Give the recording that a person means, and what the catalogue knows of it; None where it knows nothing.

    Parameters
    ----------
    wanted
        Id of a session, the beginning of one, or the path of a recording.
    data_dir
        Whose sessions are meant.

    Raises
    ------
    NoSuchSessionError
        Saying what there is.
    """
    path = Path(wanted).expanduser()
    if path.suffix.lower() != ".xdf" and not path.is_file():
        row = choose_session(wanted, read_sessions(data_dir))
        return folder_of(data_dir) / row.file, row
    if path.resolve().parent != folder_of(data_dir).resolve():
        return path, None
    return path, next((row for row in read_sessions(data_dir) if row.file == path.name), None)


def lock_of(data_dir: Path) -> FileLock:
    """Give the lock that the one service of a data directory holds."""
    return FileLock(data_dir / "service.lock", timeout=0, thread_local=False)


def in_use(data_dir: Path) -> bool:
    """Tell whether a service runs on this data directory."""
    lock = lock_of(data_dir)
    if not Path(lock.lock_file).is_file():
        return False
    try:
        with lock:
            return False
    except (Timeout, OSError):
        return True


@dataclass(frozen=True, slots=True)
class Recording:
    """How recording is wished.

    Parameters
    ----------
    limit_bytes
        Of all recordings together; None for no limit but the disk's.
    about
        Written into the header of each: versions, hash of the configuration.
    """

    limit_bytes: int | None = None
    about: Mapping[str, Any] | None = None


class Sessions:
    """Opens, records, finishes and lists sessions.

    Parameters
    ----------
    data_dir
        Made where it is not there.
    recording
        How recording is wished.
    trials_of
        Gives the trials that are on disk of a session.

    Raises
    ------
    ConflictError
        If another service uses this data directory.
    SessionsError, DatabaseError
        If nothing can be kept there.
    """

    def __init__(self, data_dir: Path, recording: Recording, trials_of: TrialsOf) -> None:
        self._recording, self._trials_of = recording, trials_of
        self.folder = folder_of(data_dir)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            msg = (
                f"{self.folder} cannot be made ({error.strerror or error}); choose a folder of yours with --data-dir, "
                "or mend its permissions"
            )
            raise SessionsError(msg) from error
        self._lock = lock_of(data_dir)
        try:
            self._lock.acquire()
        except Timeout as error:
            msg = (
                f"another focusloop service uses {data_dir}; stop it, or give this one a data directory of its own "
                "(--data-dir)"
            )
            raise ConflictError(msg) from error
        except OSError as error:
            msg = f"{data_dir} cannot be locked ({error.strerror or error}); choose a folder of yours with --data-dir"
            raise SessionsError(msg) from error
        try:
            self.database = SessionDatabase(data_dir / "sessions.db")
        except FocusloopError:
            self._lock.release()
            raise
        self.budget = DiskBudget(self.folder, recording.limit_bytes)
        self._writer = RecordingWriter()
        self._writer.start()

    def recover(self) -> list[SessionRow]:
        """Find what an earlier service left unfinished, repair it and mark it. Blocks.

        Returns
        -------
        What was found, as it is now.
        """
        left = self.database.sessions(state="recording")
        if left:
            log.warning("%d sessions were not ended by the last service; they are being repaired", len(left))
        rows = [self._recovered(row) for row in left]
        rows += found_again(self.database, self.folder, self._trials_of)
        for row in rows:
            log.warning("session %s was recovered: %s", row.id, row.problem)
        return rows

    def begin(self, participant: str, sources: Sequence[str], model: str) -> ParticipantRecorder:
        """Begin to record a participant. Blocks for the disk.

        Raises
        ------
        RecordingError, DatabaseError
            If the disk does not take it; the participant can be scored all the same.
        """
        now = datetime.now(UTC)
        session_id = f"{now:%Y%m%dT%H%M%SZ}-{participant}-{secrets.token_hex(2)}"
        name = f"{session_id}.xdf"
        row = new_row(session_id, participant, sources, model, name)

        def new_file(tracks: Sequence[Track], listener: ParticipantRecorder) -> SessionFile:
            anchor = ClockAnchor.now()
            about = {
                "session": session_id,
                "participant": participant,
                "started": now.isoformat(timespec="milliseconds"),
                "sources": {"source": [_without_secrets(source) for source in sources]},
                "model": model,
                "unix_s": repr(anchor.unix_s),
                "lsl_s": repr(anchor.lsl_s),
                **(self._recording.about or {}),
            }
            return SessionFile(self.folder / name, about, HEADER_FIELDS, tracks, listener, spend=self.budget.spend)

        recorder = ParticipantRecorder(row, new_file, self._writer)
        try:
            self.database.add_session(row)
        except FocusloopError:
            recorder.discard()
            raise
        recorder.start()
        return recorder

    def finish(self, recorder: ParticipantRecorder, timeout_s: float = FINISH_S) -> SessionRow:
        """End a session: close its file, or repair what is left of it. Blocks."""
        try:
            whole = recorder.finish(timeout_s)
        except TimeoutError:
            log.warning("the disk did not answer; session %s is repaired at the next start", recorder.session_id)
            return recorder.row()
        row = recorder.row()
        if whole:
            row = replace(row, state="complete")
            with contextlib.suppress(FocusloopError):  # it is found at the next start
                self.database.update_sessions([row])
            return row
        try:
            return self._recovered(row)
        except FocusloopError as error:
            log.warning("session %s is repaired at the next start: %s", row.id, error)
            return row

    def _recovered(self, row: SessionRow) -> SessionRow:
        return recovered(self.database, self.folder, row, self._trials_of)

    def refresh(self, recorders: Sequence[ParticipantRecorder]) -> None:
        """Bring the database, and the headers of the files, up to date about sessions that run. Blocks."""
        for recorder in recorders:
            recorder.tell_latency()
        self.database.update_sessions([recorder.row() for recorder in recorders])

    def disk(self) -> dict[str, int | None]:
        """Say what recordings take, may take, and what is free, in bytes."""
        return {
            "used_bytes": self.budget.used_bytes,
            "limit_bytes": self.budget.limit_bytes,
            "free_bytes": self.budget.free_bytes,
        }

    def close(self, timeout_s: float = FINISH_S) -> None:
        """Let go of the data directory."""
        if not self._writer.stop(timeout_s):
            log.warning("the disk of %s did not answer; what it lacks is repaired at the next start", self.folder)
        self.database.close()
        self._lock.release()


def read_sessions(data_dir: Path) -> list[SessionRow]:
    """List what was recorded, the newest first, beside a service that may be running; nothing is repaired or written.

    Raises
    ------
    DatabaseError
        If the database cannot be read.
    """
    path = data_dir / "sessions.db"
    if not path.is_file():
        return []
    database = SessionDatabase(path, read_only=True)
    try:
        return database.sessions()
    finally:
        database.close()


def _without_secrets(uri: str) -> str:
    """Leave out what a URI may hold to open a device, not to name it."""
    return re.sub(r"(?i)\b(token|password|key)=[^&]*", r"\1=…", uri)
