"""What is done to every recording, on files that are broken as files break."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from written_files import wave_uv, write_edf, write_muselsl, write_openbci

from bci.errors import UnsupportedStreamError
from bci.files import Recording, read_recording
from bci.types import Channel, StreamSpec

LABELS = ("Fp1", "Fp2", "Cz", "Pz")


def said(recording: Recording, words: str) -> bool:
    return any(words in note for note in recording.notes)


def test_constant_padding_at_the_end_is_cut_and_counted(tmp_path: Path) -> None:
    recording = read_recording(write_edf(tmp_path / "padded.edf", wave_uv(1100), LABELS))
    assert len(recording) == len(recording.stamps_s) == len(recording.sample_numbers) == 1100
    assert said(recording, "150 samples (0.60 s) of constant padding")


def test_padding_in_two_steps_is_cut_whole(tmp_path: Path) -> None:
    uv = wave_uv(2000)
    uv[1500:1750], uv[1750:] = 3.0, -2.0
    recording = read_recording(write_edf(tmp_path / "padded.edf", uv, LABELS))
    assert len(recording) == 1500


def test_a_recording_that_ends_alive_is_not_cut(tmp_path: Path) -> None:
    uv = wave_uv(1000)
    uv[-40:] = uv[-40]  # 160 ms: a pause of an amplifier, not of a recorder
    uv[:, 3] = 5.0  # a dead channel says nothing about the end
    recording = read_recording(write_edf(tmp_path / "alive.edf", uv, LABELS))
    assert len(recording) == 1000
    assert said(recording, "flat throughout: Pz")


def test_missing_and_infinite_values_become_nan_and_are_counted(tmp_path: Path) -> None:
    uv = wave_uv(600)
    uv[100, 1], uv[200, :] = np.nan, np.inf
    path = write_muselsl(tmp_path / "holes.csv", uv)
    path.write_text(path.read_text().replace("inf", "-inf", 1) + "1700000003.0,1.0,,oops,2.0,0.0\n")
    recording = read_recording(path)
    assert len(recording) == 601
    assert recording.repaired_samples == 3
    assert np.isnan(recording.samples[100, 1])
    assert np.isnan(recording.samples[200, :4]).all()
    assert np.isnan(recording.samples[600, [1, 2]]).all()
    assert not np.isinf(recording.samples).any()
    assert said(recording, "7 values in 3 samples")


def test_repeated_and_backward_stamps_and_gaps_are_kept_and_counted(tmp_path: Path) -> None:
    stamps = 1.7e9 + np.arange(600) / 256.0
    stamps[50] = stamps[49]
    stamps[100] -= 0.5
    stamps[400:] += 3.0
    recording = read_recording(write_muselsl(tmp_path / "stamps.csv", wave_uv(600), stamps))
    assert len(recording) == 600
    assert said(recording, "1 stamps repeat")
    assert said(recording, "1 stamps go back")
    assert said(recording, "the longest 3")
    np.testing.assert_allclose(recording.stamps_s, stamps - stamps[0], atol=6e-4)


def test_a_channel_at_the_rail_throughout_is_dropped_one_that_visits_it_is_kept(tmp_path: Path) -> None:
    uv = wave_uv(1000, 8)
    uv[:, 2:7] = -187500.02
    uv[300:400, 1] = -187500.02
    path = write_openbci(tmp_path / "rails.txt", uv)
    recording = read_recording(path)
    assert [c.label for c in recording.spec.channels] == ["EXG Channel 0", "EXG Channel 1", "EXG Channel 7"]
    assert said(recording, "5 channels at the rail throughout dropped")
    assert said(recording, "EXG Channel 1: 10.0 %")
    assert len(read_recording(path, keep_railed=True).spec.channels) == 8


def test_all_channels_at_the_rail_is_no_recording(tmp_path: Path) -> None:
    path = write_openbci(tmp_path / "rails.txt", np.full((500, 8), -187500.02))
    with pytest.raises(UnsupportedStreamError, match="all 8 EEG channels are at the rail"):
        read_recording(path)


def test_an_offset_of_tens_of_millivolts_is_kept_to_a_hundredth_of_a_microvolt(tmp_path: Path) -> None:
    uv = wave_uv(500, 2)
    recording = read_recording(write_openbci(tmp_path / "offset.txt", uv + 72_000.0))
    np.testing.assert_allclose(recording.samples, uv + 72_000.0, atol=0.011)
    assert said(recording, "DC offset kept: EXG Channel 0 72.0 mV")


@given(
    jumps=st.lists(st.integers(1, 5), min_size=1, max_size=60),
    max_samples=st.integers(1, 70),
)
def test_chunks_are_the_recording_whatever_their_length(jumps: list[int], max_samples: int) -> None:
    numbers = np.cumsum(jumps) - jumps[0]
    n = len(numbers)
    samples = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    spec = StreamSpec("s", "s", "EEG", 250.0, (Channel("Fp1"), Channel("Fp2")), "s", "file")
    recording = Recording(spec, samples, numbers / 250.0, numbers.astype(np.int64))
    chunks = list(recording.chunks(max_samples))
    np.testing.assert_array_equal(np.concatenate([c.data for c in chunks]), samples)
    np.testing.assert_array_equal(np.concatenate([c.timestamps_s for c in chunks]), recording.stamps_s)
    np.testing.assert_array_equal(np.concatenate([c.first_sample + np.arange(len(c)) for c in chunks]), numbers)
    assert all(1 <= len(c) <= max_samples for c in chunks)
    assert recording.lost_samples == sum(jumps[1:]) - (n - 1)
