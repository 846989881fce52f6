from __future__ import annotations

from dataclasses import replace

import pytest

from bci.errors import UnsupportedStreamError
from bci.limits import check_scorable
from bci.montage import eeg_channel
from bci.types import Channel, StreamSpec

CAP = StreamSpec("id", "Cap", "EEG", 250.0, tuple(map(eeg_channel, ("Fp1", "Fp2", "O1", "O2"))), "Cap 4")


def eeg(n: int) -> tuple[Channel, ...]:
    return tuple(Channel(f"ch{i}") for i in range(n))


@pytest.mark.parametrize("rate_hz", [100.0, 128.0, 250.0, 4096.0])
def test_rates_of_amplifiers_are_accepted(rate_hz: float) -> None:
    check_scorable(replace(CAP, nominal_rate_hz=rate_hz))


@pytest.mark.parametrize("n", [1, 2, 64, 256])
def test_channel_counts_of_caps_are_accepted(n: int) -> None:
    check_scorable(replace(CAP, channels=eeg(n)))


def test_auxiliary_channels_do_not_count() -> None:
    check_scorable(replace(CAP, channels=eeg(250) + tuple(Channel(f"aux{i}", "aux", "") for i in range(50))))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (replace(CAP, channels=()), "no channels"),
        (replace(CAP, channels=eeg(300)), "300 EEG channels, at most 256"),
        (replace(CAP, channels=(Channel("ECG", "ecg"), Channel("x", "aux"))), "none of its 2 channels is EEG"),
        (replace(CAP, nominal_rate_hz=0.0), "irregular"),
        (replace(CAP, nominal_rate_hz=50.0), "50 Hz, 100 to 4096 Hz are needed"),
        (replace(CAP, nominal_rate_hz=20_000.0), "20000 Hz"),
        (replace(CAP, nominal_rate_hz=float("nan")), "nan"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_one_sentence(spec: StreamSpec, says: str) -> None:
    with pytest.raises(UnsupportedStreamError, match=says) as error:
        check_scorable(spec)
    assert "Cap 4" in str(error.value)
    assert "\n" not in str(error.value)


def test_free_electrodes_are_no_error() -> None:
    spec = replace(CAP, channels=eeg(8))
    assert spec.unassigned
    check_scorable(spec)
