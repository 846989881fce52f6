"""Channels of a stream in an XDF file, from the meta-data in the variants that recording programs write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci.errors import UnsupportedStreamError
from bci.montage import canonical_label, channel_kind, position_m, unique_labels
from bci.types import Channel
from bci.units import KNOWN_UNITS, is_unit_unsaid, microvolts_per

_TYPES = {"eog": "eog", "ecg": "ecg", "ekg": "ecg", "emg": "emg", "gaze": "gaze", "ref": "ref", "misc": "aux",
          "aux": "aux", "stim": "marker", "markers": "marker", "trigger": "marker", "acc": "aux"}  # fmt: skip

_BIOSIGNALS = frozenset({"eeg", "eog", "ecg", "emg", "ref"})

Node = Mapping[str, Any]
"""pyxdf's dict of an XML element: each child's name leads to the list of such children."""


def text_of(node: Node, *names: str) -> str:
    """First text among children of these names; empty where there is none."""
    for name in names:
        for value in node.get(name) or ():
            if isinstance(value, str) and value.strip():
                return value.strip()
    return ""


def read_channels(info: Node, device: str) -> tuple[tuple[Channel, ...], NDArray[np.float64], list[str]]:
    """Tell what the channels of a stream are.

    Parameters
    ----------
    info
        The stream's `info` node.
    device
        What a person calls the stream, for messages.

    Returns
    -------
    channels
        With canonical labels; a channel without a name is its number from 1.
    scale
        float64 (channels,): what a value is to be multiplied by to be in `Channel.unit`.
    notes
        What was assumed.

    Raises
    ------
    UnsupportedStreamError
        An EEG channel has a unit that is no voltage.
    """
    n_channels = int(text_of(info, "channel_count") or 0)
    is_eeg = text_of(info, "type").casefold() == "eeg"
    nodes = _channel_nodes(info)
    notes: list[str] = []
    if nodes and len(nodes) != n_channels:
        notes.append(f"its header describes {len(nodes)} channels, {n_channels} were recorded: labels not used")
        nodes = []
    nodes = nodes or [{}] * n_channels
    labels = unique_labels([canonical_label(text_of(node, "label", "name")) for node in nodes])
    channels: list[Channel] = []
    scale = np.ones(n_channels)
    assumed = 0
    for i, (node, label) in enumerate(zip(nodes, labels, strict=True)):
        kind = _kind(text_of(node, "type"), text_of(node, "label", "name"), is_eeg=is_eeg)
        unit = text_of(node, "unit", "units")
        if kind in _BIOSIGNALS:
            factor = 1.0 if is_unit_unsaid(unit) else microvolts_per(unit)
            assumed += is_unit_unsaid(unit) and kind == "eeg"
            if factor is None and kind == "eeg":
                msg = f"{device}: channel {label} has the unit '{unit}'; known are {KNOWN_UNITS}"
                raise UnsupportedStreamError(msg)
            scale[i] = 1.0 if factor is None else factor
            unit = unit if factor is None else "uV"
        position = position_m(label.partition("#")[0]) if kind == "eeg" else None
        channels.append(Channel(label, kind, unit or "1", position))
    if assumed:
        notes.append(f"no unit given for {assumed} EEG channels: taken as µV")
    return tuple(channels), scale, notes


def _channel_nodes(info: Node) -> Sequence[Node]:
    for desc in info.get("desc") or ():
        if not isinstance(desc, Mapping):
            continue
        for holder in desc.get("channels") or ():
            if isinstance(holder, Mapping):
                return [node if isinstance(node, Mapping) else {} for node in holder.get("channel") or ()]
    return ()


def _kind(stated: str, label: str, *, is_eeg: bool) -> str:
    stated = stated.casefold()
    if stated in _TYPES:
        return _TYPES[stated]
    by_name = channel_kind(label)
    if by_name != "eeg" or stated == "eeg" or position_m(label) is not None:
        return by_name
    # The name says nothing: what kind of stream it stands in decides.
    return "eeg" if is_eeg and not stated else "aux"
