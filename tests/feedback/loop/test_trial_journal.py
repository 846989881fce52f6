"""The journal of trials: told as kept only once on disk, once each, none lost to a disk that takes nothing."""

from __future__ import annotations

import queue
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from bci.errors import ConflictError
from feedback.loop import trial_journal
from feedback.loop.trial_journal import KeptTrial, TrialJournal

PATIENCE_S = 10.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "trials.sqlite"


@pytest.fixture
def journal(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrialJournal]:
    monkeypatch.setattr(trial_journal, "RETRY_S", 0.01)
    opened = TrialJournal(path)
    yield opened
    opened.close()


def trial(number: int, run: str = "r") -> KeptTrial:
    return KeptTrial(("p01", run, number), 1.7e9, 90.0 + number, 0.002, "client", '{"correct":true}')


def on_disk(path: Path) -> list[tuple[str, int]]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT run, trial FROM trials ORDER BY run, trial").fetchall()
    connection.close()
    return rows


def test_a_trial_is_told_as_kept_once_it_can_be_read(journal: TrialJournal, path: Path) -> None:
    heard: queue.Queue[list[tuple[str, int]]] = queue.Queue()
    for number in range(50):
        assert not journal.known(trial(number).key)
        journal.keep(trial(number), None, lambda number=number: heard.put([("r", number), *on_disk(path)]))
        assert journal.known(trial(number).key)
    for _ in range(50):
        mine, *rows = heard.get(timeout=PATIENCE_S)
        assert mine in rows
    assert len(on_disk(path)) == 50
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_repeat_is_kept_once_and_known_after_a_restart(journal: TrialJournal, path: Path) -> None:
    heard: queue.Queue[int] = queue.Queue()
    for _ in range(3):
        journal.keep(trial(1), None, lambda: heard.put(1))
    assert [heard.get(timeout=PATIENCE_S) for _ in range(3)] == [1, 1, 1]
    assert on_disk(path) == [("r", 1)]
    journal.close()
    again = TrialJournal(path)
    assert again.known(("p01", "r", 1))
    assert not again.known(("p02", "r", 1))
    again.close()


def test_what_the_disk_does_not_take_waits_and_is_written_when_it_does(journal: TrialJournal, path: Path) -> None:
    path.parent.write_text("a file where the folder should be")
    heard: queue.Queue[int] = queue.Queue()
    journal.keep(trial(1), None, lambda: heard.put(1))
    with pytest.raises(queue.Empty):
        heard.get(timeout=0.1)
    path.parent.unlink()
    assert heard.get(timeout=PATIENCE_S) == 1
    assert on_disk(path) == [("r", 1)]


def test_too_many_that_wait_are_refused_with_the_reason(
    journal: TrialJournal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_journal, "LIMIT", 3)
    path.parent.write_text("a file where the folder should be")
    for number in range(3):
        journal.keep(trial(number), None, lambda: None)
    with pytest.raises(ConflictError, match="3 trials wait for the disk"):
        journal.admit()
    assert not journal.known(trial(3).key)


def test_a_damaged_file_is_put_aside_and_never_overwritten(journal: TrialJournal, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, but someone's data" * 200)
    heard: queue.Queue[int] = queue.Queue()
    assert not journal.known(trial(1).key)
    journal.keep(trial(1), None, lambda: heard.put(1))
    assert heard.get(timeout=PATIENCE_S) == 1
    (aside,) = path.parent.glob("trials.sqlite.damaged-*")
    assert aside.read_bytes().startswith(b"not a database")
    assert on_disk(path) == [("r", 1)]


def test_what_waits_at_the_end_is_written(journal: TrialJournal, path: Path) -> None:
    for number in range(200):
        journal.keep(trial(number), None, lambda: None)
    journal.close(PATIENCE_S)
    assert len(on_disk(path)) == 200
    with pytest.raises(ConflictError, match="ending"):
        journal.admit()


def test_a_trial_and_the_state_it_led_to_are_kept_as_one(journal: TrialJournal, path: Path) -> None:
    for number in range(20):
        journal.keep(trial(number), f"after {number}", lambda: None)
        assert journal.state("p01") == f"after {number}"
    journal.close(PATIENCE_S)
    again = TrialJournal(path)
    assert again.state("p01") == "after 19"
    again.save("p01", None)
    assert again.state("p01") is None
    again.close(PATIENCE_S)
    assert TrialJournal(path).state("p01") is None
