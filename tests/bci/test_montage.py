"""Electrode names of every spelling become one, and a montage that somebody states is checked."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci.errors import ConfigError, MontageError, SourceError
from bci.montage import (
    assign_montage,
    canonical_label,
    channel_kind,
    eeg_channel,
    is_scorable_name,
    known_labels,
    position_m,
    unique_labels,
)
from bci.types import Channel, StreamSpec

electrodes = st.sampled_from(known_labels())


def board(*labels: str, kind: str = "eeg") -> StreamSpec:
    return StreamSpec("id", "Board", "EEG", 250.0, tuple(Channel(label, kind) for label in labels), "a board")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("EEG Fp1", "Fp1"),
        ("EEG FP1-REF", "Fp1"),
        ("Fc5.", "FC5"),
        ("C3..", "C3"),
        ("  oz ", "Oz"),
        ("RAW_TP9", "TP9"),
        ("T3", "T7"),
        ("EEG T4", "T8"),
        ("t5-LE", "P7"),
        ("T6", "P8"),
        ("C3-A2", "C3"),
        ("FPZ", "Fpz"),
        ("afpz", "AFpz"),
        ("C3-P3", "C3-P3"),  # one electrode against another is neither
        ("EEG A2-A1", "A2-A1"),
        ("EXG Channel 0", "EXG Channel 0"),
        ("EEG 001", "EEG 001"),
        ("", ""),
    ],
)
def test_spellings_become_one_name(text: str, label: str) -> None:
    assert canonical_label(text) == label


@given(
    electrodes, st.sampled_from(["", "EEG ", "eeg ", "EEG_"]), st.sampled_from(["", "-REF", "-Ref", ".", "..", "-LE"])
)
def test_prefix_suffix_dots_and_case_do_not_count(label: str, prefix: str, suffix: str) -> None:
    if label in {"A1", "A2", "M1", "M2"} and suffix.startswith("-"):
        return  # an ear against something is no electrode on the head
    for spelled in (label, label.upper(), label.lower()):
        assert canonical_label(prefix + spelled + suffix) == label


@given(st.text(max_size=12))
def test_a_canonical_label_is_its_own_canonical_label(text: str) -> None:
    once = canonical_label(text)
    assert canonical_label(once) == once or not once


def test_positions_are_those_of_mne_in_the_head_frame() -> None:
    mne = pytest.importorskip("mne")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mne renames its template; whichever name it has, the positions are the same
        template = mne.channels.make_standard_montage("standard_1005")
    theirs = mne.channels.montage.transform_to_head(template).get_positions()["ch_pos"]
    assert {canonical_label(name) for name in theirs} == set(known_labels())
    for name, place in theirs.items():
        np.testing.assert_allclose(position_m(name), place, atol=1e-5)


def test_right_is_positive_x_front_positive_y_up_positive_z() -> None:
    (c3x, _, _), (c4x, _, _) = position_m("C3"), position_m("C4")  # type: ignore[misc] # both are known
    (_, fzy, czz), (_, ozy, ozz) = position_m("Fz"), position_m("Oz")  # type: ignore[misc] # both are known
    assert c3x < 0 < c4x
    assert ozy < 0 < fzy
    assert czz > ozz


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Fp1", "eeg"),
        ("EXG Channel 3", "eeg"),
        ("7", "eeg"),
        ("C3-P3", "eeg"),
        ("A2-A1", "ref"),
        ("EEG A2-A1", "ref"),
        ("M1", "ref"),
        ("ECG ECG", "ecg"),
        ("EKG1", "ecg"),
        ("HEOG", "eog"),
        ("EOG left", "eog"),
        ("E1-M2", "eog"),
        ("E1", "eeg"),
        ("EMG chin", "emg"),
        ("Right AUX", "aux"),
        ("AccX", "aux"),
        ("STI 014", "marker"),
        ("TRIGGER", "marker"),
        ("HardwareMarker", "marker"),  # EmotivPRO's columns beside the EEG
        ("Interpolate", "aux"),
        ("Timestamp", "aux"),
        ("Battery Level", "aux"),
    ],
)
def test_names_tell_what_is_no_eeg(text: str, kind: str) -> None:
    assert channel_kind(text) == kind
    assert eeg_channel(text).kind == kind


@pytest.mark.parametrize("text", ["EEG A2-A1", "ECG ECG", "EOG", "A1", "M2", "7", "", "C3-P3", "Right AUX"])
def test_what_is_never_scored_has_no_position(text: str) -> None:
    assert not is_scorable_name(text)
    assert eeg_channel(text).position_m is None


def test_a_montage_gives_a_free_board_positions() -> None:
    spec = assign_montage(board("1", "2", "3"), ["fp1", "T3", "Cz"])
    assert [c.label for c in spec.channels] == ["Fp1", "T7", "Cz"]
    assert spec.scored == (0, 1, 2)
    assert spec.channels[1].position_m == position_m("T7")


def test_skipped_channels_are_left_unassigned_whatever_they_were_called() -> None:
    spec = assign_montage(board("C3", "C4", "EXG Channel 2", "Fp1"), ["Fp1", "-", "-", "-"])
    assert spec.scored == (0,)
    assert [c.label for c in spec.channels] == ["Fp1", "ch2", "EXG Channel 2", "ch4"]


def test_a_short_montage_skips_free_electrodes_and_never_loses_named_ones() -> None:
    assert assign_montage(board("C3", "1", "2"), ["Fp1"]).scored == (0,)
    named = StreamSpec("id", "x", "EEG", 250.0, tuple(map(eeg_channel, ("C3", "C4", "EXG 3"))), "a cap")
    with pytest.raises(MontageError, match="names 1 of 3 EEG channels, and C4 would be lost"):
        assign_montage(named, ["Fp1"])


def test_a_montage_counts_only_eeg_channels() -> None:
    free = board("1", "2")
    spec = StreamSpec("id", "x", "EEG", 250.0, (Channel("ECG", "ecg"), *free.channels), "a board")
    assert [c.label for c in assign_montage(spec, ["Fp1", "Fp2"]).channels] == ["ECG", "Fp1", "Fp2"]


def test_a_reference_in_a_montage_is_kept_and_not_scored() -> None:
    spec = assign_montage(board("1", "2"), ["Cz", "A1"])
    assert spec.channels[1].kind == "ref"
    assert spec.scored == (0,)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (["Fp1", "Fp2", "C3"], "3 electrodes, but there are 2 EEG channels"),
        (["Fp1", "Cx"], "'Cx' is no electrode"),
        (["Fp1", "fp1"], "Fp1 twice"),
        (["T3", "T7"], "T7 twice"),
        (["-", "-"], "no electrode on the head"),
        (["A1"], "no electrode on the head"),
        ([], "no electrode on the head"),
    ],
)
def test_a_montage_that_does_not_hold_is_refused_in_words(labels: list[str], says: str) -> None:
    with pytest.raises(MontageError, match=says) as refused:
        assign_montage(board("1", "2"), labels)
    assert isinstance(refused.value, ConfigError)  # who configures it is told
    assert isinstance(refused.value, SourceError)  # and so is who opens the source


def test_an_unknown_name_lists_near_ones() -> None:
    with pytest.raises(MontageError, match=r"CPz|Cz"):
        assign_montage(board("1"), ["CPzz"])


@given(st.lists(st.sampled_from(["C3", "C3#2", "1", "2", "", "ECG"]), max_size=8))
def test_labels_become_unique_in_place(labels: list[str]) -> None:
    unique = unique_labels(labels)
    assert len(set(unique)) == len(unique) == len(labels)
    for given_label, label in zip(labels, unique, strict=True):
        assert label.startswith(given_label)
        assert label


@given(st.lists(electrodes.filter(is_scorable_name), min_size=1, max_size=16, unique=True), st.integers(0, 4))
def test_a_montage_scores_exactly_the_channels_it_names(labels: list[str], spare: int) -> None:
    spec = assign_montage(board(*(str(i + 1) for i in range(len(labels) + spare))), labels)
    assert spec.scored == tuple(range(len(labels)))
    assert [spec.channels[i].label for i in spec.scored] == labels
    assert not spec.unassigned
