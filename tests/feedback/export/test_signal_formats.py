"""What is exported is read again with the field's own readers: samples, positions, gaps and events in their places."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mne
import mne_bids
import numpy as np
import pyarrow.parquet as pq
import pytest
from exported_sessions import LABELS, TASK, exported, recording, telling_chunks
from session_files import chunks, recorded, spec

from bci.types import Channel, Chunk, StreamSpec
from feedback.export.annotations import GAP

STEP_S = 0.0005
"""Events lie at the place of their sample; the stamps of the recordings jitter by 0.1 ms."""


def numbers_of(parts: list[Chunk]) -> np.ndarray:
    return np.concatenate([c.first_sample + np.arange(len(c)) for c in parts])


def samples_of(parts: list[Chunk]) -> np.ndarray:
    return np.concatenate([c.data for c in parts])


def one(folder: Path, pattern: str) -> Path:
    (found,) = folder.rglob(pattern)
    return found


def check_annotations(raw: mne.io.BaseRaw, labels: dict[float, str] = LABELS) -> None:
    said = [(a["onset"], a["description"]) for a in raw.annotations if a["description"] != GAP]
    assert [text for _, text in said] == list(labels.values())
    np.testing.assert_allclose([onset for onset, _ in said], list(labels), atol=STEP_S)


def check_gaps(raw: mne.io.BaseRaw, parts: list[Chunk]) -> None:
    """Every sample that the device counted and did not send lies in a gap, and no other does."""
    numbers = numbers_of(parts)
    lost = np.ones(numbers[-1] + 1, bool)
    lost[numbers] = False
    told = np.zeros(raw.n_times, bool)
    for a in raw.annotations:
        if a["description"] == GAP:
            begin = round(a["onset"] * raw.info["sfreq"])
            told[begin : begin + round(a["duration"] * raw.info["sfreq"])] = True
    np.testing.assert_array_equal(told[: lost.size], lost)
    assert told[lost.size :].all()


def test_fif_holds_each_sample_as_it_was_recorded(tmp_path: Path) -> None:
    parts = telling_chunks()
    folder = exported(recording(tmp_path), "fif").folder
    raw = mne.io.read_raw_fif(one(folder, "*_raw.fif"), verbose="error")
    np.testing.assert_allclose(raw.get_data()[:, numbers_of(parts)].T * 1e6, samples_of(parts), rtol=1e-6)
    check_annotations(raw)
    check_gaps(raw, parts)
    assert raw.get_channel_types() == ["eeg"] * 4
    at = raw.get_montage().get_positions()["ch_pos"]["Fp1"]
    np.testing.assert_allclose(at, [0.01, 0.02, 0.03], atol=1e-6)


def test_edf_holds_each_sample_within_half_a_step(tmp_path: Path) -> None:
    parts = telling_chunks()
    folder = exported(recording(tmp_path), "edf").folder
    raw = mne.io.read_raw_edf(one(folder, "*.edf"), verbose="error")
    samples = samples_of(parts)
    step_uv = (np.ptp(samples, axis=0) + 0.01) / 65535
    found = raw.get_data()[:, numbers_of(parts)].T * 1e6
    assert (np.abs(found - samples) <= 0.51 * step_uv).all()
    check_annotations(raw)
    check_gaps(raw, parts)


def test_bids_is_read_by_mne_bids_with_gaps_once_and_bad_channels(tmp_path: Path) -> None:
    parts = telling_chunks()
    folder = exported(recording(tmp_path), "bids").folder
    (path,) = mne_bids.find_matching_paths(folder, datatypes="eeg", extensions=".edf", ignore_nosub=True)
    raw = mne_bids.read_raw_bids(path, verbose="error")
    found = raw.get_data()[:, numbers_of(parts)].T * 1e6
    np.testing.assert_allclose(found, samples_of(parts), atol=0.002)
    check_annotations(raw)
    check_gaps(raw, parts)
    gaps = [a for a in raw.annotations if a["description"] == GAP]
    assert len(gaps) == len({a["onset"] for a in gaps})
    assert raw.info["bads"] == ["Fp2"]
    np.testing.assert_allclose(raw.get_montage().get_positions()["ch_pos"]["Fp1"], [0.01, 0.02, 0.03], atol=1e-6)
    header, *rows = one(folder, "*_beh.tsv").read_text("utf-8").splitlines()
    assert header.split("\t")[:6] == ["t_s", "run", "trial", "task", "block", "correct"]
    assert [row.split("\t")[2:6] for row in rows][:2] == [["0", TASK, "1", "true"], ["1", TASK, "1", "false"]]
    assert len(one(folder / "derivatives", "*_desc-scores_eeg.tsv").read_text("utf-8").splitlines()) == 102


@pytest.mark.parametrize("kind", ["everything", "two rates", "signal alone"])
def test_the_bids_validator_finds_no_error(tmp_path: Path, kind: str) -> None:
    if kind == "everything":
        path = recording(tmp_path)
    elif kind == "two rates":
        path = recording(tmp_path, telling_chunks() + chunks(200, of=spec(rate_hz=125.0, name="b"), start_s=109.0))
    else:
        path = recorded(tmp_path / "sessions", [c for c in chunks(100) if c.first_sample < 60])
    folder = exported(path, "bids").folder
    validator = Path(sys.executable).with_name("bids-validator-deno")
    said = subprocess.run([validator, folder, "--json"], capture_output=True, text=True, check=False)
    issues = json.loads(said.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []
    assert said.returncode == 0


def test_another_rate_is_another_run(tmp_path: Path) -> None:
    parts = telling_chunks()
    later = chunks(200, of=spec(rate_hz=125.0, name="b"), start_s=109.0)
    path = recording(tmp_path, parts + later)
    folder = exported(path, "fif").folder
    rates = [mne.io.read_raw_fif(p, verbose="error").info["sfreq"] for p in sorted(folder.glob("*run-*_raw.fif"))]
    assert rates == [250.0, 125.0]
    (second,) = folder.glob("*run-2_raw.fif")
    raw = mne.io.read_raw_fif(second, verbose="error")
    np.testing.assert_allclose(raw.get_data()[:, numbers_of(later)].T * 1e6, samples_of(later), rtol=1e-6)


def test_parquet_holds_samples_with_their_own_stamps_and_all_tables(tmp_path: Path) -> None:
    parts = telling_chunks()
    folder = exported(recording(tmp_path), "parquet").folder
    table = pq.read_table(one(folder, "*_samples-1.parquet"))
    stamps_s = np.concatenate([c.timestamps_s for c in parts])
    np.testing.assert_array_equal(table["t_s"].to_numpy(), stamps_s - stamps_s[0])
    np.testing.assert_array_equal(table["sample"].to_numpy(), numbers_of(parts))
    values = np.column_stack([table[label].to_numpy() for label in ("Fp1", "Fp2", "O1", "O2")])
    np.testing.assert_array_equal(values, samples_of(parts))
    events = pq.read_table(one(folder, "*_events.parquet")).to_pydict()
    assert events["label"] == list(LABELS.values())
    np.testing.assert_allclose(events["t_s"], list(LABELS), atol=STEP_S)
    trials = pq.read_table(one(folder, "*_trials.parquet")).to_pydict()
    assert (trials["task"], trials["correct"]) == ([TASK] * 4, [True, False, True, False])
    scores = pq.read_table(one(folder, "*_scores.parquet")).to_pydict()
    assert (len(scores["value"]), scores["value"][-1], scores["reason"][-1]) == (101, None, "no_data")


def test_labels_that_edf_cannot_hold_are_told(tmp_path: Path) -> None:
    channels = tuple(Channel(label) for label in ("前额 🧠", "前额 左", "A/B", "x" * 30))
    of = StreamSpec("cap", "Cap", "EEG", 250.0, channels, "Cap")
    done = exported(recording(tmp_path, chunks(60, of=of)), "edf")
    raw = mne.io.read_raw_edf(one(done.folder, "*.edf"), verbose="error")
    assert len(set(raw.ch_names)) == 4
    assert any("前额 🧠 →" in note for note in done.notes)
    bids = exported(tmp_path / "sessions" / "20261125T210000Z-p01-ab12.xdf", "bids").folder
    names = [line.split("\t")[0] for line in one(bids, "*_channels.tsv").read_text("utf-8").splitlines()[1:]]
    assert names == [c.label for c in channels]


def test_a_flat_channel_and_values_that_are_no_number_are_exported(tmp_path: Path) -> None:
    parts: list[Chunk] = []
    for number, part in enumerate(telling_chunks(60)):
        samples = part.data.copy()
        samples[:, 0] = 0.0
        if number == 5:
            samples[2, 1] = np.nan
        parts.append(replace(part, data=samples))
    done = exported(recording(tmp_path, parts), "edf")
    found = mne.io.read_raw_edf(one(done.folder, "*.edf"), verbose="error").get_data()
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0], 0.0, atol=1e-10)
    assert any("1 values were no number" in note for note in done.notes)
