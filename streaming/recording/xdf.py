"""XDF 1.0, written: chunks as bytes, without any I/O (https://github.com/sccn/xdf/wiki/Specifications).

Reading is pyxdf's business. Every sample carries its stamp: files are cut off anywhere, and a stamp that has to be
deduced from one before is lost with it.
"""

from __future__ import annotations

import functools
import struct
import uuid
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Literal, get_args
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bci.errors import UnsupportedStreamError

MAGIC = b"XDF:"
BOUNDARY_ID = uuid.UUID("43a546dc-cbf5-410f-b30e-d5467383cbe4").bytes

Format = Literal["int8", "int16", "int32", "int64", "float32", "double64", "string"]
FORMATS: tuple[Format, ...] = get_args(Format)
_NUMPY = {"int8": "<i1", "int16": "<i2", "int32": "<i4", "int64": "<i8", "float32": "<f4", "double64": "<f8"}

Node = Mapping[str, Any]
"""An XML element's children: text, a number, another node, or a list of any of these for repeated elements."""


class Tag(IntEnum):
    """What a chunk holds."""

    FILE_HEADER = 1
    STREAM_HEADER = 2
    SAMPLES = 3
    CLOCK_OFFSET = 4
    BOUNDARY = 5
    STREAM_FOOTER = 6


def file_header(info: Node) -> bytes:
    """Make the first chunk of a file; `version` 1.0 is added where it is not given."""
    return _chunk(Tag.FILE_HEADER, _xml("info", {"version": "1.0", **info}))


def stream_header(stream_id: int, info: Node) -> bytes:
    """Describe a stream, before its first samples.

    Parameters
    ----------
    stream_id
        From 1; the number in all chunks of the stream.
    info
        At least `name`, `type`, `channel_count`, `nominal_srate` and `channel_format`.

    Raises
    ------
    UnsupportedStreamError
        For a format that XDF does not have.
    """
    wanted = str(info.get("channel_format"))
    if wanted not in FORMATS:
        msg = f"stream '{info.get('name')}': format '{wanted}', XDF has {', '.join(FORMATS)}"
        raise UnsupportedStreamError(msg)
    return _chunk(Tag.STREAM_HEADER, struct.pack("<I", stream_id), _xml("info", info))


def samples(stream_id: int, number_format: Format, stamps_s: NDArray[np.float64], values: ArrayLike) -> bytes:
    """Encode samples of numbers; nothing for none.

    Parameters
    ----------
    stream_id
        Of a stream described before.
    number_format
        As its header says; not `string`.
    stamps_s
        float64 (n,), seconds by the stream's clock.
    values
        (n, channels).
    """
    n = len(stamps_s)
    if not n:
        return b""
    columns = np.asarray(values).reshape(n, -1)
    block = np.empty(n, _row(number_format, columns.shape[1]))
    block["size"] = 8
    block["stamp"] = stamps_s
    block["values"] = columns
    return _chunk(Tag.SAMPLES, struct.pack("<I", stream_id), _length(n), block.tobytes())


@functools.cache
def _row(number_format: Format, n_channels: int) -> np.dtype[np.void]:
    return np.dtype([("size", "u1"), ("stamp", "<f8"), ("values", _NUMPY[number_format], (n_channels,))])


def texts(stream_id: int, stamps_s: Sequence[float], rows: Sequence[Sequence[str]]) -> bytes:
    """Encode samples of a stream of strings; nothing for none.

    Parameters
    ----------
    stream_id
        Of a stream described before.
    stamps_s
        One for each row.
    rows
        Each with one text a channel. A lone surrogate, which UTF-8 does not have, becomes `?`.
    """
    if not rows:
        return b""
    parts: list[bytes] = [struct.pack("<I", stream_id), _length(len(rows))]
    for stamp_s, row in zip(stamps_s, rows, strict=True):
        parts.append(struct.pack("<Bd", 8, stamp_s))
        for text in row:
            encoded = text.encode("utf-8", "replace")
            parts += (_length(len(encoded)), encoded)
    return _chunk(Tag.SAMPLES, *parts)


def clock_offset(stream_id: int, measured_at_s: float, offset_s: float) -> bytes:
    """Note a measurement of (recorder's clock - sender's clock), made at `measured_at_s` of the sender's clock."""
    return _chunk(Tag.CLOCK_OFFSET, struct.pack("<Idd", stream_id, measured_at_s, offset_s))


def boundary() -> bytes:
    """Give the mark from which a reader finds its way again after a damaged chunk."""
    return _chunk(Tag.BOUNDARY, BOUNDARY_ID)


def stream_footer(stream_id: int, info: Node) -> bytes:
    """Close a stream: `first_timestamp`, `last_timestamp`, `sample_count` and what else was measured."""
    return _chunk(Tag.STREAM_FOOTER, struct.pack("<I", stream_id), _xml("info", info))


def _chunk(tag: Tag, *parts: bytes) -> bytes:
    content = struct.pack("<H", tag), *parts
    return b"".join((_length(sum(map(len, content))), *content))


def _length(n: int) -> bytes:
    if n < 0x100:
        return struct.pack("<BB", 1, n)
    if n < 0x1_0000_0000:
        return struct.pack("<BI", 4, n)
    return struct.pack("<BQ", 8, n)


def _xml(name: str, node: Node) -> bytes:
    root = Element(name)
    _fill(root, node)
    return b'<?xml version="1.0"?>' + tostring(root, encoding="unicode").encode("utf-8", "replace")


def _fill(element: Element, node: Node) -> None:
    for name, value in node.items():
        for one in value if isinstance(value, list | tuple) else (value,):
            child = SubElement(element, name)
            if isinstance(one, Mapping):
                _fill(child, one)
            elif one is not None:
                child.text = _printable(str(one))


def _printable(text: str) -> str:
    """Leave out the control characters that XML 1.0 does not have."""
    return "".join(c for c in text if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff"))
