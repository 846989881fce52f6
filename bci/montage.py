"""Where electrodes are: canonical 10-20/10-10/10-05 names, their positions, and montages that somebody states.

Devices and files spell the same electrode in many ways (`EEG Fp1-REF`, `FP1`, `Fp1.`). One canonical name is used
everywhere, with the position of MNE's template head; a channel without a position is never scored.
"""

from __future__ import annotations

import csv
import dataclasses
import difflib
import functools
import re
from collections.abc import Sequence
from pathlib import Path

from bci.errors import MontageError
from bci.types import Channel, StreamSpec

FIDUCIALS_M = {"lpa": (-0.08249, 0.0, 0.0), "nasion": (0.0, 0.11405, 0.0), "rpa": (0.08249, 0.0, 0.0)}
"""Of the head on which the positions lie (MNE's template for the 10-05 system), metres."""

SKIP = "-"
"""In a montage: this channel has no electrode on the head."""

_PREFIX = re.compile(r"^(?:eeg|pol|raw)[\s_:\-]+", re.IGNORECASE)
_REFERENCE = re.compile(
    r"[\s_:\-]+(?:ref|le|avg?|ave|car|[am][12]|a1\s*\+?\s*a2|m1\s*\+?\s*m2)$", re.IGNORECASE
)  # one electrode against a common reference is that electrode; against another electrode (`C3-P3`) it is not
_ALIASES = {"t3": "T7", "t4": "T8", "t5": "P7", "t6": "P8"}
_REFERENCES = frozenset({"A1", "A2", "M1", "M2"})

# Names that EEG streams and files carry beside electrodes; the order matters (`EOG-L` before the vague ones).
_KINDS = (
    ("ecg", re.compile(r"\b(?:ecg|ekg|heart)", re.IGNORECASE)),
    ("eog", re.compile(r"\b[vh]?eog|^(?:loc|roc)\b|^e[12][\s\-]+[am][12]$", re.IGNORECASE)),
    ("emg", re.compile(r"\b(?:emg|chin)", re.IGNORECASE)),
    ("ref", re.compile(r"^(?:ref|gnd|ground|bias|drl|cms|[am][12](?:[\s\-+]+[am][12])?)$", re.IGNORECASE)),
    ("gaze", re.compile(r"^(?:gaze|pupil|confidence)", re.IGNORECASE)),
    ("marker", re.compile(r"marker|\b(?:trigger|trig|stim?|status|annotation|event)s?\b", re.IGNORECASE)),
    (
        "aux",
        re.compile(
            r"\b(?:aux|acc|accel|gyro|mag|ppg|resp|eda|gsr|spo2|temp|batt?|counter|sample.?(?:index|number)|time.?stamp"
            r"|validation|(?:raw)?cq|packet|interpolate|impedance|digital|analog)",
            re.IGNORECASE,
        ),
    ),
)


@functools.cache
def _positions() -> dict[str, tuple[float, float, float]]:
    with (Path(__file__).with_name("electrodes.csv")).open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {row["label"]: (float(row["x_m"]), float(row["y_m"]), float(row["z_m"])) for row in rows}


@functools.cache
def _by_key() -> dict[str, str]:
    return {label.lower(): label for label in _positions()} | _ALIASES


def known_labels() -> tuple[str, ...]:
    """Canonical names of all electrodes whose position is known, from front to back as MNE lists them."""
    return tuple(_positions())


def canonical_label(text: str) -> str:
    """Spell an electrode name as the 10-05 system does.

    A prefix (`EEG `), a suffix that names a common reference (`-REF`, `-LE`, `-A2`), dots and case do not count;
    T3, T4, T5, T6 are T7, T8, P7, P8.

    Parameters
    ----------
    text
        A name as a device or file gives it.

    Returns
    -------
    str
        The canonical name; for what is no known electrode, the text without the prefix and surrounding white space.
    """
    known = _by_key()
    bare = _PREFIX.sub("", text.strip()).replace(".", "").strip()
    label = known.get(bare.lower())
    if label is not None:
        return label
    label = known.get(_REFERENCE.sub("", bare).lower())
    if label is not None and label not in _REFERENCES:  # `A2-A1` is one ear against the other, not A2
        return label
    without_prefix = _PREFIX.sub("", text.strip())
    return text.strip() if without_prefix.isdigit() or not without_prefix else without_prefix


def position_m(label: str) -> tuple[float, float, float] | None:
    """Position of an electrode in metres in the MNE head frame (x right, y front, z up); None for an unknown name."""
    return _positions().get(canonical_label(label))


def channel_kind(label: str) -> str:
    """Tell by its name what a channel of an EEG stream or file holds.

    Returns
    -------
    str
        `eeg` for an electrode and for names that say nothing (`1`, `EXG Channel 0`), else `eog`, `ecg`, `emg`, `ref`,
        `gaze`, `marker` or `aux`.
    """
    canonical = canonical_label(label)
    if canonical in _REFERENCES:
        return "ref"
    if canonical in _positions():
        return "eeg"
    bare = _PREFIX.sub("", canonical).replace("_", " ").strip()
    return next((kind for kind, pattern in _KINDS if pattern.search(bare)), "eeg")


def is_scorable_name(label: str) -> bool:
    """Tell whether a name is that of an electrode a focus model may see: `Fp1` is; `A2-A1`, `M1`, `ECG` are not."""
    return channel_kind(label) == "eeg" and position_m(label) is not None


def eeg_channel(label: str) -> Channel:
    """Make a channel in µV from a name alone, with kind and position as the name tells them."""
    kind = channel_kind(label)
    position = position_m(label) if kind == "eeg" else None
    return Channel(canonical_label(label), kind, "uV", position)


def unique_labels(labels: Sequence[str]) -> list[str]:
    """Tell apart channels of one name: the second `C3` becomes `C3#2`, a nameless one its number from 1."""
    seen: dict[str, int] = {}
    taken = set(labels)
    unique: list[str] = []
    for number, given in enumerate(labels, start=1):
        label = given or str(number)
        seen[label] = seen.get(label, 0) + 1
        if seen[label] > 1 or (not given and label in taken):
            again = max(seen[label], 2)
            while f"{label}#{again}" in taken:
                again += 1
            label = f"{label}#{again}"
        taken.add(label)
        unique.append(label)
    return unique


def assign_montage(spec: StreamSpec, labels: Sequence[str]) -> StreamSpec:
    """Say where the EEG electrodes of a stream are.

    Parameters
    ----------
    spec
        A stream; its channels of kind `eeg` are named in their order, the others are left as they are.
    labels
        Electrode names; `-` skips a channel. Free electrodes beyond the last label are skipped too; where the stream
        names its channels itself a montage names all of them anew, so that none is lost by accident.

    Returns
    -------
    StreamSpec
        The same stream with positions; what has none is not scored.

    Raises
    ------
    MontageError
        If a name is unknown or given twice, there are more names than EEG channels, or fewer where the channels have
        names already, or none names an electrode.
    """
    eeg = [i for i, channel in enumerate(spec.channels) if channel.kind == "eeg"]
    if len(labels) > len(eeg):
        msg = f"{spec.device}: the montage names {len(labels)} electrodes, but there are {len(eeg)} EEG channels"
        raise MontageError(msg)
    named = parse_labels(labels, device=spec.device)
    dropped = [spec.channels[i].label for i in eeg[len(labels) :] if spec.channels[i].position_m is not None]
    if dropped:
        msg = (
            f"{spec.device}: the montage names {len(labels)} of {len(eeg)} EEG channels, and {_few(dropped)} would be "
            "lost; name all of them ('-' skips one), or leave the montage out (`score --channels` chooses some)"
        )
        raise MontageError(msg)
    channels = list(spec.channels)
    for place, i in enumerate(eeg):
        label = named[place] if place < len(named) else None
        if label is None:
            # Its old name may be that of an electrode, which this channel is not any more.
            old = channels[i].label
            free = f"ch{i + 1}" if position_m(old) is not None else old
            channels[i] = dataclasses.replace(channels[i], label=free, position_m=None)
        else:
            kind = channel_kind(label)
            position = position_m(label) if kind == "eeg" else None
            channels[i] = dataclasses.replace(channels[i], label=label, kind=kind, position_m=position)
    names = unique_labels([channel.label for channel in channels])
    renamed = (dataclasses.replace(channel, label=name) for channel, name in zip(channels, names, strict=True))
    return dataclasses.replace(spec, channels=tuple(renamed))


def parse_labels(labels: Sequence[str], *, device: str = "montage") -> list[str | None]:
    """Read the electrode names of a montage.

    Returns
    -------
    list of str or None
        Canonical names; None where a channel is skipped.

    Raises
    ------
    MontageError
        If a name is unknown (near ones are listed) or given twice, or none names an electrode.
    """
    named: list[str | None] = []
    for text in labels:
        if text.strip() == SKIP:
            named.append(None)
            continue
        label = canonical_label(text)
        if label not in _positions():
            raise MontageError(f"{device}: {_unknown(text)}")
        if label in named:
            msg = f"{device}: the montage names {label} twice (T3 is T7, T5 is P7); each electrode once, '-' skips one"
            raise MontageError(msg)
        named.append(label)
    if not any(label and is_scorable_name(label) for label in named):
        msg = f"{device}: the montage names no electrode on the head; for example montage=Fp1,Fp2,C3,C4"
        raise MontageError(msg)
    return named


def _few(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:4])
    return f"{shown} and {len(labels) - 4} more" if len(labels) > 4 else shown


def _unknown(text: str) -> str:
    near = difflib.get_close_matches(text.strip().lower(), _by_key(), n=3, cutoff=0.5)
    names = ", ".join(dict.fromkeys(_by_key()[key] for key in near)) or "Fp1, Fz, C3, Cz, P7, Oz …"
    return f"'{text}' is no electrode of the 10-20 system (near: {names}); '-' skips a channel"
