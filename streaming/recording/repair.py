"""A recording that was cut off: where it is still whole, what it holds, and the footers that it lacks."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import ParseError, fromstring

from bci.errors import FileFormatError
from streaming.recording import xdf
from streaming.recording.length import SignalLength

_SIZES = {"int8": 1, "int16": 2, "int32": 4, "int64": 8, "float32": 4, "double64": 8}
_HEAD = struct.Struct("<HI")


class Place(NamedTuple):
    """Where a file holds samples of a stream: the first byte, the one after the last, and how many samples."""

    start: int
    end: int
    samples: int


@dataclass(slots=True)
class StreamContent:
    """What a file holds of one stream.

    Parameters
    ----------
    name, kind
        As its header says.
    number_format, n_channels
        Of its samples.
    samples
        How many.
    first_s, last_s
        Stamps of the first and the last one; None where there is none.
    length
        From the first to the last.
    footer
        True where it was closed properly.
    header
        Its `info`, as XML.
    places
        Of its chunks of samples.
    """

    name: str
    kind: str
    number_format: str
    n_channels: int
    samples: int = 0
    first_s: float | None = None
    last_s: float | None = None
    length: SignalLength = field(default_factory=SignalLength)
    footer: bool = False
    header: str = ""
    places: list[Place] = field(default_factory=list)


@dataclass(slots=True)
class Content:
    """What is whole of a file.

    Parameters
    ----------
    end
        Bytes up to the end of the last whole chunk.
    size
        Of the file.
    streams
        By id.
    damaged
        Bytes in its middle that are no chunk; whole ones follow.
    """

    end: int
    size: int
    streams: dict[int, StreamContent] = field(default_factory=dict)
    damaged: int = 0

    @property
    def closed(self) -> bool:
        """True where nothing is cut off and every stream has its footer."""
        return self.end == self.size and all(stream.footer for stream in self.streams.values())


def inspect(path: Path) -> Content:
    """Go through a file chunk by chunk, without loading it.

    Raises
    ------
    FileFormatError
        If it is no XDF file at all.
    OSError
        If it cannot be read.
    """
    size = path.stat().st_size
    if size < len(xdf.MAGIC):
        msg = f"{path}: {size} bytes, no XDF file"
        raise FileFormatError(msg)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[:4] != xdf.MAGIC:
            msg = f"{path}: does not begin as an XDF file"
            raise FileFormatError(msg)
        return _inspect(content, size)


Late = Callable[[], Mapping[str, Sequence[tuple[float, str]]]]
"""Gives stamps and texts by the kind of their stream."""


def repair(path: Path, late: Late = dict) -> Content:
    """Cut off what is not whole and add the footers that are missing; a repaired or closed file stays as it is.

    Parameters
    ----------
    path
        The file.
    late
        Asked, where something was missing, once the file holds whole chunks only: what else belongs into its streams of
        texts.

    Returns
    -------
    Content
        Of the file as it was found: `size` less `end` were cut off.

    Raises
    ------
    FileFormatError
        If it is no XDF file at all.
    OSError
        If the disk does not take the footers; repair again when there is space.
    """
    found = inspect(path)
    if found.closed:
        return found
    if found.end < found.size:
        os.truncate(path, found.end)
    added = b"".join(_added(found, kind, rows) for kind, rows in late().items())
    footers = b"".join(
        xdf.stream_footer(
            number,
            {
                "first_timestamp": repr(stream.first_s or 0.0),
                "last_timestamp": repr(stream.last_s or 0.0),
                "sample_count": stream.samples,
                "repaired": "true",
            },
        )
        for number, stream in found.streams.items()
        if not stream.footer
    )
    with path.open("r+b") as file:
        file.seek(found.end)
        file.write(added + footers)
        file.flush()
        os.fsync(file.fileno())
    return found


def _added(found: Content, kind: str, rows: Sequence[tuple[float, str]]) -> bytes:
    """Encode what came late for the open stream of a kind, and count it."""
    open_ones = [(n, s) for n, s in found.streams.items() if s.kind == kind and not s.footer]
    if not open_ones or not rows:
        return b""
    number, stream = open_ones[0]
    stamps_s = [stamp_s for stamp_s, _ in rows]
    stream.samples += len(rows)
    stream.first_s, stream.last_s = stamps_s[0] if stream.first_s is None else stream.first_s, stamps_s[-1]
    return xdf.texts(number, stamps_s, [(text,) for _, text in rows])


def _inspect(content: mmap.mmap, size: int) -> Content:
    found = Content(len(xdf.MAGIC), size)
    at = len(xdf.MAGIC)
    while at < size:
        end = _chunk_end(content, at, size)
        if end is not None and _take(content, at, end, found.streams):
            found.end = at = end
            continue
        # After a power cut a block may hold nothing, and chunks follow it: a boundary shows where.
        boundary = content.find(xdf.BOUNDARY_ID, at)
        if boundary < 0:
            break
        found.damaged += boundary + len(xdf.BOUNDARY_ID) - at
        found.end = at = boundary + len(xdf.BOUNDARY_ID)
    return found


def _chunk_end(content: mmap.mmap, at: int, size: int) -> int | None:
    length, start = _length(content, at)
    if length is None or length < 2 or start + length > size:
        return None
    return start + length


def _length(content: mmap.mmap, at: int) -> tuple[int | None, int]:
    if at >= len(content):
        return None, at
    width = content[at]
    if width not in (1, 4, 8) or at + 1 + width > len(content):
        return None, at
    return int.from_bytes(content[at + 1 : at + 1 + width], "little"), at + 1 + width


def _take(content: mmap.mmap, at: int, end: int, streams: dict[int, StreamContent]) -> bool:
    """Note what a chunk holds; False where it is none."""
    _, start = _length(content, at)
    tag = int.from_bytes(content[start : start + 2], "little")
    if tag in (xdf.Tag.FILE_HEADER, xdf.Tag.BOUNDARY):
        return True
    if tag not in tuple(xdf.Tag) or end - start < _HEAD.size:
        return False
    number = _HEAD.unpack_from(content, start)[1]
    body = start + _HEAD.size
    if tag == xdf.Tag.STREAM_HEADER:
        header = _header(content[body:end])
        if header is not None:
            streams.setdefault(number, header)
        return header is not None
    stream = streams.get(number)
    if stream is None:
        return False
    if tag == xdf.Tag.STREAM_FOOTER:
        stream.footer = True
    elif tag == xdf.Tag.SAMPLES:
        return _count(content, body, end, stream)
    return True


def _header(text: bytes) -> StreamContent | None:
    header = text.decode("utf-8", "replace")
    try:
        info = fromstring(header)  # noqa: S314 - expat limits entities; ours, or nearly
        return StreamContent(
            info.findtext("name") or "",
            info.findtext("type") or "",
            str(info.findtext("channel_format")),
            int(info.findtext("channel_count") or 0),
            header=header,
        )
    except (ParseError, ValueError):
        return None


def _count(content: mmap.mmap, body: int, end: int, stream: StreamContent) -> bool:
    n, at = _length(content, body)
    if n is None:
        return False
    stamps = _text_stamps(content, at, end, n, stream) if stream.number_format == "string" else None
    if stamps is None and stream.number_format in _SIZES:
        stamps = _number_stamps(content, at, end, n, stream)
    if stamps is None:
        return False
    stream.samples += n
    stream.places.append(Place(at, end, n))
    stream.first_s = stamps[0] if stream.first_s is None else stream.first_s
    stream.last_s = stamps[1]
    stream.length.add(*stamps)
    return True


def _number_stamps(content: mmap.mmap, at: int, end: int, n: int, stream: StreamContent) -> tuple[float, float] | None:
    size = 9 + stream.n_channels * _SIZES[stream.number_format]
    if not n or at + n * size != end or content[at] != 8:
        return None
    first: float = struct.unpack_from("<d", content, at + 1)[0]
    last: float = struct.unpack_from("<d", content, end - size + 1)[0]
    return first, last


def _text_stamps(content: mmap.mmap, at: int, end: int, n: int, stream: StreamContent) -> tuple[float, float] | None:
    stamps = list(_walk_texts(content, at, end, n, stream.n_channels))
    return (stamps[0], stamps[-1]) if len(stamps) == n and n else None


def _walk_texts(content: mmap.mmap, at: int, end: int, n: int, n_channels: int) -> Iterator[float]:
    for _ in range(n):
        if at + 9 > end or content[at] != 8:
            return
        stamp: float = struct.unpack_from("<d", content, at + 1)[0]
        at += 9
        for _ in range(n_channels):
            length, at = _length(content, at)
            if length is None or at + length > end:
                return
            at += length
        yield stamp
