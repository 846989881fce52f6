"""The types that flow out of a device: channel, stream specification and chunk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bci.errors import UnsupportedStreamError

Origin = Literal["live", "file", "simulator"]
"""Where the samples of a stream come from; every score repeats it."""

SourceState = Literal["connecting", "streaming", "stalled", "reconnecting", "closed", "failed"]
"""State of a source as the `status` topic names it."""

FloatSamples = NDArray[np.float32]
Timestamps = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a stream.

    Parameters
    ----------
    label
        Canonical 10-20/10-10 name for EEG (`bci.montage.canonical_label`), the device's own name otherwise.
    kind
        `eeg`, `eog`, `ecg`, `emg`, `ref`, `gaze`, `marker` or `aux`. Only `eeg` is ever scored.
    unit
        Unit of the samples in a `Chunk`: `uV` for biosignals, whatever the adapter has converted from.
    position_m
        Electrode position in metres in the MNE head frame (x right, y front, z up); None where nobody said.
    """

    label: str
    kind: str = "eeg"
    unit: str = "uV"
    position_m: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """What an adapter promises about the chunks it will give.

    Parameters
    ----------
    source_id
        Stable identifier of the device or file; an outlet that restarts keeps it.
    name, kind
        LSL name and content type (`EEG`, `Gaze`, `Markers`).
    nominal_rate_hz
        Samples per second by the device's word; 0.0 = irregular, as in LSL.
    channels
        In the order of the columns of `Chunk.data`.
    device
        What a person calls it ("Muse 2", "CooperControl.csv").
    origin
        `live`, `file` or `simulator`.
    profile
        Id of the firmware profile in use, None for an unknown device.
    profile_verified
        True where the profile was checked against the vendor's document or the board's descriptor.
    rails_uv
        Lowest and highest value the converter can give, µV; None where unknown.
    """

    source_id: str
    name: str
    kind: str
    nominal_rate_hz: float
    channels: tuple[Channel, ...]
    device: str
    origin: Origin = "live"
    profile: str | None = None
    profile_verified: bool = False
    rails_uv: tuple[float, float] | None = None

    @property
    def scored(self) -> tuple[int, ...]:
        """Columns that a focus model may see: EEG with a known position."""
        return tuple(i for i, c in enumerate(self.channels) if c.kind == "eeg" and c.position_m is not None)

    @property
    def unassigned(self) -> bool:
        """True where there is EEG, but nobody has said where any electrode is."""
        return any(c.kind == "eeg" for c in self.channels) and not self.scored


@dataclass(frozen=True, slots=True)
class SourceClock:
    """What a chunk's stamps were before they came to the host's LSL clock; for the recording, nobody else looks.

    Parameters
    ----------
    stamps_s
        float64 (samples,), as the source sent them, by its own clock.
    offset_s
        Added to the newest of them, seconds: host's LSL clock less the source's.
    measured
        The newest measurement of that offset: source's clock at the moment, and the offset; None where nothing is
        measured.
    """

    stamps_s: Timestamps
    offset_s: float
    measured: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Noted:
    """What a recording says beside its samples: an event, or how they were scored.

    Parameters
    ----------
    at_s
        Seconds, by the clock of the stamps beside it.
    said
        The message; its `type` is `marker`, `trial`, `baseline`, `certificate` or `paused`.
    """

    at_s: float
    said: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive samples of one stream as they came, on the host's LSL clock.

    Parameters
    ----------
    spec
        The stream that they belong to.
    data
        float32 (samples, channels), µV for biosignals.
    timestamps_s
        float64 (samples,), LSL clock, one stamp for each sample: the moment of the sample, not of its arrival.
        Not yet dejittered: stamps may repeat or jump.
    first_sample
        Running number of the first sample since the stream opened. A device that counts its packets makes it jump
        where samples were lost; without a counter it is contiguous.
    clock
        The source's own stamps, where they are of another clock than the host's.
    noted
        What a recording that is played says of these samples and of those up to half a second later; oldest first.
    """

    spec: StreamSpec
    data: FloatSamples
    timestamps_s: Timestamps
    first_sample: int
    clock: SourceClock | None = None
    noted: tuple[Noted, ...] = ()

    def __post_init__(self) -> None:
        """Hand the arrays on read-only, and refuse shapes that do not fit the specification."""
        if self.data.ndim != 2 or self.data.shape[1] != len(self.spec.channels):
            msg = f"{self.spec.device}: chunk of shape {self.data.shape}, expected (n, {len(self.spec.channels)})"
            raise UnsupportedStreamError(msg)
        if self.timestamps_s.shape != (self.data.shape[0],):
            msg = f"{self.spec.device}: {self.timestamps_s.shape} stamps for {self.data.shape[0]} samples"
            raise UnsupportedStreamError(msg)
        self.data.setflags(write=False)
        self.timestamps_s.setflags(write=False)

    def __len__(self) -> int:
        """Count samples."""
        return int(self.data.shape[0])
