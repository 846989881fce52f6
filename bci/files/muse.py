"""CSV files of Muse headsets: muselsl (`timestamps,TP9,AF7,…`) and Mind Monitor (`TimeStamp,…,RAW_TP9,…`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from bci.errors import FileFormatError, UnsupportedStreamError
from bci.files.recording import Marker, Recording, float_samples
from bci.files.table import column_of, delimiter_of, floats_of, split_row
from bci.montage import eeg_channel
from bci.types import Channel, StreamSpec, Timestamps

KNOWN_RATES_HZ = (220.0, 256.0)
"""Muse 2014 samples at 220 Hz, every later one at 256 Hz."""

MUSELSL_RAILS_UV = (-1000.0, 999.512)
"""12 bits of 0.48828125 µV around 2048, as muselsl converts them."""

MIND_MONITOR_RAILS_UV = (0.0, 1682.815)
"""Mind Monitor's manual: 0..1682.815 µV."""


def is_muse(lines: Sequence[str]) -> bool:
    """Tell by the header."""
    first = lines[0].lower()
    return first.lstrip().startswith(("timestamps", "timestamp", "time stamp")) and "tp9" in first


def read_muse(lines: Sequence[str], name: str) -> Recording:
    """Read a muselsl or Mind Monitor CSV.

    Parameters
    ----------
    lines
        Of the file, without blank ones.
    name
        Of the file.

    Raises
    ------
    FileFormatError
        No line below the header can be read.
    UnsupportedStreamError
        Mind Monitor averaged the samples (recording interval not `Constant`).
    """
    delimiter = delimiter_of(lines[0])
    header = split_row(lines[0], delimiter)
    mind_monitor = any(cell.upper().startswith("RAW_") for cell in header)
    rows = lines[1:]
    notes: list[str] = []
    markers: list[tuple[float, str]] = []
    if mind_monitor:
        columns = [i for i, cell in enumerate(header) if cell.upper().startswith(("RAW_", "AUX"))]
        markers, rows = _take_elements(rows, header, columns, delimiter)
    else:
        columns = list(range(1, len(header)))
    whole = [i for i, row in enumerate(rows) if row.count(delimiter) == len(header) - 1]
    stamps_s = _stamps([rows[i] for i in whole], delimiter)
    readable = np.isfinite(stamps_s)
    kept = [i for i, good in zip(whole, readable, strict=True) if good]
    if not kept:
        msg = f"{name}: none of its {len(rows)} lines could be read; expected a stamp and {len(columns)} values in each"
        raise FileFormatError(msg)
    if len(kept) < len(rows):
        notes.append(f"{len(rows) - len(kept)} damaged lines skipped")
    stamps_s = stamps_s[readable]
    rate_hz = _rate(stamps_s, name, notes, mind_monitor=mind_monitor)
    spec = StreamSpec(
        source_id=f"file:{name}",
        name=name,
        kind="EEG",
        nominal_rate_hz=rate_hz,
        channels=tuple(_channel(header[i]) for i in columns),
        device=name,
        origin="file",
        rails_uv=MIND_MONITOR_RAILS_UV if mind_monitor else MUSELSL_RAILS_UV,
    )
    numbers = np.array(kept, dtype=np.int64)  # a line that was damaged is a sample that was lost
    return Recording(
        spec=spec,
        samples=float_samples(floats_of([rows[i] for i in kept], columns, delimiter)),
        stamps_s=stamps_s - stamps_s[0],
        sample_numbers=numbers - numbers[0],
        markers=tuple(Marker(at_s - float(stamps_s[0]), label) for at_s, label in markers),
        notes=tuple(notes),
        # Older muselsl wrote the LSL clock, newer ones Unix time: nobody had a Muse in 2001.
        # Mind Monitor writes the local time of a place it does not name.
        started_unix_s=float(stamps_s[0]) if stamps_s[0] > 1e9 and not mind_monitor else None,
    )


def _channel(column: str) -> Channel:
    label = column.upper().removeprefix("RAW_").strip()
    if "AUX" in label:
        return Channel(column.strip(), "aux")
    return eeg_channel(label)


def _take_elements(
    rows: Sequence[str], header: Sequence[str], columns: Sequence[int], delimiter: str
) -> tuple[list[tuple[float, str]], list[str]]:
    """Part Mind Monitor's lines that hold only an element (`/muse/elements/blink`, a marker) from samples."""
    column = header.index("Elements") if "Elements" in header else None
    markers: list[tuple[float, str]] = []
    samples: list[str] = []
    for row in rows:
        if "/" not in row:  # elements are OSC addresses; nothing else holds a slash
            samples.append(row)
            continue
        cells = split_row(row, delimiter)
        at_s = _moment(cells[0])
        if column is not None and len(cells) > column and np.isfinite(at_s):
            markers.append((at_s, cells[column]))
        if any(cells[i] for i in columns if i < len(cells)):
            samples.append(row)
    return markers, samples


def _stamps(rows: Sequence[str], delimiter: str) -> Timestamps:
    stamps_s = floats_of(rows, [0], delimiter)[:, 0]
    if np.isfinite(stamps_s).any():
        return stamps_s
    return np.array([_moment(cell) for cell in column_of(rows, 0, delimiter)], dtype=np.float64)


def _moment(cell: str) -> float:
    """Read Mind Monitor's `2020-05-01 12:00:00.123` (local time, taken as UTC: only differences count) or a number."""
    try:
        return datetime.fromisoformat(cell).replace(tzinfo=UTC).timestamp()
    except ValueError:
        pass
    try:
        return float(cell)
    except ValueError:
        return np.nan


def _rate(stamps_s: Timestamps, name: str, notes: list[str], *, mind_monitor: bool) -> float:
    """Nominal rate from the stamps: the median over runs of a second, so that gaps and jitter do not count."""
    run = min(256, stamps_s.size - 1)
    if run < 1:
        notes.append("one sample only: nominal rate taken as 256 Hz")
        return 256.0
    spans = stamps_s[run:] - stamps_s[:-run]
    measured_hz = run / max(float(np.median(spans)), 1e-6)
    nearest_hz = min(KNOWN_RATES_HZ, key=lambda rate: abs(rate - measured_hz))
    if abs(measured_hz / nearest_hz - 1.0) <= 0.05:
        return nearest_hz
    if measured_hz < 100.0 and mind_monitor:
        msg = f"{name}: {measured_hz:.3g} samples a second; set Mind Monitor's interval to 'Constant' (256 Hz)"
        raise UnsupportedStreamError(msg)
    notes.append(f"stamps advance at {measured_hz:.4g} Hz, no rate of a Muse; taken as the nominal rate")
    return float(round(measured_hz)) or measured_hz
