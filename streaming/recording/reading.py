"""The one reader of recorded sessions: one stream at a time, in blocks, so that an hour of 64 channels needs no memory.

Everything is on the host's LSL clock, by the very correction that a replay uses; `RecordedSession.anchor` leads to UTC.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import numpy as np
import orjson
from numpy.typing import NDArray

from bci.errors import FileFormatError, RecordingNotFoundError
from bci.files.recording import contiguous_until
from bci.files.session_xdf import read_spec, run_stamps
from bci.types import Chunk, FloatSamples, StreamSpec, Timestamps
from streaming.recording import tracks
from streaming.recording.about import anchor_of, header_of, read_about
from streaming.recording.repair import Content, Place, StreamContent, inspect

BLOCK_SAMPLES = 32_768
"""Of a block: 8 MiB at 64 channels."""

_STAMPED = 8
"""Before each sample: the bytes of its stamp."""

Message = tuple[float, Mapping[str, Any]]
"""Stamp, LSL clock, and what was said."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores as they were sent.

    Parameters
    ----------
    stamps_s
        float64 (n,), LSL clock: the newest sample used.
    values
        float64 (n, columns), NaN for null.
    columns
        `tracks.SCORE_COLUMNS`, or those of the version that recorded it.
    reasons
        Names in the order in which the column `reason` counts.
    """

    stamps_s: Timestamps
    values: NDArray[np.float64]
    columns: tuple[str, ...]
    reasons: tuple[str, ...]

    def __len__(self) -> int:
        """Count scores."""
        return self.stamps_s.size

    def column(self, name: str) -> NDArray[np.float64]:
        """Give one of `columns`; NaN throughout where the recording does not have it."""
        if name not in self.columns:
            return np.full(len(self), np.nan)
        return self.values[:, self.columns.index(name)]

    def reason_names(self) -> list[str | None]:
        """Say of each why it is not valid; None where it is."""
        numbers = np.nan_to_num(self.column("reason"), nan=-1.0).astype(int)
        return [self.reasons[i] if 0 <= i < len(self.reasons) else (None if i < 0 else f"reason {i}") for i in numbers]


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive samples of a recorded stream.

    Parameters
    ----------
    stamps_s
        float64 (n,), LSL clock; not dejittered.
    numbers
        int64 (n,), running number since the stream opened; it jumps where the device counted a loss.
    samples
        float32 (n, channels), in each channel's unit, µV for biosignals.
    """

    stamps_s: Timestamps
    numbers: NDArray[np.int64]
    samples: FloatSamples

    def __len__(self) -> int:
        """Count samples."""
        return self.stamps_s.size


@dataclass(frozen=True, slots=True)
class RecordedStream:
    """What came from one device under one specification; another rate or other channels are another stream.

    Parameters
    ----------
    path
        The recording.
    spec
        As it was when it was live, `origin` included.
    samples
        How many; 0 where it never sent any.
    """

    path: Path
    spec: StreamSpec
    samples: int
    _places: tuple[tuple[Place, Place | None], ...]
    """Of the samples and of the runs of their clock."""

    def blocks(self, max_samples: int = BLOCK_SAMPLES) -> Iterator[Block]:
        """Go through the samples in their order.

        Parameters
        ----------
        max_samples
            A block is no longer, but for one write of the recorder (0.6 s of signal).

        Raises
        ------
        RecordingNotFoundError, FileFormatError
            If the file was deleted or shortened meanwhile.
        """
        with _opened(self.path) as file:
            gathered: list[Block] = []
            for block in self._written(file):
                gathered.append(block)
                if sum(map(len, gathered)) >= max_samples:
                    yield _joined(gathered)
                    gathered = []
            if gathered:
                yield _joined(gathered)

    def chunks(self, max_samples: int = BLOCK_SAMPLES) -> Iterator[Chunk]:
        """Go through the samples as the device gave them: a chunk ends where samples were lost."""
        for block in self.blocks(max_samples):
            start = 0
            while start < len(block):
                stop = contiguous_until(block.numbers, start, min(start + max_samples, len(block)))
                cut = slice(start, stop)
                yield Chunk(self.spec, block.samples[cut], block.stamps_s[cut], int(block.numbers[start]))
                start = stop

    def stamps(self) -> tuple[Timestamps, NDArray[np.int64]]:
        """Give float64 stamps, LSL clock, and int64 running numbers of all samples: 16 bytes each."""
        parts = [(block.stamps_s, block.numbers) for block in self.blocks()]
        if not parts:
            return np.empty(0), np.empty(0, np.int64)
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def _written(self, file: BufferedReader) -> Iterator[Block]:
        row = _row("<f4", len(self.spec.channels))
        offset_s, next_number = 0.0, 0
        for place, clock in self._places:
            rows = _rows(file, self.path, place, row)
            own_s = rows["stamp"].astype(np.float64)
            runs = None if clock is None else _rows(file, self.path, clock, _row("<f8", 3))["values"]
            if runs is not None and int(runs[:, 1].sum()) == own_s.size:
                stamps_s, numbers = run_stamps(own_s, runs)
            else:  # its runs are in a damaged part of the file
                stamps_s, numbers = own_s + offset_s, next_number + np.arange(own_s.size)
            offset_s, next_number = float(stamps_s[-1] - own_s[-1]), int(numbers[-1]) + 1
            block = Block(stamps_s, numbers, np.ascontiguousarray(rows["values"]))
            whole = rows["size"] == _STAMPED  # a hole in the middle of the chunk is none
            yield block if whole.all() else Block(stamps_s[whole], numbers[whole], block.samples[whole])


class RecordedSession:
    """A recording of `focusloop serve`, whole or not: one that is still running is read as far as it is on the disk.

    Parameters
    ----------
    path
        Its XDF file.

    Raises
    ------
    RecordingNotFoundError
        There is no such file.
    FileFormatError
        It is no XDF file, or not one of ours.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            content = inspect(path)
        except FileNotFoundError as error:
            raise _gone(path) from error
        except OSError as error:
            raise _unreadable(path, error) from error
        about = read_about(path)
        if about is None:
            msg = f"{path}: no recording of `focusloop serve`; its header says nothing of a session"
            raise FileFormatError(msg)
        self.header = header_of(about)
        self.anchor = anchor_of(about)
        """Unix and LSL time of one moment; None where the header lacks it."""
        self.streams = tuple(_streams_of(path, content))
        """Of the devices, in the order in which they first sent something."""
        self.damage = _damage_of(content)
        """What is not whole, one sentence each; a session that runs has no end yet."""
        self._content = content

    def scores(self) -> Scores:
        """Give the scores as they were sent."""
        for stream in self._of_kind(tracks.SCORES):
            header = fromstring(stream.header)  # noqa: S314 - expat limits entities; it was parsed once already
            row = _row("<f8", stream.n_channels)
            with _opened(self.path) as file:
                rows = [_rows(file, self.path, place, row) for place in stream.places] or [np.empty(0, row)]
            return Scores(
                np.concatenate([part["stamp"] for part in rows]).astype(np.float64),
                np.concatenate([part["values"] for part in rows]).astype(np.float64),
                tuple(e.text or "" for e in header.iterfind("desc/channels/channel/label")),
                tuple(e.text or "" for e in header.iterfind("desc/focusloop/reasons/reason")),
            )
        return Scores(np.empty(0), np.empty((0, len(tracks.SCORE_COLUMNS))), tracks.SCORE_COLUMNS, ())

    def messages(self, kind: str) -> list[Message]:
        """Give the messages of a track, in the order of time.

        Parameters
        ----------
        kind
            `tracks.TRIALS`, `MARKERS`, `DIFFICULTY`, `QUALITY`, `SENT` or `SESSION`.
        """
        return sorted(self.each_message(kind), key=lambda item: item[0])

    def each_message(self, kind: str) -> Iterator[Message]:
        """Go through the messages of a track as they were written: however many there are, few are in memory."""
        with _opened(self.path) as file:
            for place in (place for stream in self._of_kind(kind) for place in stream.places):
                yield from _messages(_bytes(file, self.path, place), place.samples)

    def lost_samples(self) -> int | None:
        """Give the samples that were lost while it was recorded, by the statuses that were sent; None without any."""
        said = (m.get("lost_samples") for _, m in self.each_message(tracks.SENT) if m.get("type") == "status")
        counts = [count for count in said if isinstance(count, int)]
        if not counts:
            return None
        opened = (m for _, m in self.each_message(tracks.SESSION) if m.get("type") == "opened")
        before = next(opened, {}).get("lost_samples")
        return max(0, max(counts) - (before if isinstance(before, int) else 0))

    def _of_kind(self, kind: str) -> list[StreamContent]:
        return [stream for stream in self._content.streams.values() if stream.kind == kind]


def _streams_of(path: Path, content: Content) -> Iterator[RecordedStream]:
    for stream in content.streams.values():
        ours = fromstring(stream.header).find("desc/focusloop")  # noqa: S314 - it was parsed once already
        if ours is None or ours.find("spec") is None:
            continue
        try:
            spec = read_spec(ours.findtext("spec") or "")
            clock = content.streams.get(int(ours.findtext("clock") or ""))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            msg = f"{path}: the stream '{stream.name}' is described in words of another version of focusloop ({error})"
            raise FileFormatError(msg) from error
        places = _with_clock(stream.places, clock.places if clock is not None else ())
        yield RecordedStream(path, spec, stream.samples, tuple(places))


def _with_clock(samples: Sequence[Place], runs: Sequence[Place]) -> Iterator[tuple[Place, Place | None]]:
    """Bring together what the recorder writes together: runs, and right behind them the samples that stand in them."""
    at = 0
    for place in samples:
        found: Place | None = None
        while at < len(runs) and runs[at].end <= place.start:
            found = runs[at]
            at += 1
        yield place, found


def _damage_of(content: Content) -> tuple[str, ...]:
    notes: list[str] = []
    if content.damaged:
        notes.append(f"{content.damaged} bytes in its middle are damaged and left out")
    if content.size > content.end:
        notes.append(f"its last {content.size - content.end} bytes are not whole and left out")
    return tuple(notes)


@contextmanager
def _opened(path: Path) -> Generator[BufferedReader]:
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise _gone(path) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _gone(path: Path) -> RecordingNotFoundError:
    return RecordingNotFoundError(f"{path} does not exist; was it deleted or moved?")


def _unreadable(path: Path, error: OSError) -> FileFormatError:
    return FileFormatError(f"{path}: cannot be read ({error.strerror or error})")


def _bytes(file: BufferedReader, path: Path, place: Place) -> bytes:
    file.seek(place.start)
    content = file.read(place.end - place.start)
    if len(content) < place.end - place.start:
        msg = f"{path} was shortened while it was read; its end is gone"
        raise FileFormatError(msg)
    return content


def _row(number_format: str, n_channels: int) -> np.dtype[np.void]:
    return np.dtype([("size", "u1"), ("stamp", "<f8"), ("values", number_format, (n_channels,))])


def _rows(file: BufferedReader, path: Path, place: Place, row: np.dtype[np.void]) -> NDArray[np.void]:
    content = _bytes(file, path, place)
    if len(content) != place.samples * row.itemsize:
        msg = f"{path}: {place.samples} samples in {len(content)} bytes, expected {row.itemsize} each"
        raise FileFormatError(msg)
    return np.frombuffer(content, row)


def _joined(blocks: Sequence[Block]) -> Block:
    if len(blocks) == 1:
        return blocks[0]
    return Block(
        np.concatenate([block.stamps_s for block in blocks]),
        np.concatenate([block.numbers for block in blocks]),
        np.concatenate([block.samples for block in blocks]),
    )


def _messages(content: bytes, n: int) -> Iterator[Message]:
    at = 0
    for _ in range(n):
        stamp_s: float = struct.unpack_from("<d", content, at + 1)[0]
        width = content[at + 9]
        begin = at + 10 + width
        at = begin + int.from_bytes(content[at + 10 : begin], "little")
        try:
            said = orjson.loads(content[begin:at])
        except orjson.JSONDecodeError:
            continue  # of somebody else
        if isinstance(said, dict):
            yield stamp_s, said
