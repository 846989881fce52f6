"""Regular samples out of samples as they came: gaps found and filled, stamps made smooth, all of it causal."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci.errors import UnsupportedStreamError
from bci.types import Chunk, StreamSpec
from streaming import timeline_kernel as k
from streaming.compiled import Compiled, compile_function

MEASURED, BRIDGED, MISSING = k.MEASURED, k.BRIDGED, k.MISSING
"""Values of `RegularBlock.state`: a sample that came, one of a gap up to 100 ms, one of a gap up to 1 s."""

WINDOW_S = 4.0
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
        Measured by the phase-locked loop; None before a second of samples.
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


@functools.cache
def compiled_kernel() -> Compiled:
    """Compile the inner loop once a process; where that fails the same function runs as Python, bit for bit."""
    try:
        from numba.extending import register_jitable
    except Exception as error:  # numba fails in many ways, and each has the same answer
        return Compiled(k.advance, compiled=False, notes=(f"timeline: {type(error).__name__}: {error}",))
    for function in k.CALLED:
        register_jitable(function)
    return compile_function(k.advance, k.SIGNATURE)


class Timeline:
    """Loss and jitter of one stream made into regular samples, without looking ahead.

    A jump of `Chunk.first_sample`, or stamps that go on farther ahead than the jitter of the stream explains, is a
    gap: up to 100 ms it is bridged, up to 1 s filled and marked missing; longer, or with more than a quarter of the
    last 4 s not measured, the timeline starts again and says why. Corrected stamps come from a phase-locked loop
    that is followed sample by sample, so no chunking changes a bit.

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
        self._columns = np.asarray(spec.scored if columns is None else columns, dtype=np.int64)
        n_channels = len(self._columns)
        self._floats = np.zeros(k.FLOATS)
        self._floats[k.F_PERIOD] = self._floats[k.F_NOMINAL] = self._floats[k.F_JITTER] = 1.0 / rate
        self._floats[k.F_CAME] = self._floats[k.F_LAST] = np.nan
        self._ints = np.zeros(k.INTS, dtype=np.int64)
        self._ints[k.I_MEMORY] = self._ints[k.I_MEMORY_FIRST] = max(8, round(ACQUIRE_S * rate))
        self._ints[k.I_MEMORY_LAST] = max(16, round(MEMORY_S * rate))
        self._window = np.zeros(max(4, round(WINDOW_S * rate)), dtype=np.uint8)
        self._last = np.zeros(n_channels)
        n_held = min(1024, max(16, round(rate)))
        self._held_uv = np.zeros((n_held, n_channels), dtype=np.float32)
        self._held_s = np.zeros(n_held)
        self._held_lost = np.zeros(n_held, dtype=np.int64)
        self._events_at = np.zeros((k.EVENTS, 2), dtype=np.int64)
        self._events_s = np.zeros(k.EVENTS)
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
            out_uv = np.empty((room, len(self._columns)))
            out_s = np.empty(room)
            out_state = np.empty(room, dtype=np.uint8)
            out_bad = np.empty(out_uv.shape, dtype=np.uint8)
            bad_before = ints[k.I_BAD]
            index, produced, events = self._advance(
                uv, stamps, self._columns, chunk.first_sample, index, self._floats, ints, self._window, self._last,
                self._held_uv, self._held_s, self._held_lost, out_uv, out_s, out_state, out_bad, self._events_at,
                self._events_s,
            )  # fmt: skip
            bad = out_bad.view(np.bool_) if ints[k.I_BAD] != bad_before else None
            starts = [0, *(int(at) for at in self._events_at[:events, 0])]
            for i, start in enumerate(starts):
                stop = starts[i + 1] if i < events else produced
                reason = self._why(i - 1) if i else None
                if stop > start:
                    part = slice(start, stop)
                    kept_bad = bad[part] if bad is not None else None
                    blocks.append(RegularBlock(out_uv[part], out_s[part], out_state[part], reason, kept_bad))
            if ints[k.I_NEED] == 0:
                return blocks
            room = total - index + int(ints[k.I_HELD]) + int(ints[k.I_NEED])

    def _why(self, event: int) -> str:
        seconds = float(self._events_s[event])
        match int(self._events_at[event, 1]):
            case k.GAP:
                return f"{seconds:.1f} s of samples are missing"
            case k.SPARSE:
                return f"more than a quarter of the last {WINDOW_S:g} s is missing"
            case k.OFF:
                return f"the stamps are {abs(seconds):.1f} s {'behind' if seconds < 0 else 'ahead of'} the samples"
            case _:
                return f"the clock of the stamps jumped by {seconds:.0f} s"

    @property
    def report(self) -> TimelineReport:
        """What was seen so far."""
        ints = self._ints
        samples = int(ints[k.I_SAMPLES])
        known = samples >= self.spec.nominal_rate_hz
        return TimelineReport(
            effective_rate_hz=1.0 / float(self._floats[k.F_PERIOD]) if known else None,
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
