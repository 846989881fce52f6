"""A session's file: what is given comes back, whatever the disk does, wherever it is cut off."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from session_files import Disk, Failing, Remembering, chunks, load, new_session, spec

from bci.files import read_recording
from bci.types import Chunk
from streaming.recording.file import RecordingError, RecordingLostError
from streaming.recording.repair import inspect, repair
from streaming.recording.session import SessionFile


def fill(session: SessionFile, n: int = 20, *, writes: int = 4) -> None:
    for number, chunk in enumerate(chunks(n)):
        assert session.chunk(chunk)
        session.add("scores", float(number), (0.5, 1.0))
        session.add("trials", float(number), {"trial": number, "task": "集中 🧠/<&>"})
        if number % (n // writes) == 0:
            session.write()


def test_what_was_given_is_in_the_file(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    fill(session)
    session.set_field("device", "Muse <2> & 蝶" + "x" * 80)
    session.set_field("latency_p50_ms", "1.25")
    session.finish()
    found = load(tmp_path / "s.xdf")
    given_chunks = chunks(20)
    np.testing.assert_array_equal(found["Cap"]["time_series"], np.concatenate([c.data for c in given_chunks]))
    np.testing.assert_array_equal(found["Cap"]["time_stamps"], np.concatenate([c.timestamps_s for c in given_chunks]))
    assert found["p01 scores"]["time_series"].tolist() == [[0.5, 1.0]] * 20
    assert found["p01 trials"]["time_series"][3] == ['{"trial":3,"task":"集中 🧠/<&>"}']
    assert found["Cap"]["footer"]["info"]["sample_count"] == ["200"]
    ours = found[""]["focusloop"][0]
    assert ours["device"][0].startswith("Muse <2> & 蝶xxx")
    assert ours["latency_p50_ms"][0].strip() == "1.25"
    assert ours["participant"] == ["p01"]
    assert inspect(tmp_path / "s.xdf").closed


def test_another_specification_is_another_stream(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    for chunk in (*chunks(2), *chunks(2, of=spec(rate_hz=500.0, name="Other")), *chunks(2, of=spec(2))):
        session.chunk(chunk)
    session.finish()
    streams = {s.name: s for s in inspect(tmp_path / "s.xdf").streams.values()}
    assert streams["Other"].samples == 20
    assert [s.n_channels for s in inspect(tmp_path / "s.xdf").streams.values() if s.name == "Cap"] == [4, 2]


def written(folder: Path) -> bytes:
    session = new_session(folder)
    fill(session)
    session.finish()
    return (folder / "s.xdf").read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(share=st.floats(0.0, 1.0))
def test_a_file_cut_anywhere_is_repaired_once_and_opens(
    share: float, tmp_path_factory: pytest.TempPathFactory, whole: bytes
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    begin = whole.index(b"Focus-Scores") + 2000  # the headers are on the disk before the service says it records
    length = begin + int(share * (len(whole) - begin))
    path = folder / "s.xdf"
    path.write_bytes(whole[:length])
    found = repair(path)
    assert found.end <= length
    again = path.read_bytes()
    assert repair(path).closed
    assert path.read_bytes() == again, "a repaired file stays as it is"
    loaded = load(path)
    samples = loaded["Cap"]["time_series"] if "Cap" in loaded else np.empty((0, 4))
    everything = np.concatenate([c.data for c in chunks(20)])
    np.testing.assert_array_equal(samples, everything[: len(samples)])
    assert len(samples) == sum(s.samples for s in found.streams.values() if s.name == "Cap")
    assert all("footer" in stream for name, stream in loaded.items() if name)
    trials = [row[0] for row in loaded["p01 trials"]["time_series"]]
    assert [f'"trial":{i},' in text for i, text in enumerate(trials)] == [True] * len(trials)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return written(tmp_path_factory.mktemp("whole"))


def test_a_block_that_holds_nothing_costs_itself_only(tmp_path: Path, whole: bytes) -> None:
    """A power cut may leave a hole before blocks that did reach the disk."""
    path = tmp_path / "s.xdf"
    session = new_session(tmp_path)
    for _ in range(90):  # boundaries every 40 writes
        for chunk in chunks(1):
            session.chunk(chunk)
        session.write()
    session.finish()
    content = bytearray(path.read_bytes())
    middle = content.index(b"\x43\xa5\x46\xdc", len(content) // 2) - 3000
    content[middle : middle + 1000] = bytes(1000)
    path.write_bytes(content[:-10])
    found = repair(path)
    assert found.damaged > 1000
    loaded = load(path)
    assert 450 < len(loaded["Cap"]["time_stamps"]) < 900
    assert "footer" in loaded["Cap"]


def test_a_disk_that_is_full_at_any_byte_loses_and_doubles_nothing(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    stopped = 0
    for room in count(0, 97):
        folder = tmp_path_factory.mktemp("full")
        listener = Remembering()
        disk.room = None
        session = new_session(folder, listener)
        disk.room = room
        hindered = 0
        for number, chunk in enumerate(chunks(6)):
            session.chunk(chunk)
            session.add("trials", float(number), {"trial": number})
            try:
                session.write()
                session.sync()
            except RecordingError as error:
                session.hold(error)
                hindered += 1
                assert session.problem is not None
                assert "No space left" in session.problem
            left_over = inspect(folder / "s.xdf")
            assert left_over.end == left_over.size, "never a half-written chunk"
        if hindered:
            stopped += 1
            assert listener.told[-1][0] == "trouble"
        disk.room = None
        session.finish()
        assert session.problem is None
        loaded = load(folder / "s.xdf")
        np.testing.assert_array_equal(loaded["Cap"]["time_series"], np.concatenate([c.data for c in chunks(6)]))
        trials = [row[0] for row in loaded["p01 trials"]["time_series"]]
        assert trials == [f'{{"trial":{number}}}' for number in range(6)]
        if not hindered:
            break
    assert stopped > 20


def test_any_call_that_fails_once_is_a_sentence_and_loses_and_doubles_nothing(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing, making shorter, seeking and syncing: the n-th call is refused, for each n until none is left."""
    disk, said = Failing(monkeypatch), list[str]()
    for n in count(1):
        folder = tmp_path_factory.mktemp("nth")
        disk.fail_at(n)
        try:
            session = new_session(folder)
        except RecordingError as error:
            said.append(str(error))
            assert not list(folder.iterdir()), "what could not be begun leaves nothing behind"
            continue
        for number, chunk in enumerate(chunks(3)):
            session.chunk(chunk)
            session.add("trials", float(number), {"trial": number})
            session.set_field("latency_p50_ms", f"{number}.5")
            for _ in range(2):
                try:
                    session.write()
                    session.sync()
                except RecordingError as error:
                    said.append(str(error))
                    session.hold(error)
        try:
            session.finish()
        except RecordingError as error:
            session.abandon(str(error))
            assert repair(folder / "s.xdf").damaged == 0
        assert inspect(folder / "s.xdf").closed
        loaded = load(folder / "s.xdf")
        np.testing.assert_array_equal(loaded["Cap"]["time_series"], np.concatenate([c.data for c in chunks(3)]))
        assert loaded["p01 trials"]["time_series"] == [[f'{{"trial":{number}}}'] for number in range(3)]
        assert loaded[""]["focusloop"][0]["latency_p50_ms"][0].strip() == "2.5"
        if not disk.failed:
            break
    assert len(said) > 12
    assert all("No space left" in sentence for sentence in said)


def test_twelve_hours_are_a_file_and_no_more_in_memory_than_a_second(tmp_path: Path) -> None:
    of = spec(2, rate_hz=25.0)
    session = new_session(tmp_path)
    held = 0
    noise_uv = np.random.default_rng(1).normal(0.0, 10.0, (150, 2)).astype(np.float32)
    for number in range(12 * 600):  # chunks of six seconds
        stamps_s = 100.0 + (150 * number + np.arange(150)) / 25.0
        session.chunk(Chunk(of, noise_uv + number % 100, stamps_s, 150 * number))
        session.add("scores", stamps_s[-1], (0.5, 1.0))
        session.write()
        held = max(held, session._held + len(session._pending))
    session.finish()
    assert held == 0
    recording = read_recording(tmp_path / "s.xdf")
    assert len(recording) == 12 * 3600 * 25
    assert recording.duration_s == pytest.approx(12 * 3600, abs=0.1)
    found = inspect(tmp_path / "s.xdf")
    assert found.closed
    assert {s.samples for s in found.streams.values() if s.name == "p01 scores"} == {7200}


def test_a_disk_that_stays_full_leaves_a_file_that_can_be_repaired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    listener = Remembering()
    session = new_session(tmp_path, listener)
    fill(session, 12)
    disk.room = 50
    with pytest.raises(RecordingError, match="No space left"):
        session.finish()
    session.abandon("no space left")
    assert listener.told[-1][0] == "lost"
    assert not session.chunk(chunks(1)[0])
    assert not inspect(tmp_path / "s.xdf").closed
    repair(tmp_path / "s.xdf")
    assert inspect(tmp_path / "s.xdf").closed
    assert len(load(tmp_path / "s.xdf")["Cap"]["time_stamps"]) == 100


def test_a_file_that_is_deleted_or_changed_underneath_is_noticed(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    fill(session)
    session.write()
    (tmp_path / "s.xdf").unlink()
    session.chunk(chunks(1)[0])
    with pytest.raises(RecordingLostError, match="was deleted"):
        session.write()
    session.abandon("deleted")
    session = new_session(tmp_path)
    fill(session)
    session.write()
    os.truncate(tmp_path / "s.xdf", 1000)
    session.chunk(chunks(1)[0])
    with pytest.raises(RecordingLostError, match="changed underneath: 1000 bytes"):
        session.write()
    session.abandon("truncated")


def test_a_name_that_is_taken_or_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    with pytest.raises(RecordingError, match=r"s\.xdf: cannot be made \(File exists\)"):
        new_session(tmp_path)
    session.finish()
    with pytest.raises(RecordingError, match="cannot be made"):
        new_session(tmp_path / "absent")


def test_a_session_without_a_sample_is_a_file_with_empty_streams(tmp_path: Path) -> None:
    new_session(tmp_path).finish()
    loaded = load(tmp_path / "s.xdf")
    assert {name for name in loaded if name} == {"p01 scores", "p01 trials"}
    assert inspect(tmp_path / "s.xdf").closed


def test_what_came_late_is_added_to_a_file_that_was_cut_off_and_to_no_other(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    fill(session)
    session.write()
    session.abandon("killed")
    path = tmp_path / "s.xdf"
    found = repair(path, lambda: {"Trials": [(50.0, '{"trial":50}')]})
    assert [s.samples for s in found.streams.values() if s.kind == "Trials"] == [21]
    loaded = load(path)["p01 trials"]
    assert loaded["time_series"][-1] == ['{"trial":50}']
    assert loaded["footer"]["info"]["sample_count"] == ["21"]
    repair(path, lambda: {"Trials": [(51.0, '{"trial":51}')]})
    assert len(load(path)["p01 trials"]["time_series"]) == 21


def test_more_than_may_wait_stops_the_recording_and_says_so(tmp_path: Path) -> None:
    session = new_session(tmp_path, held_bytes=4000)
    taken = [session.chunk(chunk) for chunk in chunks(40)]
    assert taken.count(True) == 16
    assert not any(taken[16:])
    assert session.over
    assert session.problem is not None
    assert "has stopped" in session.problem
    session.abandon(session.problem)
