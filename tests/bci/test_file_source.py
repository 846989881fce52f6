"""A recording played as a headset: the promises of every source, and those of `file:` alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from compliance import SourceCompliance, read_samples
from written_files import XdfFile, wave_uv, write_edf, write_muselsl, write_openbci

from bci.errors import AmbiguousSourceError, FileFormatError, SourceEndedError, UriError
from bci.source import Source
from bci.sources.file import FileSource
from bci.types import Chunk
from bci.uri import parse_uri

LABELS = ("Fp1", "Fp2", "Cz", "Pz")


@pytest.fixture
def edf(tmp_path: Path) -> Path:
    return write_edf(tmp_path / "rest.edf", wave_uv(5000), LABELS)


class TestPacedFileSource(SourceCompliance):
    @pytest.fixture
    def source(self, edf: Path) -> Source:
        return FileSource(parse_uri(f"file:{edf}"))

    @pytest.fixture
    def missing(self, tmp_path: Path) -> Source:
        return FileSource(parse_uri(f"file:{tmp_path / 'absent.edf'}"))


class TestUnpacedFileSource(SourceCompliance):
    live = False

    @pytest.fixture
    def source(self, tmp_path: Path) -> Source:
        kept = np.r_[0:300, 310:5000]
        path = write_openbci(tmp_path / "o.txt", wave_uv(5000)[kept], kept % 256)
        return FileSource(parse_uri(f"file:{path}?speed=max&montage=Fp1,Fp2"))

    @pytest.fixture
    def missing(self, tmp_path: Path) -> Source:
        (tmp_path / "broken.xdf").write_bytes(b"XDF:\x01")
        return FileSource(parse_uri(f"file:{tmp_path / 'broken.xdf'}?speed=0"))


class SteppedClock:
    """Moves on only while somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def now_s(self) -> float:
        return self.now

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.now += seconds
        return event.is_set()


@pytest.fixture
def played() -> Callable[[str], tuple[FileSource, SteppedClock]]:
    def open_(text: str) -> tuple[FileSource, SteppedClock]:
        clock = SteppedClock()
        source = FileSource(parse_uri(text), now_s=clock.now_s, wait=clock.wait)
        source.open()
        return source, clock

    return open_


Played = Callable[[str], tuple[FileSource, SteppedClock]]


def read_all(source: FileSource, min_samples: int = 10, timeout_s: float = 0.2) -> list[Chunk]:
    chunks: list[Chunk] = []
    while True:
        try:
            chunk = source.read(min_samples, timeout_s)
        except SourceEndedError:
            return chunks
        if chunk is not None:
            chunks.append(chunk)


@pytest.mark.parametrize("speed", [1, 8])
def test_playing_takes_the_recordings_time_over_speed(speed: int, edf: Path, played: Played) -> None:
    source, clock = played(f"file:{edf}?speed={speed}")
    chunks = read_all(source)
    assert clock.now - 1000.0 == pytest.approx(5000 / 250.0 / speed, abs=0.05)
    stamps = np.concatenate([c.timestamps_s for c in chunks])
    np.testing.assert_allclose(stamps, 1000.0 + np.arange(5000) / 250.0)
    assert source.status.state == "closed"


def test_no_sample_comes_before_its_time(edf: Path, played: Played) -> None:
    source, clock = played(f"file:{edf}")
    for _ in range(200):
        chunk = source.read(10, 0.2)
        assert chunk is not None
        assert chunk.timestamps_s[-1] <= clock.now
        assert len(chunk) <= 11


def test_as_fast_as_it_goes_gives_every_sample_without_waiting(edf: Path, played: Played) -> None:
    source, clock = played(f"file:{edf}?speed=0")
    chunks = read_all(source)
    assert clock.now == 1000.0
    assert sum(map(len, chunks)) == 5000
    np.testing.assert_allclose(np.concatenate([c.data for c in chunks]), wave_uv(5000), atol=0.13)


def test_a_loop_goes_on_counting_and_stamping(tmp_path: Path, played: Played) -> None:
    path = write_edf(tmp_path / "short.edf", wave_uv(500), LABELS)
    source, _ = played(f"file:{path}?loop=1")
    chunks = read_samples(source, 1600)
    numbers = np.concatenate([c.first_sample + np.arange(len(c)) for c in chunks])
    np.testing.assert_array_equal(numbers, np.arange(numbers.size))
    stamps = np.concatenate([c.timestamps_s for c in chunks])
    np.testing.assert_allclose(np.diff(stamps), 1 / 250.0)
    assert source.status.lost_samples == 0


def test_lost_samples_are_a_jump_and_a_pause(tmp_path: Path, played: Played) -> None:
    kept = np.r_[0:300, 550:1000]
    path = write_openbci(tmp_path / "o.txt", wave_uv(1000)[kept], kept % 256, 40000.0 + kept / 250.0)
    source, clock = played(f"file:{path}")
    chunks = read_all(source)
    numbers = np.concatenate([c.first_sample + np.arange(len(c)) for c in chunks])
    np.testing.assert_array_equal(numbers, kept)
    assert source.status.lost_samples == 250
    assert clock.now - 1000.0 == pytest.approx(4.0, abs=0.05)


def test_a_pause_of_minutes_is_shortened_and_said(tmp_path: Path, played: Played) -> None:
    stamps = np.arange(2000) / 256.0
    stamps[1000:] += 700.0
    source, clock = played(f"file:{write_muselsl(tmp_path / 'm.csv', wave_uv(2000), stamps)}")
    read_all(source)
    assert clock.now - 1000.0 == pytest.approx(2000 / 256.0 + 10.0, abs=0.1)
    assert "1 pauses of up to 700 s are played as 10 s" in source.status.detail


def test_a_clock_that_jumped_back_an_hour_does_not_stop_the_playing(tmp_path: Path, played: Played) -> None:
    stamps = 5000.0 + np.arange(2000) / 256.0
    stamps[1000:] -= 3600.0
    source, clock = played(f"file:{write_muselsl(tmp_path / 'm.csv', wave_uv(2000), stamps)}")
    chunks = read_all(source)
    assert clock.now - 1000.0 == pytest.approx(2000 / 256.0, abs=0.1)
    assert max(len(c) for c in chunks) < 30
    assert "jumps of its clock back by up to 3600 s are passed over" in source.status.detail


def test_what_was_cleaned_is_in_the_status(tmp_path: Path, played: Played) -> None:
    uv = wave_uv(600)
    uv[5:8] = np.nan
    source, _ = played(f"file:{write_muselsl(tmp_path / 'm.csv', uv)}?speed=0")
    read_all(source)
    assert source.status.repaired_samples == 3
    assert "12 values in 3 samples" in source.status.detail


def test_errors_of_the_file_are_errors_of_open(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("dear diary\n")
    source = FileSource(parse_uri(f"file:{tmp_path / 'notes.txt'}"))
    with pytest.raises(FileFormatError, match=r"notes\.txt"):
        source.open()
    assert source.status.state == "failed"


def test_a_file_of_several_streams_asks_which(tmp_path: Path) -> None:
    stamps, uv = np.arange(500) / 250.0, wave_uv(500, 2)
    file = XdfFile().header(1, name="Muse").samples(1, stamps, uv).header(2, name="Enobio").samples(2, stamps, uv)
    path = file.write(tmp_path / "two.xdf")
    with pytest.raises(AmbiguousSourceError, match="stream=Enobio"):
        FileSource(parse_uri(f"file:{path}")).open()
    source = FileSource(parse_uri(f"file:{path}?stream=Enobio"))
    assert source.open().name == "Enobio"
    source.close()


@pytest.mark.parametrize("query", ["speed=fast", "speed=0.5", "speed=-1", "speed=2000", "loop=maybe", "rate=4"])
def test_a_query_that_cannot_be_is_refused_before_opening(query: str) -> None:
    with pytest.raises(UriError, match="rest"):
        FileSource(parse_uri(f"file:rest.edf?{query}"))


@pytest.mark.parametrize("speed", ["1", "7", "max"])
@pytest.mark.parametrize("loop", ["", "&loop=1"])
def test_what_is_noted_comes_once_with_its_samples_however_they_are_cut(
    tmp_path: Path, played: Played, speed: str, loop: str
) -> None:
    noted_s = [-3.0, 0.0, 0.25, 0.25, 4.0, 7.999, 9.5]  # before the first sample, together, after the last
    labels = [f"<label>{label}</label>" for label in LABELS]
    file = XdfFile().header(1, n_channels=4, channels=labels)
    file.header(2, name="Events", kind="Markers", n_channels=1, rate_hz=0.0, channel_format="string")
    file.samples(1, (50.0 + np.arange(2000) / 250.0).tolist(), wave_uv(2000))
    file.samples(2, [50.0 + at_s for at_s in noted_s], [f"m{n}" for n in range(len(noted_s))])
    path = file.write(tmp_path / "marked.xdf")
    source, _ = played(f"file:{path}?speed={speed}{loop}")
    rounds = 2 if loop else 1
    chunks: list[Chunk] = []
    while sum(map(len, chunks)) < rounds * 2000:
        chunk = source.read(7, 0.2)
        chunks += [chunk] if chunk is not None else []
    labels = [one.said["label"] for chunk in chunks for one in chunk.noted]
    assert labels == [f"m{n}" for n in range(len(noted_s))] * rounds
    for chunk in chunks:
        assert all(one.at_s <= chunk.timestamps_s[-1] + 0.5 for one in chunk.noted)
    first_s, last_s = chunks[0].timestamps_s[0], chunks[-1].timestamps_s[-1]
    told_s = [one.at_s for chunk in chunks for one in chunk.noted][-len(noted_s) :]
    begins_s = last_s - 1999 / 250.0
    np.testing.assert_allclose(told_s, begins_s + np.minimum(noted_s, 1999 / 250.0), atol=1e-6)
    assert first_s >= 1000.0
