"""Sessions that were interrupted: repaired, counted, and told from those that ended as they should."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from bci.errors import FileFormatError
from feedback.sessions.database import SessionDatabase, SessionRow
from streaming.recording.reading import RecordedSession, read_about
from streaming.recording.repair import Content, repair

_OURS = "Focus-"


def recovered(database: SessionDatabase, folder: Path, row: SessionRow) -> SessionRow:
    """Repair the recording of a session that was interrupted, and say what is left of it.

    Raises
    ------
    DatabaseError
        If the database does not take it; tried again at the next start.
    """
    path = folder / row.file
    try:
        found = _counted(path, repair(path), row)
    except FileNotFoundError:
        found = replace(row, problem=f"its recording is gone: {path} was deleted", bytes=0)
    except (OSError, FileFormatError) as error:
        found = replace(row, problem=f"its recording cannot be repaired: {error}")
    found = replace(found, state="recovered")
    database.update_sessions([found])
    return found


def found_again(database: SessionDatabase, folder: Path) -> list[SessionRow]:
    """Note recordings of ours that the database does not know: it was lost, or they were brought here."""
    known = {row.file for row in database.sessions()}
    rows: list[SessionRow] = []
    for path in sorted(folder.glob("*.xdf")):
        if path.name in known:
            continue
        row = _row_of(path)
        if row is not None and not database.has_session(row.id):
            database.add_session(row)
            rows.append(recovered(database, folder, row))
    return rows


def _counted(path: Path, content: Content, row: SessionRow) -> SessionRow:
    raw = [s for s in content.streams.values() if not s.kind.startswith(_OURS) and s.number_format != "string"]
    spans = [(s.first_s, s.last_s) for s in raw if s.first_s is not None and s.last_s is not None]
    scores = RecordedSession(path).scores()
    problems = [row.problem] if row.problem else []
    lost = content.size - content.end
    if not content.closed:
        problems.append("interrupted" + (f"; {lost} bytes that were not whole were cut off" if lost else ""))
    if content.damaged:
        problems.append(f"{content.damaged} bytes in its middle are damaged")
    return replace(
        row,
        problem="; ".join(problems) or None,
        length_s=max((last - first for first, last in spans), default=0.0),
        scores=len(scores.stamps_s),
        valid_scores=int(scores.column("valid").sum()),
        samples=sum(s.samples for s in raw),
        bytes=path.stat().st_size,
    )


def _row_of(path: Path) -> SessionRow | None:
    about = read_about(path)
    if about is None or not about.findtext("session") or not about.findtext("participant"):
        return None
    started = about.findtext("started") or ""
    try:
        started_unix_s = datetime.fromisoformat(started).timestamp()
    except ValueError:
        started_unix_s = path.stat().st_mtime
    return SessionRow(
        id=str(about.findtext("session")),
        participant=str(about.findtext("participant")),
        file=path.name,
        sources=tuple(str(s.text) for s in about.iterfind("sources/source")),
        device=(about.findtext("device") or "").strip() or None,
        origin=(about.findtext("origin") or "").strip() or None,
        model=about.findtext("model"),
        state="recording",
        problem="it was not in the database",
        started_unix_s=started_unix_s,
    )
