"""What every acquisition adapter owes, as tests that each adapter's test class inherits.

A subclass overrides the fixture `source` (an adapter that is constructed, *not* opened, over something that really
gives samples) and, where opening can fail, `missing` (an adapter whose device or file is not there):

    class TestFileSource(SourceCompliance):
        live = False

        @pytest.fixture
        def source(self, tmp_path: Path) -> Source:
            return FileSource(parse_uri(f"file:{write_recording(tmp_path)}?speed=0"))

        @pytest.fixture
        def missing(self, tmp_path: Path) -> Source:
            return FileSource(parse_uri(f"file:{tmp_path / 'absent.edf'}"))
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import get_args

import numpy as np
import pytest

from bci.clock import lsl_now_s
from bci.errors import SourceEndedError, SourceError
from bci.source import Source, SourceStatus, Takeable
from bci.types import Chunk, SourceState, StreamSpec

KINDS = {"eeg", "eog", "ecg", "emg", "ref", "gaze", "marker", "aux"}
PATIENCE_S = 20.0
"""How long a busy machine may take for what takes a second; no test waits for it when all is well."""


def read_samples(source: Source, n: int, patience_s: float = PATIENCE_S, *, min_samples: int = 1) -> list[Chunk]:
    """Read until `n` samples have come, the recording ends, or patience does (then the test fails)."""
    chunks: list[Chunk] = []
    deadline = time.monotonic() + patience_s
    while sum(map(len, chunks)) < n:
        assert time.monotonic() < deadline, f"{sum(map(len, chunks))} of {n} samples in {patience_s} s: {source.status}"
        try:
            chunk = source.read(min_samples, 0.2)
        except SourceEndedError:
            break
        if chunk is not None:
            chunks.append(chunk)
    return chunks


class Parked:
    """Drives a source as the engine does where streams are many: it takes while the source is calm, else it reads."""

    def __init__(self, source: Source) -> None:
        assert isinstance(source, Takeable)
        self.takeable = source
        self.source: Source = source
        self.n_taken = 0

    @property
    def spec(self) -> StreamSpec:
        return self.source.spec

    @property
    def status(self) -> SourceStatus:
        return self.source.status

    def open(self, timeout_s: float = 10.0) -> StreamSpec:
        return self.source.open(timeout_s)

    def read(self, min_samples: int, timeout_s: float) -> Chunk | None:
        deadline_s = time.monotonic() + timeout_s
        while self.takeable.calm:
            chunk = self.takeable.take(min_samples, lsl_now_s())
            if chunk is not None:
                self.n_taken += 1
                return chunk
            if time.monotonic() >= deadline_s:
                return None
            time.sleep(0.001)  # the engine's look
        return self.source.read(min_samples, max(0.0, deadline_s - time.monotonic()))

    def close(self) -> None:
        self.source.close()


class SourceCompliance:
    """Inherit, give the fixture `source`, and every promise of `bci.source.Source` is tested."""

    live = True
    """False where samples come as fast as they can be read (a file at speed=0): stamps are not near now, then."""

    samples = 64
    """How many samples the tests read; fewer than the source has."""

    @pytest.fixture
    def source(self) -> Source:
        """An adapter that is not open yet."""
        raise NotImplementedError

    @pytest.fixture
    def missing(self) -> Source:
        """An adapter whose `open` must fail."""
        pytest.skip("nothing to miss: this source can always be opened")

    @pytest.fixture
    def opened(self, source: Source) -> Iterator[Source]:
        """The source, open; closed afterwards whatever the test did."""
        source.open(PATIENCE_S)
        yield source
        source.close()

    def test_open_says_what_will_come(self, opened: Source) -> None:
        spec = opened.spec
        assert isinstance(spec, StreamSpec)
        assert spec.source_id
        assert spec.name
        assert spec.device
        assert spec.nominal_rate_hz >= 0.0
        assert spec.channels

    def test_channels_are_named_once_and_in_known_kinds(self, opened: Source) -> None:
        channels = opened.spec.channels
        assert len({c.label for c in channels}) == len(channels)
        assert {c.kind for c in channels} <= KINDS
        assert {c.unit for c in channels if c.kind == "eeg"} <= {"uV"}
        for c in channels:
            assert c.position_m is None or np.linalg.norm(c.position_m) < 0.3, "not metres on a head"

    def test_chunks_fit_the_specification_and_are_read_only(self, opened: Source) -> None:
        for chunk in read_samples(opened, self.samples):
            assert chunk.spec == opened.spec
            assert len(chunk) > 0, "nothing to give is None, not an empty chunk"
            assert chunk.data.shape == (len(chunk), len(opened.spec.channels))
            assert chunk.data.dtype == np.float32
            assert chunk.timestamps_s.shape == (len(chunk),)
            assert chunk.timestamps_s.dtype == np.float64
            assert not chunk.data.flags.writeable
            assert not chunk.timestamps_s.flags.writeable

    def test_a_chunk_keeps_its_samples_while_later_ones_come(self, opened: Source) -> None:
        first = read_samples(opened, 1)[0]
        data, stamps = first.data.copy(), first.timestamps_s.copy()
        read_samples(opened, self.samples)
        np.testing.assert_array_equal(first.data, data)
        np.testing.assert_array_equal(first.timestamps_s, stamps)

    def test_sample_numbers_jump_only_by_what_was_lost(self, opened: Source) -> None:
        chunks = read_samples(opened, self.samples)
        expected, lost = chunks[0].first_sample, 0
        for chunk in chunks:
            assert chunk.first_sample >= expected, "numbers never go back"
            lost += chunk.first_sample - expected
            expected = chunk.first_sample + len(chunk)
        assert lost <= opened.status.lost_samples

    def test_stamps_are_on_the_lsl_clock(self, opened: Source) -> None:
        for chunk in read_samples(opened, self.samples):
            assert np.isfinite(chunk.timestamps_s).all()
            if self.live:
                now = lsl_now_s()
                assert chunk.timestamps_s.max() <= now + 0.05, "samples from the future"
                assert chunk.timestamps_s.min() >= now - PATIENCE_S

    def test_stamps_advance_at_about_the_nominal_rate(self, opened: Source) -> None:
        rate = opened.spec.nominal_rate_hz
        if not rate:
            pytest.skip("irregular")
        stamps = np.concatenate([c.timestamps_s for c in read_samples(opened, self.samples)])
        # Robust against jitter and bursts: a line through all stamps, not differences.
        slope = np.polyfit(np.arange(stamps.size), stamps, 1)[0]
        assert 0.5 / rate < slope < 2.0 / rate

    def test_read_waits_for_min_samples(self, opened: Source) -> None:
        read_samples(opened, 1)
        chunk = opened.read(8, PATIENCE_S)
        assert chunk is not None
        assert len(chunk) >= 8

    def test_read_gives_up_in_time(self, opened: Source) -> None:
        began = time.monotonic()
        try:
            opened.read(100_000_000, 0.1)
        except SourceEndedError:
            assert not self.live
        assert time.monotonic() - began < 5.0

    def test_read_without_waiting_returns_at_once(self, opened: Source) -> None:
        began = time.monotonic()
        for _ in range(5):
            opened.read(1, 0.0)
        assert time.monotonic() - began < 5.0

    def test_status_follows_the_life_of_the_source(self, source: Source) -> None:
        assert isinstance(source.status, SourceStatus)
        assert source.status.state == "connecting"
        source.open(PATIENCE_S)
        try:
            read_samples(source, 1)
            status = source.status
            assert status.state == "streaming"
            assert status.state in get_args(SourceState)
            assert status.lost_samples >= 0
            assert status.battery is None or 0.0 <= status.battery <= 1.0
        finally:
            source.close()
        assert source.status.state == "closed"

    def test_close_may_come_twice_and_before_open(self, source: Source) -> None:
        source.close()
        source.close()

    def test_close_after_open_may_come_twice(self, source: Source) -> None:
        source.open(PATIENCE_S)
        source.close()
        source.close()

    def test_read_after_close_gives_nothing(self, source: Source) -> None:
        source.open(PATIENCE_S)
        source.close()
        try:
            chunk = source.read(1, 0.1)
        except SourceError:
            return
        assert chunk is None

    def test_close_from_another_thread_ends_a_read(self, source: Source) -> None:
        """The reader may be deep in a vendor's blocking call when the service shuts down."""
        source.open(PATIENCE_S)
        reading, crash = threading.Event(), []

        def read_on() -> None:
            try:
                while source.status.state != "closed":
                    reading.set()
                    source.read(1_000_000, 0.2)
            except SourceError:
                pass  # an honest way to learn that it is closed
            except BaseException as error:
                crash.append(error)

        reader = threading.Thread(target=read_on)
        reader.start()
        assert reading.wait(PATIENCE_S)
        source.close()
        reader.join(PATIENCE_S)
        assert not reader.is_alive()
        assert not crash

    def test_no_thread_outlives_close(self, source: Source) -> None:
        before = set(threading.enumerate())
        source.open(PATIENCE_S)
        read_samples(source, 1)
        source.close()
        for thread in set(threading.enumerate()) - before:
            thread.join(5.0)
            assert not thread.is_alive(), f"{thread.name} is still running"

    def test_open_that_fails_says_why_and_leaves_nothing_open(self, missing: Source) -> None:
        before = set(threading.enumerate())
        for _ in range(2):  # a caller may try again: the headset is switched on after the service
            with pytest.raises(SourceError) as error:
                missing.open(0.5)
            assert len(str(error.value)) > 20, "what was looked for, and what to do"
        assert missing.status.state in {"connecting", "failed"}
        for thread in set(threading.enumerate()) - before:
            thread.join(5.0)
            assert not thread.is_alive()
        missing.close()
        missing.close()
