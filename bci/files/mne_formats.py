"""EDF, BDF, FIF and BrainVision through MNE-Python, without preloading."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bci.errors import FileFormatError, UnsupportedStreamError
from bci.files.damage import DAMAGE
from bci.files.recording import Marker, Recording
from bci.montage import channel_kind, eeg_channel, position_m, unique_labels
from bci.types import Channel, FloatSamples, StreamSpec

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
            raw = _open(path, file_format)
            _check_size(raw, name)
            samples = _samples(raw)
        except DAMAGE as error:
            msg = f"{name}: no readable {file_format.upper()} file ({error or type(error).__name__}); is it whole?"
            raise FileFormatError(msg) from error
    notes = [f"mne: {text}" for text in dict.fromkeys(str(w.message).strip() for w in caught)]
    rate_hz = float(raw.info["sfreq"])
    measured = raw.info["meas_date"]
    channels = _channels(raw)
    return Recording(
        spec=StreamSpec(f"file:{name}", name, "EEG", rate_hz, channels, name, origin="file"),
        samples=samples,
        stamps_s=np.arange(len(samples)) / rate_hz,
        sample_numbers=np.arange(len(samples), dtype=np.int64),
        markers=_markers(raw),
        notes=tuple(notes),
        started_unix_s=measured.timestamp() if measured is not None else None,
    )


def _open(path: Path, file_format: str) -> BaseRaw:
    import mne

    openers: dict[str, Callable[..., Any]] = {
        "edf": mne.io.read_raw_edf,
        "bdf": mne.io.read_raw_bdf,
        "fif": mne.io.read_raw_fif,
        "brainvision": mne.io.read_raw_brainvision,
    }
    options: dict[str, object] = {"preload": False, "verbose": "warning"}
    if file_format == "fif":
        options["allow_maxshield"] = False
    return openers[file_format](path, **options)


def _check_size(raw: BaseRaw, name: str) -> None:
    n_bytes = 4 * raw.n_times * len(raw.ch_names)
    if n_bytes > MOST_BYTES:
        msg = f"{name}: {n_bytes / 1e9:.1f} GB of samples, at most {MOST_BYTES / 1e9:.1f} are read; cut it into parts"
        raise UnsupportedStreamError(msg)


def _samples(raw: BaseRaw) -> FloatSamples:
    """Read all samples, (samples, channels): µV for voltages, MNE's own unit for the rest."""
    samples = np.empty((raw.n_times, len(raw.ch_names)), dtype=np.float32)
    types = raw.get_channel_types()
    scale = np.array([1.0 if kind in ("stim", "misc") else 1e6 for kind in types])[:, None]
    for start in range(0, raw.n_times, BLOCK_SAMPLES):
        stop = min(start + BLOCK_SAMPLES, raw.n_times)
        block: Any = raw.get_data(start=start, stop=stop)  # the stub allows a tuple, which return_times would give
        samples[start:stop] = (block * scale).T
    return samples


def _channels(raw: BaseRaw) -> tuple[Channel, ...]:
    labels = unique_labels([eeg_channel(label).label for label in raw.ch_names])
    channels: list[Channel] = []
    for given, label, mne_type in zip(raw.ch_names, labels, raw.get_channel_types(), strict=True):
        # EDF says nothing of types, so that MNE calls everything EEG: there the name tells.
        kind = channel_kind(given) if mne_type == "eeg" else _KINDS.get(mne_type, "aux")
        unit = "uV" if mne_type not in ("stim", "misc") else "1"
        channels.append(Channel(label, kind, unit, position_m(given) if kind == "eeg" else None))
    return tuple(channels)


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
