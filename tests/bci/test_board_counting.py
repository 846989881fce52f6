"""Lost samples are told from packet numbers, whatever was lost and however it was cut into polls."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bci.boards.counting import PacketCounter
from bci.boards.stamps import BoardClock
from bci.clock import ClockAnchor
from bci.firmware_profile import Counter

RATE_HZ = 250.0


def made(n: int, counter: Counter) -> tuple[np.ndarray, np.ndarray]:
    """Number and stamp of n samples of which none is lost."""
    packets = np.arange(n) // counter.samples * counter.step
    numbers = packets % counter.modulus if counter.modulus else packets
    return numbers.astype(float), 1e9 + np.arange(n) / RATE_HZ


def lost_before(counter: Counter, numbers: np.ndarray, stamps: np.ndarray, cuts: list[int]) -> list[int]:
    """Missing before each sample, read in polls that end at the cuts."""
    packet_counter = PacketCounter(counter, RATE_HZ)
    edges = sorted({0, len(numbers), *(c for c in cuts if 0 < c < len(numbers))})
    out: list[int] = []
    for start, stop in itertools.pairwise(edges):
        out += packet_counter.missing(numbers[start:stop], stamps[start:stop]).tolist()
    return out


@given(
    st.sampled_from([Counter(modulus=256), Counter(modulus=256, step=2), Counter(), Counter(modulus=4096, samples=12)]),
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 110)), min_size=1, max_size=12),
    st.lists(st.integers(1, 2000), max_size=6),
)
def test_what_was_lost_is_counted_before_the_sample_that_follows(
    counter: Counter, runs: list[tuple[int, int]], cuts: list[int]
) -> None:
    """Whole packets arrive and are lost in turns, fewer at once than the counter has numbers."""
    kept: list[int] = []
    expected: list[int] = []
    packet, lost = 0, 0
    for arrive, lose in runs:
        for k in range(arrive * counter.samples):
            kept.append(packet * counter.samples + k)
            expected.append(lost * counter.samples if k == 0 and len(kept) > 1 else 0)
        packet += arrive + lose
        lost = lose
    numbers, stamps = made((packet + 1) * counter.samples, counter)
    assert lost_before(counter, numbers[kept], stamps[kept], cuts) == expected


@pytest.mark.parametrize("lost", [255, 256, 257, 300, 511, 512, 700, 5000])
def test_more_than_a_round_of_the_counter_is_told_with_the_stamps(lost: int) -> None:
    counter = Counter(modulus=256)
    numbers, stamps = made(100 + lost + 50, counter)
    kept = [*range(100), *range(100 + lost, 100 + lost + 50)]
    assert lost_before(counter, numbers[kept], stamps[kept], [100])[100] == lost


def test_a_stall_that_ends_in_a_burst_loses_nothing() -> None:
    """The radio caught up: stamps of arrival jump by two seconds, then 500 samples have the same one."""
    counter = Counter(modulus=256)
    numbers, stamps = made(1000, counter)
    stamps[300:800] = stamps[800]
    assert sum(lost_before(counter, numbers, stamps, [300, 800])) == 0


def test_a_clock_that_is_set_loses_nothing() -> None:
    counter = Counter(modulus=256)
    numbers, stamps = made(200, counter)
    stamps[100:] += 3600.0
    assert sum(lost_before(counter, numbers, stamps, [50, 150])) == 0


def test_a_board_that_starts_to_count_anew_loses_nothing() -> None:
    packet_counter = PacketCounter(Counter(), RATE_HZ)
    assert packet_counter.missing(np.array([7.0, 8.0]), np.array([1.0, 1.004])).tolist() == [0, 0]
    assert packet_counter.missing(np.array([0.0, 1.0]), np.array([1.008, 1.012])).tolist() == [0, 0]
    packet_counter.reset()
    assert packet_counter.missing(np.array([90.0]), np.array([2.0])).tolist() == [0]


class Clocks:
    """Both clocks of a machine, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.unix_s, self.lsl_s = 1e9, 5000.0
        monkeypatch.setattr(ClockAnchor, "now", classmethod(lambda cls: cls(self.unix_s, self.lsl_s)))

    def pass_by(self, seconds: float) -> None:
        self.unix_s += seconds
        self.lsl_s += seconds


def test_stamps_of_this_machine_follow_its_unix_clock_when_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    clock = BoardClock("host")
    for second in range(20):
        if second == 10:
            clocks.unix_s -= 3600.0
        clocks.pass_by(1.0)
        stamps = clock.to_lsl(clocks.unix_s - np.arange(4)[::-1] / 250)
        np.testing.assert_allclose(stamps, clocks.lsl_s - np.arange(4)[::-1] / 250, atol=1e-6)
    assert clock.steps == 1


def test_a_unix_clock_that_is_slewed_bends_the_stamps_and_never_steps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    clock = BoardClock("host")
    steps: list[float] = []
    last = None
    for _ in range(500):
        clocks.pass_by(0.04)
        clocks.unix_s += 0.04 * 3e-4  # NTP corrects
        stamps = clock.to_lsl(clocks.unix_s - np.arange(10)[::-1] / 250)
        steps += np.diff(stamps if last is None else [last, *stamps]).tolist()
        last = stamps[-1]
    assert clock.steps == 0
    np.testing.assert_allclose(steps, 0.004, atol=2e-5)
    assert abs(last - clocks.lsl_s) < 1e-4


def test_stamps_of_a_headset_take_the_smallest_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network adds 5 to 105 ms; the headset's own clock is 40 s off."""
    clocks = Clocks(monkeypatch)
    clock = BoardClock("device")
    rng = np.random.default_rng(1)
    for _ in range(200):
        clocks.pass_by(0.5)
        stamp_s = clocks.lsl_s - 0.005 - rng.uniform(0, 0.1)
        mapped = clock.to_lsl(np.array([stamp_s + 40.0]))
    error_s = mapped[0] - stamp_s
    assert clock.steps == 0
    assert 0.0 <= error_s < 0.04
