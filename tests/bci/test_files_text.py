"""Muse CSV and OpenBCI text: their variants, their damage, and the sample counter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from written_files import wave_uv, write_mind_monitor, write_muselsl, write_openbci

from bci.errors import FileFormatError, UnsupportedStreamError
from bci.files import read_recording
from bci.files.counter import running_numbers

UV = wave_uv(1000)


def test_muselsl_channels_have_places_and_aux_is_no_eeg(tmp_path: Path) -> None:
    recording = read_recording(write_muselsl(tmp_path / "m.csv", UV))
    assert [c.label for c in recording.spec.channels] == ["TP9", "AF7", "AF8", "TP10", "Right AUX"]
    assert recording.spec.scored == (0, 1, 2, 3)
    assert recording.spec.nominal_rate_hz == 256.0
    assert recording.started_unix_s == pytest.approx(1.7e9)


def test_a_muse_of_2014_is_known_by_its_rate(tmp_path: Path) -> None:
    stamps = 1000.0 + np.arange(1000) / 220.0
    stamps[500:] += 40.0  # a gap is no lower rate
    assert read_recording(write_muselsl(tmp_path / "m.csv", UV, stamps)).spec.nominal_rate_hz == 220.0


def test_damaged_lines_are_skipped_and_leave_a_gap_in_the_numbers(tmp_path: Path) -> None:
    path = write_muselsl(tmp_path / "m.csv", UV)
    lines = path.read_text().splitlines()
    lines[11] = "1700000000.04,1.0,2.0"
    lines[12] = "what,1,2,3,4,0"
    path.write_text("\n".join(lines)[:-20])  # and the last line is cut off
    recording = read_recording(path)
    assert len(recording) == 997
    assert recording.lost_samples == 2
    assert "3 damaged lines skipped" in recording.notes


def test_a_file_saved_anew_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = write_muselsl(tmp_path / "m.csv", UV)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b",", b";").replace(b"\n", b"\r\n"))
    np.testing.assert_allclose(read_recording(path).samples[:, :4], UV, atol=1e-3)


def test_mind_monitors_elements_are_markers_not_samples(tmp_path: Path) -> None:
    recording = read_recording(write_mind_monitor(tmp_path / "mm.csv", UV, blink_at=300))
    assert len(recording) == 1000
    assert [(m.label, round(m.at_s, 2)) for m in recording.markers] == [("/muse/elements/blink", 1.17)]


def test_mind_monitor_that_averaged_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedStreamError, match="Constant"):
        read_recording(write_mind_monitor(tmp_path / "mm.csv", UV[:50], rate_hz=1.0))


@pytest.mark.parametrize("version", [3, 5])
def test_the_sample_index_tells_what_was_lost(version: int, tmp_path: Path) -> None:
    kept = np.r_[0:300, 303:600, 850:1000]
    path = write_openbci(tmp_path / "o.txt", UV[kept], kept % 256, 86399.0 + kept / 250.0, version=version)
    recording = read_recording(path)  # across midnight
    np.testing.assert_array_equal(recording.sample_numbers, kept)
    np.testing.assert_allclose(recording.stamps_s, kept / 250.0)
    assert recording.lost_samples == 253
    assert "253 samples lost in 2 gaps (by the sample index)" in recording.notes
    assert recording.spec.unassigned


def test_bursts_of_the_clock_column_do_not_reach_the_stamps(tmp_path: Path) -> None:
    clock = 40000.0 + (np.arange(1000) // 120) * 0.48
    recording = read_recording(write_openbci(tmp_path / "o.txt", UV, clock_s=clock))
    np.testing.assert_allclose(np.diff(recording.stamps_s), 1 / 250.0)


def test_a_marker_channel_gives_markers(tmp_path: Path) -> None:
    recording = read_recording(write_openbci(tmp_path / "o.txt", UV, version=5))
    assert [(m.at_s, m.label) for m in recording.markers] == [(0.4, "7")]
    assert recording.started_unix_s == pytest.approx(1.7e9 + 40000.0)


def test_openbci_text_without_its_rate_says_what_to_add(tmp_path: Path) -> None:
    path = write_openbci(tmp_path / "o.txt", UV)
    path.write_text(path.read_text().replace("%Sample Rate = 250.0 Hz\n", ""))
    with pytest.raises(FileFormatError, match="Sample Rate"):
        read_recording(path)


@pytest.mark.parametrize("write", [write_muselsl, write_mind_monitor, write_openbci])
def test_a_value_that_no_float32_holds_is_missing(
    write: Callable[[Path, NDArray[np.float64]], Path], tmp_path: Path
) -> None:
    uv = UV.copy()
    uv[300, 1] = 1e300
    recording = read_recording(write(tmp_path / "text", uv))
    assert np.argwhere(np.isnan(recording.samples)).tolist() == [[300, 1]]
    assert "1 values in 1 samples are missing or not finite: NaN" in recording.notes


def test_a_sample_index_that_counts_nothing_is_a_damaged_line(tmp_path: Path) -> None:
    path = write_openbci(tmp_path / "o.txt", UV)
    lines = path.read_text().splitlines()
    lines[-5] = "1e300" + lines[-5][lines[-5].index(",") :]
    path.write_text("\n".join(lines))
    recording = read_recording(path)
    assert len(recording) == 999
    assert "1 damaged lines skipped" in recording.notes


def test_openbci_text_cut_off_in_the_last_line_is_read(tmp_path: Path) -> None:
    path = write_openbci(tmp_path / "o.txt", UV)
    path.write_text(path.read_text()[:-30])
    recording = read_recording(path)
    assert len(recording) == 999
    assert "1 damaged lines skipped" in recording.notes


@given(
    lost=st.lists(st.integers(0, 2000), min_size=1, max_size=4),
    step=st.sampled_from([1, 2]),
    burst=st.integers(1, 60),
)
def test_a_counter_with_a_clock_is_unwrapped_over_any_gap(lost: list[int], step: int, burst: int) -> None:
    runs = [np.arange(300)]
    for gap in lost:
        runs.append(np.arange(300) + runs[-1][-1] + 1 + gap)
    true = np.concatenate(runs)
    arrived_s = (true // burst + 1) * burst / 250.0
    reading = running_numbers(true * step % 256, arrived_s, 250.0)
    np.testing.assert_array_equal(reading.numbers, true)
    assert reading.lost == sum(lost)


@given(lost=st.lists(st.integers(0, 200), min_size=1, max_size=4))
def test_a_counter_without_a_clock_is_unwrapped_within_one_turn(lost: list[int]) -> None:
    runs = [np.arange(600)]
    for gap in lost:
        runs.append(np.arange(600) + runs[-1][-1] + 1 + gap)
    true = np.concatenate(runs)
    reading = running_numbers(true % 256, np.full(true.size, np.nan), 250.0)
    np.testing.assert_array_equal(reading.numbers, true)


def test_two_samples_a_packet_and_a_counter_that_begins_anew_lose_nothing() -> None:
    n = np.arange(1000)
    ganglion = running_numbers(n // 2 % 101, n / 200.0, 200.0)
    assert (ganglion.lost, ganglion.repeats) == (0, 0)
    anew = running_numbers(np.r_[np.arange(550), np.arange(450)] % 256, n / 250.0, 250.0)
    assert (anew.lost, anew.restarts) == (0, 1)
    repeated = n % 256
    repeated[500] = repeated[499]
    again = running_numbers(repeated, n / 250.0, 250.0)
    assert (again.lost, again.repeats) == (1, 1)


def test_real_text_recordings(data_folder: Path) -> None:
    luab = read_recording(data_folder / "openbci-luab" / "subject00_counting_closed_2.txt", montage=["Fp1", "Fp2"])
    assert [c.label for c in luab.spec.channels] == ["Fp1", "Fp2"]
    assert (len(luab), luab.lost_samples) == (3760, 2363)  # the clock tells of 9.4 s, the index of their remainder
    muse = read_recording(data_folder / "muse-bird" / "subjectb-relaxed-2.csv")
    assert len(muse) == 10572
    assert "9 gaps in the stamps, the longest 700 s" in muse.notes
