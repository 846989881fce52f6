"""The database of sessions: all or none, and what has ended stays ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from feedback.sessions.database import SessionDatabase, SessionRow


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SessionDatabase]:
    opened = SessionDatabase(tmp_path / "sessions.db")
    yield opened
    opened.close()


def row(number: int) -> SessionRow:
    name = f"2026-{number}"
    return SessionRow(name, "p01", f"{name}.xdf", ("lsl:",), None, None, None, "recording", None, 100.0 + number)


def test_running_sessions_are_brought_up_to_date_together(database: SessionDatabase) -> None:
    rows = [row(number) for number in range(3)]
    for one in rows:
        database.add_session(one)
    database.update_sessions([replace(one, samples=250) for one in rows])
    assert [found.samples for found in database.sessions()] == [250, 250, 250]


def test_a_late_look_at_a_running_session_does_not_undo_its_end(database: SessionDatabase) -> None:
    database.add_session(row(1))
    seen_while_it_ran = replace(row(1), samples=100)
    database.update_sessions([replace(row(1), state="complete", samples=500)])
    database.update_sessions([seen_while_it_ran])
    (found,) = database.sessions()
    assert (found.state, found.samples) == ("complete", 500)
