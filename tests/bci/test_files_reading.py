"""The one door: formats told by content, compression, and files that are none."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from written_files import (
    XdfFile,
    wave_uv,
    write_bdf,
    write_brainvision,
    write_edf,
    write_mind_monitor,
    write_muselsl,
    write_openbci,
)

from bci.errors import FileFormatError, MontageError, RecordingNotFoundError, UnsupportedStreamError
from bci.files import read_recording

UV = wave_uv(1000)
LABELS = ("EEG Fp1-REF", "EEG T3", "Cz", "ECG")


def write_fif(path: Path) -> Path:
    import mne

    info = mne.create_info(["Fp1", "Fp2", "Cz", "Pz"], 250.0, "eeg", verbose="error")
    mne.io.RawArray(UV.T * 1e-6, info, verbose="error").save(path, verbose="error")
    return path


WRITERS = {
    "edf": lambda folder: write_edf(folder / "rest.edf", UV, LABELS),
    "bdf": lambda folder: write_bdf(folder / "rest.bdf", UV, LABELS),
    "fif": lambda folder: write_fif(folder / "rest_raw.fif"),
    "brainvision": lambda folder: write_brainvision(folder / "rest.vhdr", UV, LABELS),
    "muselsl": lambda folder: write_muselsl(folder / "rest.csv", UV),
    "mind monitor": lambda folder: write_mind_monitor(folder / "mm.csv", UV),
    "openbci 3": lambda folder: write_openbci(folder / "o3.txt", UV),
    "openbci 5": lambda folder: write_openbci(folder / "o5.txt", UV, version=5),
    "xdf": lambda folder: (
        XdfFile().header(1, n_channels=4).samples(1, 7.0 + np.arange(1000) / 250.0, UV).write(folder / "r.xdf")
    ),
}


@pytest.mark.parametrize("form", WRITERS)
def test_every_format_gives_its_samples_in_microvolts(form: str, tmp_path: Path) -> None:
    recording = read_recording(WRITERS[form](tmp_path))
    offset = 800.0 if form == "mind monitor" else 0.0
    assert recording.samples.dtype == np.float32
    assert len(recording) == 1000
    np.testing.assert_allclose(recording.samples[:, :4], UV + offset, atol=0.13)  # EDF's 16 bits
    assert recording.stamps_s[0] == 0.0
    rate_hz = recording.spec.nominal_rate_hz
    np.testing.assert_allclose(np.diff(recording.stamps_s), 1.0 / rate_hz, atol=1.1e-3)
    assert recording.spec.origin == "file"
    assert recording.lost_samples == 0
    assert not recording.samples.flags.writeable


@pytest.mark.parametrize("form", ["edf", "muselsl", "openbci 3", "xdf"])
def test_a_gzipped_file_reads_as_the_plain_one(form: str, tmp_path: Path) -> None:
    plain = WRITERS[form](tmp_path)
    packed = plain.with_name(plain.name + ".gz")
    with plain.open("rb") as source, gzip.open(packed, "wb") as target:
        shutil.copyfileobj(source, target)
    np.testing.assert_array_equal(read_recording(packed).samples, read_recording(plain).samples)


def test_a_truncated_archive_is_said_to_be_one(tmp_path: Path) -> None:
    packed = tmp_path / "rest.csv.gz"
    packed.write_bytes(gzip.compress(write_muselsl(tmp_path / "rest.csv", UV).read_bytes())[:-2000])
    with pytest.raises(FileFormatError, match="gzip archive is truncated"):
        read_recording(packed)


def test_the_content_tells_the_format_not_the_name(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "rest.edf", UV, LABELS).rename(tmp_path / "rest.dat")
    with pytest.raises(FileFormatError, match="EDF"):  # MNE itself insists on the ending
        read_recording(path)
    path = write_openbci(tmp_path / "o.csv", UV)
    assert read_recording(path).spec.channels[0].label == "EXG Channel 0"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\x00\x01\x02\x03" * 64, "unknown binary format"),
        (b"1.0,2.0,3.0\n2.0,3.0,4.0\n", "no header"),
        (b"time;left;right\n1;2;3\n", "no header"),
        (b"timestamps,TP9,AF7,AF8,TP10,Right AUX\n", "none of its 0 lines"),
        (b"%OpenBCI Raw EEG Data\n%Sample Rate = 250.0 Hz\n", "no samples"),
        (b"XDF:", "no readable XDF|no stream"),
        (b"XDF:\x04\xff\xff", "no readable XDF|no stream"),
        (b"0       " + b" " * 100, "no readable EDF"),
    ],
)
def test_what_is_no_recording_is_refused_in_a_sentence(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.edf" if content.startswith(b"0 ") else tmp_path / "broken.txt"
    path.write_bytes(content)
    with pytest.raises((FileFormatError, UnsupportedStreamError), match=said) as error:
        read_recording(path)
    assert "broken" in str(error.value)


def test_nothing_of_a_file_that_is_no_recording_is_repeated(tmp_path: Path) -> None:
    path = tmp_path / "operator.token"
    path.write_text("the-secret-of-the-operator\n")
    with pytest.raises(FileFormatError, match="no header") as error:
        read_recording(path)
    assert "secret" not in str(error.value)


def test_what_is_named_xdf_and_is_none_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "broken.xdf"
    path.write_bytes(bytes(range(7, 200)))
    with pytest.raises(FileFormatError, match=r"broken\.xdf: no XDF file") as error:
        read_recording(path)
    assert "<" not in str(error.value)


def test_missing_files_and_folders_and_names_that_cannot_be_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_recording(tmp_path / ("n" * 300))
    with pytest.raises(RecordingNotFoundError, match="does not exist"):
        read_recording(tmp_path / "absent.edf")
    with pytest.raises(RecordingNotFoundError, match="is a folder"):
        read_recording(tmp_path)


def test_stream_names_only_what_is_there(tmp_path: Path) -> None:
    path = write_muselsl(tmp_path / "rest.csv", UV)
    assert len(read_recording(path, "rest.csv")) == 1000
    with pytest.raises(RecordingNotFoundError, match="holds one stream"):
        read_recording(path, "Muse")


def test_a_montage_counts_the_columns_of_the_file_also_where_one_is_dropped(tmp_path: Path) -> None:
    uv = UV.copy()
    uv[:, 0] = -187500.02
    path = write_openbci(tmp_path / "o.txt", np.hstack([uv, uv]))
    recording = read_recording(path, montage=["-", "Fp2"])
    assert [c.label for c in recording.spec.channels if c.position_m is not None] == ["Fp2"]
    np.testing.assert_allclose(recording.samples[:, recording.spec.scored[0]], UV[:, 1], atol=0.01)
    with pytest.raises(MontageError):
        read_recording(path, montage=["Nose"])


def test_a_file_without_electrodes_says_what_it_holds(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "heart.edf", UV, ("ECG", "EOG left", "A2-A1", "Resp"))
    with pytest.raises(UnsupportedStreamError, match="no EEG channel among ECG"):
        read_recording(path)
