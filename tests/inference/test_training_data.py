"""What data are refused, and what is said about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from generated_people import generated_person
from made_eeg import made_uv, stream_spec

from bci.errors import ConfigError
from bci.files.recording import Recording
from bci.types import Channel, StreamSpec
from inference.training.checks import check_corpus, check_pair
from inference.training.eegmat import read_eegmat
from inference.training.views import low_passed, re_referenced

SPEC = replace(stream_spec(), device="Subject00_1.edf", origin="file")


def recording(spec: StreamSpec = SPEC, gain: float = 1.0, seed: int = 0) -> Recording:
    uv = (gain * made_uv(len(spec.channels), 10.0, spec.nominal_rate_hz, seed)).astype(np.float32)
    n = len(uv)
    return Recording(spec, uv, np.arange(n) / spec.nominal_rate_hz, np.arange(n))


def with_holes() -> Recording:
    samples = recording().samples.copy()
    samples[100:200, 2] = np.nan
    return replace(recording(), samples=samples)


def renamed(*labels: str) -> StreamSpec:
    channels = tuple(Channel(label, position_m=None) for label in labels)
    return replace(SPEC, channels=channels)


@pytest.mark.parametrize(
    ("task", "says"),
    [
        (recording(replace(SPEC, nominal_rate_hz=500.0)), "rest at 250 Hz, task at 500 Hz"),
        (recording(renamed(*"abcdefgh")), "none of its channels"),
        (with_holes(), "100 values are missing"),
        (recording(gain=1e-3), "another unit"),
        (recording(gain=0.0), "the task stands still in most channels"),
        (recording(replace(SPEC, channels=SPEC.channels[::-1])), "their order"),
    ],
)
def test_a_rest_and_a_task_that_do_not_fit_together_are_refused(task: Recording, says: str) -> None:
    check_pair("Subject00", recording(seed=1), recording(seed=2))
    with pytest.raises(ConfigError, match=says):
        check_pair("Subject00", recording(seed=1), task)


def test_volts_taken_for_microvolts_are_refused() -> None:
    with pytest.raises(ConfigError, match="is the unit of the file µV"):
        check_pair("Subject00", recording(gain=1e-6), recording(gain=1e-6))


def test_people_that_nothing_can_be_learned_from_are_refused() -> None:
    people = [generated_person(seed) for seed in range(4)]
    check_corpus(people)
    with pytest.raises(ConfigError, match="1 person"):
        check_corpus(people[:1])
    with pytest.raises(ConfigError, match="listed twice"):
        check_corpus([*people[:3], people[0]])
    nothing = replace(people[0].rest, usable=np.zeros_like(people[0].rest.usable))
    with pytest.raises(ConfigError, match="nothing of the rest is usable"):
        check_corpus([replace(people[0], rest=nothing), *people[1:]])
    with pytest.raises(ConfigError, match=r"3\.0 s of task, a window alone is 4\.8 s: leave the person out"):
        check_corpus([*people[1:], generated_person(0, task_s=3.0)])


def test_a_person_without_a_rest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Subject00_1\.edf, the rest of Subject00, is missing"):
        read_eegmat(tmp_path, [0])


def test_re_referencing_takes_the_mean_of_the_frontal_two_away() -> None:
    one = recording()
    two = re_referenced(one, keep=("C3", "O1"))
    labels = [channel.label for channel in one.spec.channels]
    wanted = one.samples[:, labels.index("C3")] - one.samples[:, [0, 1]].mean(axis=1)
    assert [channel.label for channel in two.spec.channels] == ["C3", "O1"]
    np.testing.assert_allclose(two.samples[:, 0], wanted, atol=1e-3)


def test_low_passing_leaves_alpha_and_takes_muscle() -> None:
    t = np.arange(2500)[:, None] / 250.0
    tones = (np.sin(2 * np.pi * 10.0 * t) + np.sin(2 * np.pi * 45.0 * t)) * np.ones(8)
    filtered = low_passed(replace(recording(), samples=tones.astype(np.float32))).samples[1250:, 0]
    spectrum = np.abs(np.fft.rfft(filtered)) / 625.0
    assert spectrum[50] == pytest.approx(1.0, abs=0.05)
    assert spectrum[225] < 0.06
