"""EDF, BDF, FIF and BrainVision through MNE-Python, without preloading."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bci.errors import FileFormatError, UnsupportedStreamError
from bci.files.damage import DAMAGE
from bci.files.edf_layout import EdfLayout, read_layout, record_starts, samples_before
from bci.files.recording import Marker, Recording, float_samples
from bci.montage import channel_kind, eeg_channel, position_m, unique_labels
from bci.types import Channel, FloatSamples, StreamSpec
from bci.units import KNOWN_UNITS, is_unit_unsaid, microvolts_per

if TYPE_CHECKING:
    from mne.io import BaseRaw

BLOCK_SAMPLES = 65536
"""MNE gives float64; converting by blocks keeps the peak near the size of the float32 samples."""

MOST_BYTES = 4 << 30
"""Of samples in memory: nine hours of 64 channels at 500 Hz."""

_warnings_are_global = threading.Lock()

_KINDS = {"eog": "eog", "ecg": "ecg", "emg": "emg", "stim": "marker", "misc": "aux", "bio": "aux", "resp": "aux"}


def read_with_mne(path: Path, name: str, file_format: str) -> Recording:
    """Read a recording with MNE.

    Parameters
    ----------
    path
        The file; of a BrainVision set any of the three.
    name
        What a person calls it.
    file_format
        `edf`, `bdf`, `fif` or `brainvision`.

    Raises
    ------
    FileFormatError
        MNE cannot make sense of it; with MNE's own words.
    """
    if file_format == "brainvision":
        path = _brainvision_header(path, name)
    with _warnings_are_global, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            layout = read_layout(path) if file_format in ("edf", "bdf") else None
            raw = _open(path, file_format, layout)
            _check_size(raw, name)
            channels, scale, assumed = _channels(raw, layout, name)
            samples = _samples(raw, scale)
        except DAMAGE as error:
            msg = f"{name}: no readable {file_format.upper()} file ({str(error) or type(error).__name__}); is it whole?"
            raise FileFormatError(msg) from error
    notes = [f"mne: {text}" for text in dict.fromkeys(str(w.message).strip() for w in caught)]
    notes += assumed
    rate_hz = float(raw.info["sfreq"])
    measured = raw.info["meas_date"]
    numbers = np.arange(len(samples), dtype=np.int64)
    if layout is not None:
        numbers += _missing(path, layout, len(samples), rate_hz)
        notes += _layout_notes(layout, numbers)
    return Recording(
        spec=StreamSpec(f"file:{name}", name, "EEG", rate_hz, channels, name, origin="file"),
        samples=samples,
        stamps_s=numbers / rate_hz,
        sample_numbers=numbers,
        markers=_markers(raw),
        notes=tuple(notes),
        started_unix_s=measured.timestamp() if measured is not None else None,
    )


def _open(path: Path, file_format: str, layout: EdfLayout | None) -> BaseRaw:
    import mne

    openers: dict[str, Callable[..., Any]] = {
        "edf": mne.io.read_raw_edf,
        "bdf": mne.io.read_raw_bdf,
        "fif": mne.io.read_raw_fif,
        "brainvision": mne.io.read_raw_brainvision,
    }
    options: dict[str, object] = {"preload": False, "verbose": "warning"}
    if layout is not None and layout.other_rates:
        options["exclude"] = list(layout.other_rates)
    return openers[file_format](path, **options)


def _missing(path: Path, layout: EdfLayout, n: int, rate_hz: float) -> NDArray[np.int64]:
    starts_s = record_starts(path, layout) if layout.discontinuous else np.empty(0)
    if not starts_s.size:
        return np.zeros(n, dtype=np.int64)
    return samples_before(starts_s, n, layout.eeg_rate_samples, rate_hz)


def _layout_notes(layout: EdfLayout, numbers: NDArray[np.int64]) -> list[str]:
    notes: list[str] = []
    if layout.other_rates:
        notes.append(f"left out, sampled at another rate than the EEG: {', '.join(layout.other_rates)}")
    gaps = np.diff(numbers) - 1
    if gaps.any():
        stretches = np.count_nonzero(gaps) + 1
        notes.append(f"{gaps.sum()} samples between the {stretches} stretches of this EDF+D were not recorded")
    return notes


def _check_size(raw: BaseRaw, name: str) -> None:
    n_bytes = 4 * raw.n_times * len(raw.ch_names)
    if n_bytes > MOST_BYTES:
        msg = f"{name}: {n_bytes / 1e9:.1f} GB of samples, at most {MOST_BYTES / 1e9:.1f} are read; cut it into parts"
        raise UnsupportedStreamError(msg)


def _samples(raw: BaseRaw, scale: NDArray[np.float64]) -> FloatSamples:
    """Read all samples, (samples, channels), times what brings each channel to its unit."""
    samples = np.empty((raw.n_times, len(raw.ch_names)), dtype=np.float32)
    for start in range(0, raw.n_times, BLOCK_SAMPLES):
        stop = min(start + BLOCK_SAMPLES, raw.n_times)
        block: Any = raw.get_data(start=start, stop=stop)  # the stub allows a tuple, which return_times would give
        samples[start:stop] = float_samples(block.T, scale)
    return samples


def _channels(
    raw: BaseRaw, layout: EdfLayout | None, name: str
) -> tuple[tuple[Channel, ...], NDArray[np.float64], list[str]]:
    """Tell channels, what MNE's values are to be multiplied by, and what was assumed."""
    labels = unique_labels([eeg_channel(label).label for label in raw.ch_names])
    channels: list[Channel] = []
    scale = np.full(len(labels), 1e6)  # MNE gives volts
    assumed = 0
    for i, (given, label, mne_type) in enumerate(zip(raw.ch_names, labels, raw.get_channel_types(), strict=True)):
        # EDF says nothing of types, so that MNE calls everything EEG: there the name tells.
        kind = channel_kind(given) if mne_type == "eeg" else _KINDS.get(mne_type, "aux")
        unit = "uV" if mne_type not in ("stim", "misc") else "1"
        if layout is not None:
            stated = layout.units[layout.kept[i]]
            factor = microvolts_per(stated)
            if factor is None and kind == "eeg" and not is_unit_unsaid(stated):
                msg = f"{name}: channel {label} has the unit '{stated}'; known are {KNOWN_UNITS}"
                raise UnsupportedStreamError(msg)
            assumed += factor is None and kind == "eeg"
            unit = "uV" if factor is not None or kind == "eeg" else stated or "1"
            scale[i] = (factor or 1.0) / _volts_by_mne(stated)
        elif unit == "1":
            scale[i] = 1.0
        channels.append(Channel(label, kind, unit, position_m(given) if kind == "eeg" else None))
    return tuple(channels), scale, [f"no unit given for {assumed} EEG channels: taken as µV"] if assumed else []


def _volts_by_mne(unit: str) -> float:
    """How many volts MNE takes one of an EDF unit for: it knows these two, everything else passes as volts."""
    if unit in ("uV", "\u00b5V", "\u03bcV", "\x83\xcaV"):
        return 1e-6
    return 1e-3 if unit == "mV" else 1.0


def _markers(raw: BaseRaw) -> tuple[Marker, ...]:
    annotations: Any = raw.annotations  # MNE's stubs give one type to all fields of an annotation
    first_s = float(raw.first_time) if annotations.orig_time is not None else 0.0
    columns = (annotations.onset, annotations.description, annotations.duration)
    return tuple(
        Marker(float(onset_s) - first_s, str(text), float(duration_s))
        for onset_s, text, duration_s in zip(*columns, strict=True)
    )


def _brainvision_header(path: Path, name: str) -> Path:
    header = path.with_suffix(".vhdr")
    if not header.is_file():
        msg = f"{name}: its header {header.name} is missing; a BrainVision recording is three files side by side"
        raise FileFormatError(msg)
    return header
