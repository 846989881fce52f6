"""The one module that knows the sessions' database: SQLite, through SQLAlchemy; its steps are Alembic's."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import sqlite3
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.exc import SQLAlchemyError

from bci.errors import FocusloopError

HEAD = "0001"
"""The revision that this version works with."""

MOVE_AWAY = "restore it, or move it away: recordings are found again"
_TAKES_NOTHING = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)
_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)

State = Literal["recording", "complete", "recovered"]


class DatabaseError(FocusloopError):
    """The sessions' database cannot be used or does not take more."""


class NoSuchSessionError(FocusloopError):
    """No session of that id."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """What is known of a session.

    Parameters
    ----------
    id, participant
        Whose it is.
    file
        Name of its recording.
    sources
        URIs.
    device, origin, model
        As the header of the recording has them; None before they are known.
    state
        `recording`, `complete`, or `recovered` where it was interrupted and repaired.
    problem
        What was wrong with it, in a sentence.
    started_unix_s
        Unix time.
    length_s
        Of the signal, first to last sample.
    scores, valid_scores
        Counted.
    samples, lost_samples
        Of the raw signal.
    bytes
        On the disk.
    """

    id: str
    participant: str
    file: str
    sources: tuple[str, ...]
    device: str | None
    origin: str | None
    model: str | None
    state: State
    problem: str | None
    started_unix_s: float
    length_s: float = 0.0
    scores: int = 0
    valid_scores: int = 0
    samples: int = 0
    lost_samples: int = 0
    bytes: int = 0


_metadata = sa.MetaData()
_sessions = sa.Table(
    "sessions",
    _metadata,
    sa.Column("id", sa.String, primary_key=True),
    *(sa.Column(name, sa.String) for name in ("participant", "file", "sources", "device", "origin", "model")),
    *(sa.Column(name, sa.String) for name in ("state", "problem")),
    *(sa.Column(name, sa.Float) for name in ("started_unix_s", "length_s")),
    *(sa.Column(name, sa.Integer) for name in ("scores", "valid_scores", "samples", "lost_samples", "bytes")),
)


class SessionDatabase:
    """The sessions of one data directory. Safe from any thread and beside other processes.

    Parameters
    ----------
    path
        The database file; made with mode 0600 where it is not there.
    read_only
        Change nothing, make nothing: it may lie on a full or read-only disk.

    Raises
    ------
    DatabaseError
        If it cannot be opened, is damaged, or is of a later version.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._has_tables = True
        if read_only:
            self._engine = sa.create_engine(
                "sqlite://", creator=functools.partial(_open_to_read, path), poolclass=sa.NullPool
            )
            with self._reading() as connection:
                self._has_tables = self._checked_revision(connection) is not None
            return
        try:
            path.touch(mode=0o600)
        except OSError as error:
            msg = f"{path}: cannot be made ({error.strerror or error}); choose a folder of yours with --data-dir"
            raise DatabaseError(msg) from error
        url = sa.URL.create("sqlite", database=str(path))  # a name may hold ? and %, which mean something in a text
        self._engine = sa.create_engine(url, connect_args={"timeout": 10.0})
        sa_event.listen(self._engine, "connect", _prepare)
        sa_event.listen(self._engine, "begin", _begin)
        try:
            self._migrate()
        except DatabaseError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def add_session(self, row: SessionRow) -> None:
        """Note a new session.

        Raises
        ------
        DatabaseError
            If the disk does not take it.
        """
        with self._writing("a session") as connection:
            connection.execute(sa.insert(_sessions).values(_fields(row)))

    def update_sessions(self, rows: Sequence[SessionRow]) -> None:
        """Replace what is known of sessions, of all or of none; one that has ended is not `recording` again.

        Raises
        ------
        DatabaseError
            If the disk does not take it.
        """
        with self._writing("a session") as connection:
            these = sa.update(_sessions).where(
                _sessions.c.id == sa.bindparam("of"),
                sa.or_(sa.bindparam("ends", type_=sa.Boolean), _sessions.c.state == "recording"),
            )
            if rows:  # one statement: with many streams each of its own held the scores up
                connection.execute(
                    these, [{"of": row.id, "ends": row.state != "recording", **_fields(row)} for row in rows]
                )

    def has_session(self, session_id: str) -> bool:
        """Say whether there is a session of exactly this id."""
        with self._reading() as connection:
            found = connection.execute(sa.select(_sessions.c.id).where(_sessions.c.id == session_id)).first()
        return found is not None

    def session(self, session_id: str) -> SessionRow:
        """Give a session by its id, or by the beginning of it that fits no other.

        Raises
        ------
        NoSuchSessionError
            Saying what there is.
        """
        return choose_session(session_id, self.sessions())

    def sessions(self, *, state: State | None = None) -> list[SessionRow]:
        """List sessions, the newest first."""
        query = sa.select(_sessions).order_by(_sessions.c.started_unix_s.desc(), _sessions.c.id.desc())
        if state is not None:
            query = query.where(_sessions.c.state == state)
        if not self._has_tables:
            return []
        with self._reading() as connection:
            return [_row(found) for found in connection.execute(query).mappings()]

    def _migrate(self) -> None:
        with self._writing("its tables") as connection:
            if self._checked_revision(connection) == HEAD:
                return
            # Not at import time: it takes half a second, once in the life of a data directory.
            from alembic import command
            from alembic.config import Config

            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
            config.attributes["connection"] = connection
            command.upgrade(config, HEAD)

    def _checked_revision(self, connection: sa.Connection) -> str | None:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        if found is not None and found > HEAD:
            msg = f"{self.path} is of a later version of focusloop ({found}); this one knows {HEAD}: update it"
            raise DatabaseError(msg)
        return found

    @contextlib.contextmanager
    def _writing(self, what: str) -> Generator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            msg = f"{self.path} does not take {what}: {_cause(error)}; {_what_to_do(error)}"
            raise DatabaseError(msg) from error

    @contextlib.contextmanager
    def _reading(self) -> Generator[sa.Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            msg = f"{self.path} cannot be read: {_cause(error)}; {_what_to_do(error, 'may you read its folder?')}"
            raise DatabaseError(msg) from error


def _prepare(connection: Any, _record: object) -> None:  # noqa: ANN401 - DBAPI's, which has no types
    # The driver begins no transaction before a table is made: a full disk would leave half of the tables.
    connection.isolation_level = None
    # FULL: what is committed survives a power cut.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _cause(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]


def _what_to_do(error: SQLAlchemyError, otherwise: str = "free some space, or see who else uses it") -> str:
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
    return MOVE_AWAY if code in _DAMAGED else otherwise


def _open_to_read(path: Path) -> sqlite3.Connection:
    """Open a database beside a service that may be writing; where its disk takes nothing, as what does not change."""
    uri = path.resolve().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=10.0)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF not in _TAKES_NOTHING:  # of an extended code the lowest byte says the kind
            raise
        return sqlite3.connect(f"{uri}?immutable=1", uri=True)  # its log of writes cannot be made, so nobody writes
    return connection


def _fields(row: SessionRow) -> dict[str, Any]:
    return {**dataclasses.asdict(row), "sources": json.dumps(row.sources)}


def _row(found: Mapping[Any, Any]) -> SessionRow:
    fields: dict[str, Any] = {**found, "sources": tuple(json.loads(found["sources"]))}
    return SessionRow(**fields)


def choose_session(session_id: str, rows: Sequence[SessionRow]) -> SessionRow:
    """Give the session of an id among those, the newest first, or the one whose id begins so and fits no other.

    Raises
    ------
    NoSuchSessionError
        Saying what there is.
    """
    found = [row for row in rows if row.id == session_id] or [row for row in rows if row.id.startswith(session_id)]
    if len(found) == 1 and session_id:
        return found[0]
    listed = ", ".join(row.id for row in (found or rows)[:5])
    what = f"{len(found)} sessions begin with '{session_id}'" if found else f"no session '{session_id}'"
    there = f"the newest are {listed} (see `focusloop sessions`)" if listed else "nothing was recorded there yet"
    msg = f"{what}; {there}"
    raise NoSuchSessionError(msg)


def rows_as_json(rows: Iterable[SessionRow]) -> list[dict[str, Any]]:
    """Give sessions as `GET /v1/sessions` and `focusloop sessions --json` do."""
    return [
        {
            **dataclasses.asdict(row),
            "valid_share": row.valid_scores / row.scores if row.scores else None,
            "loss": row.lost_samples / (row.samples + row.lost_samples) if row.samples else None,
        }
        for row in rows
    ]
