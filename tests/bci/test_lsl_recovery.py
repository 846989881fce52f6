"""Outlets that are killed and come back, in processes of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from compliance import Parked, read_samples
from lsl_outlets import Announcement, OutletProcess, PacedOutlet

from bci.clock import lsl_now_s
from bci.errors import SourceFailedError
from bci.registry import open_source
from bci.source import Source
from bci.types import Chunk

PATIENCE_S = 40.0


Opener = Callable[[Announcement], Source]


@pytest.fixture(params=[lambda source: source, Parked], ids=["read", "taken"])
def open_lsl(request: pytest.FixtureRequest) -> Opener:
    """Open a source that is read by a thread, or taken from while it is calm."""

    def opened(announcement: Announcement) -> Source:
        source = request.param(open_source(f"lsl:source_id={announcement.source_id}"))
        source.open()
        return source

    return opened


def read_until_state(source: Source, state: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while source.status.state != state:
        assert time.monotonic() < deadline, source.status
        source.read(10, 0.2)


def read_until_after(source: Source, moment_s: float) -> Chunk:
    """The first chunk that holds a sample taken after a moment."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        chunk = source.read(10, 0.2)
        if chunk is not None and chunk.timestamps_s[-1] > moment_s:
            return chunk
    pytest.fail(f"nothing came back: {source.status}")


def read_until_failed(source: Source) -> str:
    with pytest.raises(SourceFailedError) as error:
        read_until_state(source, "never")
    assert source.status.state == "failed"
    assert source.status.detail == str(error.value)
    with pytest.raises(SourceFailedError):
        source.read(1, 0.0)
    source.close()
    assert source.status.state == "failed", "closing does not hide why"
    return str(error.value)


def test_an_outlet_that_is_killed_and_restarted_goes_on_with_a_gap(open_lsl: Opener) -> None:
    a = Announcement()
    with OutletProcess(a) as first:
        source = open_lsl(a)
        before = read_samples(source, 200, min_samples=10)[-1]
        first.kill()
    killed_s = lsl_now_s()
    read_until_state(source, "reconnecting")
    assert "gone" in source.status.detail
    with OutletProcess(a):
        after = read_until_after(source, killed_s)
        assert source.status.state == "streaming"
        assert source.status.detail == ""
        assert after.spec is before.spec
        assert after.timestamps_s[-1] - before.timestamps_s[-1] > 1.0, "the gap is in the stamps"
        assert after.first_sample >= before.first_sample + len(before)
        read_samples(source, 100)
    source.close()


def test_a_quick_restart_is_not_taken_for_a_failure(open_lsl: Opener) -> None:
    a = Announcement()
    with OutletProcess(a) as first:
        source = open_lsl(a)
        read_samples(source, 50)
        first.kill()
    killed_s = lsl_now_s()
    with OutletProcess(a):
        read_until_after(source, killed_s)
        assert source.status.state == "streaming"
    source.close()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"n_channels": 4, "labels": ("Fp1", "Fp2", "O1", "O2")}, "came back with 4 channels, 8 expected"),
        ({"number_format": "double64"}, "came back with samples of double64, float32 expected"),
        ({"rate_hz": 500.0}, "came back with 500 Hz, 250 Hz expected"),
        ({"labels": ("F7", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2")}, "came back with channels {F7 Fp2"),
        ({"units": ("volts",) * 8}, "came back in another unit"),
        ({"units": ("counts",) * 8}, "came back as one that cannot be used"),
    ],
)
def test_an_outlet_that_comes_back_as_another_fails_in_words(
    open_lsl: Opener, changed: dict[str, object], says: str
) -> None:
    a = Announcement(n_channels=8, labels=("Fp1", "Fp2", "C3", "C4", "P7", "P8", "O1", "O2"), units=("uV",) * 8)
    with OutletProcess(a) as first:
        source = open_lsl(a)
        read_samples(source, 50)
        first.kill()
    with OutletProcess(replace(a, **changed)):  # type: ignore[arg-type] # fields of the dataclass
        assert says in read_until_failed(source)


def test_an_outlet_without_a_lasting_id_is_found_again_by_name() -> None:
    """`pylsl` makes up another id at each start where a script gives none; liblsl alone would wait for ever."""
    a = Announcement(source_id="-1234567890123", name="Script without an id")
    source = open_source("lsl:name=Script%20without%20an%20id")
    with OutletProcess(a) as first:
        source.open()
        read_samples(source, 50)
        first.kill()
    killed_s = lsl_now_s()
    with OutletProcess(replace(a, source_id="9876543210987")):
        chunk = read_until_after(source, killed_s)
        assert chunk.spec is source.spec
    source.close()


def test_an_outlet_without_any_id_is_found_again_by_name() -> None:
    """liblsl gives up such a stream with an error as soon as the connection breaks."""
    a = Announcement(source_id="", name="Script with an empty id")
    source = open_source("lsl:name=Script%20with%20an%20empty%20id")
    with OutletProcess(a) as first:
        source.open()
        read_samples(source, 50)
        first.kill()
    killed_s = lsl_now_s()
    with OutletProcess(a):
        read_until_after(source, killed_s)
    source.close()


def test_another_persons_headset_of_the_same_model_is_no_replacement(open_lsl: Opener) -> None:
    mine, theirs = Announcement(name="Muse"), Announcement(name="Muse")
    with OutletProcess(theirs), OutletProcess(mine) as outlet:
        source = open_lsl(mine)
        read_samples(source, 50)
        outlet.kill()
        read_until_state(source, "reconnecting")
        assert source.read(10, 1.0) is None
    source.close()


def test_an_outlet_that_is_there_but_silent_is_not_called_gone(open_lsl: Opener) -> None:
    a = Announcement()
    with PacedOutlet(a) as outlet:
        source = open_lsl(a)
        read_samples(source, 50)
        outlet.silent.set()
        deadline = time.monotonic() + PATIENCE_S
        while "sends nothing" not in source.status.detail:
            assert time.monotonic() < deadline, source.status
            source.read(10, 0.2)
            assert source.status.state == "streaming"
        outlet.silent.clear()
        resumed_s = lsl_now_s()
        read_until_after(source, resumed_s)
        assert source.status.detail == ""
        source.close()


def test_a_dead_connection_is_replaced_though_the_outlet_lives(open_lsl: Opener) -> None:
    """After 5 s of silence the inlet is opened anew: liblsl's own watchdog takes 15 s."""
    a = Announcement()
    with PacedOutlet(a) as outlet:
        source = open_lsl(a)
        before = read_samples(source, 50)[-1]
        outlet.silent.set()
        adapter = source.source if isinstance(source, Parked) else source
        old = adapter._inlet  # type: ignore[attr-defined] # that it is another one cannot be seen from outside
        deadline = time.monotonic() + PATIENCE_S
        while adapter._inlet is old:  # type: ignore[attr-defined]
            assert time.monotonic() < deadline
            source.read(10, 0.2)
        outlet.silent.clear()
        after = read_until_after(source, lsl_now_s())
        assert after.first_sample >= before.first_sample + len(before)
        assert np.isfinite(after.timestamps_s).all()
        source.close()


def test_a_silent_irregular_stream_is_all_right(open_lsl: Opener) -> None:
    a = Announcement(kind="Gaze", rate_hz=0.0, labels=(), units=())
    with PacedOutlet(a, pace_hz=50.0) as outlet:
        source = open_lsl(a)
        read_samples(source, 10)
        outlet.silent.set()
        began = time.monotonic()
        while time.monotonic() - began < 4.5:
            source.read(1, 0.2)
            assert source.status.state == "streaming"
        assert source.status.detail == ""
        source.close()
