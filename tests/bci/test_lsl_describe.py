"""Meta-data in the variants that real programs write; no network."""

from __future__ import annotations

import numpy as np
import pylsl
import pytest
from lsl_outlets import Announcement

from bci.errors import MontageError, UnsupportedStreamError
from bci.lsl.describe import describe
from bci.types import Channel


def describe_as(**said: object) -> tuple[tuple[Channel, ...], np.ndarray, tuple[str, ...]]:
    description = describe(Announcement(**said).info())  # type: ignore[arg-type] # keywords of a test
    scale = description.scale if description.scale is not None else np.ones(len(description.spec.channels))
    return description.spec.channels, scale, description.notes


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("microvolts", 1.0), ("uV", 1.0), ("µV", 1.0), ("mV", 1e3), ("V", 1e6), ("volts", 1e6), ("0", 1e6)],
)
def test_every_spelling_of_the_unit_becomes_microvolts(unit: str, factor: float) -> None:
    channels, scale, notes = describe_as(units=(unit,) * 4)
    assert {c.unit for c in channels} == {"uV"}
    np.testing.assert_allclose(scale, factor)
    assert notes == ()


def test_an_unknown_unit_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnsupportedStreamError, match=r"'counts'.*microvolts, uV"):
        describe_as(units=("counts",) * 4)


def test_an_unknown_unit_of_a_channel_that_is_not_eeg_does_not_matter() -> None:
    channels, scale, _ = describe_as(
        labels=("Fp1", "Fp2", "ACC_X", "Counter"), units=("uV", "uV", "g", "counts"), types=("EEG",) * 4
    )
    assert [c.kind for c in channels] == ["eeg", "eeg", "aux", "aux"]
    assert [c.unit for c in channels] == ["uV", "uV", "g", "counts"]
    np.testing.assert_array_equal(scale, 1.0)


@pytest.mark.parametrize("units", [(), ("",) * 4, ("none",) * 4])
def test_no_unit_means_microvolts_and_it_is_said(units: tuple[str, ...]) -> None:
    _, scale, notes = describe_as(units=units)
    np.testing.assert_array_equal(scale, 1.0)
    assert notes == ("no unit is stated, µV is assumed",)


@pytest.mark.parametrize("element", ["label", "name"])
def test_labels_stand_in_either_element_and_become_canonical(element: str) -> None:
    channels, _, _ = describe_as(labels=("EEG FP1-REF", "T3", "oz.", "cz"), label_element=element)
    assert [c.label for c in channels] == ["Fp1", "T7", "Oz", "Cz"]
    assert all(c.position_m is not None for c in channels)


def test_a_stream_that_says_nothing_of_its_channels_is_unassigned() -> None:
    description = describe(Announcement(name="Some amplifier", labels=(), units=(), n_channels=6).info())
    assert description.spec.unassigned
    assert [c.kind for c in description.spec.channels] == ["eeg"] * 6
    assert len({c.label for c in description.spec.channels}) == 6


def test_a_montage_that_somebody_states_wins() -> None:
    info = Announcement(name="Some amplifier", labels=(), units=()).info()
    spec = describe(info, montage=("Fz", "C3", "-", "Pz")).spec
    assert [spec.channels[i].label for i in spec.scored] == ["Fz", "C3", "Pz"]


def test_a_montage_that_does_not_fit_is_refused() -> None:
    with pytest.raises(MontageError):
        describe(Announcement().info(), montage=("Fz", "C3", "C4", "Pz", "Oz"))


def test_meta_data_of_another_number_of_channels_are_not_used() -> None:
    description = describe(Announcement(name="Some amplifier", n_channels=8).info())
    assert description.spec.unassigned
    assert "describe 4 channels, it has 8" in description.notes[0]


def test_muselsl_calls_its_auxiliary_channel_eeg() -> None:
    """As muselsl writes it: type EEG on all five."""
    channels, _, _ = describe_as(
        name="Muse",
        n_channels=5,
        rate_hz=256.0,
        labels=("TP9", "AF7", "AF8", "TP10", "Right AUX"),
        units=("microvolts",) * 5,
        types=("EEG",) * 5,
    )
    assert [c.kind for c in channels] == ["eeg"] * 4 + ["aux"]


def test_ears_and_hearts_are_never_scored() -> None:
    description = describe(Announcement(labels=("Fz", "A2-A1", "ECG", "EOG left")).info())
    assert [description.spec.channels[i].label for i in description.spec.scored] == ["Fz"]


def test_a_label_given_twice_stays_one_electrode_of_a_name() -> None:
    channels, _, _ = describe_as(labels=("Fz", "Fz", "C3", "C4"))
    assert len({c.label for c in channels}) == 4


@pytest.mark.parametrize("kind", ["Gaze", "Accelerometer", "", "PPG"])
def test_a_stream_of_another_type_holds_no_eeg(kind: str) -> None:
    channels, _, _ = describe_as(kind=kind, labels=("x", "y", "z", "w"), units=("deg",) * 4)
    assert "eeg" not in {c.kind for c in channels}


def test_a_stream_without_type_whose_channels_say_eeg_holds_eeg() -> None:
    channels, _, _ = describe_as(kind="", types=("EEG",) * 4)
    assert {c.kind for c in channels} == {"eeg"}


def test_text_is_no_signal() -> None:
    with pytest.raises(UnsupportedStreamError, match="holds text, not samples"):
        describe(Announcement(kind="Markers", number_format="string", rate_hz=0.0).info())


def test_a_stream_without_channels_is_refused() -> None:
    with pytest.raises(UnsupportedStreamError, match="no channels"):
        describe(pylsl.StreamInfo("Empty", "EEG", 0, 250.0, "float32", "empty"))


def test_one_channel_and_three_hundred_are_described() -> None:
    """Whether they can be scored is for `bci.limits` to say."""
    assert len(describe_as(n_channels=1, labels=("Fz",), units=("uV",))[0]) == 1
    assert len(describe_as(n_channels=300, labels=(), units=())[0]) == 300


def test_explorepy_calls_eeg_exg() -> None:
    said = {"name": "Explore_844B_ExG", "kind": "ExG", "n_channels": 8, "units": ("uV",) * 8, "types": ("ExG",) * 8}
    channels, scale, _ = describe_as(labels=tuple(f"ch{i}" for i in range(1, 9)), **said)
    assert {c.kind for c in channels} == {"eeg"}
    np.testing.assert_array_equal(scale, 1.0)
    electrodes = ("Fp1", "Fp2", "C3", "C4", "P3", "P4", "O1", "O2")
    spec = describe(Announcement(labels=(), **said).info(), electrodes).spec  # type: ignore[arg-type]
    assert [spec.channels[i].label for i in spec.scored] == list(electrodes)


def test_a_headset_that_says_no_unit_has_that_of_its_profile() -> None:
    _, scale, notes = describe_as(name="EE411", n_channels=8, labels=(), units=())
    np.testing.assert_array_equal(scale, 1e6)  # volts, as its driver has them
    assert notes == ()
