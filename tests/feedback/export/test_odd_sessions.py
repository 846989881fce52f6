"""Sessions that are short, late, silent, cut off, gone or unknown."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import mne
import numpy as np
import pytest
from exported_sessions import exported, recording, telling_chunks
from session_files import chunks, recorded, spec

from bci.errors import (
    FileFormatError,
    FocusloopError,
    NotInstalledError,
    RecordingNotFoundError,
    UnsupportedStreamError,
)
from feedback.export import FORMATS, needs
from feedback.export.exporting import exporter_of
from feedback.export.port import Exporter
from feedback.sessions.catalogue import find_recording
from feedback.sessions.database import NoSuchSessionError, SessionDatabase, SessionRow
from streaming.recording.reading import RecordedSession

SIGNAL_FORMATS = ("bids", "fif", "edf")


def listed(data_dir: Path, *names: str) -> None:
    database = SessionDatabase(data_dir / "sessions.db")
    for name in names:
        row = SessionRow(name, "p01", f"{name}.xdf", ("lsl:",), None, None, None, "complete", None, 100.0)
        database.add_session(row)
    database.close()


@pytest.mark.parametrize("to", SIGNAL_FORMATS)
def test_a_session_without_a_sample_has_no_signal_and_says_so(tmp_path: Path, to: str) -> None:
    path = recorded(tmp_path / "sessions", [])
    with pytest.raises(UnsupportedStreamError, match="never sent a sample; --to csv"):
        exported(path, to)
    assert not (tmp_path / to).exists()


@pytest.mark.parametrize("to", ["csv", "parquet"])
def test_a_session_without_a_sample_has_tables(tmp_path: Path, to: str) -> None:
    folder = exported(recorded(tmp_path / "sessions", []), to).folder
    assert {p.stem.rpartition("_")[2] for p in folder.glob("sub-*")} == {"scores", "trials", "events"}


@pytest.mark.parametrize("to", FORMATS)
def test_one_chunk_is_enough(tmp_path: Path, to: str) -> None:
    assert any(exported(recorded(tmp_path / "sessions", chunks(1)), to).folder.iterdir())


def test_events_before_a_stream_that_came_late_are_in_the_tables_and_told(tmp_path: Path) -> None:
    late = chunks(200, start_s=103.2)
    path = recording(tmp_path, late)
    done = exported(path, "fif")
    (file,) = done.folder.glob("*.fif")
    raw = mne.io.read_raw_fif(file, verbose="error")
    said = [a["description"] for a in raw.annotations if a["description"].startswith("trial")]
    assert said == ["trial/error", "trial/correct", "trial/error"]
    assert any("no annotation for what happened before" in note and "(3)" in note for note in done.notes)
    (table,) = exported(path, "csv").folder.glob("*_events.csv")
    assert table.read_text("utf-8-sig").splitlines()[1].startswith("-0.7")


def test_a_long_silence_is_filled_and_marked(tmp_path: Path) -> None:
    first, second = chunks(100), chunks(100, start_s=124.0, seed=2)
    second = [replace(c, first_sample=c.first_sample + first[-1].first_sample + 10) for c in second]
    path = recorded(tmp_path / "sessions", first + second)
    (file,) = exported(path, "fif").folder.glob("*.fif")
    raw = mne.io.read_raw_fif(file, verbose="error")
    longest = max((a for a in raw.annotations), key=lambda a: a["duration"])
    assert longest["description"] == "BAD_ACQ_SKIP"
    assert longest["onset"] == pytest.approx(first[-1].timestamps_s[-1] - 100.0, abs=0.01)
    assert longest["onset"] + longest["duration"] == pytest.approx(24.0, abs=0.01)
    assert raw.times[-1] == pytest.approx(second[-1].timestamps_s[-1] - 100.0, abs=0.02)


def test_a_clock_that_was_set_is_no_gap_of_a_day(tmp_path: Path) -> None:
    first, second = chunks(100), chunks(100, start_s=100_000.0, seed=2)
    second = [replace(c, first_sample=c.first_sample + first[-1].first_sample + 10) for c in second]
    done = exported(recorded(tmp_path / "sessions", first + second), "fif")
    (file,) = done.folder.glob("*.fif")
    assert mne.io.read_raw_fif(file, verbose="error").n_times < 2200
    assert any("not filled" in note for note in done.notes)


def test_a_device_that_is_far_from_its_nominal_rate_is_exported_at_its_own(tmp_path: Path) -> None:
    told = spec(rate_hz=256.0)
    parts = [replace(c, spec=told) for c in chunks(300, of=spec(rate_hz=200.0))]
    done = exported(recorded(tmp_path / "sessions", parts), "fif")
    (file,) = done.folder.glob("*.fif")
    assert mne.io.read_raw_fif(file, verbose="error").info["sfreq"] == pytest.approx(200.0, abs=0.5)
    assert any("nominal rate is 256 Hz" in note for note in done.notes)


@pytest.mark.parametrize("to", FORMATS)
def test_a_recording_that_was_cut_off_is_exported_as_far_as_it_is_whole(tmp_path: Path, to: str) -> None:
    path = recording(tmp_path)
    os.truncate(path, path.stat().st_size // 2)
    done = exported(path, to)
    assert any("not whole and left out" in note for note in done.notes)


def test_a_session_that_still_runs_is_exported_as_far_as_it_is_on_the_disk(tmp_path: Path) -> None:
    path = recorded(tmp_path / "sessions", telling_chunks(), finish=False)
    done = exported(path, "fif")
    (file,) = done.folder.glob("*.fif")
    assert mne.io.read_raw_fif(file, verbose="error").n_times >= 2000
    assert any("still runs or was interrupted" in note for note in done.notes)


class _Vanishing:
    """A format during which somebody takes the recording away."""

    name = "edf"

    def __init__(self, path: Path, size: int | None) -> None:
        self._path, self._size, self._inner = path, size, exporter_of("edf")

    def write(self, material, folder, show) -> None:  # noqa: ANN001 - passed on
        if self._size is None:
            self._path.unlink()
        else:
            os.truncate(self._path, self._size)
        self._inner.write(material, folder, show)


@pytest.mark.parametrize(
    ("size", "kind", "says"),
    [(None, RecordingNotFoundError, "was it deleted or moved"), (9000, FileFormatError, "was shortened while")],
)
def test_a_recording_that_vanishes_under_the_export_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int | None, kind: type[FocusloopError], says: str
) -> None:
    path = recording(tmp_path)
    vanishing: Exporter = _Vanishing(path, size)
    monkeypatch.setattr("exported_sessions.exporter_of", lambda _name: vanishing)
    with pytest.raises(kind, match=says):
        exported(path, "edf")
    assert not (tmp_path / "edf").exists()
    assert not list(tmp_path.glob(".focusloop-export-*"))


def test_a_session_is_found_by_its_id_by_the_beginning_of_it_and_by_its_path(tmp_path: Path) -> None:
    path = recording(tmp_path)
    listed(tmp_path, path.stem, "20261126T080000Z-p02-ffff")
    for wanted in (path.stem, "20261125", str(path)):
        assert find_recording(wanted, tmp_path)[0] == path


def test_an_unknown_session_lists_the_known_ones(tmp_path: Path) -> None:
    listed(tmp_path, "20261125T210000Z-p01-ab12", "20261126T080000Z-p02-ffff")
    with pytest.raises(NoSuchSessionError, match="20261126T080000Z-p02-ffff, 20261125T210000Z-p01-ab12"):
        find_recording("tomorrow", tmp_path)
    with pytest.raises(NoSuchSessionError, match="2 sessions begin with '2026'"):
        find_recording("2026", tmp_path)
    with pytest.raises(RecordingNotFoundError, match="deleted or moved"):
        RecordedSession(find_recording("20261126", tmp_path)[0])


def test_an_unknown_format_lists_the_known_ones() -> None:
    with pytest.raises(FocusloopError, match="known are bids, fif, edf, csv, parquet"):
        exporter_of("mat")


@pytest.mark.parametrize(("to", "names"), [("bids", "mne_bids"), ("parquet", "pyarrow")])
def test_a_missing_extra_is_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, names: str
) -> None:
    path = recording(tmp_path)
    found = needs.importlib.util.find_spec
    monkeypatch.setattr(needs.importlib.util, "find_spec", lambda name: None if name == names else found(name))
    with pytest.raises(NotInstalledError, match=rf"{names} not installed.*pip install .*\[export\]"):
        exported(path, to)
    assert not (tmp_path / to).exists()


def test_numbers_of_the_whole_grid_are_those_of_the_recording(tmp_path: Path) -> None:
    from feedback.export.grid import lay_out

    (stream,) = RecordedSession(recorded(tmp_path, chunks(300))).streams
    grid = lay_out(stream, "stream 1")
    stamps_s, numbers = stream.stamps()
    assert len(grid) == numbers[-1] + 1
    assert sum(map(len, grid.blocks())) == len(grid)
    np.testing.assert_allclose(grid.times_s[numbers], stamps_s, atol=1e-3)
    assert grid.filled == len(grid) - stream.samples
    assert grid.place(stamps_s[0] - 1.0) is None
    assert grid.place(float(grid.times_s[100])) == pytest.approx(100.0, abs=1e-6)
