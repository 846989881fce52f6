"""A source, published and read again, is the same source."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pylsl
import pytest
from compliance import read_samples
from lsl_outlets import fresh_id

from bci.clock import lsl_now_s
from bci.errors import SourceEndedError, SourceFailedError
from bci.montage import eeg_channel
from bci.outlet import outlet_info, publish
from bci.registry import open_source
from bci.source import SourceStatus
from bci.types import Channel, Chunk, StreamSpec

SPEC = StreamSpec(
    source_id="cap-1",
    name="Cap",
    kind="EEG",
    nominal_rate_hz=250.0,
    channels=(*map(eeg_channel, ("Fp1", "Cz", "O2", "ECG")), Channel("ACC", "aux", "g")),
    device="Cap 4",
    origin="simulator",
    profile="acme_cap4",
    profile_verified=True,
    rails_uv=(-187500.0, 187500.0),
)


class ScriptedSource:
    """Gives prepared chunks, waits for `release` before the last, then ends."""

    def __init__(self, chunks: list[Chunk], release: threading.Event) -> None:
        self._chunks, self._release = deque(chunks), release
        self.failure: Exception = SourceEndedError("the recording is over")
        self.spec = SPEC
        self.status = SourceStatus("streaming")

    def open(self, timeout_s: float = 10.0) -> StreamSpec:
        del timeout_s
        return SPEC

    def read(self, min_samples: int, timeout_s: float) -> Chunk | None:
        del min_samples
        if not self._release.wait(timeout_s):
            return None
        if not self._chunks:
            raise self.failure
        return self._chunks.popleft()

    def close(self) -> None:
        pass


def chunks_of(n: int, size: int) -> list[Chunk]:
    values = np.arange(n * 5, dtype=np.float32).reshape(n, 5)
    stamps = lsl_now_s() - 2.0 + np.arange(n) / 250.0
    return [Chunk(SPEC, values[i : i + size], stamps[i : i + size], i) for i in range(0, n, size)]


@contextmanager
def published(source: ScriptedSource, source_id: str, stop: threading.Event) -> Iterator[list[object]]:
    result: list[object] = []

    def run() -> None:
        try:
            result.append(publish(source, stop, source_id=source_id))
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield result
    finally:
        stop.set()
        thread.join(10.0)
        assert not thread.is_alive()


@pytest.mark.parametrize("size", [1, 7, 50])
def test_samples_stamps_and_meta_data_arrive_as_they_were(size: int) -> None:
    release, stop, source_id = threading.Event(), threading.Event(), fresh_id()
    chunks = chunks_of(50, size)
    with published(ScriptedSource(chunks, release), source_id, stop):
        inlet = open_source(f"lsl:source_id={source_id}")
        spec = inlet.open()
        release.set()
        got = read_samples(inlet, 50)
        inlet.close()
    np.testing.assert_array_equal(np.concatenate([c.data for c in got]), np.concatenate([c.data for c in chunks]))
    np.testing.assert_allclose(
        np.concatenate([c.timestamps_s for c in got]),
        np.concatenate([c.timestamps_s for c in chunks]),
        atol=2e-3,  # what measuring a clock against itself over UDP may err
    )
    assert spec.channels == SPEC.channels
    assert (spec.name, spec.kind, spec.nominal_rate_hz) == ("Cap", "EEG", 250.0)


def test_what_was_simulated_stays_marked_behind_the_next_inlet() -> None:
    release, stop, source_id = threading.Event(), threading.Event(), fresh_id()
    with published(ScriptedSource([], release), source_id, stop):
        inlet = open_source(f"lsl:source_id={source_id}")
        spec = inlet.open()
        inlet.close()
    assert spec.origin == "simulator"
    assert spec.device == "Cap 4"
    assert (spec.profile, spec.profile_verified) == ("acme_cap4", True)
    assert spec.rails_uv == (-187500.0, 187500.0)


def test_publishing_ends_with_the_recording_and_counts() -> None:
    release, stop = threading.Event(), threading.Event()
    release.set()
    told: list[Chunk] = []
    source = ScriptedSource(chunks_of(50, 10), release)
    assert publish(source, stop, source_id=fresh_id(), on_chunk=told.append) == 50
    assert [c.first_sample for c in told] == [0, 10, 20, 30, 40]


def test_a_broken_source_is_not_hidden() -> None:
    release = threading.Event()
    release.set()
    source = ScriptedSource([], release)
    source.failure = SourceFailedError("the dongle was pulled")
    with pytest.raises(SourceFailedError, match="dongle"):
        publish(source, threading.Event(), source_id=fresh_id())


def test_stopping_ends_a_source_that_gives_nothing() -> None:
    stop = threading.Event()
    with published(ScriptedSource([], threading.Event()), fresh_id(), stop) as result:
        stop.set()
    assert result == [0]


def test_a_relay_does_not_take_the_id_of_what_it_relays() -> None:
    info = outlet_info(SPEC)
    assert info.source_id() == "focusloop:cap-1"
    assert info.channel_format() == pylsl.cf_float32


def test_positions_are_written_as_xdf_wants_them() -> None:
    """Millimetres to the right, front and top: Cz is near the top of the head, in the middle."""
    channel = outlet_info(SPEC).desc().child("channels").child("channel").next_sibling("channel")
    assert channel.child_value("label") == "Cz"
    x, y, z = (float(channel.child("location").child_value(axis)) for axis in "XYZ")
    assert abs(x) < 5.0
    assert abs(y) < 40.0
    assert z > 60.0
