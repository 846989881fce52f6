"""The LSL adapter over real outlets of this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pylsl
import pytest
from compliance import Parked, SourceCompliance, read_samples
from lsl_outlets import Announcement, PacedOutlet, fresh_id

from bci.clock import lsl_now_s
from bci.errors import (
    UnsupportedStreamError,
)
from bci.limits import check_scorable
from bci.registry import open_source
from bci.source import Source
from bci.types import Chunk


def lsl(announcement: Announcement, **more: str) -> Source:
    query = "".join(f"&{k}={v}" for k, v in more.items())
    return open_source(f"lsl:source_id={announcement.source_id}{query}")


def all_of(chunks: list[Chunk]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([c.data for c in chunks]), np.concatenate([c.timestamps_s for c in chunks])


@pytest.fixture(scope="module")
def announcement() -> Iterator[Announcement]:
    announcement = Announcement()
    with PacedOutlet(announcement):
        yield announcement


class TestLslCompliance(SourceCompliance):
    @pytest.fixture
    def source(self, announcement: Announcement) -> Iterator[Source]:
        source = lsl(announcement)
        yield source
        source.close()

    @pytest.fixture
    def missing(self) -> Source:
        return open_source(f"lsl:source_id={fresh_id()}")


class TestTakenLslCompliance(TestLslCompliance):
    @pytest.fixture
    def source(self, announcement: Announcement) -> Iterator[Source]:
        source = Parked(lsl(announcement))
        yield source
        source.close()

    def test_what_has_come_is_taken_without_waiting(self, source: Source) -> None:
        assert isinstance(source, Parked)
        source.open()
        read_samples(source, 500, min_samples=10)
        assert source.n_taken >= 10

    def test_what_waits_is_counted_until_it_is_taken(self, source: Source) -> None:
        assert isinstance(source, Parked)
        source.open()
        read_samples(source, 20, min_samples=10)
        deadline_s = time.monotonic() + 20.0
        while (waiting := source.takeable.waiting) < 30:
            assert time.monotonic() < deadline_s
        chunk = source.takeable.take(10, lsl_now_s())
        assert chunk is not None
        assert len(chunk) >= waiting
        source.close()
        assert source.takeable.waiting == 0


class TestSamples:
    def test_no_sample_is_lost_repeated_or_changed(self) -> None:
        with PacedOutlet(a := Announcement()):
            source = lsl(a)
            source.open()
            values, stamps = all_of(read_samples(source, 500, min_samples=10))
            source.close()
        counter = values[:, 0]
        np.testing.assert_array_equal(np.diff(counter) % 1000.0, 1.0)
        np.testing.assert_array_equal(values, counter[:, None] + 1000.0 * np.arange(4))
        assert np.all(np.diff(stamps) > 0.0)

    @pytest.mark.parametrize("number_format", ["float32", "double64", "int8", "int16", "int32", "int64"])
    def test_every_number_format_becomes_microvolts(self, number_format: str) -> None:
        a = Announcement(number_format=number_format, units=("mV",) * 4)
        with PacedOutlet(a, lambda _k, n: list(range(1, n + 1))):
            source = lsl(a)
            source.open()
            values, _ = all_of(read_samples(source, 10))
            source.close()
        np.testing.assert_array_equal(values, np.tile([1000.0, 2000.0, 3000.0, 4000.0], (len(values), 1)))

    def test_volts_keep_their_precision(self) -> None:
        """50 mV of offset with 0.1 µV of signal, in volts as double64."""
        a = Announcement(number_format="double64", units=("V",) * 4)
        with PacedOutlet(a, lambda _k, n: [0.05 + 1e-7] * n):
            source = lsl(a)
            source.open()
            values, _ = all_of(read_samples(source, 10))
            source.close()
        np.testing.assert_allclose(values, 50_000.1, atol=0.004)

    @pytest.mark.parametrize("number_format", ["float32", "double64"])
    def test_what_is_no_number_becomes_nan_and_is_counted(self, number_format: str) -> None:
        bad = {0: float("nan"), 1: float("inf"), 2: float("-inf")}
        if number_format == "double64":
            bad[3] = 1e300  # more than float32 holds
        a = Announcement(number_format=number_format)
        with PacedOutlet(a, lambda k, n: [bad.get(k % 10, 1.0)] + [2.0] * (n - 1)):
            source = lsl(a)
            source.open()
            values, stamps = all_of(read_samples(source, 200))
            status = source.status
            source.close()
        assert not np.isinf(values).any()
        assert status.repaired_samples == np.isnan(values).any(axis=1).sum() > 0
        np.testing.assert_array_equal(values[:, 1:], 2.0)
        assert np.isfinite(stamps).all()

    def test_an_irregular_stream_comes_as_it_comes(self) -> None:
        a = Announcement(kind="Gaze", rate_hz=0.0, labels=("x", "y", "z", "w"), units=())
        with PacedOutlet(a, pace_hz=40.0):
            source = lsl(a)
            assert source.open().nominal_rate_hz == 0.0
            values, _ = all_of(read_samples(source, 20))
            source.close()
        np.testing.assert_array_equal(np.diff(values[:, 0]) % 1000.0, 1.0)

    def test_text_is_refused_at_once(self) -> None:
        info = pylsl.StreamInfo("Words", "Markers", 1, 0.0, "string", fresh_id())
        outlet = pylsl.StreamOutlet(info)
        with pytest.raises(UnsupportedStreamError, match="holds text, not samples"):
            open_source(f"lsl:source_id={info.source_id()}").open()
        del outlet

    def test_an_outlet_without_channels_is_refused(self) -> None:
        info = pylsl.StreamInfo("Nothing", "EEG", 0, 250.0, "float32", fresh_id())
        outlet = pylsl.StreamOutlet(info)
        with pytest.raises(UnsupportedStreamError, match="no channels"):
            open_source(f"lsl:source_id={info.source_id()}").open()
        del outlet

    @pytest.mark.parametrize(
        ("n_channels", "rate_hz", "kind", "says"),
        [
            (1, 250.0, "EEG", ""),
            (300, 250.0, "EEG", "300 EEG channels"),
            (4, 0.0, "EEG", "irregular"),
            (4, 50.0, "EEG", "50 Hz"),
            (4, 20_000.0, "EEG", "20000 Hz"),
            (3, 100.0, "Gaze", "none of its 3 channels is EEG"),
        ],
    )
    def test_streams_of_every_shape_are_read_and_judged(
        self, n_channels: int, rate_hz: float, kind: str, says: str
    ) -> None:
        a = Announcement(kind=kind, n_channels=n_channels, rate_hz=rate_hz, labels=(), units=())
        with PacedOutlet(a, pace_hz=100.0):
            source = lsl(a)
            spec = source.open()
            values, _ = all_of(read_samples(source, 5))
            source.close()
        assert values.shape[1] == n_channels
        if not says:
            check_scorable(spec)
            return
        with pytest.raises(UnsupportedStreamError, match=says):
            check_scorable(spec)

    def test_an_assumed_unit_is_told_in_the_status(self) -> None:
        with PacedOutlet(a := Announcement(units=())):
            source = lsl(a)
            source.open()
            assert source.status.detail == "no unit is stated, µV is assumed"
            source.close()

    def test_a_montage_of_the_uri_is_used(self) -> None:
        with PacedOutlet(a := Announcement(labels=(), name="Board")):
            source = lsl(a, montage="Fz,-,Pz,Oz")
            spec = source.open()
            source.close()
        assert [spec.channels[i].label for i in spec.scored] == ["Fz", "Pz", "Oz"]


class TestStamps:
    def test_samples_of_this_host_keep_their_stamps(self) -> None:
        with PacedOutlet(a := Announcement()):
            source = lsl(a)
            source.open()
            chunks = read_samples(source, 100, min_samples=10)
            delay_s = lsl_now_s() - chunks[-1].timestamps_s[-1]
            source.close()
        assert -0.001 < delay_s < 1.0

    def test_unix_stamps_are_placed_on_the_hosts_clock(self) -> None:
        """muselsl's default."""
        a = Announcement()
        with PacedOutlet(a, stamp=lambda _k, _now: time.time()):
            source = lsl(a)
            source.open()
            _, stamps = all_of(read_samples(source, 250, min_samples=10))
            assert abs(lsl_now_s() - stamps[-1]) < 1.0
            assert "arrival" in source.status.detail
            source.close()

    def test_a_clock_that_jumps_by_an_hour_does_not_take_the_stream_along(self) -> None:
        a = Announcement()
        with PacedOutlet(a, stamp=lambda k, now_s: now_s + 3600.0 * (k // 250 % 2)):
            source = lsl(a)
            source.open()
            _, stamps = all_of(read_samples(source, 800, min_samples=10))
            assert source.status.clock_steps >= 2
            assert abs(lsl_now_s() - stamps[-1]) < 1.0
            source.close()
        assert np.ptp(stamps) < 30.0

    def test_stamps_that_are_no_numbers_are_filled_in(self) -> None:
        a = Announcement()
        with PacedOutlet(a, stamp=lambda k, now_s: float("nan") if k % 50 == 0 else now_s):
            source = lsl(a)
            source.open()
            _, stamps = all_of(read_samples(source, 200))
            assert source.status.repaired_samples > 0
            source.close()
        assert np.isfinite(stamps).all()


class TestFlood:
    @pytest.mark.parametrize("drive", [lambda source: source, Parked], ids=["read", "taken"])
    def test_a_flood_is_bounded_counted_and_named(self, drive: Callable[[Source], Source]) -> None:
        """A hundred times what was promised."""
        a = Announcement(rate_hz=100.0)
        with PacedOutlet(a, pace_hz=10_000.0, burst=100):
            source = drive(lsl(a))
            source.open()
            began, n, last = time.monotonic(), 0, 0
            while time.monotonic() - began < 3.0:
                chunk = source.read(4, 0.2)
                if chunk is not None:
                    n += len(chunk)
                    last = chunk.first_sample + len(chunk)
            status = source.status
            source.close()
        assert n <= 12 * 100 + 4 * 100 * 4
        assert status.state == "streaming"
        assert "floods" in status.detail
        assert status.lost_samples >= last - n > 0
