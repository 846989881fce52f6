"""What every reader gives: a recording, as it came from the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci.types import Chunk, FloatSamples, Noted, StreamSpec, Timestamps

CLOCK_BACK_S, CLOCK_AHEAD_S = 1.0, 900.0
"""Stamps that go back by more than this are another clock, by less they are jitter; ahead, by less, a pause."""


@dataclass(frozen=True, slots=True)
class Marker:
    """Something that was noted while the recording ran.

    Parameters
    ----------
    at_s
        Seconds since the first sample; negative before it.
    label
        As the file has it.
    duration_s
        0.0 for a moment.
    """

    at_s: float
    label: str
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Recording:
    """One stream of a file in memory.

    Parameters
    ----------
    spec
        Channels, nominal rate and origin `file`; `device` is the file's name.
    samples
        float32 (samples, channels), µV for biosignals, NaN where a value is missing. 4 bytes a value: an hour of 8
        channels at 250 Hz takes 29 MB.
    stamps_s
        float64 (samples,), seconds since the first sample, by the clock of the file. Not dejittered: they may repeat,
        go back and jump, as a headset's do (the timeline's business).
    sample_numbers
        int64 (samples,), running number from 0; it jumps where the file shows that samples were lost.
    markers
        In the order of time.
    notes
        One sentence for a person on each thing that was cleaned, cut, assumed or counted.
    started_unix_s
        Unix time of the first sample; None where the file does not tell.
    repaired_samples
        Samples with at least one value that was not finite or not a number, now NaN.
    clock_steps
        How often the sender's clock stepped while it was recorded.
    noted
        Of a session of ours: its trials, and how it was scored (baseline, certificate, pauses), in the order of time;
        seconds since the first sample.
    """

    spec: StreamSpec
    samples: FloatSamples
    stamps_s: Timestamps
    sample_numbers: NDArray[np.int64]
    markers: tuple[Marker, ...] = ()
    notes: tuple[str, ...] = ()
    started_unix_s: float | None = None
    repaired_samples: int = 0
    clock_steps: int = 0
    noted: tuple[Noted, ...] = ()

    def __post_init__(self) -> None:
        """Hand the arrays on read-only."""
        for array in (self.samples, self.stamps_s, self.sample_numbers):
            array.setflags(write=False)

    def __len__(self) -> int:
        """Count samples."""
        return int(self.samples.shape[0])

    @property
    def lost_samples(self) -> int:
        """Samples that the file shows to have been lost."""
        return int(self.sample_numbers[-1]) + 1 - len(self) if len(self) else 0

    @property
    def elapsed_s(self) -> Timestamps:
        """float64 (samples,), never falling: seconds into the recording, jumps of its clock passed over."""
        steps = np.diff(self.stamps_s, prepend=self.stamps_s[:1])
        jumps = (steps < -CLOCK_BACK_S) | (steps > CLOCK_AHEAD_S)
        usual_s = 1.0 / self.spec.nominal_rate_hz if self.spec.nominal_rate_hz else 0.0
        return np.maximum.accumulate(self.stamps_s - np.cumsum(np.where(jumps, steps - usual_s, 0.0)))

    @property
    def duration_s(self) -> float:
        """Seconds from the first sample to the last, jumps of the clock passed over."""
        return float(self.elapsed_s[-1]) if len(self) else 0.0

    def chunks(self, max_samples: int) -> Iterator[Chunk]:
        """Cut the recording into chunks, as a device would have given them.

        Parameters
        ----------
        max_samples
            The longest a chunk may be; it is cut short where samples were lost.

        Yields
        ------
        Chunk
            Views, not copies; stamps in seconds since the first sample.
        """
        if max_samples < 1:
            msg = f"max_samples={max_samples}, expected at least 1"
            raise ValueError(msg)
        start, n = 0, len(self)
        while start < n:
            stop = contiguous_until(self.sample_numbers, start, min(start + max_samples, n))
            yield Chunk(self.spec, self.samples[start:stop], self.stamps_s[start:stop], int(self.sample_numbers[start]))
            start = stop


def float_samples(numbers: NDArray[Any], scale: float | NDArray[np.float64] = 1.0) -> FloatSamples:
    """Make samples of what a file holds; what float32 cannot hold becomes infinite, which `clean` takes for missing."""
    with np.errstate(over="ignore"):
        return (numbers * scale).astype(np.float32)


def contiguous_until(numbers: NDArray[np.int64], start: int, stop: int) -> int:
    """Where the run of consecutive sample numbers that begins at `start` ends, at most `stop`."""
    if numbers[stop - 1] - numbers[start] == stop - 1 - start:  # nothing was lost: the common case
        return stop
    return start + 1 + int(np.argmax(np.diff(numbers[start:stop]) != 1))
