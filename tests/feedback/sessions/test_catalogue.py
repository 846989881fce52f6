"""The sessions of a data directory: every end, every beginning, and what is found of the ones before."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyxdf
from session_files import chunks, spec

from bci.errors import ConflictError, FocusloopError, SourceError
from bci.files import read_recording
from feedback.loop.trial_journal import KeptTrial
from feedback.sessions.catalogue import Recording, Sessions, SessionsError, find_recording, read_sessions
from feedback.sessions.database import DatabaseError, SessionDatabase
from feedback.sessions.recorder import ParticipantRecorder
from streaming.recording.file import RecordingError
from streaming.recording.reading import RecordedSession
from streaming.recording.writer import DiskBudget

FINISH_S = 10.0


def no_trials(_session: str) -> Sequence[KeptTrial]:
    return []


@contextmanager
def opened(
    data_dir: Path, trials_of: Callable[[str], Sequence[KeptTrial]] = no_trials, recording: Recording | None = None
) -> Iterator[Sessions]:
    sessions = Sessions(data_dir, recording or Recording(), trials_of)
    try:
        sessions.recover()
        yield sessions
    finally:
        sessions.close(FINISH_S)


mounted_by_root = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="a small file system is mounted by root"
)


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def begun(sessions: Sessions, participant: str = "p01") -> ParticipantRecorder:
    return sessions.begin(participant, ["lsl:"], "model@1")


def unserved(sessions: Sessions, patch: pytest.MonkeyPatch, participant: str = "p01") -> ParticipantRecorder:
    """Begin a session that is written when the test says so."""
    with patch.context() as without_thread:
        without_thread.setattr(ParticipantRecorder, "start", lambda _: None)
        return begun(sessions, participant)


def killed(sessions: Sessions, recorder: ParticipantRecorder) -> Path:
    """Leave a session as `kill -9` does: its row says that it is recorded, and nobody writes any more."""
    recorder._file.write()
    recorder._file.abandon("killed")
    return sessions.folder / recorder.row().file


def trial(number: int, at_s: float, session: str) -> KeptTrial:
    message = f'{{"run":"r","trial":{number},"task":"集中 🧠","correct":true}}'
    return KeptTrial(("p01", "r", number), 1.7e9, at_s, None, "arrival", message, session)


def streams_of(path: Path) -> dict[str, Any]:
    streams, _ = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
    return {stream["info"]["type"][0]: stream for stream in streams}


def test_a_session_of_no_second_is_complete_and_says_as_a_source_that_it_holds_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as sessions:
        row = sessions.finish(begun(sessions), FINISH_S)
        assert (row.state, row.problem, row.length_s, row.samples) == ("complete", None, 0.0, 0)
        (listed,) = sessions.database.sessions()
        assert (listed.state, listed.length_s) == ("complete", 0.0)
        with pytest.raises(SourceError, match="no stream of type EEG"):
            read_recording(sessions.folder / row.file)


def test_a_stream_that_came_late_changed_its_rate_and_never_sent(tmp_path: Path) -> None:
    with opened(tmp_path) as sessions:
        late, never = begun(sessions), begun(sessions, "p02")
        for recorder in (late, never):
            recorder.sent("marker", {"label": "before the first sample", "t_lsl_s": 90.0}, 1, 90.0)
            recorder.opened(spec(), {"lost_samples": 0}, None, 95.0)
        for chunk in (*chunks(50), *chunks(50, of=spec(rate_hz=500.0), start_s=200.0)):
            late.chunk(chunk)
        rows = [sessions.finish(recorder, FINISH_S) for recorder in (late, never)]
    assert [(row.state, row.problem, row.samples) for row in rows] == [("complete", None, 1000), ("complete", None, 0)]
    path = tmp_path / "sessions" / rows[0].file
    streams, _ = pyxdf.load_xdf(path, synchronize_clocks=False, dejitter_timestamps=False)
    raw = {s["info"]["nominal_srate"][0]: s for s in streams if s["info"]["type"] == ["EEG"]}
    assert {rate: len(s["time_stamps"]) for rate, s in raw.items()} == {"250.0": 500, "500.0": 500}
    with pytest.raises(SourceError, match="2 streams match; say which"):
        read_recording(path)
    wanted = str(raw["500.0"]["info"]["stream_id"])
    assert read_recording(path, wanted).spec.nominal_rate_hz == 500.0
    assert len(streams_of(tmp_path / "sessions" / rows[1].file)["Markers"]["time_stamps"]) == 1


def test_a_clock_that_steps_back_by_an_hour_costs_no_sample_and_no_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = (*chunks(100, start_s=5000.0), *chunks(100, start_s=1400.0, seed=2))
    with opened(tmp_path) as sessions:
        recorder, cut = begun(sessions), unserved(sessions, monkeypatch, "p02")
        for chunk in parts:
            recorder.chunk(chunk)
            cut.chunk(chunk)
            cut._file.write()
        row = sessions.finish(recorder, FINISH_S)
        path = killed(sessions, cut)
    each_s = parts[99].timestamps_s[-1] - parts[0].timestamps_s[0]
    assert row.length_s == pytest.approx(2 * each_s, abs=0.1)
    stamps_s = np.concatenate([chunk.timestamps_s for chunk in parts])
    np.testing.assert_array_equal(read_recording(path.with_name(row.file)).stamps_s, stamps_s - stamps_s[0])
    with opened(tmp_path) as sessions:
        assert sessions.database.session(cut.session_id).length_s == pytest.approx(2 * each_s, abs=0.1)


def test_each_recording_of_a_stream_counts_its_own_losses_and_says_its_latency_though_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = dict.fromkeys(("value", "steady", "relative", "raw", "confidence", "quality"), 0.5)
    score |= {"valid": True, "reason": None, "calibrated": True, "t_lsl_s": 100.0, "age_ms": 3.0}
    with opened(tmp_path) as sessions:
        second = unserved(sessions, monkeypatch)
        second.opened(spec(), {"lost_samples": 40}, None, 95.0)
        for lost in (40, 47):
            second.lost(lost)
            second.sent("status", {"state": "streaming", "lost_samples": lost}, 1, 100.0)
        second.score(score, 1, 100.0)
        assert second.row().lost_samples == 7
        second._file.write()
        sessions.refresh([second])
        path = killed(sessions, second)
    with opened(tmp_path) as sessions:
        assert sessions.database.session(second.session_id).lost_samples == 7
    recorded = RecordedSession(path)
    assert recorded.lost_samples() == 7
    assert recorded.header.latency_ms == (pytest.approx(3.0, rel=0.02),) * 2


def test_what_was_cut_off_is_recovered_once_with_the_acknowledged_trials_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(tmp_path) as sessions:
        recorder = unserved(sessions, monkeypatch)
        for chunk in chunks(20):
            recorder.chunk(chunk)
        there = trial(1, 100.1, recorder.session_id)
        recorder.sent("trial", there.fields(), 1, there.t_lsl_s)
        recorder.sent("status", {"state": "streaming", "lost_samples": 7}, 1, there.t_lsl_s)
        path = killed(sessions, recorder)
    path.write_bytes(path.read_bytes()[:-7])
    kept = [trial(number, 100.0 + number / 10, recorder.session_id) for number in (1, 2, 3)]
    for told in (1, 0):
        caplog.clear()
        with opened(tmp_path, lambda session: [one for one in kept if one.session == session]) as sessions:
            (row,) = sessions.database.sessions()
            assert row.state == "recovered"
            assert "interrupted" in str(row.problem)
            assert row.lost_samples == 7
        # It takes its time, and the service says no address before.
        assert sum("being repaired" in message for message in caplog.messages) == told
        streams = streams_of(path)
        texts = [text for (text,) in streams["Trials"]["time_series"]]
        assert [f'"trial":{number},' in text for number, text in enumerate(texts, start=1)] == [True] * 3
        assert all("footer" in stream for stream in streams.values())
    assert row.samples == len(streams["EEG"]["time_stamps"])


def test_a_recording_that_is_deleted_or_shortened_underneath_is_said_and_the_next_one_begins(tmp_path: Path) -> None:
    with opened(tmp_path) as sessions:
        rows = []
        for harm in (Path.unlink, lambda path: os.truncate(path, path.stat().st_size - 10)):
            recorder = begun(sessions)
            harm(sessions.folder / recorder.row().file)
            recorder.chunk(chunks(1)[0])
            rows.append(sessions.finish(recorder, FINISH_S))
        assert [row.state for row in rows] == ["recovered"] * 2
        assert "was deleted" in str(rows[0].problem)
        assert "changed underneath" in str(rows[1].problem)
        assert sessions.finish(begun(sessions), FINISH_S).state == "complete"
    streams_of(tmp_path / "sessions" / rows[1].file)


def test_a_lost_database_finds_its_recordings_again(tmp_path: Path) -> None:
    with opened(tmp_path) as sessions:
        recorder = begun(sessions)
        for chunk in chunks(20):
            recorder.chunk(chunk)
        sessions.finish(recorder, FINISH_S)
    for path in tmp_path.glob("sessions.db*"):
        path.unlink()
    with opened(tmp_path) as sessions:
        (row,) = sessions.database.sessions()
    assert (row.id, row.participant, row.samples) == (recorder.session_id, "p01", 200)
    assert "not in the database" in str(row.problem)


def test_a_data_directory_is_of_one_service_whatever_its_name(tmp_path: Path) -> None:
    data_dir = tmp_path / "a b" / "数据 🧠 'x' \"y\" #%?&="
    with opened(data_dir) as sessions:
        assert sessions.finish(begun(sessions), FINISH_S).state == "complete"
        with pytest.raises(ConflictError, match="another focusloop service uses"):
            Sessions(data_dir, Recording(), no_trials)
    with opened(data_dir) as sessions:
        assert len(sessions.database.sessions()) == 1


def test_a_data_directory_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionsError, match=r"cannot be made .*--data-dir"):
        Sessions(tmp_path / "file", Recording(), no_trials)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, os.strerror(13))

    for call, kind in (("mkdir", SessionsError), ("touch", DatabaseError)):
        with monkeypatch.context() as patch:
            patch.setattr(Path, call, refused)
            with pytest.raises(kind, match=r"Permission denied.*--data-dir"):
                Sessions(tmp_path / "data", Recording(), no_trials)
    with opened(tmp_path / "data") as sessions, monkeypatch.context() as patch:  # and nothing holds its lock
        patch.setattr("streaming.recording.file.os.open", refused)
        with pytest.raises(RecordingError, match="may you write there"):
            begun(sessions)
        assert sessions.database.sessions() == []


def test_a_session_that_the_database_does_not_take_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DatabaseError("database or disk is full")

    with opened(tmp_path) as sessions:
        with monkeypatch.context() as patch:
            patch.setattr(SessionDatabase, "add_session", full)
            with pytest.raises(DatabaseError):
                begun(sessions)
        assert list(sessions.folder.glob("*.xdf")) == []
        recorder = begun(sessions)
        with monkeypatch.context() as patch:
            patch.setattr(SessionDatabase, "update_sessions", full)
            assert sessions.finish(recorder, FINISH_S).state == "complete"
    with opened(tmp_path) as sessions:
        (row,) = sessions.database.sessions()
        assert (row.state, row.problem) == ("recovered", "its end was not noted")


def test_reading_the_list_changes_no_file(tmp_path: Path) -> None:
    with opened(tmp_path) as sessions:
        row = sessions.finish(begun(sessions), FINISH_S)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert [one.id for one in read_sessions(tmp_path)] == [row.id]
    assert {path: path.read_bytes() for path in before} == before
    (tmp_path / "sessions.db").write_bytes(b"")
    assert read_sessions(tmp_path) == []
    (tmp_path / "sessions.db").write_bytes(b"no database" * 100)
    with pytest.raises(DatabaseError, match="cannot be read: file is not a database; restore it"):
        read_sessions(tmp_path)


@mounted_by_root
def test_what_was_recorded_is_listed_from_a_disk_that_takes_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, "size=4m"):
        with opened(disk / "data") as sessions:
            sessions.budget = DiskBudget(sessions.folder, None, spare_bytes=0)
            row = sessions.finish(begun(sessions), FINISH_S)
            filler = disk / "filler"
            filler.write_bytes(bytes(os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize))
            assert [one.id for one in read_sessions(disk / "data")] == [row.id], "full, beside the service"
        assert [one.id for one in read_sessions(disk / "data")] == [row.id], "full"
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert [one.id for one in read_sessions(disk / "data")] == [row.id], "read-only"
        assert find_recording(row.id, disk / "data")[0].is_file()


@mounted_by_root
def test_on_a_small_file_system_everything_is_refused_in_a_sentence_and_goes_on_with_space(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    filler, said = small / "filler", list[str]()
    with mounted(small, "size=1m"):
        for spare in range(0, 400, 8):
            free = os.statvfs(small).f_bavail * os.statvfs(small).f_frsize
            filler.write_bytes(bytes(max(0, free - spare * 1024)))
            try:
                with opened(small / f"data{spare}") as sessions:
                    sessions.budget = DiskBudget(sessions.folder, None, spare_bytes=0)
                    recorder = begun(sessions)
                    for chunk in chunks(40):
                        recorder.chunk(chunk)
                    row = sessions.finish(recorder, FINISH_S)
            except FocusloopError as error:
                said.append(str(error))
                row = None
            filler.unlink()
            with opened(small / f"data{spare}") as sessions:
                for found in sessions.database.sessions():
                    assert found.state in ("complete", "recovered")
                    streams_of(sessions.folder / found.file)
            if row is not None and row.state == "complete":
                break
        else:
            pytest.fail("never enough space")
        assert said
        # SQLite says "I/O error" where there is no room for its index of what was written.
        assert [one for one in said if not re.search("full|No space|I/O error", one)] == []


def test_nothing_that_ends_keeps_a_lock(tmp_path: Path) -> None:
    (tmp_path / "sessions.db").write_bytes(b"no database, certainly" * 100)
    with pytest.raises(DatabaseError, match="move it away"):
        Sessions(tmp_path, Recording(), no_trials)
    (tmp_path / "sessions.db").unlink()
    with closing(Sessions(tmp_path, Recording(), no_trials)) as sessions:
        assert sessions.recover() == []
