"""Any source as an LSL stream: what `focusloop relay` and `focusloop simulate` publish."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pylsl

from bci.errors import SourceEndedError
from bci.lsl.describe import OURS
from bci.lsl.setup import configure
from bci.source import Source
from bci.types import Channel, Chunk, StreamSpec

_CHUNK_S = 0.01  # a relay must not add more delay than this
_WAIT_S = 0.2  # so soon a stop is noticed while nothing comes
_LAST_SAMPLES_S = 0.5  # the outlet takes what is still under way with it
_TYPES = {"eeg": "EEG", "eog": "EOG", "ecg": "ECG", "emg": "EMG", "ref": "REF", "gaze": "Gaze", "marker": "Markers"}
_UNITS = {"uV": "microvolts"}


def outlet_info(
    spec: StreamSpec, *, name: str | None = None, kind: str | None = None, source_id: str | None = None
) -> pylsl.StreamInfo:
    """Announce a stream with full XDF meta-data.

    What XDF has no word for (origin, profile, rails) stands in an element of our own, so that a stream that was
    simulated or replayed is still marked as such behind the next inlet.

    Parameters
    ----------
    spec
        What is sent: µV for voltages.
    name, kind, source_id
        As announced; by default those of `spec`, the id marked as a relay's. It must last over restarts, so that
        inlets find the stream again.
    """
    info = pylsl.StreamInfo(
        name or spec.name,
        kind or spec.kind,
        len(spec.channels),
        spec.nominal_rate_hz,
        pylsl.cf_float32,
        source_id or f"{OURS}:{spec.source_id}",
    )
    desc = info.desc()
    acquisition = desc.append_child("acquisition")
    acquisition.append_child_value("manufacturer", OURS)
    acquisition.append_child_value("model", spec.device)
    channels = desc.append_child("channels")
    for channel in spec.channels:
        _describe(channels.append_child("channel"), channel)
    ours = desc.append_child(OURS)
    ours.append_child_value("origin", spec.origin)
    ours.append_child_value("device", spec.device)
    if spec.profile is not None:
        ours.append_child_value("profile", spec.profile)
        ours.append_child_value("profile_verified", "true" if spec.profile_verified else "false")
    if spec.rails_uv is not None:
        ours.append_child_value("rails_uv", f"{spec.rails_uv[0]!r} {spec.rails_uv[1]!r}")
    return info


def publish(
    source: Source,
    stop: threading.Event,
    *,
    name: str | None = None,
    kind: str | None = None,
    source_id: str | None = None,
    on_open: Callable[[pylsl.StreamInfo], None] | None = None,
    on_chunk: Callable[[Chunk], None] | None = None,
) -> int:
    """Read an open source and send its samples, with their stamps, until it ends or somebody stops it.

    Blocks; run it on a thread of its own where something else is to happen. The source stays open.

    Parameters
    ----------
    source
        Open. Its stamps are on this host's LSL clock, which is what an outlet owes.
    stop
        Set to end; noticed within 0.2 s.
    name, kind, source_id
        As in `outlet_info`.
    on_open
        Told once, when the outlet can be found, what it announces.
    on_chunk
        Told of each chunk after it was sent.

    Returns
    -------
    int
        How many samples were sent.

    Raises
    ------
    SourceFailedError
        If the source broke for good.
    """
    configure()
    spec = source.spec
    info = outlet_info(spec, name=name, kind=kind, source_id=source_id)
    outlet = pylsl.StreamOutlet(info, max_buffered=30)
    if on_open is not None:
        on_open(info)
    min_samples = max(1, round(spec.nominal_rate_hz * _CHUNK_S))
    sent = 0
    while not stop.is_set():
        try:
            chunk = source.read(min_samples, _WAIT_S)
        except SourceEndedError:
            if sent:
                stop.wait(_LAST_SAMPLES_S)
            break
        if chunk is None:
            continue
        # A list: pylsl takes an array of one stamp for a number.
        outlet.push_chunk(np.ascontiguousarray(chunk.data), chunk.timestamps_s.tolist())
        sent += len(chunk)
        if on_chunk is not None:
            on_chunk(chunk)
    return sent


def _describe(element: pylsl.info.XMLElement, channel: Channel) -> None:
    element.append_child_value("label", channel.label)
    element.append_child_value("type", _TYPES.get(channel.kind, "AUX"))
    element.append_child_value("unit", _UNITS.get(channel.unit, channel.unit))
    if channel.position_m is not None:
        location = element.append_child("location")  # XDF: millimetres to the right, the front and the top
        for axis, metres in zip("XYZ", channel.position_m, strict=True):
            location.append_child_value(axis, f"{metres * 1000.0:.2f}")
