"""Sessions that were interrupted: repaired, counted, and told from those that ended as they should."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import orjson

from bci.errors import ConflictError, FileFormatError
from feedback.loop.trial_journal import KeptTrial
from feedback.sessions.database import SessionDatabase, SessionRow
from streaming.recording.about import read_about
from streaming.recording.reading import RecordedSession
from streaming.recording.repair import Content, repair
from streaming.recording.tracks import TRIALS

_OURS = "Focus-"


TrialsOf = Callable[[str], Sequence[KeptTrial]]
"""Gives the trials that are on disk of a session; raises `ConflictError` where nobody knows."""


def recovered(database: SessionDatabase, folder: Path, row: SessionRow, trials_of: TrialsOf) -> SessionRow:
    """Repair the recording of a session that was interrupted, and say what is left of it.

    Trials that were acknowledged in the moment before, and that its file lacks, are added to it.

    Raises
    ------
    DatabaseError
        If the database does not take it; tried again at the next start.
    """
    path = folder / row.file
    try:
        kept = trials_of(row.id)
    except ConflictError as error:
        kept, row = (), replace(row, problem=_joined(row.problem, str(error)))
    try:
        found = _counted(path, repair(path, lambda: {TRIALS: _lacking(path, kept)}), row)
    except FileNotFoundError:
        found = replace(row, problem=f"its recording is gone: {path} was deleted", bytes=0)
    except (OSError, FileFormatError) as error:
        found = replace(row, problem=f"its recording cannot be repaired: {error}")
    found = replace(found, state="recovered")
    database.update_sessions([found])
    return found


def _lacking(path: Path, kept: Sequence[KeptTrial]) -> list[tuple[float, str]]:
    if not kept:
        return []
    there = {(message.get("run"), message.get("trial")) for _, message in RecordedSession(path).messages(TRIALS)}
    return [
        (trial.t_lsl_s, orjson.dumps({"type": "trial", **trial.fields()}).decode())
        for trial in kept
        if trial.key[1:] not in there
    ]


def _joined(*sentences: str | None) -> str | None:
    return "; ".join(filter(None, sentences)) or None


def found_again(database: SessionDatabase, folder: Path, trials_of: TrialsOf) -> list[SessionRow]:
    """Note recordings of ours that the database does not know: it was lost, or they were brought here."""
    known = {row.file for row in database.sessions()}
    rows: list[SessionRow] = []
    for path in sorted(folder.glob("*.xdf")):
        if path.name in known:
            continue
        row = _row_of(path)
        if row is not None and not database.has_session(row.id):
            database.add_session(row)
            rows.append(recovered(database, folder, row, trials_of))
    return rows


def _counted(path: Path, content: Content, row: SessionRow) -> SessionRow:
    raw = [s for s in content.streams.values() if not s.kind.startswith(_OURS) and s.number_format != "string"]
    session = RecordedSession(path)
    scores = session.scores()
    problems = [row.problem]
    lost = content.size - content.end
    if not content.closed:
        problems.append("interrupted" + (f"; {lost} bytes that were not whole were cut off" if lost else ""))
    elif row.problem is None:
        problems.append("its end was not noted")
    if content.damaged:
        problems.append(f"{content.damaged} bytes in its middle are damaged")
    return replace(
        row,
        problem=_joined(*problems),
        device=row.device or session.header.device or None,
        origin=row.origin or session.header.origin or None,
        lost_samples=max(row.lost_samples, session.lost_samples() or 0),
        length_s=max((s.length.seconds for s in raw), default=0.0),
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
