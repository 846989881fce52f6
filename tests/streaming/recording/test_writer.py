"""The writer's thread: each write to the disk itself, files in their turn, an end with and without space."""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator
from pathlib import Path

import pytest
from session_files import Disk, Remembering, chunks, load, new_session

from streaming.recording import writer as writer_module
from streaming.recording.file import RecordingError
from streaming.recording.repair import inspect
from streaming.recording.writer import DiskBudget, RecordingWriter


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingWriter]:
    monkeypatch.setattr(writer_module, "RETRY_S", 0.01)
    running = RecordingWriter(write_s=0.02)
    running.start()
    yield running
    assert running.stop(10.0), "the writer's thread did not end"


def test_each_write_is_brought_to_the_disk_itself(
    tmp_path: Path, writer: RecordingWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: queue.Queue[int] = queue.Queue()
    fdatasync = os.fdatasync

    def noted(descriptor: int) -> None:
        fdatasync(descriptor)
        synced.put(os.fstat(descriptor).st_size)

    monkeypatch.setattr("streaming.recording.file.os.fdatasync", noted)
    session = new_session(tmp_path)
    header = synced.get(timeout=10.0)
    session.add("trials", 1.0, {"trial": 1})
    writer.add(session)
    size = synced.get(timeout=10.0)
    assert size > header
    assert b'"trial":1' in (tmp_path / "s.xdf").read_bytes()[:size]


def test_what_is_left_at_the_end_is_written_and_closed(tmp_path: Path, writer: RecordingWriter) -> None:
    session = new_session(tmp_path)
    writer.add(session)
    for chunk in chunks(30):
        session.chunk(chunk)
    assert writer.finish(session).result(10.0) is True
    assert len(load(tmp_path / "s.xdf")["Cap"]["time_stamps"]) == 300
    assert writer.finish(session).result(10.0) is False, "a second time there is nothing to finish"


def test_a_full_disk_is_waited_out(tmp_path: Path, writer: RecordingWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    listener = Remembering()
    session = new_session(tmp_path, listener)
    disk.room = 10
    writer.add(session)
    session.chunk(chunks(1)[0])
    assert "free some space" in str(listener.wait_for("trouble"))
    disk.room = None
    assert listener.wait_for("over") is None
    assert session.problem is None
    assert writer.finish(session).result(10.0) is True
    assert len(load(tmp_path / "s.xdf")["Cap"]["time_stamps"]) == 10


def test_a_disk_that_stays_full_does_not_hold_up_the_end(
    tmp_path: Path, writer: RecordingWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    listener = Remembering()
    session = new_session(tmp_path, listener)
    disk.room = 0
    writer.add(session)
    session.add("trials", 1.0, {"trial": 1})
    listener.wait_for("trouble")
    assert writer.finish(session).result(10.0) is False
    assert listener.told[-1][0] == "lost"
    disk.room = None


def test_a_file_that_is_gone_ends_its_own_recording_only(tmp_path: Path, writer: RecordingWriter) -> None:
    (tmp_path / "other").mkdir()
    listener = Remembering()
    lost, other = new_session(tmp_path, listener), new_session(tmp_path / "other")
    for session in (lost, other):
        writer.add(session)
    (tmp_path / "s.xdf").unlink()
    lost.add("trials", 1.0, {"trial": 1})
    assert "was deleted" in str(listener.wait_for("lost"))
    other.add("trials", 1.0, {"trial": 2})
    assert writer.finish(other).result(10.0) is True
    assert load(tmp_path / "other" / "s.xdf")["p01 trials"]["time_series"] == [['{"trial":2}']]
    assert not lost.chunk(chunks(1)[0])


def test_the_limit_of_all_recordings_and_the_spare_of_the_disk_hold(tmp_path: Path) -> None:
    budget = DiskBudget(tmp_path, 5000, spare_bytes=0)
    session = new_session(tmp_path, spend=budget.spend)
    assert budget.used_bytes == session.size
    for chunk in chunks(30):
        session.chunk(chunk)
    with pytest.raises(RecordingError, match="have reached their limit of 5e-06 GB"):
        session.write()
    content = inspect(tmp_path / "s.xdf")
    assert content.end == content.size
    with pytest.raises(RecordingError, match=r"is full: .* MB are free"):
        DiskBudget(tmp_path, None, spare_bytes=1 << 60).spend(1)
    session.abandon("limit")
