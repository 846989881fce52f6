"""Every trial on disk before it is acknowledged, once each, over restarts and power cuts."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from bci.errors import ConflictError

RETRY_S = 1.0
LIMIT = 4096
"""Trials that wait for the disk before new ones are refused."""

_TABLE = """
CREATE TABLE IF NOT EXISTS trials (
    stream TEXT NOT NULL, run TEXT NOT NULL, trial INTEGER NOT NULL, t_unix_s REAL NOT NULL, t_lsl_s REAL NOT NULL,
    uncertainty_s REAL, stamped TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY (stream, run, trial)
) WITHOUT ROWID
"""
_KEEP = "INSERT OR IGNORE INTO trials VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_KNOWN = "SELECT 1 FROM trials WHERE stream = ? AND run = ? AND trial = ?"

_log = structlog.get_logger("focusloop.trials")

Key = tuple[str, str, int]
"""Stream, run, trial: what makes a trial the same when it comes again."""


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
    """

    key: Key
    t_unix_s: float
    t_lsl_s: float
    uncertainty_s: float | None
    stamped: str
    message: str


class TrialJournal:
    """An SQLite file that a thread of its own writes; what came meanwhile is committed together, and synced.

    A disk that takes nothing is tried again each second: what waits is not acknowledged before it is there. The file is
    made at the first trial. `keep` and `known` are called from one thread, `kept` from the journal's own.

    Parameters
    ----------
    path
        Of the file; its folder is made if need be. A file that is damaged is put aside, never overwritten.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._more = threading.Condition()
        self._waiting: dict[Key, list[tuple[KeptTrial, Callable[[], None]]]] = {}
        self._closing = False
        self._thread: threading.Thread | None = None
        self._reads: sqlite3.Connection | None = None
        self._trouble = ""

    def known(self, key: Key) -> bool:
        """Say whether a trial is on disk or on its way there."""
        with self._more:
            if key in self._waiting:
                return True
        if self._reads is None:
            if not self._path.is_file():
                return False
            try:
                self._reads = self._connect()
            except (OSError, sqlite3.Error):
                return False  # the writing thread says so
        try:
            return self._reads.execute(_KNOWN, key).fetchone() is not None
        except sqlite3.Error:
            self._reads = None
            return False

    def keep(self, trial: KeptTrial, kept: Callable[[], None]) -> None:
        """Write a trial; `kept` is called once it is on disk, also where it was there before.

        Raises
        ------
        ConflictError
            If the disk takes nothing and too many wait for it already, or the journal is closed.
        """
        with self._more:
            if self._closing:
                msg = "the service is ending; send the trial again when it is back"
                raise ConflictError(msg)
            if len(self._waiting) >= LIMIT:
                msg = f"{LIMIT} trials wait for the disk ({self._trouble or 'it is slow'}); this one is not kept"
                raise ConflictError(msg)
            self._waiting.setdefault(trial.key, []).append((trial, kept))
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="trial journal", daemon=True)
                self._thread.start()
            self._more.notify()

    def close(self, timeout_s: float = 1.0) -> None:
        """Write what waits, if the disk takes it in time, and end."""
        with self._more:
            self._closing = True
            self._more.notify()
        if self._thread is not None:
            self._thread.join(timeout_s)
        if self._reads is not None:
            self._reads.close()

    def _write(self) -> None:
        writes: sqlite3.Connection | None = None
        while True:
            with self._more:
                self._more.wait_for(lambda: self._waiting or self._closing)
                batch = [entry for entries in self._waiting.values() for entry in entries]
            if not batch:
                break
            try:
                writes = writes or self._connect()
                self._commit(writes, [trial for trial, _ in batch])
            except (OSError, sqlite3.Error) as error:
                writes = None
                self._put_aside(error)
                self._tell(f"{self._path}: {error}")
                with self._more:
                    if self._closing:
                        break
                    self._more.wait_for(lambda: self._closing, RETRY_S)
                continue
            self._tell("")
            self._let_go(batch)
        if writes is not None:
            writes.close()

    def _let_go(self, batch: Sequence[tuple[KeptTrial, Callable[[], None]]]) -> None:
        with self._more:
            for trial, kept in batch:
                entries = self._waiting[trial.key]
                entries.remove((trial, kept))
                if not entries:
                    del self._waiting[trial.key]
        for _, kept in batch:
            kept()

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=5.0, check_same_thread=False)
        self._path.chmod(0o600)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(_TABLE)
        return connection

    @staticmethod
    def _commit(writes: sqlite3.Connection, trials: Sequence[KeptTrial]) -> None:
        with writes:
            writes.executemany(
                _KEEP,
                [(*t.key, t.t_unix_s, t.t_lsl_s, t.uncertainty_s, t.stamped, t.message) for t in trials],
            )

    def _put_aside(self, error: Exception) -> None:
        if isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) in (
            sqlite3.SQLITE_NOTADB,
            sqlite3.SQLITE_CORRUPT,
        ):
            aside = self._path.with_name(f"{self._path.name}.damaged-{int(time.time())}")
            self._path.replace(aside)
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            _log.error("trials damaged, put aside", file=str(aside))

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            if trouble:
                _log.error("trials not kept, trying again", error=trouble)
            else:
                _log.info("trials kept again", file=str(self._path))
            self._trouble = trouble
