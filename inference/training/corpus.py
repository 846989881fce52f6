"""EEGMAT as feature frames: the recordings of one person at rest and at mental arithmetic, through the online pipeline.

Zyma et al., Data 4(1):14, 2019; PhysioNet, doi 10.13026/C2JQ1P.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bci.errors import ConfigError
from bci.files.reading import read_recording
from bci.files.recording import Recording
from inference.normalise import Features, RunningMean, relative_log_power
from inference.window_kernel import USABLE
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline
from streaming.types import FeatureFrame

HOP_S = 0.1
MODEL_BANDS = tuple(band for band in SCHEMA.bands_hz if band[0] >= 4.0 and band[1] <= 30.0)
"""What the model sees. Above 30 Hz there is muscle, below 4 Hz there are the eyes: both tell task from rest here, where
people rested with closed eyes, and neither is focus."""

_CHUNK_S = 1.0


@dataclass(frozen=True, slots=True)
class FrameSeries:
    """All frames of one recording.

    Parameters
    ----------
    relative
        float32 (frames, channels, bands of the model): log shares.
    usable
        bool (frames, channels): settled, and clean for at least half of the token.
    flags
        uint8 (frames, channels).
    labels
        Electrodes.
    positions_m
        float32 (channels, 3).
    """

    relative: Features
    usable: NDArray[np.bool_]
    flags: NDArray[np.uint8]
    labels: tuple[str, ...]
    positions_m: NDArray[np.float32]

    def __len__(self) -> int:
        """Count frames."""
        return len(self.relative)

    def mean(self, start: int, stop: int) -> Features:
        """Mean of the usable frames [start, stop) per channel and band: a baseline, (channels, bands).

        A channel that was never usable there takes the mean of the others.
        """
        usable = self.usable[start:stop, :, None]
        sums = np.where(usable, self.relative[start:stop], 0.0).sum(0, dtype=np.float64)
        count = usable.sum(0)
        usual = sums.sum(0) / max(int(count.sum()), 1)
        return np.where(count > 0, sums / np.maximum(count, 1), usual).astype(np.float32)

    def running(self, population: Sequence[float], before: FrameSeries | None = None) -> Features:
        """Compute the running reference at each frame, (frames, channels, bands), as the scorer computes it.

        Parameters
        ----------
        population
            Usual log share of each band, where the mean starts.
        before
            What the same person did just before, through the same mean.
        """
        shape = (self.relative.shape[1], self.relative.shape[2])
        running = RunningMean(shape, HOP_S, population)
        if before is not None:
            for relative, usable in zip(before.relative, before.usable, strict=True):
                running.update(relative, usable)
        out = np.empty_like(self.relative)
        for index, (relative, usable) in enumerate(zip(self.relative, self.usable, strict=True)):
            running.update(relative, usable)
            out[index] = running.mean
        return out


@dataclass(frozen=True, slots=True)
class Person:
    """Rest and task of one person.

    Parameters
    ----------
    id
        As the data set names the person.
    rest, task
        Frames; the rest came first.
    counts_well
        By the data set's own judgement of the arithmetic; None where it does not say.
    """

    id: str
    rest: FrameSeries
    task: FrameSeries
    counts_well: bool | None = None


def series_of(recording: Recording) -> FrameSeries:
    """Run a recording through the online pipeline.

    Raises
    ------
    UnsupportedStreamError
        If it cannot be scored.
    """
    spec = recording.spec
    pipeline = Pipeline(spec, hop_s=HOP_S)
    frames: list[FeatureFrame] = []
    for chunk in recording.chunks(max(1, round(spec.nominal_rate_hz * _CHUNK_S))):
        frames.extend(pipeline.process(chunk))
    channels = [spec.channels[i] for i in spec.scored]
    positions = np.array([c.position_m for c in channels], np.float32)
    return from_frames(frames, tuple(c.label for c in channels), positions)


def from_frames(
    frames: Sequence[FeatureFrame], labels: tuple[str, ...], positions_m: NDArray[np.float32]
) -> FrameSeries:
    """Stack frames; everything after a reset of the pipeline is dropped, for frames of two sides share no window."""
    whole = [frame for frame in frames if frame.generation == frames[0].generation]
    columns = [SCHEMA.bands_hz.index(band) for band in MODEL_BANDS]
    quality = np.stack([frame.quality for frame in whole])
    settled = np.array([frame.settled for frame in whole])
    return FrameSeries(
        relative=relative_log_power(np.stack([frame.values[:, columns] for frame in whole])),
        usable=(quality >= USABLE) & settled[:, None],
        flags=np.stack([frame.flags for frame in whole]),
        labels=labels,
        positions_m=positions_m,
    )


def eegmat_folder(data: Path | None = None) -> Path:
    """Find EEGMAT: in the given folder, in `$FOCUSLOOP_DATA`, or in `../shared/data` beside the source tree.

    Raises
    ------
    ConfigError
        If it is in none of them.
    """
    named = os.environ.get("FOCUSLOOP_DATA")
    roots = [data] if data else [Path(named)] if named else []
    roots = roots or [Path(__file__).resolve().parents[3] / "shared" / "data"]
    for folder in (candidate for root in roots for candidate in (root, root / "eegmat")):
        if any(folder.glob("Subject*_1.edf")):
            return folder
    msg = (
        f"no EEGMAT recordings (Subject00_1.edf …) in {roots[0]}; give --data or set FOCUSLOOP_DATA to the folder that "
        "holds them (https://physionet.org/content/eegmat/)"
    )
    raise ConfigError(msg)


def read_eegmat(
    folder: Path, people: Iterable[int] = range(24), progress: Callable[[str], None] | None = None
) -> list[Person]:
    """Read people of EEGMAT.

    Parameters
    ----------
    folder
        From `eegmat_folder`.
    people
        Numbers of the people.
    progress
        Told of each person; None for nobody.

    Raises
    ------
    ConfigError
        If a person's recording is missing.
    """
    counts = _count_quality(folder / "subject-info.csv")
    corpus: list[Person] = []
    for number in people:
        name = f"Subject{number:02d}"
        paths = [folder / f"{name}_{part}.edf" for part in (1, 2)]
        absent = [path.name for path in paths if not path.is_file()]
        if absent:
            msg = f"{folder}: {', '.join(absent)} missing; each person needs a rest (_1) and a task (_2)"
            raise ConfigError(msg)
        if progress is not None:
            progress(name)
        rest, task = (series_of(read_recording(path)) for path in paths)
        corpus.append(Person(name, rest, task, counts.get(name)))
    return corpus


def _count_quality(path: Path) -> dict[str, bool]:
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {row["Subject"]: row["Count quality"].strip() == "1" for row in csv.DictReader(file)}
