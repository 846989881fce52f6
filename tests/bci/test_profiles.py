"""Profiles say what their boards do: held against BrainFlow's own descriptors, and clear where a file does not hold."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import bci
from bci.errors import ProfileError
from bci.firmware_profile import FirmwareProfile
from bci.montage import canonical_label, position_m
from bci.profiles import load_profiles, match_lsl, profile_folders, profile_for_brainflow

ROOT = Path(bci.__file__).resolve().parents[1]
PROFILES = load_profiles()
BRAINFLOW = [p for p in PROFILES.values() if p.brainflow is not None]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # brainflow's pkg_resources
    brainflow = pytest.importorskip("brainflow.board_shim")

PRESETS = {"default": 0, "auxiliary": 1, "ancillary": 2}


def descriptor(board: str, preset: str = "default") -> dict[str, Any]:
    return brainflow.BoardShim.get_board_descr(brainflow.BoardIds[board].value, PRESETS[preset])


def boards(profile: FirmwareProfile) -> list[str]:
    assert profile.brainflow is not None
    return [board for board in (profile.brainflow.board, profile.brainflow.dongle_board) if board]


def test_every_headset_of_the_issue_has_a_profile() -> None:
    names = {p.name for p in PROFILES.values()}
    assert names >= {
        "muse_2016", "muse_2", "muse_s", "muse_s_athena", "cyton", "cyton_daisy", "ganglion", "crown", "unicorn",
        "brainbit", "epoc_x", "eego_ee411", "explore_8", "freeeeg32", "synthetic", "lsl_10_20",
    }  # fmt: skip


@pytest.mark.parametrize("profile", BRAINFLOW, ids=lambda p: p.id)
def test_a_board_is_what_its_descriptor_says(profile: FirmwareProfile) -> None:
    assert profile.verified == "descriptor"
    link = profile.brainflow
    assert link is not None
    for board in boards(profile):
        theirs = descriptor(board)
        assert theirs["sampling_rate"] == profile.rate_hz, board
        assert len(theirs["eeg_channels"]) == profile.n_channels, board
        names = tuple(canonical_label(name) for name in theirs.get("eeg_names", "").split(",") if name)
        if isinstance(profile.channels, tuple):
            assert tuple(map(canonical_label, profile.channels)) == names, board
        elif names:  # electrodes are free, but BrainFlow names a usual cap: then we offer it by name
            assert names in {tuple(map(canonical_label, labels)) for labels in profile.montages.values()}, board
        if link.counter is not None:
            assert "package_num_channel" in theirs, board
        assert "timestamp_channel" in theirs
    if link.battery is not None:
        assert "battery_channel" in descriptor(link.board, link.battery)
    else:
        assert not any("battery_channel" in descriptor(board) for board in boards(profile)), "it does tell its charge"


@pytest.mark.parametrize("profile", list(PROFILES.values()), ids=lambda p: p.id)
def test_a_profile_can_be_used(profile: FirmwareProfile) -> None:
    if isinstance(profile.channels, tuple):
        channels = profile.eeg_channels()
        assert all(c.position_m is not None for c in channels)
        assert [c.position_m for c in channels] == [position_m(label) for label in profile.channels]
    elif profile.channels == "free":
        assert all(c.position_m is None for c in profile.eeg_channels())
    assert profile.brainflow is not None or profile.lsl is not None, "no way to read it"
    joined = " ".join(profile.connect)
    assert "focusloop serve --source" in joined
    if profile.brainflow is not None:
        assert f"brainflow:{profile.name}" in joined
        for parameter in profile.brainflow.parameters:
            if parameter.required:
                assert f"{parameter.name}=" in joined


def test_the_muses_say_how_to_tell_them_apart() -> None:
    for name in ("muse_2016", "muse_2", "muse_s", "muse_s_athena"):
        text = profile_for_brainflow(name).tell_apart
        assert "MuseS-" in text
        assert "Athena" in text
    bluetooth = {n: profile_for_brainflow(n).bluetooth for n in ("muse_2", "muse_s", "muse_s_athena")}
    assert [n for n, patterns in bluetooth.items() if any(re.match(p, "MuseS-3D4A") for p in patterns)] == [
        "muse_s",
        "muse_s_athena",
    ]


@pytest.mark.parametrize("name", ["cyton", "Cyton", "CYTON_BOARD", "openbci_cyton", "cyton-daisy", "cyton_daisy_board"])
def test_a_board_is_found_by_any_of_its_names(name: str) -> None:
    assert profile_for_brainflow(name).vendor == "OpenBCI"


def test_the_dongles_board_name_finds_the_headset() -> None:
    assert profile_for_brainflow("muse_2_bled").name == "muse_2"


def test_an_unknown_board_lists_those_that_are_known() -> None:
    with pytest.raises(ProfileError, match=r"'cytron'.*cyton, cyton_daisy.*synthetic"):
        profile_for_brainflow("cytron")


def test_an_lsl_only_headset_is_no_brainflow_board() -> None:
    with pytest.raises(ProfileError, match="epoc_x"):
        profile_for_brainflow("epoc_x")


@pytest.mark.parametrize(
    ("name", "kind", "n", "expected"),
    [
        ("Muse", "EEG", 5, "muse_lsl"),
        ("Muse-00:55:DA:B3:81:73", "EEG", 4, "muse_lsl"),
        ("Muse-EEG (00:55)", "EEG", 8, "muse_s_athena"),
        ("EmotivDataStream-EEG", "EEG", 19, "epoc_x"),
        ("obci_eeg1", "EEG", 8, "cyton"),
        ("obci_eeg1", "EEG", 16, "cyton_daisy"),
        ("obci_eeg1", "EEG", 4, "ganglion"),
        ("Explore_844B_ExG", "ExG", 8, "explore_8"),
        ("UN-2019.05.51", "EEG", 17, "unicorn"),
        ("EE225-000000-000625", "eeg", 66, "lsl_10_20"),
        ("EE211-000000-000625", "eeg", 66, "eego_ee211"),
        ("something of ours", "EEG", 19, "lsl_10_20"),
        ("PupilCapture", "Gaze", 22, None),
        ("Muse", "PPG", 3, None),
    ],
)
def test_a_stream_is_known_by_name_type_and_channels(name: str, kind: str, n: int, expected: str | None) -> None:
    profile = match_lsl(name, kind, n)
    assert (profile.name if profile else None) == expected


def test_a_montage_may_be_given_by_the_name_of_a_cap() -> None:
    cyton = profile_for_brainflow("cyton")
    assert cyton.montage(("ultracortex",))[:2] == ("Fp1", "Fp2")
    assert cyton.montage(("Cz",)) == ("Cz",)


def test_a_lab_adds_a_headset_without_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "firmware_profiles" / "openbci_cyton.toml").read_text()
    text = text.replace('name = "cyton"', 'name = "lab_cyton"').replace('aliases = ["openbci_cyton"]', "")
    (tmp_path / "lab_cyton.toml").write_text(text)
    assert load_profiles(tmp_path)["lab_cyton"].name == "lab_cyton"
    monkeypatch.setenv("FOCUSLOOP_PROFILES", str(tmp_path))
    assert profile_for_brainflow("lab_cyton").id == "lab_cyton"
    assert profile_for_brainflow("cyton").id == "openbci_cyton", "ours are still there"


def test_a_lab_overrides_one_of_ours_by_its_file_name(tmp_path: Path) -> None:
    text = (ROOT / "firmware_profiles" / "openbci_cyton.toml").read_text()
    (tmp_path / "openbci_cyton.toml").write_text(text.replace('vendor = "OpenBCI"', 'vendor = "Lab"'))
    assert profile_for_brainflow("cyton", tmp_path).vendor == "Lab"


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("rate_hz = 250.0", "rate = 250.0", "rate"),
        ("rate_hz = 250.0", "rate_hz = -1.0", "rate_hz"),
        ("rate_hz = 250.0", "", "rate_hz"),
        ("n_channels = 8\n", "", "n_channels"),
        ('channels = "free"', 'channels = ["Fp1"]', "n_channels = 8, but channels names 1"),
        ('"C4", "P7"', '"C4", "Px7"', "'Px7' is no electrode"),
        ('id = "0403:6015"', 'id = "0403-6015"', "usb"),
        ("rails_uv = [-187500.0, 187500.0]", "rails_uv = [1.0, 0.0]", "lowest first"),
        ('verified = "descriptor"', 'verified = "yes"', "verified"),
        ('"counter"]', '"color"]', "color"),
        ('name = "obci_eeg', 'name = "obci_(eeg', "is no regular expression"),
        ('name = "cyton"', "name = cyton", "line 1"),
    ],
)
def test_a_profile_that_does_not_hold_names_file_and_field(tmp_path: Path, was: str, becomes: str, says: str) -> None:
    text = (ROOT / "firmware_profiles" / "openbci_cyton.toml").read_text()
    assert was in text
    (tmp_path / "broken.toml").write_text(text.replace(was, becomes, 1))
    with pytest.raises(ProfileError, match=re.escape(says)) as error:
        load_profiles(tmp_path)
    assert "broken.toml" in str(error.value)


def test_two_boards_of_one_name_are_refused(tmp_path: Path) -> None:
    shutil.copy(ROOT / "firmware_profiles" / "openbci_cyton.toml", tmp_path / "twin.toml")
    with pytest.raises(ProfileError, match="both answer to"):
        load_profiles(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="no-such-folder"):
        load_profiles(tmp_path / "no-such-folder")


def test_a_folder_of_profiles_that_is_not_there_is_named_with_what_named_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOCUSLOOP_PROFILES", str(tmp_path / "mine"))
    with pytest.raises(ProfileError, match=r"mine \(\$FOCUSLOOP_PROFILES\)"):
        load_profiles()


def test_the_source_tree_comes_before_the_installed_copy() -> None:
    assert profile_folders() == [ROOT / "firmware_profiles"]


def test_editing_a_profile_is_seen_at_once_in_an_editable_install(tmp_path: Path) -> None:
    """`shared-data` is copied at install and goes stale; the folder beside the packages must win."""
    shutil.copytree(ROOT / "bci", tmp_path / "bci", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "firmware_profiles", tmp_path / "firmware_profiles")
    stale = tmp_path / "prefix" / "share" / "focusloop"
    shutil.copytree(ROOT / "firmware_profiles", stale / "firmware_profiles")
    profile = tmp_path / "firmware_profiles" / "openbci_cyton.toml"
    code = (
        "import sysconfig\n"
        f"sysconfig.get_path = lambda name: {str(tmp_path / 'prefix')!r}\n"
        "from pathlib import Path\n"
        "from bci.profiles import load_profiles\n"
        "print(load_profiles()['openbci_cyton'].vendor)\n"
        f"Path({str(profile)!r}).write_text(Path({str(profile)!r}).read_text().replace('\"OpenBCI\"', '\"Edited\"'))\n"
        "print(load_profiles()['openbci_cyton'].vendor)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "FOCUSLOOP_PROFILES"} | {"PYTHONPATH": str(tmp_path)}
    # -P: not from the folder that we are in; the copy stands for a checkout that is installed editable.
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["OpenBCI", "Edited"]
