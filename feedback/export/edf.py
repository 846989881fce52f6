"""EDF+ by edfio: 16 bit a value, annotations inside. Each channel has its own range, so that the steps are small."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bci.montage import unique_labels
from bci.types import Channel
from feedback.export.annotations import GAP, Annotation, annotations_of
from feedback.export.grid import Grid
from feedback.export.port import Material, Progress, regular_eeg

COARSE_UV = 0.1
"""Steps above this are told: they are of the order of what an amplifier resolves."""

EDF_YEARS = timedelta(days=36_525)
"""What is shifted before 1925 lies in an EDF file by this much (100 years) later."""

_FIRST_YEAR, _LAST_YEAR = 1985, 2084
"""EDF has no others."""

_DIGITAL = (-32_768, 32_767)


class EdfExporter:
    """One EDF+ file for each EEG stream."""

    name = "edf"

    def write(self, material: Material, folder: Path, show: Progress) -> None:
        """Write them."""
        grids = regular_eeg(material, show)
        for number, grid in enumerate(grids, start=1):
            run = f"_run-{number}" if len(grids) > 1 else ""
            write_edf(material, grid, folder / f"{material.identity.name}{run}_eeg.edf", show)
        material.note("edf does not hold the scores; --to csv writes them")


def write_edf(material: Material, grid: Grid, path: Path, show: Progress, *, gaps: bool = True) -> None:
    """Write a grid with its annotations.

    Parameters
    ----------
    material
        Whose it is; notes are added on what 16 bit and the header do not hold.
    grid
        The signal.
    path
        Of the file.
    show
        Told how far it is.
    gaps
        Annotate them; not where they stand beside the file, for readers would take them twice.
    """
    from edfio import Edf, EdfAnnotation, EdfSignal, Patient, Recording

    record_s = _record(grid.rate_hz)[1]
    title = material.title(grid.spec)
    ranges = [_range(low, high) for low, high in zip(grid.lowest, grid.highest, strict=True)]
    _note_steps(material, title, grid.spec.channels, ranges)
    digital = _digital(grid, ranges, show)
    labels = _labels(material, title, grid.spec.channels)
    signals = [
        EdfSignal.from_digital(
            values,
            grid.rate_hz,
            label=label,
            physical_dimension=_ascii(channel.unit, 8),
            physical_range=physical,
            digital_range=_DIGITAL,
        )
        for values, label, channel, physical in zip(digital, labels, grid.spec.channels, ranges, strict=True)
    ]
    annotations = annotations_of(material, grid, material.events())
    padded = padding(grid)
    if padded:
        annotations.append(Annotation(len(grid) / grid.rate_hz, padded / grid.rate_hz, GAP))
    begin = _begin(material, grid)
    edf = Edf(
        signals,
        patient=Patient(code=material.identity.participant),
        recording=Recording(
            startdate=begin.date() if begin else None,
            equipment_code=_ascii(material.identity.device(grid.spec), 40).replace(" ", "_") or "X",
        ),
        starttime=begin.time() if begin else None,
        data_record_duration=record_s,
        annotations=[
            EdfAnnotation(a.onset_s, a.duration_s or None, _printable(a.text))
            for a in annotations
            if gaps or a.text != GAP
        ],
    )
    edf.write(path)


def _begin(material: Material, grid: Grid) -> datetime | None:
    """Give the moment of the first sample as an EDF file may hold it."""
    moment = material.moment(float(grid.times_s[0]))
    if moment is None:
        return None
    title = material.title(grid.spec)
    if not material.identity.identified:
        moment += EDF_YEARS
        material.note(
            f"{title}: the date in its EDF header lies 100 years after the shifted one; EDF has none before 1985"
        )
    if _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        return moment
    material.note(f"{title}: no date in its EDF header, which has none before {_FIRST_YEAR} or after {_LAST_YEAR}")
    return None


def _record(rate_hz: float) -> tuple[int, float]:
    """Give samples and seconds of a data record: whole samples, about a second."""
    for seconds in range(1, 101):
        if abs(rate_hz * seconds - round(rate_hz * seconds)) < 1e-6:
            return round(rate_hz * seconds), float(seconds)
    return round(rate_hz), round(rate_hz) / rate_hz


def padding(grid: Grid) -> int:
    """Count the samples that are added at the end: a record is always whole."""
    return -len(grid) % _record(grid.rate_hz)[0]


def _digital(grid: Grid, ranges: Sequence[tuple[float, float]], show: Progress) -> NDArray[np.int16]:
    """Give int16 (channels, n), the last record filled up with the last value."""
    total = len(grid) + padding(grid)
    lows = np.array([low for low, _ in ranges])
    scale = (_DIGITAL[1] - _DIGITAL[0]) / np.array([high - low for low, high in ranges])
    digital = np.empty((len(ranges), total), np.int16)
    at = 0
    for block in grid.blocks():
        steps = np.rint((block - lows) * scale) + _DIGITAL[0]
        digital[:, at : at + len(block)] = np.clip(steps, *_DIGITAL).astype(np.int16).T
        at += len(block)
        show("writing", at / len(grid))
    digital[:, at:] = digital[:, at - 1 : at]
    return digital


def _range(low: float, high: float) -> tuple[float, float]:
    """Give a range around what was measured whose ends have eight characters, as EDF's header has them."""
    found = _eight(low, math.floor), _eight(high, math.ceil)
    return found if found[0] < found[1] else (found[0] - 1.0, found[1] + 1.0)


def _eight(value: float, towards: Callable[[float], int]) -> float:
    for decimals in (3, 2, 1):
        rounded = towards(value * 10**decimals) / 10**decimals
        if len(str(rounded)) <= 8:
            return rounded
    return float(min(99_999_999, max(-9_999_999, towards(value))))


def _note_steps(
    material: Material, title: str, channels: Sequence[Channel], ranges: Sequence[tuple[float, float]]
) -> None:
    steps = [(high - low) / (_DIGITAL[1] - _DIGITAL[0]) for low, high in ranges]
    worst = max(((s, c.label) for s, c in zip(steps, channels, strict=True) if c.kind == "eeg"), default=(0.0, ""))
    if worst[0] > COARSE_UV:
        material.note(
            f"{title}: 16 bit are coarse for its range: steps of {worst[0]:.2g} µV at {worst[1]}; fif and parquet "
            "hold what was recorded"
        )
    else:
        material.note(f"{title}: 16 bit, steps of at most {max(worst[0], 1e-6):.2g} µV")


def _labels(material: Material, title: str, channels: Sequence[Channel]) -> list[str]:
    labels = unique_labels([_ascii(channel.label, 14) for channel in channels])
    changed = [f"{c.label} → {label}" for c, label in zip(channels, labels, strict=True) if c.label != label]
    if changed:
        material.note(f"{title}: EDF has 16 letters of ASCII for a channel: {', '.join(changed)}")
    return labels


def _ascii(text: str, width: int) -> str:
    return text.replace("µ", "u").encode("ascii", "replace").decode()[:width].strip()


def _printable(text: str) -> str:
    """Leave out what EDF+ ends annotations with."""
    return "".join(c for c in text if c >= " ") or "(empty)"
