"""The file of one session: raw streams, and tracks of numbers and of messages, in one XDF file.

Producers on any thread only leave references; encoding and writing happen on the writer's thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import orjson

from bci.types import Chunk, StreamSpec
from streaming.recording import xdf
from streaming.recording.file import AppendOnlyFile, RecordingError, sync_folder
from streaming.recording.raw import RawStream

BOUNDARY_EVERY = 40
"""Writes between two boundary chunks: 24 seconds."""

HELD_BYTES = 16 * 1024 * 1024
"""Of one session, while the disk does not take them; then its recording stops with an error."""

_ROW_BYTES = 120
_TEXT_BYTES = 600
_JSON = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


@dataclass(frozen=True, slots=True)
class Track:
    """A stream of the file beside the raw ones.

    Parameters
    ----------
    key
        What producers call it.
    name, kind
        As XDF has them.
    channels
        Of numbers (float64); empty for one channel of JSON messages.
    rate_hz
        Nominal; 0.0 = irregular.
    desc
        Anything else a reader should know.
    row
        Makes the numbers of what was left, on the writer's thread; None where they were left ready.
    """

    key: str
    name: str
    kind: str
    channels: tuple[str, ...] = ()
    rate_hz: float = 0.0
    desc: Mapping[str, Any] = field(default_factory=dict)
    row: Callable[[Any], Sequence[float]] | None = None

    def info(self) -> dict[str, Any]:
        """Describe it."""
        return {
            "name": self.name,
            "type": self.kind,
            "channel_count": len(self.channels) or 1,
            "nominal_srate": repr(self.rate_hz),
            "channel_format": "double64" if self.channels else "string",
            "source_id": self.name,
            "desc": {"channels": {"channel": [{"label": c} for c in self.channels or ("json",)]}, **self.desc},
        }


class FileListener(Protocol):
    """Told what became of what was given. Called on the writer's thread."""

    def on_trouble(self, problem: str | None) -> None:
        """Hear that the disk does not take more; None: it does again."""
        ...

    def on_lost(self, problem: str) -> None:
        """Hear that the recording has stopped for good."""
        ...


@dataclass(slots=True)
class _Count:
    samples: int = 0
    first_s: float | None = None
    last_s: float | None = None

    def add(self, first_s: float, last_s: float, n: int) -> None:
        self.samples += n
        self.first_s = first_s if self.first_s is None else self.first_s
        self.last_s = last_s

    def footer(self) -> dict[str, Any]:
        return {
            "first_timestamp": repr(float(self.first_s or 0.0)),
            "last_timestamp": repr(float(self.last_s or 0.0)),
            "sample_count": self.samples,
        }


_Item = tuple[str | None, float, Any, int]
"""Track (None: raw), stamp, value, bytes."""


class SessionFile:
    """One session's file, from its header to its footers.

    Parameters
    ----------
    path
        Must not exist.
    about
        What is known now, for the file's header.
    fields
        Texts of the header that become known later, each with its width in characters.
    tracks
        Streams beside the raw ones.
    listener
        Told what became of what was given.
    spend
        Asked for each number of bytes before they are written; raises `RecordingError` where they may not be.
    held_bytes
        What may wait in memory.

    Raises
    ------
    RecordingError
        If the file cannot be made.
    """

    def __init__(
        self,
        path: Path,
        about: Mapping[str, Any],
        fields: Mapping[str, int],
        tracks: Sequence[Track],
        listener: FileListener,
        *,
        spend: Callable[[int], None] = lambda _n: None,
        held_bytes: int = HELD_BYTES,
    ) -> None:
        self.path = path
        self.problem: str | None = None
        """Why the disk does not take more now, or why the recording has stopped; None where all is well."""
        self.over = False
        """True once nothing more is taken."""
        self._listener, self._spend, self._held_bytes = listener, spend, held_bytes
        self._lock = threading.Lock()
        self._inbox: list[_Item] = []
        self._held = 0
        self._new_fields: dict[str, str] = {}
        # From here on of the writer's thread alone.
        self._ids = {track.key: number for number, track in enumerate(tracks, start=1)}
        self._is_text = {track.key: not track.channels for track in tracks}
        self._rows = {track.key: track.row for track in tracks}
        self._counts: dict[int, _Count] = {number: _Count() for number in self._ids.values()}
        self._raw: dict[StreamSpec, RawStream] = {}
        self._current: RawStream | None = None
        self._pending = b""
        self._pending_held = 0
        self._writes = 0
        head = {"focusloop": {**about, **{name: " " * width for name, width in fields.items()}}}
        begin = xdf.MAGIC + xdf.file_header({"datetime": about.get("started", ""), **head})
        self._places = {name: (_place(begin, name, width), width) for name, width in fields.items()}
        begin += b"".join(xdf.stream_header(self._ids[t.key], t.info()) for t in tracks)
        self._file = AppendOnlyFile(path)
        try:
            self._spend(len(begin))
            self._file.append(begin)
            self._file.sync()
            sync_folder(path.parent)
        except (OSError, RecordingError) as error:
            self._file.close()
            path.unlink(missing_ok=True)
            raise error if isinstance(error, RecordingError) else RecordingError(f"{path}: {error}") from error

    # From any thread

    def chunk(self, chunk: Chunk) -> bool:
        """Leave a raw chunk; False where nothing is taken any more."""
        return self._leave((None, 0.0, chunk, chunk.data.nbytes + 9 * len(chunk)))

    def add(self, key: str, stamp_s: float, value: object) -> bool:
        """Leave a row of numbers, what makes one, or a message; False where nothing is taken any more.

        The value is encoded later: it may not change any more.
        """
        size = _TEXT_BYTES if self._is_text[key] else _ROW_BYTES
        return self._leave((key, stamp_s, value, size))

    def set_field(self, name: str, text: str) -> None:
        """Fill in a text of the header."""
        with self._lock:
            self._new_fields[name] = text

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return self._file.size

    def _leave(self, item: _Item) -> bool:
        with self._lock:
            if self.over:
                return False
            if self._held + item[3] > self._held_bytes:
                self.over = True
                self.problem = (
                    f"{self.problem or 'the disk is too slow'}; {self._held_bytes >> 20} MiB waited, so this recording "
                    "has stopped"
                )
                return False
            self._held += item[3]
            self._inbox.append(item)
            return True

    # On the writer's thread

    def write(self) -> None:
        """Encode what has gathered and give it to the system: from here on it survives `kill -9`.

        Raises
        ------
        RecordingError
            The disk does not take it; it is kept, and offered again by the next call.
        RecordingLostError
            The file was deleted or changed underneath.
        """
        if not self._pending:
            self._encode()
        if self._pending:
            self._append(self._pending)
            self._pending = b""
            with self._lock:
                self._held -= self._pending_held
            self._pending_held = 0
        self._fill_fields()
        if self.problem is not None and not self.over:
            self.problem = None
            self._listener.on_trouble(None)

    def sync(self) -> None:
        """Have it on the disk itself: from here on it survives a power cut.

        Raises
        ------
        RecordingError
            If the disk does not say so.
        """
        self._file.sync()

    def hold(self, error: RecordingError) -> None:
        """Note that the disk does not take more for now."""
        self.problem = str(error)
        self._listener.on_trouble(self.problem)

    def abandon(self, problem: str) -> None:
        """Stop for good without footers; what is on the disk stays, to be repaired."""
        with self._lock:
            self.over = True
            self._inbox = []
            self._held = 0
        self.problem = problem
        self._file.close()
        self._listener.on_lost(problem)

    def finish(self) -> None:
        """Write what is left and the footers, and close.

        Raises
        ------
        RecordingError
            If the disk does not take it; `abandon` is then what is left.
        """
        with self._lock:
            self.over = True
        self.write()
        self.write()  # what gathered behind bytes that had waited
        footers = b"".join(xdf.stream_footer(number, count.footer()) for number, count in self._counts.items())
        self._append(footers)
        self.sync()
        self._file.close()
        self.problem = None

    def _append(self, content: bytes) -> None:
        self._spend(len(content))
        try:
            self._file.append(content)
        except RecordingError:
            self._spend(-len(content))
            raise

    def _encode(self) -> None:
        with self._lock:
            inbox, self._inbox = self._inbox, []
        if not inbox:
            return
        content: list[bytes] = []
        chunks: list[Chunk] = []
        tracks: dict[str, tuple[list[float], list[Any]]] = {}
        for key, stamp_s, value, size in inbox:
            self._pending_held += size
            if key is None:
                if chunks and value.spec is not chunks[-1].spec and value.spec != chunks[-1].spec:
                    content.append(self._encode_raw(chunks))
                    chunks = []
                chunks.append(value)
                continue
            stamps, values = tracks.setdefault(key, ([], []))
            stamps.append(stamp_s)
            values.append(value)
        if chunks:
            content.append(self._encode_raw(chunks))
        content += [self._encode_track(key, stamps, values) for key, (stamps, values) in tracks.items()]
        if self._writes % BOUNDARY_EVERY == 0:
            content.append(xdf.boundary())
        self._writes += 1
        self._pending = b"".join(content)

    def _encode_raw(self, chunks: list[Chunk]) -> bytes:
        spec = chunks[0].spec
        header = b""
        raw = self._current if self._current is not None and self._current.spec is spec else self._raw.get(spec)
        if raw is None:
            number = len(self._counts) + 1
            raw = self._raw[spec] = RawStream(number, number + 1, spec)
            self._counts[number], self._counts[number + 1] = _Count(), _Count()
            header = raw.headers()
        self._current = raw
        content, own_s, runs = raw.encode(chunks)
        first_s, last_s = float(own_s[0]), float(own_s[-1])
        self._counts[raw.stream_id].add(first_s, last_s, len(own_s))
        self._counts[raw.clock_id].add(first_s, last_s, runs)
        return header + content

    def _encode_track(self, key: str, stamps_s: list[float], values: list[Any]) -> bytes:
        number = self._ids[key]
        self._counts[number].add(stamps_s[0], stamps_s[-1], len(stamps_s))
        if self._is_text[key]:
            return xdf.texts(number, stamps_s, [(orjson.dumps(v, option=_JSON).decode(),) for v in values])
        row = self._rows[key]
        rows = values if row is None else [row(value) for value in values]
        return xdf.samples(number, "double64", np.array(stamps_s), np.array(rows, np.float64))

    def _fill_fields(self) -> None:
        with self._lock:
            fields, self._new_fields = self._new_fields, {}
        for name, text in fields.items():
            at, width = self._places[name]
            try:
                self._file.overwrite(at, _escaped(text, width))
            except RecordingError:
                with self._lock:  # offered again with what waits; what came meanwhile is newer
                    self._new_fields = {**fields, **self._new_fields}
                raise


def _place(header: bytes, name: str, width: int) -> int:
    opening = f"<{name}>".encode()
    return header.index(opening + b" " * width) + len(opening)


def _escaped(text: str, width: int) -> bytes:
    """Give a text as XML of exactly so many bytes, cut where a character ends and filled up with spaces."""
    kept = b""
    for character in text:
        safe = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}.get(character, character if character >= " " else " ")
        encoded = safe.encode("utf-8", "replace")
        if len(kept) + len(encoded) > width:
            break
        kept += encoded
    return kept.ljust(width)
