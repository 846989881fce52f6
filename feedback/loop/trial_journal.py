"""Trials on disk before they are acknowledged, once each, and with each the state of its stream's controller."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog

from bci.errors import ConflictError

RETRY_S = 1.0
LIMIT = 4096
"""Trials that wait for the disk before new ones are refused."""

_TABLES = """
CREATE TABLE IF NOT EXISTS trials (
    stream TEXT NOT NULL, run TEXT NOT NULL, trial INTEGER NOT NULL, t_unix_s REAL NOT NULL, t_lsl_s REAL NOT NULL,
    uncertainty_s REAL, stamped TEXT NOT NULL, message TEXT NOT NULL, session TEXT, PRIMARY KEY (stream, run, trial)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS controllers (stream TEXT PRIMARY KEY, state TEXT) WITHOUT ROWID;
"""
_COLUMNS = "SELECT name FROM pragma_table_info('trials')"
_ADD_SESSION = "ALTER TABLE trials ADD COLUMN session TEXT"
"""For files of before it was kept; their trials have none."""

_FIELDS = "stream, run, trial, t_unix_s, t_lsl_s, uncertainty_s, stamped, message, session"
_KEEP = f"INSERT OR IGNORE INTO trials ({_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - ours
_OF_SESSION = f"SELECT {_FIELDS} FROM trials WHERE session = ? ORDER BY t_unix_s"  # noqa: S608 - ours
_SAVE = "INSERT INTO controllers VALUES (?, ?) ON CONFLICT (stream) DO UPDATE SET state = excluded.state"
_STATE = "SELECT state FROM controllers WHERE stream = ?"
_KNOWN = "SELECT 1 FROM trials WHERE stream = ? AND run = ? AND trial = ?"

_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)

_log = structlog.get_logger("focusloop.trials")

Key = tuple[str, str, int]
"""Stream, run, trial: what makes a trial the same when it comes again."""

_TOLD = {"run": "", "trial": 0, "task": "", "block": None, "correct": None, "rt_ms": None, "level": None}
"""What everyone is told of a trial, and what stands for what the client left out."""


@dataclass(frozen=True, slots=True)
class KeptTrial:
    """A trial as it is kept.

    Parameters
    ----------
    key
        Stream, run and number.
    t_unix_s, t_lsl_s
        When it was answered: UTC, and the host's LSL clock, seconds.
    uncertainty_s
        Of that moment, seconds; None where it was stamped on arrival.
    stamped
        `client` or `arrival`.
    message
        As it came, JSON.
    session
        That was recorded when it came; None where none was.
    """

    key: Key
    t_unix_s: float
    t_lsl_s: float
    uncertainty_s: float | None
    stamped: str
    message: str
    session: str | None = None

    def fields(self) -> dict[str, Any]:
        """Give the message by which everyone hears of it."""
        said = orjson.loads(self.message)
        return {
            "t_unix_s": self.t_unix_s,
            "t_lsl_s": self.t_lsl_s,
            "uncertainty_ms": None if self.uncertainty_s is None else self.uncertainty_s * 1e3,
            "stamped": self.stamped,
            **{name: said.get(name, left_out) for name, left_out in _TOLD.items()},
        }


@dataclass(frozen=True, slots=True)
class _Entry:
    trial: KeptTrial | None
    stream: str
    state: str | None
    saves: bool
    kept: Callable[[], None]


class TrialJournal:
    """An SQLite file that a thread of its own writes; what came meanwhile is committed together, and synced.

    A trial and the state that it led to are committed as one. A disk that takes nothing is tried again each second:
    what waits is not acknowledged before it is there. The file is made at the first entry. Its methods are called from
    one thread, `kept` from the journal's own.

    Parameters
    ----------
    path
        Of the file; its folder is made if need be. A file that is damaged is put aside, never overwritten.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._more = threading.Condition()
        self._opening = threading.Lock()  # two that set the file up at once lock each other out
        self._waiting: deque[_Entry] = deque()
        self._keys: Counter[Key] = Counter()  # of the trials that wait
        self._closing = False
        self._thread: threading.Thread | None = None
        self._reads: sqlite3.Connection | None = None
        self._trouble = ""

    def known(self, key: Key) -> bool:
        """Say whether a trial is on disk or on its way there.

        Raises
        ------
        ConflictError
            If the file cannot be read: nobody knows then.
        """
        with self._more:
            if self._keys[key]:
                return True
        return self._read(_KNOWN, key) is not None

    def state(self, stream: str) -> str | None:
        """Give the newest state of a stream's controller, None where there is none.

        Raises
        ------
        ConflictError
            If the file cannot be read.
        """
        with self._more:
            for entry in reversed(self._waiting):
                if entry.saves and entry.stream == stream:
                    return entry.state
        row = self._read(_STATE, (stream,))
        return None if row is None else row[0]

    def of_session(self, session: str) -> list[KeptTrial]:
        """Give the trials on disk that came while a session was recorded, in the order of time; from any thread.

        Raises
        ------
        ConflictError
            If the file cannot be read.
        """
        if not self._path.is_file():
            return []
        try:
            with contextlib.closing(self._connect()) as connection:
                rows = connection.execute(_OF_SESSION, (session,)).fetchall()
        except (OSError, sqlite3.Error) as error:
            if getattr(error, "sqlite_errorcode", None) in _DAMAGED:
                return []
            msg = f"{self._path} cannot be read ({error}): which trials came last is not known"
            raise ConflictError(msg) from error
        return [KeptTrial((row[0], row[1], row[2]), *row[3:]) for row in rows]

    def admit(self) -> None:
        """See whether a trial can be kept.

        Raises
        ------
        ConflictError
            If the disk takes nothing and too many wait for it already, or the journal is closed.
        """
        if self._closing:
            msg = "the service is ending; send the trial again when it is back"
            raise ConflictError(msg)
        if len(self._waiting) >= LIMIT:
            msg = f"{LIMIT} trials wait for the disk ({self._trouble or 'it is slow'}); this one is not kept"
            raise ConflictError(msg)

    def keep(self, trial: KeptTrial, state: str | None, kept: Callable[[], None]) -> None:
        """Write a trial that `admit` let in, and the state that it led to, if any.

        `kept` is called once it is on disk, also where it was there before.
        """
        self._enter(_Entry(trial, trial.key[0], state, state is not None, kept))

    def save(self, stream: str, state: str | None) -> None:
        """Write the state of a stream's controller; None forgets it."""
        self._enter(_Entry(None, stream, state, saves=True, kept=_nobody_asked))

    def close(self, timeout_s: float = 1.0) -> None:
        """Write what waits, if the disk takes it in time, and end."""
        with self._more:
            self._closing = True
            self._more.notify()
        if self._thread is not None:
            self._thread.join(timeout_s)
        if self._reads is not None:
            self._reads.close()
            self._reads = None

    def _enter(self, entry: _Entry) -> None:
        with self._more:
            self._waiting.append(entry)
            if entry.trial is not None:
                self._keys[entry.trial.key] += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="trial journal", daemon=True)
                self._thread.start()
            self._more.notify()

    def _read(self, query: str, values: tuple[object, ...]) -> tuple[Any, ...] | None:
        try:
            if self._reads is None:
                if not self._path.is_file():
                    return None
                self._reads = self._connect()
            row: tuple[Any, ...] | None = self._reads.execute(query, values).fetchone()
        except (OSError, sqlite3.Error) as error:
            self._reads = None
            if getattr(error, "sqlite_errorcode", None) in _DAMAGED:
                return None  # what is in it is lost, and the writer puts it aside
            msg = f"{self._path} cannot be read ({error}); send the trial again"
            raise ConflictError(msg) from error
        return row

    def _write(self) -> None:
        writes: sqlite3.Connection | None = None
        while True:
            with self._more:
                self._more.wait_for(lambda: self._waiting or self._closing)
                batch = list(self._waiting)
            if not batch:
                break
            try:
                writes = writes or self._connect()
                _commit(writes, batch)
            except (OSError, sqlite3.Error) as error:
                writes = None
                self._put_aside(error)
                self._tell(f"{self._path}: {error}")
                with self._more:
                    if self._more.wait_for(lambda: self._closing, RETRY_S):
                        break
                continue
            self._tell("")
            self._let_go(batch)
        if writes is not None:
            writes.close()

    def _let_go(self, batch: Sequence[_Entry]) -> None:
        with self._more:
            for entry in batch:
                self._waiting.popleft()
                if entry.trial is not None:
                    self._keys[entry.trial.key] -= 1
            self._keys = +self._keys
        for entry in batch:
            try:
                entry.kept()
            except Exception:  # the thread must go on: every other trial waits for it
                _log.exception("a kept trial could not be told", stream=entry.stream)

    def _connect(self) -> sqlite3.Connection:
        with self._opening:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=5.0, check_same_thread=False)
            self._path.chmod(0o600)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.executescript(_TABLES)
            if ("session",) not in connection.execute(_COLUMNS).fetchall():
                connection.execute(_ADD_SESSION)
            return connection

    def _put_aside(self, error: Exception) -> None:
        if getattr(error, "sqlite_errorcode", None) not in _DAMAGED:
            return
        aside = self._path.with_name(f"{self._path.name}.damaged-{int(time.time())}")
        try:
            self._path.replace(aside)
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        except OSError as refused:  # tried again with the next write
            _log.error("trials damaged, and cannot be put aside", file=str(self._path), error=str(refused))
            return
        _log.error("trials damaged, put aside", file=str(aside))

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            if trouble:
                _log.error("trials not kept, trying again", error=trouble)
            else:
                _log.info("trials kept again", file=str(self._path))
            self._trouble = trouble


def _commit(writes: sqlite3.Connection, batch: Sequence[_Entry]) -> None:
    trials = [entry.trial for entry in batch if entry.trial is not None]
    states = {entry.stream: entry.state for entry in batch if entry.saves}
    with writes:
        writes.executemany(
            _KEEP, [(*t.key, t.t_unix_s, t.t_lsl_s, t.uncertainty_s, t.stamped, t.message, t.session) for t in trials]
        )
        writes.executemany(_SAVE, states.items())


def _nobody_asked() -> None:
    """Nobody waits for this entry."""
