"""The timeline over real recordings, with what their devices and programs did to their stamps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from timed_streams import feed, joined, ramp, spec_of

from streaming.timeline import MEASURED, Timeline


def test_muse_recordings_go_through_whole(data_folder: Path) -> None:
    for path in sorted(data_folder.glob("muse-*/*.csv")):
        table = np.genfromtxt(path, delimiter=",", skip_header=1)
        timeline = Timeline(spec_of(4, 256.0))
        blocks = feed(timeline, table[:, 1:5].astype(np.float32), table[:, 0], list(range(0, len(table), 12)))
        _, times_s, state = joined(blocks)
        assert np.count_nonzero(state == MEASURED) == len(table), path.name
        assert np.abs(times_s - table[:, 0]).max() < 0.03, path.name
        assert timeline.report.effective_rate_hz == pytest.approx(256.0, rel=0.005), path.name
        long_gaps = np.count_nonzero(np.diff(table[:, 0]) > 1.0)
        assert timeline.report.resets == long_gaps, path.name
        assert timeline.report.repeated_stamps == np.count_nonzero(np.diff(table[:, 0]) == 0.0), path.name


def test_pupil_core_stamps_stay_bounded(data_folder: Path) -> None:
    path = data_folder / "gaze-pupilcore" / "lsl-recording.csv"
    stamps_s = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=0)
    rate_hz = (len(stamps_s) - 1) / (stamps_s[-1] - stamps_s[0])
    timeline = Timeline(spec_of(1, rate_hz))
    samples, times_s, state = joined(feed(timeline, ramp(len(stamps_s), 1), stamps_s))
    assert np.all(np.diff(times_s) > 0.0)
    assert np.count_nonzero(state == MEASURED) >= len(stamps_s) - 100
    assert timeline.report.backward_stamps == 36
    assert timeline.report.resets == 0
    assert len(samples) < 1.1 * len(stamps_s)


def test_openbci_loss_by_counter_is_bridged(data_folder: Path) -> None:
    from bci.files import read_recording

    for path in sorted(data_folder.glob("openbci-luab/*.txt"))[::5]:
        recording = read_recording(path)
        timeline = Timeline(recording.spec, columns=(0, 1))
        blocks = [block for chunk in recording.chunks(25) for block in timeline.process(chunk)]
        _, times_s, state = joined(blocks)
        lost = int(np.sum(np.diff(recording.sample_numbers) - 1))
        assert np.count_nonzero(state == MEASURED) == len(recording.stamps_s), path.name
        assert timeline.report.lost_samples == np.count_nonzero(state != MEASURED) == lost, path.name
        assert timeline.report.resets == 0, path.name
        assert np.all(np.diff(times_s) > 0.0), path.name


def test_a_senders_clock_that_jumps_is_survived(data_folder: Path) -> None:
    from bci.files import read_recording

    recording = read_recording(data_folder / "xdf-examples" / "clock_resets.xdf")
    timeline = Timeline(recording.spec, columns=range(len(recording.spec.channels)))
    blocks = [block for chunk in recording.chunks(32) for block in timeline.process(chunk)]
    assert len(joined(blocks)[0]) == len(recording.stamps_s)
    assert [b.reset for b in blocks if b.reset] == ["273.6 s of samples are missing"]
    # It came at 93 Hz where 100 was promised: followed, nothing invented.
    assert timeline.report.bridged_samples == 0
    assert timeline.report.effective_rate_hz == pytest.approx(92.6, abs=0.5)
