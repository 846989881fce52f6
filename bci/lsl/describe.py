"""What the meta-data of an LSL stream say, in the variants that real programs write (XDF's is the standard).

https://github.com/sccn/xdf/wiki/Meta-Data and https://github.com/sccn/xdf/wiki/EEG-Meta-Data
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast, get_args

import numpy as np
import pylsl
from numpy.typing import NDArray

from bci.errors import UnsupportedStreamError
from bci.montage import assign_montage, canonical_label, channel_kind, position_m, unique_labels
from bci.profiles import FirmwareProfile, match_lsl
from bci.types import Channel, Origin, StreamSpec
from bci.units import KNOWN_UNITS, is_unit_unsaid, microvolts_per

OURS = "focusloop"
"""Element of the description in which our own outlets keep what XDF has no word for."""

_KINDS = {
    "eeg": "eeg",
    "eog": "eog",
    "veog": "eog",
    "heog": "eog",
    "ecg": "ecg",
    "ekg": "ecg",
    "emg": "emg",
    "ref": "ref",
    "reference": "ref",
    "gnd": "ref",
    "ground": "ref",
    "gaze": "gaze",
    "pupil": "gaze",
    "pupilsize": "gaze",
    "marker": "marker",
    "markers": "marker",
    "stim": "marker",
    "trigger": "marker",
    "triggers": "marker",
    "event": "marker",
}
_ELSEWHERE = re.compile(
    r"aux|misc|acc\w*|gyro\w*|mag\w*|ppg|f?nirs|hb[or]|gsr|eda|resp\w*|temp\w*|batt\w*|counter|time ?stamps?|sync|audio"
    r"|position|orientation|quaternion|meg|[si]eeg|ecog|dbs|bio|impedance"
)
_VOLTAGES = frozenset({"eeg", "eog", "ecg", "emg", "ref"})


@dataclass(frozen=True, slots=True)
class Description:
    """A stream's specification, and how its numbers become that.

    Parameters
    ----------
    spec
        With canonical labels, kinds and positions, voltages in µV.
    scale
        float64 (channels,): what a number is multiplied by; None where all are 1.
    notes
        What had to be assumed, in words for a person.
    """

    spec: StreamSpec
    scale: NDArray[np.float64] | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Stated:
    """One channel as its sender describes it."""

    label: str
    kind: str
    unit: str


def describe(info: pylsl.StreamInfo, montage: tuple[str, ...] | None = None) -> Description:
    """Read the full description of a stream.

    Parameters
    ----------
    info
        From `StreamInlet.info()`: a resolver's is not full.
    montage
        Electrode names that somebody stated; they win over the stream's own.

    Raises
    ------
    UnsupportedStreamError
        If it has no channels, holds text, or an EEG channel has an unknown unit.
    MontageError
        If the montage does not fit.
    """
    check_samples(info)
    profile = match_lsl(info.name(), info.type(), info.channel_count())
    notes: list[str] = []
    stated = _stated(info, profile, notes)
    scale, units = _to_microvolts(info, stated, profile, notes)
    channels = tuple(
        Channel(label, channel.kind, unit, position_m(label) if channel.kind == "eeg" else None)
        for channel, label, unit in zip(stated, unique_labels([c.label for c in stated]), units, strict=True)
    )
    spec = _with_ours(info, _spec(info, channels, profile))
    if montage is not None:
        spec = assign_montage(spec, profile.montage(montage) if profile else montage)
    return Description(spec, None if (scale == 1.0).all() else scale, tuple(notes))


def check_samples(info: pylsl.StreamInfo) -> None:
    """Refuse a stream that holds no samples; the short description of a resolver is enough.

    Raises
    ------
    UnsupportedStreamError
        If it has no channels or holds text.
    """
    if info.channel_count() < 1:
        msg = f"{info.name()}: the stream has no channels; restart the program that sends it"
        raise UnsupportedStreamError(msg)
    if info.channel_format() == pylsl.cf_string:
        kind = info.type() or "no type"
        msg = f"{info.name()} ({kind}) holds text, not samples; choose the device's EEG stream (`focusloop devices`)"
        raise UnsupportedStreamError(msg)


def _stated(info: pylsl.StreamInfo, profile: FirmwareProfile | None, notes: list[str]) -> list[_Stated]:
    """Channels as the stream describes them; where it names none, as the headset's profile does."""
    n = info.channel_count()
    elements = list(_children(info.desc().child("channels"), "channel"))
    if len(elements) not in (0, n):
        notes.append(f"its meta-data describe {len(elements)} channels, it has {n}: they are not used")
    if len(elements) != n:
        elements = []
    labels = [canonical_label(_text(c, "label") or _text(c, "name")) for c in elements]
    types = [_text(c, "type") for c in elements] or [""] * n
    units = [_text(c, "unit") for c in elements] or [""] * n
    if not any(labels):
        labels = [""] * n
        if profile is not None and isinstance(profile.channels, tuple):
            labels = [*profile.channels, *labels][:n]
            types[len(profile.channels) :] = ["AUX"] * max(0, n - len(profile.channels))
    known = _specific(profile)
    means_eeg = known.lsl.kind.lower() if known is not None and known.lsl is not None and known.lsl.kind else "eeg"
    kinds = [_kind(label, kind, info.type(), means_eeg) for label, kind in zip(labels, types, strict=True)]
    return [_Stated(*said) for said in zip(labels, kinds, units, strict=True)]


def _to_microvolts(
    info: pylsl.StreamInfo, stated: list[_Stated], profile: FirmwareProfile | None, notes: list[str]
) -> tuple[NDArray[np.float64], list[str]]:
    specific = _specific(profile)
    assumed = specific.scale_to_uv if specific else 1.0
    scale, units, unsaid = np.ones(len(stated)), [c.unit for c in stated], False
    for i, channel in enumerate(stated):
        if channel.kind not in _VOLTAGES:
            continue
        factor = assumed if is_unit_unsaid(channel.unit) else microvolts_per(channel.unit)
        unsaid = unsaid or (channel.kind == "eeg" and is_unit_unsaid(channel.unit))
        if factor is not None:
            scale[i], units[i] = factor, "uV"
        elif channel.kind == "eeg":
            msg = (
                f"{info.name()}: channel {channel.label or i + 1} is in '{channel.unit}', which is no known unit of "
                f"voltage ({KNOWN_UNITS}); set the unit in the program that sends it"
            )
            raise UnsupportedStreamError(msg)
    if unsaid and specific is None:
        notes.append("no unit is stated, µV is assumed")
    return scale, units


def _specific(profile: FirmwareProfile | None) -> FirmwareProfile | None:
    """Give the profile where it is that of one headset, and not of whatever sends such a stream."""
    return profile if profile is not None and profile.lsl is not None and profile.lsl.specific else None


def _kind(label: str, stated_kind: str, stream_kind: str, means_eeg: str) -> str:
    """Say what a channel is; `means_eeg` is this headset's word for EEG (explorepy sends `ExG`)."""
    by_type = stated_kind.lower()
    by_type = "eeg" if by_type == means_eeg else by_type
    if by_type in _KINDS and by_type != "eeg":
        return _KINDS[by_type]
    if _ELSEWHERE.fullmatch(by_type):
        return "aux"
    whole = stream_kind.strip().lower()
    whole = "eeg" if whole == means_eeg else whole
    if by_type != "eeg" and whole != "eeg":
        return _KINDS.get(whole, "aux")
    # Many programs call every channel of an EEG stream EEG, the accelerometer too.
    return channel_kind(label) if label else "eeg"


def _spec(info: pylsl.StreamInfo, channels: tuple[Channel, ...], profile: FirmwareProfile | None) -> StreamSpec:
    return StreamSpec(
        source_id=info.source_id() or f"{info.name()}@{info.hostname()}",
        name=info.name() or info.source_id() or "unnamed LSL stream",
        kind="EEG" if info.type().lower() == "eeg" else info.type(),
        nominal_rate_hz=info.nominal_srate(),
        channels=channels,
        device=_device(info),
        origin=profile.origin if profile else "live",
        profile=profile.id if profile else None,
        profile_verified=profile.is_verified if profile else False,
        rails_uv=profile.rails_uv if profile else None,
    )


def _device(info: pylsl.StreamInfo) -> str:
    desc = info.desc()
    acquisition = desc.child("acquisition")
    maker = _text(acquisition, "manufacturer") or _text(desc, "manufacturer")
    model = _text(acquisition, "model") or _text(desc, "model")
    if model:
        return model if not maker or model.lower().startswith(maker.lower()) else f"{maker} {model}"
    return info.name() or maker or "unnamed LSL stream"


def _with_ours(info: pylsl.StreamInfo, spec: StreamSpec) -> StreamSpec:
    """Add what our own outlets say of a relayed source, so that SIMULATED stays in sight."""
    ours = info.desc().child(OURS)
    if ours.empty():
        return spec
    origin = _text(ours, "origin")
    return replace(
        spec,
        device=_text(ours, "device") or spec.device,
        origin=cast("Origin", origin) if origin in get_args(Origin) else "live",
        profile=_text(ours, "profile") or None,
        profile_verified=_text(ours, "profile_verified") == "true",
        rails_uv=_two_numbers(_text(ours, "rails_uv").split()),
    )


def _two_numbers(words: list[str]) -> tuple[float, float] | None:
    try:
        low, high = (float(word) for word in words)
    except ValueError:  # absent, or not ours after all
        return None
    return low, high


def _children(element: pylsl.info.XMLElement, name: str) -> Iterator[pylsl.info.XMLElement]:
    child = element.child(name)
    while not child.empty():
        yield child
        child = child.next_sibling(name)


def _text(element: pylsl.info.XMLElement, name: str) -> str:
    return element.child_value(name).strip()
