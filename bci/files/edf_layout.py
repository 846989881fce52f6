"""What MNE leaves unsaid of an EDF or BDF file: gaps between records, and channels of another rate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from bci.montage import channel_kind

_FIXED_BYTES = 256
_BEFORE_UNITS = 16 + 80
_BEFORE_COUNTS = 16 + 80 + 8 + 8 + 8 + 8 + 8 + 80
"""Bytes a signal in the header before the field of samples a record (Kemp 1992)."""


@dataclass(frozen=True, slots=True)
class EdfLayout:
    """How the records of a file are laid out.

    Parameters
    ----------
    labels
        Of all signals, annotations among them.
    units
        Of each signal, as the header spells it.
    samples_per_record
        Of each signal.
    sample_bytes
        2 in EDF, 3 in BDF.
    discontinuous
        True where the file says that time may pass between records (EDF+D).
    """

    labels: tuple[str, ...]
    units: tuple[str, ...]
    samples_per_record: tuple[int, ...]
    sample_bytes: int
    discontinuous: bool

    @property
    def eeg_rate_samples(self) -> int:
        """Samples a record of the EEG: what most of its channels have."""
        counts = [n for label, n in zip(self.labels, self.samples_per_record, strict=True) if _kind(label) == "eeg"]
        return max(set(counts), key=counts.count) if counts else max(self.samples_per_record, default=0)

    @property
    def kept(self) -> tuple[int, ...]:
        """Which signals MNE gives when `other_rates` are excluded, in its order."""
        left_out = self.other_rates
        return tuple(i for i, label in enumerate(self.labels) if not _is_annotation(label) and label not in left_out)

    @property
    def other_rates(self) -> tuple[str, ...]:
        """Signals that are not sampled as the EEG is; MNE would interpolate all to the fastest."""
        wanted = self.eeg_rate_samples
        pairs = zip(self.labels, self.samples_per_record, strict=True)
        return tuple(label for label, n in pairs if n != wanted and not _is_annotation(label))


def read_layout(path: Path) -> EdfLayout:
    """Read the header.

    Raises
    ------
    ValueError
        The header is cut off, or a field is no number: it is damaged.
    """
    with path.open("rb") as file:
        fixed = _header(file, _FIXED_BYTES)
        n_signals = _count(fixed[252:256].decode("latin-1"), "number of signals")
        signals = _header(file, _FIXED_BYTES * n_signals)
    labels = _fields(signals, n_signals, 0, 16)
    units = _fields(signals, n_signals, _BEFORE_UNITS, 8)
    counts = tuple(_count(text, "samples a record") for text in _fields(signals, n_signals, _BEFORE_COUNTS, 8))
    if not n_signals or min(counts) < 1:
        msg = f"{n_signals} signals with {counts} samples a record"
        raise ValueError(msg)
    is_bdf = fixed[0] == 0xFF
    return EdfLayout(labels, units, counts, 3 if is_bdf else 2, fixed[192:197] in (b"EDF+D", b"BDF+D"))


def _header(file: BinaryIO, n_bytes: int) -> bytes:
    read = file.read(n_bytes)
    if len(read) < n_bytes:
        msg = "its header is cut off"
        raise ValueError(msg)
    return read


def _count(text: str, what: str) -> int:
    if not text.strip().isdecimal():
        msg = f"its header has '{text.strip()}' for the {what}"
        raise ValueError(msg)
    return int(text)


def _fields(signals: bytes, n_signals: int, before: int, width: int) -> tuple[str, ...]:
    """One field of all signals: the header holds field after field, not signal after signal."""
    first = before * n_signals
    return tuple(
        signals[first + width * i : first + width * (i + 1)].decode("latin-1").strip() for i in range(n_signals)
    )


def record_starts(path: Path, layout: EdfLayout) -> NDArray[np.float64]:
    """Read when each record of an EDF+D began.

    Returns
    -------
    ndarray
        float64 (records,), seconds since the first; as many as are whole. NaN where a record does not say.
    """
    sizes = np.array(layout.samples_per_record) * layout.sample_bytes
    column = next((i for i, label in enumerate(layout.labels) if _is_annotation(label)), None)
    if column is None:
        return np.empty(0)
    before, record = int(sizes[:column].sum()), int(sizes.sum())
    first = _FIXED_BYTES * (len(layout.labels) + 1)
    starts: list[float] = []
    with path.open("rb") as file:
        while True:
            file.seek(first + record * len(starts) + before)
            annotations = file.read(int(sizes[column]))
            if len(annotations) < sizes[column]:
                break
            starts.append(_onset_s(annotations))
    return np.array(starts) - starts[0] if starts else np.empty(0)


def samples_before(starts_s: NDArray[np.float64], n: int, per_record: int, rate_hz: float) -> NDArray[np.int64]:
    """Count for each of `n` samples how many are missing before it, by the moments at which its records began."""
    record_s = per_record / rate_hz
    known = np.isfinite(starts_s)
    late_s = np.where(known, starts_s - np.arange(starts_s.size) * record_s, 0.0)
    missing = np.maximum.accumulate(np.round(late_s * rate_hz).astype(np.int64))  # less than a sample is rounding
    return missing[np.minimum(np.arange(n) // per_record, missing.size - 1)]


def _onset_s(annotations: bytes) -> float:
    text = annotations.partition(b"\x14")[0].partition(b"\x15")[0]
    try:
        return float(text)
    except ValueError:
        return np.nan


def _is_annotation(label: str) -> bool:
    return label in ("EDF Annotations", "BDF Annotations")


def _kind(label: str) -> str:
    return "marker" if _is_annotation(label) else channel_kind(label)
