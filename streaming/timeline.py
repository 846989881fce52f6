"""Regular samples out of samples as they came: gaps found and filled, stamps made smooth, all of it causal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci.compiled import Compiled, compile_function
from bci.errors import UnsupportedStreamError
from bci.types import Chunk, StreamSpec
from streaming import timeline_kernel as k

MEASURED, BRIDGED, MISSING = k.MEASURED, k.BRIDGED, k.MISSING
"""Values of `RegularBlock.state`: a sample that came, one of a gap up to 100 ms, one of a gap up to 1 s."""

WINDOW_S = 4.8
"""Of the model; more than a quarter of it not measured is a reset."""

MEMORY_S = 10.0
ACQUIRE_S = 0.2


@dataclass(frozen=True, slots=True)
class RegularBlock:
    """Samples one nominal period apart, without holes.

    Parameters
    ----------
    samples_uv
        float64 (n, channels): the scored channels only, µV. 0 until the first known value of a channel.
    times_s
        float64 (n,): corrected stamps, LSL clock; they rise strictly between resets.
    state
        uint8 (n,): 0 measured, 1 bridged (a gap up to 100 ms), 2 missing (up to 1 s); 1 and 2 are a straight line.
    reset
        A sentence where the samples before this block must be forgotten, else None.
    bad
        bool (n, channels), True where the device gave no number and the last value is repeated; None if nowhere.
    """

    samples_uv: NDArray[np.float64]
    times_s: NDArray[np.float64]
    state: NDArray[np.uint8]
    reset: str | None = None
    bad: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        """Count samples."""
        return int(self.times_s.shape[0])


@dataclass(frozen=True, slots=True)
class TimelineReport:
    """What the timeline saw of a stream since it was made.

    Parameters
    ----------
    effective_rate_hz
        Measured; None before a second of samples since the last reset.
    samples
        That came.
    lost_samples
        That never came: bridged, missing, and those of gaps that ended in a reset (up to 15 minutes).
    bridged_samples, missing_samples
        Filled in gaps up to 100 ms, up to 1 s.
    repeated_stamps, backward_stamps
        Equal to, or before, the stamp just before.
    clock_jumps
        Resets because stamps stayed off, or were more than 15 minutes ahead.
    resets
        Of any reason.
    bad_values
        Values that were no number.
    jitter_ms
        Mean absolute deviation of the stamps from the line.
    """

    effective_rate_hz: float | None
    samples: int
    lost_samples: int
    bridged_samples: int
    missing_samples: int
    repeated_stamps: int
    backward_stamps: int
    clock_jumps: int
    resets: int
    bad_values: int
    jitter_ms: float


def compiled_kernel() -> Compiled:
    """Compile the inner loop, once a process; where that fails the same function runs as Python, bit for bit."""
    return compile_function(k.advance, k.SIGNATURE, k.CALLED)


class Timeline:
    """Loss and jitter of one stream made into regular samples, without looking ahead.

    A jump of `Chunk.first_sample`, or stamps that go on farther ahead than the jitter of the stream explains, is a
    gap: up to 100 ms it is bridged, up to 1 s filled and marked missing; longer, or with more than a quarter of the
    last 4.8 s not measured, the timeline starts again and says why. Corrected stamps come from a phase-locked loop
    that is followed sample by sample, so no chunking changes a bit. They lie on the mean of the stamps, as liblsl's
    do: of a burst stamped on arrival, the last sample is put later than its stamp, by half the length of the burst.

    Parameters
    ----------
    spec
        Of the stream; its nominal rate must be known.
    columns
        Of `Chunk.data` to keep; by default `spec.scored`.

    Raises
    ------
    UnsupportedStreamError
        If the stream is irregular.
    """

    def __init__(self, spec: StreamSpec, columns: Sequence[int] | None = None) -> None:
        if not spec.nominal_rate_hz > 0.0:
            msg = f"{spec.device}: an irregular stream has no timeline; its rate must be known"
            raise UnsupportedStreamError(msg)
        self.spec = spec
        rate = spec.nominal_rate_hz
        kept = tuple(spec.scored if columns is None else columns)
        self._n_channels = len(kept)
        n_held = min(1024, max(16, round(rate)))
        self._floats = np.zeros(k.A_LAST + 2 * self._n_channels + n_held)
        self._floats[k.F_PERIOD] = self._floats[k.F_NOMINAL] = self._floats[k.F_JITTER] = 1.0 / rate
        self._floats[k.F_CAME] = self._floats[k.F_LAST] = self._floats[k.F_STEP] = np.nan
        self._ints = np.zeros(k.A_COLUMNS + self._n_channels + n_held, dtype=np.int64)
        self._ints[k.I_FOUND] = k.UNDECIDED
        self._ints[k.I_MEMORY] = self._ints[k.I_MEMORY_FIRST] = max(8, round(ACQUIRE_S * rate))
        self._ints[k.I_MEMORY_LAST] = max(16, round(MEMORY_S * rate))
        self._ints[k.A_COLUMNS : k.A_COLUMNS + self._n_channels] = kept
        self._window = np.zeros(max(4, round(WINDOW_S * rate)), dtype=np.uint8)
        self._held_uv = np.zeros((n_held, len(spec.channels)), dtype=np.float32)
        self._advance = compiled_kernel().function

    def process(self, chunk: Chunk) -> list[RegularBlock]:
        """Take a chunk and give the regular samples that it completes.

        Parameters
        ----------
        chunk
            Of the stream that the timeline was made for.

        Returns
        -------
        list of RegularBlock
            Mostly one; more after a reset, none while a few samples are held to tell a gap from a late delivery.
        """
        ints = self._ints
        total = len(chunk)
        uv = np.ascontiguousarray(chunk.data, dtype=np.float32)
        stamps = np.ascontiguousarray(chunk.timestamps_s, dtype=np.float64)
        blocks: list[RegularBlock] = []
        index = 0
        room = total + int(ints[k.I_HELD]) + 1
        while True:
            out_uv = np.empty((room, self._n_channels))
            out_s = np.empty(room)
            out_state = np.empty(room, dtype=np.uint8)
            out_bad = np.empty((room, self._n_channels), dtype=np.uint8)
            n_bad = ints[k.I_BAD]
            index, produced, events = self._advance(
                uv, stamps, chunk.first_sample, index, self._floats, ints, self._window, self._held_uv,
                out_uv, out_s, out_state, out_bad,
            )  # fmt: skip
            bad = out_bad.view(np.bool_) if ints[k.I_BAD] != n_bad else None
            start, reason = 0, None
            for event in range(events + 1):
                stop = int(ints[k.A_EVENTS + 2 * event]) if event < events else produced
                if stop > start:
                    part = slice(start, stop)
                    kept_bad = bad[part] if bad is not None else None
                    blocks.append(RegularBlock(out_uv[part], out_s[part], out_state[part], reason, kept_bad))
                if event < events:
                    start, reason = stop, self._why(event)
            if ints[k.I_NEED] == 0:
                return blocks
            room = total - index + int(ints[k.I_HELD]) + int(ints[k.I_NEED])

    def _why(self, event: int) -> str:
        seconds = float(self._floats[k.A_EVENTS_S + event])
        match int(self._ints[k.A_EVENTS + 2 * event + 1]):
            case k.GAP:
                return f"{seconds:.1f} s of samples are missing"
            case k.SPARSE:
                return f"more than a quarter of the last {WINDOW_S:g} s is missing"
            case k.OFF:
                return f"the stamps are {abs(seconds):.1f} s {'behind' if seconds < 0 else 'ahead of'} the samples"
            case _:
                return f"the clock of the stamps jumped by {seconds:.0f} s"

    def _effective_rate_hz(self) -> float | None:
        since = int(self._ints[k.I_SINCE])
        if since <= self.spec.nominal_rate_hz:
            return None
        period_s = float(self._floats[k.F_PERIOD])
        slowest_s = (1.0 + k.PERIOD_TOLERANCE) / self.spec.nominal_rate_hz
        fastest_s = (1.0 - k.PERIOD_TOLERANCE) / self.spec.nominal_rate_hz
        span_s = float(self._floats[k.F_LAST] - self._floats[k.F_BEGAN])
        if span_s > 0.0 and not fastest_s < period_s < slowest_s:
            return (since - 1) / span_s  # farther off than the loop follows
        return 1.0 / period_s

    @property
    def report(self) -> TimelineReport:
        """What was seen so far."""
        ints = self._ints
        samples = int(ints[k.I_SAMPLES])
        return TimelineReport(
            effective_rate_hz=self._effective_rate_hz(),
            samples=samples,
            lost_samples=int(ints[k.I_LOST]),
            bridged_samples=int(ints[k.I_BRIDGED]),
            missing_samples=int(ints[k.I_MISSING]),
            repeated_stamps=int(ints[k.I_REPEATED]),
            backward_stamps=int(ints[k.I_BACKWARD]),
            clock_jumps=int(ints[k.I_JUMPS]),
            resets=int(ints[k.I_RESETS]),
            bad_values=int(ints[k.I_BAD]),
            jitter_ms=1e3 * float(self._floats[k.F_JITTER]),
        )
