"""Raw text files of the OpenBCI GUI, versions 3 to 5."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci.errors import FileFormatError
from bci.files.counter import running_numbers
from bci.files.recording import Marker, Recording, float_samples
from bci.files.table import column_of, floats_of, split_row
from bci.montage import eeg_channel
from bci.types import Channel, StreamSpec, Timestamps

CYTON_RAILS_UV = (-187500.02, 187500.0)
"""ADS1299 at 4.5 V and gain 24: what an open input reads as."""

_AUX_COLUMNS = 3  # accelerometer; files without column names always have them


@dataclass(frozen=True, slots=True)
class _Layout:
    width: int
    eeg: tuple[int, ...]
    labels: tuple[str, ...]
    stamp: int | None
    marker: int | None


def is_openbci(lines: Sequence[str]) -> bool:
    """Tell by the comment lines that the GUI begins with."""
    return lines[0].lstrip().startswith("%") and "openbci" in lines[0].lower()


def read_openbci(lines: Sequence[str], name: str) -> Recording:
    """Read raw text of the OpenBCI GUI.

    The sample counter makes the stamps: the clock column says when the GUI wrote a burst (up to half a second of
    samples bear the same time), not when a sample was taken. The clock decides only how often the counter went round
    in a gap.

    Parameters
    ----------
    lines
        Of the file, without blank ones.
    name
        Of the file.

    Raises
    ------
    FileFormatError
        No rate, no line that can be read, or a column count that no board has.
    """
    comments = [line for line in lines if line.startswith("%")]
    body = [line for line in lines if not line.startswith("%")]
    header: list[str] | None = None
    if body and "sample index" in body[0].lower():
        header, body = split_row(body[0]), body[1:]
    if not body:
        msg = f"{name}: a header, but no samples below it; was the recording stopped at once?"
        raise FileFormatError(msg)
    layout = _layout(name, comments, header, body)
    rate_hz = _rate(name, comments)
    whole = [line for line in body if line.count(",") == layout.width - 1]
    index = floats_of(whole, [0])[:, 0]
    clock_s, is_unix = _clock(whole, layout.stamp)
    readable = np.abs(index) < 2**53  # a number that counts nothing is damage
    if not readable.any():
        msg = f"{name}: none of its {len(body)} lines has a sample index and {layout.width - 1} columns more"
        raise FileFormatError(msg)
    kept = [line for line, good in zip(whole, readable, strict=True) if good]
    notes: list[str] = []
    if len(kept) < len(body):
        notes.append(f"{len(body) - len(kept)} damaged lines skipped")
    samples = float_samples(floats_of(kept, layout.eeg))
    count = running_numbers(index[readable].astype(np.int64), clock_s[readable], rate_hz)
    notes += count.notes
    stamps_s = count.numbers / rate_hz
    extreme_uv = float(np.nanmax(np.abs(samples), initial=0.0))
    return Recording(
        spec=StreamSpec(
            source_id=f"file:{name}",
            name=name,
            kind="EEG",
            nominal_rate_hz=rate_hz,
            channels=tuple(_channel(label) for label in layout.labels),
            device=name,
            origin="file",
            rails_uv=CYTON_RAILS_UV if len(layout.eeg) >= 8 and extreme_uv < 187501.0 else None,
        ),
        samples=samples,
        stamps_s=stamps_s,
        sample_numbers=count.numbers,
        markers=_markers(kept, layout.marker, stamps_s),
        notes=tuple(notes),
        started_unix_s=float(clock_s[readable][0]) if is_unix and np.isfinite(clock_s[readable][0]) else None,
    )


def _layout(name: str, comments: Sequence[str], header: list[str] | None, lines: Sequence[str]) -> _Layout:
    if header is not None:
        lower = [cell.lower() for cell in header]
        eeg = tuple(i for i, cell in enumerate(lower) if cell.startswith(("exg channel", "eeg channel")))
        if not eeg:
            msg = f"{name}: no 'EXG Channel' among its columns ({', '.join(header[:6])} …)"
            raise FileFormatError(msg)
        stamp = lower.index("timestamp") if "timestamp" in lower else None
        marker = lower.index("marker channel") if "marker channel" in lower else None
        return _Layout(len(header), eeg, tuple(header[i] for i in eeg), stamp, marker)
    widths = Counter(line.count(",") + 1 for line in lines)
    width = max(widths, key=widths.__getitem__)
    typical = split_row(next(line for line in lines if line.count(",") == width - 1))
    clocks = [i for i in range(1, width) if ":" in typical[i] or _is_unix(typical[i])]
    stated = _stated("Number of channels", comments)
    n_eeg = int(stated) if stated else (clocks[0] if clocks else width) - 1 - _AUX_COLUMNS
    if not 1 <= n_eeg <= width - 1:
        msg = f"{name}: {width} columns; expected a sample index, 4, 8 or 16 EEG, {_AUX_COLUMNS} auxiliary and a clock"
        raise FileFormatError(msg)
    labels = tuple(f"EXG Channel {i}" for i in range(n_eeg))
    return _Layout(width, tuple(range(1, n_eeg + 1)), labels, clocks[-1] if clocks else None, None)


def _channel(label: str) -> Channel:
    named = eeg_channel(label)
    return named if named.kind == "eeg" else Channel(label, "eeg")


def _rate(name: str, comments: Sequence[str]) -> float:
    rate_hz = _stated("Sample Rate", comments)
    if not rate_hz:
        msg = f"{name}: no line '%Sample Rate = … Hz' in its header; add one (Cyton 250, with Daisy 125, Ganglion 200)"
        raise FileFormatError(msg)
    return rate_hz


def _stated(what: str, comments: Sequence[str]) -> float | None:
    for line in comments:
        found = re.search(rf"{what}\s*=\s*([\d.]+)", line, re.IGNORECASE)
        if found:
            return float(found[1])
    return None


def _is_unix(cell: str) -> bool:
    try:
        return float(cell) > 1e9
    except ValueError:
        return False


def _clock(lines: Sequence[str], column: int | None) -> tuple[Timestamps, bool]:
    """Seconds of the clock column (NaN where there is none), and whether they are Unix time."""
    if column is None or not lines:
        return np.full(len(lines), np.nan), False
    if ":" in lines[0].split(",")[column]:
        seconds = np.array([_time_of_day_s(cell) for cell in column_of(lines, column)], dtype=np.float64)
        # Past midnight the clock begins anew.
        days = np.cumsum(np.diff(seconds, prepend=seconds[0]) < -43200.0).astype(np.float64)
        return seconds + 86400.0 * days, False
    unix = floats_of(lines, [column])[:, 0]
    return (unix / 1000.0 if np.nanmedian(unix) > 1e11 else unix), True  # version 4 wrote milliseconds


def _time_of_day_s(cell: str) -> float:
    try:
        hours, minutes, seconds = map(float, cell.split(":"))
    except ValueError:
        return np.nan
    return hours * 3600.0 + minutes * 60.0 + seconds


def _markers(lines: Sequence[str], column: int | None, stamps_s: Timestamps) -> tuple[Marker, ...]:
    if column is None:
        return ()
    values: NDArray[np.float64] = np.nan_to_num(floats_of(lines, [column])[:, 0])
    set_at = np.flatnonzero((values != 0.0) & (np.diff(values, prepend=0.0) != 0.0))
    return tuple(Marker(float(stamps_s[i]), f"{values[i]:g}") for i in set_at)
