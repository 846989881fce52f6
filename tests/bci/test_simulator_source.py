"""The simulator keeps the promises of a source, paced and unpaced, and gives the same samples however they are read."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from compliance import SourceCompliance, read_samples
from hypothesis import given, settings
from hypothesis import strategies as st

from bci.errors import ConfigError, SourceEndedError, UriError
from bci.registry import open_source
from bci.sources.simulator import Clock, ManualSimulator, SimulatorSource, simulator_source
from bci.types import Chunk
from bci.uri import parse_uri


def simulator(text: str, clock: Clock | None = None) -> SimulatorSource:
    return SimulatorSource(parse_uri(f"simulator:{text}"), clock=clock)


def read_to_end(source: SimulatorSource, sizes: list[int] | None = None) -> list[Chunk]:
    source.open()
    chunks: list[Chunk] = []
    asked = iter(sizes or [])
    while True:
        try:
            chunk = source.read(next(asked, 100), 0.2)
        except SourceEndedError:
            return chunks
        if chunk is not None:
            chunks.append(chunk)


def samples(chunks: list[Chunk]) -> np.ndarray:
    return np.concatenate([chunk.data for chunk in chunks])


def numbers(chunks: list[Chunk]) -> np.ndarray:
    return np.concatenate([np.arange(c.first_sample, c.first_sample + len(c)) for c in chunks])


@dataclass
class FakeClock:
    """A clock that only passes while somebody waits."""

    now: float = 1000.0
    step_s: float = 0.0

    def clock(self) -> Clock:
        return Clock(now_s=self.read, wait=self.wait)

    def read(self) -> float:
        self.now += self.step_s
        return self.now

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.now += seconds
        return event.is_set()


class TestPaced(SourceCompliance):
    @pytest.fixture
    def source(self) -> SimulatorSource:
        return simulator("focus")


class TestManual(SourceCompliance):
    @pytest.fixture
    def source(self) -> SimulatorSource:
        return simulator_source(parse_uri("simulator:manual"))


class TestUnpaced(SourceCompliance):
    live = False

    @pytest.fixture
    def source(self) -> SimulatorSource:
        return simulator("focus?speed=0")


class TestLossy(SourceCompliance):
    live = False
    samples = 20_000

    @pytest.fixture
    def source(self) -> SimulatorSource:
        return simulator("loss?speed=0")


@settings(deadline=None, max_examples=20)
@given(
    sizes=st.lists(st.integers(1, 1500), max_size=12), faults=st.sampled_from(["", "loss,pops", "off@2-5,jitter@3-9"])
)
def test_how_it_is_read_never_changes_a_sample(sizes: list[int], faults: str) -> None:
    uri = f"focus?speed=0&seconds=12&faults={faults}" if faults else "focus?speed=0&seconds=12"
    whole, pieces = read_to_end(simulator(uri)), read_to_end(simulator(uri), sizes)
    np.testing.assert_array_equal(numbers(pieces), numbers(whole))
    np.testing.assert_array_equal(samples(pieces), samples(whole))


def test_paced_samples_are_the_unpaced_ones() -> None:
    paced = read_to_end(simulator("focus?seconds=12&faults=loss", FakeClock().clock()), [1, 7, 10, 300])
    unpaced = read_to_end(simulator("focus?speed=0&seconds=12&faults=loss"))
    np.testing.assert_array_equal(samples(paced), samples(unpaced))
    np.testing.assert_array_equal(numbers(paced), numbers(unpaced))


def test_a_seed_is_a_person() -> None:
    one, same, other = (samples(read_to_end(simulator(f"focus?speed=0&seconds=4&seed={seed}"))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_a_fault_does_not_change_the_brain_underneath() -> None:
    clean = samples(read_to_end(simulator("focus?speed=0&seconds=8")))
    popped = samples(read_to_end(simulator("focus?speed=0&seconds=8&faults=line50:Fz@2-4")))
    np.testing.assert_array_equal(popped[:, [0, 1, 3, 4, 5, 6, 7]], clean[:, [0, 1, 3, 4, 5, 6, 7]])
    np.testing.assert_array_equal(popped[:500], clean[:500])
    np.testing.assert_array_equal(popped[1000:], clean[1000:])
    assert not np.allclose(popped[500:1000, 2], clean[500:1000, 2])


def test_samples_come_when_they_are_due_and_are_stamped_so() -> None:
    fake = FakeClock()
    source = simulator("focus", fake.clock())
    source.open()
    began = fake.now
    for i in range(1, 60):
        chunk = source.read(10, 0.2)
        assert chunk is not None
        np.testing.assert_allclose(chunk.timestamps_s, began + (chunk.first_sample + np.arange(len(chunk))) / 250.0)
        assert chunk.timestamps_s[-1] <= fake.now < chunk.timestamps_s[-1] + 0.002
        assert chunk.first_sample + len(chunk) == 10 * i


def test_speed_makes_stamps_denser_not_later() -> None:
    fake = FakeClock()
    source = simulator("focus?speed=4", fake.clock())
    source.open()
    chunk = source.read(1000, 5.0)
    assert chunk is not None
    assert np.diff(chunk.timestamps_s) == pytest.approx(1 / 1000)
    assert chunk.timestamps_s[-1] <= fake.now


def test_a_reader_that_was_away_loses_what_a_device_would_have_lost() -> None:
    fake = FakeClock()
    source = simulator("focus", fake.clock())
    source.open()
    before = source.read(10, 0.2)
    fake.now += 8 * 3600.0
    after = [source.read(10, 0.2) for _ in range(4)]
    assert before is not None
    newest = after[-1]
    assert newest is not None
    assert fake.now - newest.timestamps_s[-1] < 1.0
    assert source.status.lost_samples > 8 * 3600 * 240


def test_the_end_is_told_and_told_again() -> None:
    source = simulator("focus?speed=0&seconds=2")
    assert len(samples(read_to_end(source))) == 500
    assert source.status.state == "closed"
    with pytest.raises(SourceEndedError, match="after 2 s"):
        source.read(1, 0.0)


def test_it_can_be_opened_again_and_begins_anew() -> None:
    source = simulator("focus?speed=0&seconds=4")
    first, second = samples(read_to_end(source)), samples(read_to_end(source))
    np.testing.assert_array_equal(first, second)


def test_channels_span_the_head_and_a_montage_moves_them() -> None:
    spec = simulator("focus").spec
    assert [c.label for c in spec.channels] == ["Fp1", "Fp2", "Fz", "C3", "C4", "Pz", "O1", "O2"]
    assert len(spec.scored) == 8
    assert spec.origin == "simulator"
    muse = simulator("focus?montage=TP9,AF7,AF8,TP10").spec
    assert [c.label for c in muse.channels] == ["TP9", "AF7", "AF8", "TP10"]
    assert len(simulator("focus?channels=64").spec.scored) == 64


def test_free_electrodes_are_unassigned_until_somebody_says_where_they_are() -> None:
    assert simulator("focus?free=1").spec.unassigned
    placed = simulator("focus?free=1&montage=Fp1,Fp2").spec
    assert placed.scored == (0, 1)
    assert len(placed.channels) == 8


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nap", "focus"),
        ("focus?faults=earthquake", "off"),
        ("focus?faults=off@20-10", "ends before"),
        ("focus?faults=pops:Oz", "Fp1"),
        ("focus?channels=65", "channels=65"),
        ("focus?montage=Xx1", "Xx1"),
        ("focus?colour=red", "colour"),
        ("focus?attention=1", "attention"),
        ("focus?rate=nan", "rate=nan"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_would(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        simulator(text)


def test_the_registry_gives_a_manual_simulator_for_manual() -> None:
    assert isinstance(open_source("simulator:manual?attention=0.2"), ManualSimulator)
    assert not isinstance(open_source("simulator:focus"), ManualSimulator)


def test_a_manual_simulator_follows_hands_of_another_thread() -> None:
    source = ManualSimulator(parse_uri("simulator:manual"))
    source.open()
    try:
        read_samples(source, 64)
        setter = threading.Thread(target=lambda: (source.set_attention(1.0), source.set_fault("unassigned")))
        setter.start()
        setter.join()
        freed = next(c for c in (source.read(10, 0.2) for _ in range(50)) if c is not None and c.spec.unassigned)
        assert freed.spec is source.spec
        source.set_fault(None)
        back = next(c for c in (source.read(10, 0.2) for _ in range(50)) if c is not None and not c.spec.unassigned)
        assert back.first_sample > freed.first_sample
        assert source.status.lost_samples == 0
    finally:
        source.close()


def test_manual_spans_count_from_the_moment_of_setting() -> None:
    source = ManualSimulator(parse_uri("simulator:manual?speed=0"))
    source.open()
    read_samples(source, 2500)
    source.set_fault("gap@1-3")
    chunks = read_samples(source, 1500)
    jumps = [later.first_sample - (c.first_sample + len(c)) for c, later in pairwise(chunks)]
    assert max(jumps) == 500
    assert source.status.lost_samples == 500


def test_a_manual_simulator_that_is_silent_gives_nothing_and_then_goes_on() -> None:
    fake = FakeClock()
    source = ManualSimulator(parse_uri("simulator:manual?faults=no_data"), clock=fake.clock())
    source.open()
    assert source.read(10, 3.0) is None
    source.set_fault(None)
    chunk = source.read(10, 1.0)
    assert chunk is not None
    assert chunk.first_sample >= 750
    assert source.status.lost_samples == chunk.first_sample


def test_a_slider_out_of_range_and_an_unknown_fault_change_nothing() -> None:
    source = ManualSimulator(parse_uri("simulator:manual"))
    with pytest.raises(ValueError, match="0 to 1"):
        source.set_attention(1.2)
    with pytest.raises(UriError, match="not_worn"):
        source.set_fault("boredom")
