"""By default nothing in an export tells who it is of, and a person's sessions stay together."""

from __future__ import annotations

import json
import os
from pathlib import Path

import mne
import mne._fiff.write
import numpy as np
import pytest
from exported_sessions import PERSON, SERIAL, exported, recording

from bci.errors import FileFormatError
from feedback.export import FORMATS
from feedback.export.identity import KEYS

TELLING = (PERSON, "Zoë", SERIAL, "1A2B", "2026-11-25", "20261125", "25-NOV-2026", "25.11.26")
SECOND = {"session": "20261128T210000Z-p01-cd34", "started": "2026-11-28T21:00:00+00:00", "unix_s": "1795899600.5"}


def about(folder: Path) -> dict[str, str]:
    return json.loads((folder / "focusloop-export.json").read_text("utf-8"))


@pytest.mark.parametrize("to", FORMATS)
def test_nothing_tells_who_when_or_with_which_device(tmp_path: Path, to: str) -> None:
    folder = exported(recording(tmp_path), to).folder
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for telling in TELLING:
            assert telling.encode() not in content, (path, telling)
            assert telling not in str(path.relative_to(folder))


def test_fif_does_not_hold_the_address_of_the_machine_that_wrote_it(tmp_path: Path) -> None:
    (path,) = exported(recording(tmp_path), "fif").folder.glob("*.fif")
    address = np.asarray(mne._fiff.write.get_machid(), ">i4").tobytes()
    assert address not in path.read_bytes()
    info = mne.io.read_raw_fif(path, verbose="error").info
    assert not info["file_id"]["machid"].any()
    assert not info["meas_id"]["machid"].any()


def test_the_sessions_of_a_person_keep_their_distance_and_their_code(tmp_path: Path) -> None:
    first = about(exported(recording(tmp_path), "csv").folder)
    second = about(exported(recording(tmp_path, header=SECOND), "csv", tmp_path / "second").folder)
    assert first["participant"] == second["participant"]
    assert first["session"] != second["session"]
    moments = [np.datetime64(one["start"][:23]) for one in (first, second)]
    assert moments[1] - moments[0] == np.timedelta64(3, "D")
    assert np.datetime64("1905-01-01") <= moments[0] < np.datetime64("1925-01-01")
    assert str(moments[0])[10:] == "T21:00:00.500"


def test_two_people_have_codes_and_shifts_of_their_own(tmp_path: Path) -> None:
    for number in range(2):
        exported(
            recording(tmp_path, header={"participant": f"p{number}", "session": f"s{number}"}),
            "csv",
            tmp_path / str(number),
        )
    keys = json.loads((tmp_path / KEYS).read_text("utf-8"))
    assert len({key["code"] for key in keys.values()}) == len(keys) == 2
    if os.name == "posix":
        assert (tmp_path / KEYS).stat().st_mode & 0o077 == 0


def test_identified_keeps_everything(tmp_path: Path) -> None:
    folder = exported(recording(tmp_path, header={"participant": "p01"}), "edf", identified=True).folder
    said = about(folder)
    assert (said["participant"], said["session"]) == ("p01", "20261125T210000Zp01ab12")
    assert said["start"] == "2026-11-25T21:00:00.500+00:00"
    assert said["streams"][0]["device"] == f"Muse S {SERIAL}"
    (path,) = folder.glob("*.edf")
    raw = mne.io.read_raw_edf(path, verbose="error")
    assert raw.info["meas_date"].isoformat(timespec="seconds") == "2026-11-25T21:00:00+00:00"
    assert not (tmp_path / KEYS).exists()


def test_a_name_without_a_letter_that_bids_takes_becomes_a_code(tmp_path: Path) -> None:
    folder = exported(recording(tmp_path, header={"participant": "李 🧠"}), "bids", identified=True).folder
    (subject,) = folder.glob("sub-*")
    assert subject.name.removeprefix("sub-").isalnum()


def test_damaged_codes_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / KEYS).write_text("{")
    with pytest.raises(FileFormatError, match="is damaged; restore it"):
        exported(recording(tmp_path), "csv")
    assert (tmp_path / KEYS).read_text() == "{"
    assert not (tmp_path / "csv").exists()
