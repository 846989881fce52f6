"""A recorded stream as regular samples, for formats that know a rate and no stamps: by the timeline's own stamps.

The timeline that scored the session places each sample; what it bridges, fills or starts anew is told as a gap. The
samples themselves stay as they came.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bci.errors import UnsupportedStreamError
from bci.types import StreamSpec, Timestamps
from streaming.recording.reading import RecordedStream
from streaming.timeline import MEASURED, RegularBlock, Timeline

LONGEST_FILL_S = 900.0
"""A longer gap is a clock that was set, not a gap: the timeline takes it so, too."""

RATE_TOLERANCE = 0.02
"""A device that came farther from its nominal rate than this is exported at the rate at which it came."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Samples of the grid that were not measured.

    Parameters
    ----------
    start, samples
        Where, and how many; 0 for a place where the clock jumped and nothing could be filled.
    why
        A sentence; empty for the ordinary loss.
    """

    start: int
    samples: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A stream on a grid.

    Parameters
    ----------
    stream
        That it is made of; all its channels, in their order.
    rate_hz
        That a file states: the nominal one, or the measured one where the device did not keep to it.
    effective_rate_hz
        Measured.
    times_s
        float64 (n,), LSL clock: where each sample of the grid lies.
    rising_s
        float64 (n,): the times; where a clock went back, the latest so far.
    gaps
        In their order.
    lowest, highest
        float64 (channels,), of what was measured, in each channel's unit; 0 where nothing was.
    missing_values
        Values that were no number; the last one is repeated.
    """

    stream: RecordedStream
    rate_hz: float
    effective_rate_hz: float
    times_s: Timestamps
    rising_s: Timestamps
    gaps: tuple[Gap, ...]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    missing_values: int

    def __len__(self) -> int:
        """Count samples of the grid."""
        return self.times_s.size

    @property
    def spec(self) -> StreamSpec:
        """Of the stream."""
        return self.stream.spec

    @property
    def filled(self) -> int:
        """Samples of the grid that were not measured."""
        return sum(gap.samples for gap in self.gaps)

    def blocks(self) -> Iterator[NDArray[np.float64]]:
        """Give the samples again, float64 (n, channels), in each channel's unit."""
        for block in _regular(self.stream, self.rate_hz):
            yield block.samples

    def notes(self, title: str) -> list[str]:
        """Say what the grid made of the stream, a sentence each."""
        said = [
            f"{title}: {len(self)} samples at {self.rate_hz:g} Hz; it came at {self.effective_rate_hz:.4f} Hz, and "
            "every event lies at the sample beside which it happened"
        ]
        if self.rate_hz != self.spec.nominal_rate_hz:
            said.append(f"{title}: its nominal rate is {self.spec.nominal_rate_hz:g} Hz, which it did not keep to")
        if self.filled:
            said.append(
                f"{title}: {self.filled} samples in {len(self.gaps)} gaps were not measured; they are filled and "
                "marked BAD_ACQ_SKIP"
            )
        said += [
            f"{title}: at {gap.start / self.rate_hz:.1f} s {gap.why}; not filled"
            for gap in self.gaps
            if not gap.samples
        ]
        if self.missing_values:
            said.append(f"{title}: {self.missing_values} values were no number; the one before is repeated")
        return said

    def place(self, at_s: float) -> float | None:
        """Where a moment lies on the grid, in samples; None before the first sample and after the last one."""
        if not len(self) or at_s < self.times_s[0] - 1.0 / self.rate_hz or at_s > self.times_s[-1] + 1.0 / self.rate_hz:
            return None
        right = int(np.searchsorted(self.rising_s, at_s))
        if right in (0, len(self)):
            return float(min(right, len(self) - 1))
        left_s, right_s = self.rising_s[right - 1 : right + 1].tolist()
        return right - 1 + (at_s - left_s) / (right_s - left_s)


def lay_out(stream: RecordedStream, title: str) -> Grid:
    """Find out where each sample of a stream lies.

    Parameters
    ----------
    stream
        Of a recording.
    title
        Names it in messages.

    Raises
    ------
    UnsupportedStreamError
        For a stream without samples, or whose rate is irregular.
    """
    spec = stream.spec
    if not stream.samples:
        msg = f"{title}: never sent a sample"
        raise UnsupportedStreamError(msg)
    if not spec.nominal_rate_hz > 0.0:
        msg = f"{title}: irregular, and this format knows a rate and no stamps; parquet holds them"
        raise UnsupportedStreamError(msg)
    stamps_s, numbers = stream.stamps()
    rate_hz = _rate_hz(stamps_s, numbers, spec.nominal_rate_hz)
    n_channels = len(spec.channels)
    times: list[Timestamps] = []
    gaps: list[Gap] = []
    lowest, highest = np.full(n_channels, np.inf), np.full(n_channels, -np.inf)
    missing = at = runs_samples = 0
    runs_s = 0.0
    for block in _regular(stream, rate_hz):
        gaps += _gaps_of(block, at)
        measured = block.samples[~block.filled]
        if len(measured):
            lowest = np.minimum(lowest, measured.min(axis=0))
            highest = np.maximum(highest, measured.max(axis=0))
        if len(block.times_s) > 1 and not block.why:
            runs_samples += len(block.times_s) - 1
            runs_s += float(block.times_s[-1] - block.times_s[0])
        missing += block.missing_values
        times.append(block.times_s)
        at += len(block.times_s)
    known = np.isfinite(lowest)
    times_s = np.concatenate(times) if times else np.empty(0)
    return Grid(
        stream=stream,
        rate_hz=rate_hz,
        effective_rate_hz=runs_samples / runs_s if runs_s > 0.0 else rate_hz,
        times_s=times_s,
        rising_s=np.maximum.accumulate(times_s),  # once: there may be thousands of events
        gaps=tuple(_merged(gaps)),
        lowest=np.where(known, lowest, 0.0),
        highest=np.where(known, highest, 0.0),
        missing_values=missing,
    )


@dataclass(frozen=True, slots=True)
class _Regular:
    samples: NDArray[np.float64]
    times_s: Timestamps
    filled: NDArray[np.bool_]
    missing_values: int = 0
    why: str = ""


def _regular(stream: RecordedStream, rate_hz: float) -> Iterator[_Regular]:
    """Give the whole stream as regular samples; where the timeline starts anew, the last value fills the gap."""
    spec = replace(stream.spec, nominal_rate_hz=rate_hz)
    timeline = Timeline(spec, range(len(spec.channels)))
    last: _Regular | None = None
    for chunk in stream.chunks():
        for block in timeline.process(replace(chunk, spec=spec)):
            if last is not None and block.reset is not None:
                yield _between(last, block, rate_hz)
            last = _taken(block)
            yield last


def _taken(block: RegularBlock) -> _Regular:
    missing = int(block.bad.sum()) if block.bad is not None else 0
    return _Regular(block.samples_uv, block.times_s, block.state != MEASURED, missing)


def _between(last: _Regular, block: RegularBlock, rate_hz: float) -> _Regular:
    gone_s = float(block.times_s[0] - last.times_s[-1])
    n = round(gone_s * rate_hz) - 1
    why = block.reset or ""
    if not 0 < n <= LONGEST_FILL_S * rate_hz:
        return _Regular(last.samples[:0], last.times_s[:0], last.filled[:0], why=why)
    times_s = last.times_s[-1] + gone_s * np.arange(1, n + 1) / (n + 1)
    return _Regular(np.repeat(last.samples[-1:], n, axis=0), times_s, np.ones(n, np.bool_), why=why)


def _gaps_of(block: _Regular, at: int) -> list[Gap]:
    if block.why:
        return [Gap(at, len(block.times_s), block.why)]
    if not block.filled.any():
        return []
    edges = np.flatnonzero(np.diff(block.filled.astype(np.int8), prepend=0, append=0))
    return [Gap(at + int(start), int(stop - start)) for start, stop in edges.reshape(-1, 2).tolist()]


def _merged(gaps: list[Gap]) -> Iterator[Gap]:
    """Join gaps that touch: blocks end where they end."""
    held: Gap | None = None
    for gap in gaps:
        if held is not None and held.start + held.samples == gap.start and held.samples and gap.samples:
            held = Gap(held.start, held.samples + gap.samples, held.why or gap.why)
            continue
        if held is not None:
            yield held
        held = gap
    if held is not None:
        yield held


def _rate_hz(stamps_s: Timestamps, numbers: NDArray[np.int64], nominal_hz: float) -> float:
    """Give the nominal rate, or the measured one where the device did not keep to it."""
    steps_s, steps = np.diff(stamps_s), np.diff(numbers)
    # Neither gaps nor stamps that went back count.
    usual = (steps == 1) & (steps_s >= 0.0) & (steps_s <= max(0.1, 3.0 / nominal_hz))
    if usual.sum() < 2 * nominal_hz:
        return nominal_hz
    measured_hz = 1.0 / max(float(steps_s[usual].mean()), 1e-9)
    return nominal_hz if abs(measured_hz / nominal_hz - 1.0) <= RATE_TOLERANCE else round(measured_hz, 2)
