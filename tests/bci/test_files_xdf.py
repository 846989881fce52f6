"""XDF: meta-data in its variants, clocks that drift and step, several streams, and files cut off anywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from written_files import XdfFile, wave_uv

from bci.errors import AmbiguousSourceError, RecordingNotFoundError, SourceError, UnsupportedStreamError
from bci.files import read_recording
from bci.files.xdf import to_recorder_clock

UV = wave_uv(1000, 2)
STAMPS = 50.0 + np.arange(1000) / 250.0


def channel(label: str, unit: str = "microvolts", kind: str = "EEG", tag: str = "label") -> str:
    return f"<{tag}>{label}</{tag}><unit>{unit}</unit><type>{kind}</type>"


def written(folder: Path, channels: list[str], scale: float = 1.0) -> Path:
    file = XdfFile().header(1, channels=channels, n_channels=len(channels))
    values = np.tile(UV, (1, len(channels)))[:, : len(channels)] * scale
    return file.samples(1, STAMPS, values).write(folder / "r.xdf")


@pytest.mark.parametrize(
    ("unit", "scale"), [("microvolts", 1.0), ("uV", 1.0), ("µV", 1.0), ("V", 1e-6), ("volts", 1e-6), ("mV", 1e-3)]
)
def test_units_are_read_in_the_variants_that_programs_write(unit: str, scale: float, tmp_path: Path) -> None:
    recording = read_recording(written(tmp_path, [channel("EEG FP1", unit), channel("cz", unit, tag="name")], scale))
    assert [c.label for c in recording.spec.channels] == ["Fp1", "Cz"]
    assert recording.spec.scored == (0, 1)
    np.testing.assert_allclose(recording.samples, UV, rtol=1e-5)


def test_a_unit_that_is_no_voltage_is_an_error_that_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedStreamError, match="Fp1 has the unit 'furlongs'; known are microvolts"):
        read_recording(written(tmp_path, [channel("Fp1", "furlongs"), channel("Fp2")]))


def test_without_meta_data_channels_are_numbers_without_a_place_and_microvolts(tmp_path: Path) -> None:
    path = XdfFile().header(1).samples(1, STAMPS, UV).write(tmp_path / "r.xdf")
    recording = read_recording(path)
    assert [c.label for c in recording.spec.channels] == ["1", "2"]
    assert recording.spec.unassigned
    assert "no unit given for 2 EEG channels: taken as µV" in recording.notes
    assert read_recording(path, montage=["Fp1", "Fp2"]).spec.scored == (0, 1)


def test_labels_that_do_not_fit_the_channels_are_not_used(tmp_path: Path) -> None:
    path = XdfFile().header(1, channels=[channel("Fp1")]).samples(1, STAMPS, UV).write(tmp_path / "r.xdf")
    recording = read_recording(path)
    assert recording.spec.unassigned
    assert any("describes 1 channels, 2 were recorded" in note for note in recording.notes)


def test_channels_beside_eeg_are_told_by_type_and_name(tmp_path: Path) -> None:
    channels = [channel("Fp1"), channel("Left", kind="EOG"), channel("A2-A1"), channel("Battery", "%", "misc")]
    recording = read_recording(written(tmp_path, channels))
    assert [c.kind for c in recording.spec.channels] == ["eeg", "eog", "ref", "aux"]


def two_streams(folder: Path, second: str = "Enobio") -> Path:
    file = XdfFile().header(1, name="Muse", channels=[channel("TP9"), channel("TP10")])
    file.header(2, name=second, channels=[channel("Fp1"), channel("Fp2")])
    file.header(3, name="Keys", kind="Markers", n_channels=1, rate_hz=0.0, channel_format="string")
    file.samples(1, STAMPS, UV).samples(2, STAMPS + 1.0, -UV).samples(3, [52.0, 53.0], ["start", "stop"])
    return file.write(folder / "two.xdf")


def test_several_eeg_streams_are_listed_with_what_to_write(tmp_path: Path) -> None:
    path = two_streams(tmp_path)
    with pytest.raises(AmbiguousSourceError, match=r"stream=Muse .*stream=Enobio"):
        read_recording(path)
    np.testing.assert_allclose(read_recording(path, "enobio").samples, -UV, rtol=1e-5)
    np.testing.assert_allclose(read_recording(path, "id-1").samples, UV, rtol=1e-5)
    with pytest.raises(RecordingNotFoundError, match=r"no stream 'Emotiv'; it holds stream=Muse"):
        read_recording(path, "Emotiv")


def test_streams_of_one_name_are_told_apart_by_source_id(tmp_path: Path) -> None:
    with pytest.raises(AmbiguousSourceError, match=r"stream=id-1 .*stream=id-2"):
        read_recording(two_streams(tmp_path, second="Muse"))


def test_text_streams_become_markers_in_the_time_of_the_chosen_stream(tmp_path: Path) -> None:
    recording = read_recording(two_streams(tmp_path), "Enobio")
    assert [(m.at_s, m.label) for m in recording.markers] == [(1.0, "start"), (2.0, "stop")]


def test_a_file_with_other_streams_only_lists_them(tmp_path: Path) -> None:
    path = XdfFile().header(1, name="Gaze", kind="Gaze").samples(1, STAMPS, UV).write(tmp_path / "g.xdf")
    with pytest.raises(UnsupportedStreamError, match=r"no stream of type EEG; it holds stream=Gaze"):
        read_recording(path)
    assert read_recording(path, "Gaze").spec.kind == "Gaze"  # who asks by name may have it


@settings(deadline=None)  # pyxdf is imported within
@given(length=st.integers(4, 20_000))
def test_an_xdf_cut_anywhere_gives_what_is_whole_or_a_sentence(
    length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = XdfFile().header(1, channels=[channel("Fp1"), channel("Fp2")])
    for start in range(0, 1000, 50):
        file.samples(1, STAMPS[start : start + 50], UV[start : start + 50]).offset(1, STAMPS[start], 3.0)
    path = tmp_path_factory.getbasetemp() / "cut.xdf"
    path.write_bytes(file.blob[:length])
    try:
        recording = read_recording(path)
    except SourceError as error:
        message, n = str(error), 0
    else:
        message, n = recording.spec.device, len(recording)
        np.testing.assert_allclose(recording.samples, UV[:n], rtol=1e-5)
    assert "cut.xdf" in message
    assert n >= length // (len(file.blob) // 20) * 50 - 100, "what came before the cut is not lost"


def test_samples_without_a_stamp_are_dropped_and_counted(tmp_path: Path) -> None:
    stamps = STAMPS.copy()
    stamps[[0, 400]] = np.nan
    path = XdfFile().header(1).samples(1, stamps, UV).write(tmp_path / "r.xdf")
    recording = read_recording(path)
    assert len(recording) == 998
    assert recording.lost_samples == 1
    assert np.isfinite(recording.stamps_s).all()


def test_a_drifting_clock_is_followed_without_a_step() -> None:
    sender = np.arange(0.0, 600.0, 0.01)
    drift = 40e-6  # of a poor crystal
    at = np.arange(0.0, 600.0, 5.0)
    noise = np.random.default_rng(1).normal(0.0, 2e-4, at.size)
    mapped, steps = to_recorder_clock(sender, at, 100.0 + drift * at + noise)
    assert steps == 0
    assert np.abs(mapped - (100.0 + sender * (1.0 + drift))).max() < 1.5e-3
    assert np.diff(mapped).min() > 0.0


def test_clock_offsets_never_look_into_the_future() -> None:
    sender = np.arange(0.0, 100.0, 0.01)
    at = np.arange(0.0, 100.0, 5.0)
    offsets = np.random.default_rng(2).normal(0.0, 1e-3, at.size)
    early, _ = to_recorder_clock(sender, at[:10], offsets[:10])
    whole, _ = to_recorder_clock(sender, at, offsets)
    np.testing.assert_array_equal(early[sender < at[10]], whole[sender < at[10]])


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, -40.0])
def test_a_sender_whose_clock_was_set_goes_on_where_it_was(jump_s: float) -> None:
    true = np.arange(0.0, 120.0, 0.01)
    jump = np.where(true >= 60.0, jump_s, 0.0)
    measured = np.arange(0.0, 120.0, 5.0)
    their_jump = np.where(measured >= 60.0, jump_s, 0.0)
    mapped, steps = to_recorder_clock(true + jump, measured + their_jump, 7.0 - their_jump)
    assert steps == 1
    np.testing.assert_allclose(mapped, true + 7.0, atol=1e-6)


def test_real_clock_resets_come_out_continuous(data_folder: Path) -> None:
    recording = read_recording(data_folder / "xdf-examples" / "clock_resets.xdf")
    assert recording.clock_steps == 1
    assert recording.duration_s == pytest.approx(573.0, abs=0.1)
    assert np.diff(recording.stamps_s).min() > -0.05
    assert len(recording.markers) == 175
