"""A recorded calibration gives back the blocks that the person did, on the clock of the signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cued_people import LEAD_S
from labelled_sessions import LATE_S, START_S, Row, Said, guided_messages, person_chunks, write
from session_files import chunks

from bci.errors import AmbiguousSourceError, FileFormatError, UnsupportedStreamError
from bci.types import Chunk
from inference.labels.calibrations import baseline_spans, guided_spans
from inference.labels.events import gaps, pauses, read_events, scored_stream
from inference.labels.recorded import label_recording
from inference.labels.span import Span
from inference.labels.spans import Wish
from inference.personal.cued_session import Condition
from streaming.recording.reading import RecordedSession

ORDER: tuple[Condition, ...] = ("cross", "task", "task", "cross", "cross", "task")


@cache
def recording() -> tuple[list[Chunk], Said, list[Row]]:
    parts = person_chunks("readable", 7, ORDER)
    return (parts, *guided_messages(parts, ORDER))


def blocks(path: Path) -> list[Span]:
    session = RecordedSession(path)
    return guided_spans(read_events(session, scored_stream(session)).calibration)


def test_blocks_lie_where_the_person_did_them_however_late_the_messages_were_sent(tmp_path: Path) -> None:
    parts, said, rows = recording()
    found = label_recording(write(tmp_path, parts, said, rows), Wish(), 4.8).labels
    assert found.drawn
    assert [span.condition for span in found.spans] == list(ORDER)
    assert [span.block for span in found.spans] == [(1, n) for n in range(1, 7)]
    starts = np.array([span.start_s for span in found.spans]) - START_S - LEAD_S
    np.testing.assert_allclose(starts, 10.0 * np.arange(6), atol=0.11)  # a hop; the messages came LATE_S later
    assert LATE_S > 0.2
    assert all(one.stop_s == two.start_s for one, two in zip(found.spans, found.spans[1:], strict=False))
    assert found.spans[-1].stop_s - found.spans[-1].start_s == pytest.approx(10.0, abs=0.11)
    assert found.notes == ()


def test_without_scores_the_moments_are_told_to_be_those_of_sending(tmp_path: Path) -> None:
    parts, said, _ = recording()
    found = label_recording(write(tmp_path, parts, said), Wish(), 4.8).labels
    assert found.spans[0].start_s == pytest.approx(START_S + LEAD_S + LATE_S, abs=0.11)
    assert "have no score beside them: their moment is when they were sent" in found.notes[0]


def test_a_pause_and_a_gap_take_their_pieces_and_each_block_stays_one(tmp_path: Path) -> None:
    parts, said, rows = recording()
    paused = [(START_S + t, {"type": "paused", "paused": on}) for t, on in ((20.0, True), (21.0, False))]
    cut = [c for c in small(parts) if not 32.0 <= c.timestamps_s[0] - START_S < 38.5]
    found = label_recording(write(tmp_path, cut, {**said, "session": paused}, rows), Wish(), 4.8).labels
    assert [span.block for span in found.spans] == [(1, 1), (1, 2), (1, 4), (1, 5), (1, 6)]
    assert found.spans[1].start_s - START_S == pytest.approx(21.0, abs=0.01)
    assert found.spans[2].start_s - START_S == pytest.approx(38.5, abs=0.2)
    assert "1 of 6 spans are left out" in found.notes[0]


def small(parts: Sequence[Chunk]) -> list[Chunk]:
    return [
        Chunk(c.spec, c.data[i : i + 50], c.timestamps_s[i : i + 50], c.first_sample + i)
        for c in parts
        for i in range(0, len(c), 50)
    ]


def test_blocks_of_a_broken_off_calibration_count_and_the_next_one_is_another_run(tmp_path: Path) -> None:
    parts, said, rows = recording()
    messages = [one for one in said["sent"] if one[0] < START_S + LEAD_S + 34.0]
    at_s, last = messages[-1]
    messages += [(at_s + 0.1, {**last, "state": "cancelled", "code": "broken_off"})]
    begun = [(t, m) for t, m in said["sent"] if t > START_S + LEAD_S + 41.0]
    again = [(t, {**m, "block": m["block"] - 4}) for t, m in begun]
    found = blocks(write(tmp_path, parts, {"sent": [*messages, *again]}, rows))
    assert [span.block for span in found] == [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 2)]
    assert found[3].stop_s == pytest.approx(at_s + 0.1 - LATE_S, abs=0.11)


def test_a_recording_that_ends_within_a_block_ends_it_with_what_was_said_last(tmp_path: Path) -> None:
    parts, said, rows = recording()
    messages = [one for one in said["sent"] if one[0] < START_S + LEAD_S + 14.0]
    found = blocks(write(tmp_path, parts, {"sent": messages}, rows))
    assert found[-1].stop_s == pytest.approx(messages[-1][0] - LATE_S, abs=0.01)


def test_a_block_never_lasts_longer_than_it_said_where_messages_are_lost() -> None:
    def message(at_s: float, block: int, left_s: float) -> tuple[float, dict[str, Any]]:
        return at_s, {"state": "running", "phase": "cross" if block % 2 else "task", "block": block,
                      "block_left_s": left_s}  # fmt: skip

    found = guided_spans([message(10.0, 1, 10.0), message(15.0, 1, 5.0), message(40.0, 4, 10.0)])
    assert found[0].stop_s == pytest.approx(20.0, abs=0.2)


def test_only_rest_with_open_eyes_that_became_a_baseline_counts() -> None:
    def run(start_s: float, phases: Sequence[str], end: str) -> list[tuple[float, dict[str, str]]]:
        said = [(start_s + 30 * i + t, {"state": "running", "phase": p}) for i, p in enumerate(phases) for t in (0, 9)]
        return [*said, (start_s + 30.0 * len(phases), {"state": end, "phase": phases[-1]})]

    messages = [
        *run(0.0, ["eyes_open", "eyes_closed"], "done"),
        *run(100.0, ["eyes_open"], "refused"),
        *run(200.0, ["eyes_closed", "eyes_open"], "done"),
    ]
    assert [(span.start_s, span.stop_s) for span in baseline_spans(messages)] == [(0.0, 30.0), (230.0, 260.0)]


def test_pauses_and_gaps_are_found() -> None:
    said = [(1.0, True), (2.0, True), (5.0, False), (6.0, False), (9.0, True)]
    messages = [(at_s, {"type": "paused", "paused": on}) for at_s, on in said]
    assert pauses([*messages, (9.5, {"type": "baseline"})], 20.0) == [(1.0, 5.0), (9.0, 20.0)]
    assert gaps(np.array([0.0, 0.5, 0.4, 2.0, 2.1])) == [(0.4, 2.0)]


def test_sessions_that_nothing_can_be_laid_over_are_refused(tmp_path: Path) -> None:
    def refused(name: str, parts: Sequence[Chunk]) -> Path:
        of = parts or chunks(1)
        return write(tmp_path / name, of, {}) if parts else empty(tmp_path / name)

    def empty(folder: Path) -> Path:
        from session_files import recorded

        return recorded(folder / "sessions", [])

    first = chunks(50)
    back = [replace(c, timestamps_s=c.timestamps_s - 60.0, first_sample=c.first_sample + 9000) for c in first]
    other = [replace(c, spec=replace(c.spec, nominal_rate_hz=500.0)) for c in first]
    nowhere = [
        replace(c, spec=replace(c.spec, channels=tuple(replace(ch, position_m=None) for ch in c.spec.channels)))
        for c in first
    ]
    for name, parts, error, sentence in (
        ("back", [*first, *back], FileFormatError, "stepped back by 6"),
        ("changed", [*first, *other], AmbiguousSourceError, "its headset changed while it was recorded"),
        ("nowhere", nowhere, UnsupportedStreamError, "nobody had said where its electrodes were"),
        ("empty", [], UnsupportedStreamError, "holds no signal of a headset"),
    ):
        with pytest.raises(error, match=sentence):
            label_recording(refused(name, parts), Wish(), 4.8)
