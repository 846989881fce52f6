"""Each fault shows in the samples, stamps and numbers where it should, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from bci.errors import SourceEndedError, UriError
from bci.simulator.faults import FAULTS, REASONS, Fault, parse_faults
from bci.simulator.scenarios import SCENARIOS
from bci.simulator.transport import PACKET_SAMPLES
from bci.sources.simulator import SimulatorSource
from bci.types import Chunk
from bci.uri import parse_uri

RATE_HZ = 250
ON = slice(21 * RATE_HZ, 39 * RATE_HZ)
BEFORE = slice(0, 20 * RATE_HZ)
LONG_AFTER = slice(45 * RATE_HZ, 60 * RATE_HZ)
FP1, FZ, C3, O1 = 0, 2, 3, 6


def chunks_of(faults: str, query: str = "") -> list[Chunk]:
    query += f"&faults={faults}" if faults else ""
    source = SimulatorSource(parse_uri(f"simulator:focus?speed=0&seconds=60{query}"))
    source.open()
    chunks: list[Chunk] = []
    while True:
        try:
            chunk = source.read(500, 1.0)
        except SourceEndedError:
            return chunks
        if chunk is not None:
            chunks.append(chunk)


def record(faults: str, query: str = "") -> NDArray[np.float64]:
    return np.concatenate([chunk.data for chunk in chunks_of(faults, query)]).astype(np.float64)


def band(samples: NDArray[np.float64], low_hz: float, high_hz: float) -> NDArray[np.float64]:
    """Rms per channel within a band, µV."""
    sos = butter(4, [low_hz, high_hz], "bandpass", fs=RATE_HZ, output="sos")
    return np.asarray(sosfiltfilt(sos, samples, axis=0)).std(axis=0)


def numbers(chunks: list[Chunk]) -> NDArray[np.int64]:
    return np.concatenate([np.arange(c.first_sample, c.first_sample + len(c)) for c in chunks])


@pytest.mark.parametrize("fault", [f for f in FAULTS if f not in {"gap", "loss"}])
def test_a_fault_leaves_what_came_before_it_alone(fault: str) -> None:
    np.testing.assert_array_equal(record(f"{fault}@20-40")[BEFORE], record("")[BEFORE])


def test_off_the_head_there_is_hum_and_drift_and_rails_but_no_eeg() -> None:
    samples = record("off@20-40")
    at_rails = (np.abs(samples[ON]) >= 187_400).mean(axis=0)
    assert ((at_rails > 0.9) | (at_rails < 0.1)).all()
    assert 1 <= (at_rails > 0.9).sum() <= 4
    free = samples[ON][:, at_rails < 0.1]
    assert (band(free, 49, 51) > 1000).all()
    assert (np.ptp(free, axis=0) > 2000).all()
    np.testing.assert_allclose(band(samples[LONG_AFTER], 1, 45), band(record("")[LONG_AFTER], 1, 45), rtol=0.05)


def test_rails_and_shorts_touch_only_the_electrodes_named() -> None:
    samples, clean = record("rails:Fp1@20-40,flat:o1@20-40"), record("")
    assert (np.abs(samples[ON, FP1]) == 187_500).all()
    assert band(samples[ON], 1, 45)[O1] < 0.3
    others = [i for i in range(8) if i not in {FP1, O1}]
    np.testing.assert_array_equal(samples[:, others], clean[:, others])


def test_poor_contact_is_most_of_the_headset_and_not_all_of_it() -> None:
    rms = band(record("contact@20-40")[ON], 1, 45)
    bad = rms > 100
    assert 0.5 < bad.mean() < 0.7
    assert (rms[~bad] < 40).all()


@pytest.mark.parametrize("mains_hz", [50, 60])
def test_hum_is_at_its_frequency(mains_hz: int) -> None:
    samples = record(f"line{mains_hz}")
    other = 110 - mains_hz
    assert (band(samples, mains_hz - 1, mains_hz + 1) > 10).all()
    assert (band(samples, other - 1, other + 1) < 2).all()


def test_muscle_is_fast_and_temporal() -> None:
    samples = record("emg", "&montage=T7,T8,Cz,Oz")
    fast = band(samples, 30, 110)
    assert fast[0] > 5 * fast[2]
    clenched = band(record("clench"), 30, 110)
    assert (clenched > 15).all()


def test_pops_are_steps_of_single_electrodes() -> None:
    samples, clean = record("pops"), record("")
    added = np.diff(samples - clean, axis=0)
    steps = np.abs(added) > 45
    assert 60 < steps.sum() < 400
    assert (np.abs(added[steps]) < 320).all()
    assert (steps.sum(axis=1) <= 2).all()


def test_drift_is_slow() -> None:
    added = record("drift") - record("")
    assert (added.std(axis=0) > 100).all()
    assert (band(added, 4, 45) < 3).all()


def test_more_blinks_and_none_behind_closed_eyes() -> None:
    many, closed, clean = record("blinks"), record("eyes-closed"), record("")
    slow = [band(x, 0.5, 8)[FP1] for x in (closed, clean, many)]
    assert slow[0] < slow[1] < slow[2]


def test_spindles_are_a_spectrum_of_their_own_without_artefact() -> None:
    samples, clean = record("spindles"), record("")
    assert (band(samples, 13, 18) > 4 * band(clean, 13, 18)).all()
    assert np.abs(samples - samples.mean(axis=0))[:, FZ:].max() < 300


def test_gaps_are_lost_and_counted() -> None:
    chunks = chunks_of("gap@10-12,gap@30-30.1")
    missing = np.setdiff1d(np.arange(60 * RATE_HZ), numbers(chunks))
    np.testing.assert_array_equal(missing, np.r_[2500:3000, 7500:7525])
    whole = record("")
    np.testing.assert_array_equal(np.concatenate([c.data for c in chunks]), whole[numbers(chunks)])


def test_loss_is_mostly_short() -> None:
    here = numbers(chunks_of("loss"))
    holes = np.diff(here)[np.diff(here) > 1] - 1
    assert holes.size > 4
    assert np.median(holes) < 0.1 * RATE_HZ
    assert holes.max() <= 0.5 * RATE_HZ + 2


def test_jitter_stamps_whole_packets_late_and_never_backwards() -> None:
    chunks = chunks_of("jitter")
    stamps = np.concatenate([c.timestamps_s for c in chunks])
    packets = stamps[: stamps.size // PACKET_SAMPLES * PACKET_SAMPLES].reshape(-1, PACKET_SAMPLES)
    assert (packets == packets[:, :1]).all()
    assert (np.diff(packets[:, 0]) > 0).all()
    late_s = packets[:, -1] - packets[0, -1] - np.arange(len(packets)) * PACKET_SAMPLES / RATE_HZ
    assert 0.005 < np.ptp(late_s) < 0.05


def test_a_fast_clock_gives_samples_faster() -> None:
    stamps = np.concatenate([c.timestamps_s for c in chunks_of("clock-drift")])
    assert 1.0 / np.diff(stamps).mean() == pytest.approx(251.0, abs=0.05)


def test_faults_add_up_and_several_spans_of_one_join() -> None:
    samples = record("line50:Fz@0-10,line50:C3@20-30,flat:O1@5-6")
    clean = record("")
    changed = np.abs(samples - clean) > 1
    assert changed[: 10 * RATE_HZ, FZ].mean() > 0.8
    assert not changed[10 * RATE_HZ :, FZ].any()
    assert not changed[: 20 * RATE_HZ, C3].any()
    assert changed[20 * RATE_HZ : 30 * RATE_HZ, C3].mean() > 0.8


def test_the_language_of_faults() -> None:
    assert parse_faults("off@20-35, pops@50-55") == (Fault("off", (), 20, 35), Fault("pops", (), 50, 55))
    assert parse_faults("rails:Fp1.Fp2@2-") == (Fault("rails", ("Fp1", "Fp2"), 2),)
    assert parse_faults("eyes_closed@30-60/60") == (Fault("eyes-closed", (), 30, 60, 60),)
    assert parse_faults("") == ()


@pytest.mark.parametrize(
    "text", ["off@", "off@5", "off@9-3", "off@a-b", "quake", "OFF", "off@1-2/1", "off@1-2-3", ":Fp1", "@1-2"]
)
def test_what_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(UriError):
        parse_faults(text)


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_the_contract_has_a_fault(reason: str) -> None:
    assert parse_faults(reason)


@pytest.mark.parametrize("name", SCENARIOS)
def test_faults_of_scenarios_can_be_read(name: str) -> None:
    parse_faults(SCENARIOS[name].faults)


@given(
    start_s=st.floats(0, 100),
    length_s=st.floats(0.001, 50),
    since_s=st.floats(0, 1e4),
    t_s=st.lists(st.floats(0, 2e4), min_size=1, max_size=20),
)
def test_a_span_holds_inside_itself_alone(start_s: float, length_s: float, since_s: float, t_s: list[float]) -> None:
    fault = Fault("off", (), start_s, start_s + length_s, None, since_s)
    moments = np.array(t_s)
    inside = (moments - since_s >= start_s) & (moments - since_s < start_s + length_s)
    np.testing.assert_array_equal(fault.active(moments), inside)
