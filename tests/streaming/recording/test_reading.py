"""What a session recorded is read again, whole, cut off, damaged or empty, and in blocks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from session_files import REASONS, chunks, new_session, recorded, spec

from bci.errors import FileFormatError, RecordingNotFoundError
from bci.files import read_recording
from bci.types import Chunk
from streaming.recording import tracks
from streaming.recording.reading import Block, RecordedSession, RecordedStream

SCORE = (0.5, 0.5, 0.5, 0.5, 1.0, -1.0, 0.8, 1.0, 1.0, 1.4, 1.0, 104.0)
NULL = (*[float("nan")] * 4, 0.0, 2.0, *[float("nan")] * 2, 0.0, float("nan"), 2.0, 104.04)
MESSAGES = {
    "trials": [(104.5, {"type": "trial", "trial": 1, "task": "集中 🧠/<&>", "correct": True})],
    "markers": [(103.0, {"type": "marker", "label": "late"}), (102.0, {"type": "marker", "label": "=1+1"})],
    "quality": [(101.0, {"type": "quality", "channels": []})],
}


def whole_of(stream: RecordedStream, max_samples: int = 1000) -> Block:
    blocks = list(stream.blocks(max_samples))
    return Block(
        np.concatenate([b.stamps_s for b in blocks]),
        np.concatenate([b.numbers for b in blocks]),
        np.concatenate([b.samples for b in blocks]),
    )


def numbers_of(parts: Sequence[Chunk]) -> np.ndarray:
    return np.concatenate([c.first_sample + np.arange(len(c)) for c in parts])


@pytest.mark.parametrize("foreign", [False, True])
def test_samples_have_the_stamps_of_a_replay_to_the_last_bit(tmp_path: Path, foreign: bool) -> None:
    live = chunks(300, foreign=foreign)
    path = recorded(tmp_path, live)
    session = RecordedSession(path)
    (stream,) = session.streams
    assert (stream.spec, stream.samples) == (live[0].spec, 3000)
    block = whole_of(stream)
    replayed = read_recording(path)
    np.testing.assert_array_equal(block.samples, replayed.samples)
    np.testing.assert_array_equal(block.stamps_s, np.concatenate([c.timestamps_s for c in live]))
    np.testing.assert_array_equal(block.stamps_s - block.stamps_s[0], replayed.stamps_s)
    np.testing.assert_array_equal(block.numbers, numbers_of(live))
    stamps_s, numbers = stream.stamps()
    np.testing.assert_array_equal(stamps_s, block.stamps_s)
    np.testing.assert_array_equal(numbers, block.numbers)


def test_chunks_are_contiguous_and_hold_everything(tmp_path: Path) -> None:
    live = chunks(100)
    (stream,) = RecordedSession(recorded(tmp_path, live)).streams
    again = list(stream.chunks(77))
    assert max(map(len, again)) <= 77
    np.testing.assert_array_equal(numbers_of(again), numbers_of(live))
    np.testing.assert_array_equal(np.concatenate([c.data for c in again]), np.concatenate([c.data for c in live]))


def test_a_block_is_no_longer_than_asked_but_for_one_write(tmp_path: Path) -> None:
    (stream,) = RecordedSession(recorded(tmp_path, chunks(100), every=5)).streams
    assert [len(b) for b in stream.blocks(100)] == [100] * 10
    assert max(len(b) for b in stream.blocks(70)) == 100


def test_header_scores_and_messages_come_back(tmp_path: Path) -> None:
    fields = {"device": "Muse <2> & 蝶", "montage": "Fp1 O2", "latency_p50_ms": "1.25", "latency_p95_ms": "3.50"}
    path = recorded(tmp_path, chunks(4), messages=MESSAGES, scores=[(104.0, SCORE), (104.04, NULL)], fields=fields)
    session = RecordedSession(path)
    header = session.header
    assert (header.session, header.participant, header.device) == (path.stem, "p01", "Muse <2> & 蝶")
    assert (header.montage, header.latency_ms, header.sources) == (("Fp1", "O2"), (1.25, 3.5), ("lsl:name=Cap",))
    assert header.started_unix_s == 1795640400.0
    assert header.versions == {"focusloop": "0.1.0"}
    assert session.anchor is not None
    assert session.anchor.to_unix(101.0) == 1795640401.5
    assert session.damage == ()
    scores = session.scores()
    assert scores.stamps_s.tolist() == [104.0, 104.04]
    np.testing.assert_array_equal(scores.values, np.array([SCORE, NULL]))
    assert scores.reasons == REASONS
    assert scores.reason_names() == [None, "stale"]
    assert np.isnan(scores.column("of another version")).all()
    assert session.messages(tracks.TRIALS) == MESSAGES["trials"]
    assert session.messages(tracks.MARKERS) == sorted(MESSAGES["markers"], key=lambda m: m[0])
    assert session.messages(tracks.DIFFICULTY) == []


def test_a_session_that_still_runs_is_read_as_far_as_it_is_on_the_disk(tmp_path: Path) -> None:
    path = recorded(tmp_path, chunks(20), messages=MESSAGES, finish=False)
    with path.open("ab") as file:
        file.write(b"\x04\xff\xff\x00\x00\x03\x00half of a chunk")
    session = RecordedSession(path)
    assert session.streams[0].samples == 200
    assert session.damage == ("its last 22 bytes are not whole and left out",)
    assert len(session.messages(tracks.TRIALS)) == 1


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    scores = [(100.0 + i / 25, SCORE) for i in range(50)]
    folder = tmp_path_factory.mktemp("whole")
    return recorded(folder, chunks(40, foreign=True), messages=MESSAGES, scores=scores).read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(share=st.floats(0.0, 1.0))
def test_a_file_cut_anywhere_gives_what_came_before(
    share: float, tmp_path_factory: pytest.TempPathFactory, whole: bytes
) -> None:
    begin = whole.index(b"Focus-Scores") + 4000
    path = tmp_path_factory.mktemp("cut") / "s.xdf"
    path.write_bytes(whole[: begin + int(share * (len(whole) - begin))])
    live = chunks(40, foreign=True)
    session = RecordedSession(path)
    for stream in session.streams:
        if stream.samples:
            block = whole_of(stream)
            n = stream.samples
            np.testing.assert_array_equal(block.samples, np.concatenate([c.data for c in live])[:n])
            np.testing.assert_array_equal(block.stamps_s, np.concatenate([c.timestamps_s for c in live])[:n])
            np.testing.assert_array_equal(block.numbers, numbers_of(live)[:n])
    assert len(session.scores()) in (0, 50)


def test_a_hole_in_the_middle_costs_itself_only(tmp_path: Path) -> None:
    live = chunks(90)
    path = recorded(tmp_path, live, every=1)  # boundaries every 40 writes
    content = bytearray(path.read_bytes())
    middle = content.index(b"\x43\xa5\x46\xdc", len(content) // 2) - 3000
    content[middle : middle + 1000] = bytes(1000)
    path.write_bytes(content)
    session = RecordedSession(path)
    assert "damaged and left out" in session.damage[0]
    block = whole_of(session.streams[0])
    assert 450 < len(block) < 900
    kept = np.isin(numbers_of(live), block.numbers)
    np.testing.assert_array_equal(block.numbers, numbers_of(live)[kept])
    # Of the sample in which the hole begins nobody can tell what is missing.
    wrong = (block.stamps_s != np.concatenate([c.timestamps_s for c in live])[kept]) | (
        block.samples != np.concatenate([c.data for c in live])[kept]
    ).any(axis=1)
    assert wrong.sum() <= 1


def test_a_session_of_0_s_is_read(tmp_path: Path) -> None:
    session = RecordedSession(recorded(tmp_path, []))
    assert session.streams == ()
    assert len(session.scores()) == 0
    assert session.messages(tracks.TRIALS) == []


def test_another_rate_or_other_channels_are_another_stream(tmp_path: Path) -> None:
    path = recorded(tmp_path, [*chunks(2), *chunks(2, of=spec(rate_hz=500.0)), *chunks(2, of=spec(2))])
    found = [(s.spec.nominal_rate_hz, len(s.spec.channels), s.samples) for s in RecordedSession(path).streams]
    assert found == [(250.0, 4, 20), (500.0, 4, 20), (250.0, 2, 20)]


def test_a_file_that_is_deleted_or_shortened_underneath_is_one_sentence(tmp_path: Path) -> None:
    path = recorded(tmp_path, chunks(100))
    session = RecordedSession(path)
    blocks = session.streams[0].blocks(100)
    next(blocks)
    os.truncate(path, 12_000)
    with pytest.raises(FileFormatError, match="was shortened while it was read"):
        list(blocks)
    path.unlink()
    with pytest.raises(RecordingNotFoundError, match="was it deleted or moved"):
        session.messages(tracks.TRIALS)
    with pytest.raises(RecordingNotFoundError, match="was it deleted or moved"):
        RecordedSession(path)


def test_a_file_that_is_none_of_ours_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "s.xdf"
    path.write_text("nothing of the kind")
    with pytest.raises(FileFormatError, match="does not begin as an XDF file"):
        RecordedSession(path)
    path.unlink()
    new_session(tmp_path).finish()
    content = path.read_bytes().replace(b"focusloop>", b"labrecord>")
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="no recording of `focusloop serve`"):
        RecordedSession(path)
