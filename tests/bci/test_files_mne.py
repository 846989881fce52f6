"""EDF, BDF, FIF and BrainVision: what their headers say, and headers that lie."""

from __future__ import annotations

from pathlib import Path

import edfio
import numpy as np
import pytest
from written_files import wave_uv, write_brainvision, write_edf

from bci.errors import FileFormatError, SourceError, UnsupportedStreamError
from bci.files import read_recording

UV = wave_uv(1000)
LABELS = ("EEG Fp1-REF", "EEG T3", "EEG A2-A1", "ECG ECG")


def test_edf_labels_are_canonical_and_references_are_no_eeg(tmp_path: Path) -> None:
    recording = read_recording(write_edf(tmp_path / "rest.edf", UV, LABELS))
    assert [(c.label, c.kind) for c in recording.spec.channels[:2]] == [("Fp1", "eeg"), ("T7", "eeg")]
    assert recording.spec.scored == (0, 1)
    assert recording.spec.channels[3].kind == "ecg"
    assert recording.spec.nominal_rate_hz == 250.0


def test_two_channels_of_one_name_are_told_apart(tmp_path: Path) -> None:
    recording = read_recording(write_edf(tmp_path / "rest.edf", UV, ("Cz", "Cz", "C3", "C4")))
    assert len({c.label for c in recording.spec.channels}) == 4


@pytest.mark.parametrize(
    ("unit", "factor"), [("", 1.0), ("uV", 1.0), ("UV", 1.0), ("nV", 1e-3), ("mV", 1e3), ("V", 1e6)]
)
def test_the_unit_of_an_edf_header_counts_in_any_spelling(unit: str, factor: float, tmp_path: Path) -> None:
    recording = read_recording(write_edf(tmp_path / "rest.edf", UV, LABELS, unit=unit))
    np.testing.assert_allclose(recording.samples[:, 0], UV[:, 0] * factor, atol=0.13 * factor)
    assert recording.spec.channels[0].unit == "uV"
    assert any("no unit given for 2 EEG" in note for note in recording.notes) == (unit == "")


def test_an_edf_in_a_unit_that_is_no_voltage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedStreamError, match="Fp1 has the unit 'mmHg'; known are microvolts"):
        read_recording(write_edf(tmp_path / "rest.edf", UV, LABELS, unit="mmHg"))


def test_a_truncated_edf_gives_the_records_that_are_whole(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "rest.edf", UV, LABELS)
    path.write_bytes(path.read_bytes()[:-2500])  # of 2000 bytes a record
    recording = read_recording(path)
    assert len(recording) == 500
    np.testing.assert_allclose(recording.samples, UV[:500], atol=0.13)
    assert any("does not match the file size" in note for note in recording.notes)


@pytest.mark.parametrize(
    ("length", "says"),
    [(0, "empty"), *((length, "header is cut off") for length in (8, 200, 256, 700, 1279)), (1280, "no samples")],
)
def test_an_edf_cut_anywhere_in_its_header_is_refused_in_a_sentence(length: int, says: str, tmp_path: Path) -> None:
    path = write_edf(tmp_path / "rest.edf", UV, LABELS)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(FileFormatError, match=rf"rest\.edf: .*{says}"):
        read_recording(path)


@pytest.mark.parametrize("at", range(8, 1280, 53))
def test_a_damaged_edf_header_never_raises_what_is_not_ours(at: int, tmp_path: Path) -> None:
    path = write_edf(tmp_path / "rest.edf", UV, LABELS)
    blob = bytearray(path.read_bytes())
    blob[at : at + 8] = b"\xffgarbage"[:8]
    path.write_bytes(blob)
    try:
        recording = read_recording(path)
    except SourceError as error:
        message = str(error)
    else:
        message = recording.spec.device
    assert "rest.edf" in message


def write_discontinuous(path: Path, starts_s: list[float]) -> Path:
    """Write an EDF+ by edfio, then say of its records that they began at these moments."""
    signals = [edfio.EdfSignal(UV[:, i], 250.0, label=label) for i, label in enumerate(("Fp1", "Cz"))]
    annotations = [edfio.EdfAnnotation(1.0, None, "eyes closed")]
    edfio.Edf(signals, annotations=annotations, data_record_duration=1.0).write(path)
    blob = bytearray(path.read_bytes())
    blob[192:197] = b"EDF+D"
    for record, start_s in enumerate(starts_s):
        blob = bytearray(bytes(blob).replace(f"+{record}\x14\x14".encode(), f"+{start_s:g}\x14\x14".encode(), 1))
    path.write_bytes(blob)
    return path


def test_time_that_passed_between_records_is_a_gap(tmp_path: Path) -> None:
    recording = read_recording(write_discontinuous(tmp_path / "gap.edf", [0, 1, 7, 8]))
    assert recording.lost_samples == 5 * 250
    np.testing.assert_allclose(recording.stamps_s[[0, 499, 500, 999]], [0.0, 1.996, 7.0, 8.996])
    assert any("1250 samples between the 2 stretches" in note for note in recording.notes)


def test_an_edf_that_might_have_gaps_but_has_none_is_whole(tmp_path: Path) -> None:
    recording = read_recording(write_discontinuous(tmp_path / "whole.edf", [0, 1, 2, 3]))
    assert recording.lost_samples == 0
    assert [(m.at_s, m.label) for m in recording.markers] == [(1.0, "eyes closed")]


def test_a_channel_of_another_rate_is_left_out_rather_than_eeg_interpolated(tmp_path: Path) -> None:
    heart = edfio.EdfSignal(np.repeat(UV[:, 3], 4), 1000.0, label="ECG", physical_dimension="mV")
    eeg = [
        edfio.EdfSignal(UV[:, i], 250.0, label=label, physical_dimension="uV") for i, label in enumerate(("Fp1", "Cz"))
    ]
    edfio.Edf([heart, *eeg]).write(tmp_path / "rates.edf")
    recording = read_recording(tmp_path / "rates.edf")
    assert recording.spec.nominal_rate_hz == 250.0
    assert [c.label for c in recording.spec.channels] == ["Fp1", "Cz"]
    np.testing.assert_allclose(recording.samples, UV[:, :2], atol=0.01)
    assert any("another rate" in note and "ECG" in note for note in recording.notes)


def test_any_file_of_a_brainvision_set_opens_it_and_its_markers_come_along(tmp_path: Path) -> None:
    header = write_brainvision(tmp_path / "rest.vhdr", UV, LABELS)
    for suffix in (".vhdr", ".eeg", ".vmrk"):
        recording = read_recording(header.with_suffix(suffix))
        np.testing.assert_allclose(recording.samples, UV, atol=1e-4)
        assert [(m.at_s, m.label) for m in recording.markers] == [(1.0, "Stimulus/S  7")]


def test_a_brainvision_set_with_a_file_missing_says_which(tmp_path: Path) -> None:
    header = write_brainvision(tmp_path / "rest.vhdr", UV, LABELS)
    header.with_suffix(".eeg").unlink()
    with pytest.raises(FileFormatError, match=r"rest\.eeg|vhdr"):
        read_recording(header)
    header.unlink()
    with pytest.raises(FileFormatError, match=r"rest\.vhdr is missing"):
        read_recording(header.with_suffix(".vmrk"))


def test_real_recordings_of_eegmat(data_folder: Path) -> None:
    recording = read_recording(data_folder / "eegmat" / "Subject03_2.edf")
    assert len(recording) == 30000
    assert len(recording.spec.scored) == 19
    assert "1000 samples (2.00 s) of constant padding at the end cut" in recording.notes
