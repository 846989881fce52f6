"""State of one stream's filter bank, and who runs its inner loop: the compiled kernel or SciPy."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bci.compiled import compile_function
from bci.types import Channel, StreamSpec
from streaming import kernels as k
from streaming.features import FeatureSchema
from streaming.filterbank import FilterBank
from streaming.quality import channel_limits, parameters

Hops = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]
"""Values (hops, channels, bands), quality and flags (hops, channels), bridged (hops,), index of the last sample; there
may be more room in each than hops are done."""

Path = Literal["compiled", "scipy"]

NONE_BAD = np.zeros((0, 0), dtype=np.bool_)


class BankState:
    """Coefficients and state of one stream, as arrays.

    Parameters
    ----------
    spec, channels
        The stream and those of its channels that are filtered.
    bank
        Coefficients.
    schema
        Bands and filters.
    per_hop
        Samples a hop, exactly.
    hops
        Hops a token.
    """

    def __init__(
        self,
        spec: StreamSpec,
        channels: tuple[Channel, ...],
        bank: FilterBank,
        schema: FeatureSchema,
        per_hop: Fraction,
        hops: int,
    ) -> None:
        n_bands, n_sections, _ = bank.bands.shape
        n = len(channels)
        self.per_hop = per_hop
        self.parameters = parameters(spec, schema, bank)
        self.limits = channel_limits(channels, schema)
        filters = [(m, k.W_SIGNAL, target) for m, target in zip(bank.meters, (k.W_METER_50, k.W_METER_60), strict=True)]
        filters = [f for f in filters if f[0].any()]
        filters += [(notch, k.W_SIGNAL, k.W_SIGNAL) for notch in bank.notches]
        filters += [(bank.slow, k.W_SIGNAL, k.W_SLOW), (bank.fast, k.W_SIGNAL, k.W_FAST)]
        self.biquads = np.array([f[0] for f in filters])
        self.route = np.array([f[1:] for f in filters], dtype=np.int64)
        self.bands = np.ascontiguousarray(bank.bands)
        n_sums = 2 * n_bands + k.SUMS
        self.clock = np.zeros(k.CLOCK, dtype=np.int64)
        self.rows = np.zeros((k.ROWS, n))
        self.work = np.zeros((k.WORK + n_sums, n))
        self.biquad_state = np.zeros((2 * len(filters), n))
        self.band_state = np.zeros((n_bands * n_sections, 2, n))
        self.sums = np.zeros((n_sums, n))
        self.ring = np.zeros((hops + 1, n_sums, n))
        self.bits = np.zeros((hops + 1, n), dtype=np.uint8)
        self.counts = np.zeros((hops + 1, 2), dtype=np.int64)
        self.usual = np.zeros((n_bands, n))
        self.caps = np.zeros((n_bands, n))
        self.restart()

    def restart(self) -> None:
        """Forget every sample; the next one primes the filters."""
        for array in (self.rows, self.work, self.biquad_state, self.band_state, self.sums, self.ring, self.usual):
            array.fill(0.0)
        self.bits.fill(0)
        self.caps.fill(np.inf)
        self.counts.fill(0)
        self.rows[k.R_HIGH] = -np.inf
        self.rows[k.R_LOW] = np.inf
        self.clock[:] = 0
        self.clock[k.C_NUMERATOR] = self.per_hop.numerator
        self.clock[k.C_DENOMINATOR] = self.per_hop.denominator
        self.clock[k.C_NEXT] = boundary(1, self.per_hop)

    def room(self, n_samples: int) -> Hops:
        """Make room for the hops that can end within so many samples."""
        n_hops = n_samples * self.per_hop.denominator // self.per_hop.numerator + 2
        n, n_bands = self.rows.shape[1], self.bands.shape[0]
        return (
            np.empty((n_hops, n, n_bands), dtype=np.float32),
            np.empty((n_hops, n), dtype=np.float32),
            np.empty((n_hops, n), dtype=np.uint8),
            np.empty(n_hops, dtype=np.float32),
            np.empty(n_hops, dtype=np.int64),
        )


def boundary(hop: int, per_hop: Fraction) -> int:
    """Give the sample number at which hop `hop` (from 1) ends: `hop · per_hop`, halves rounded up, in integers."""
    p, q = per_hop.numerator, per_hop.denominator
    return (2 * hop * p + q) // (2 * q)


class Bank:
    """The filter bank of one stream: its state, and the function that advances it.

    Parameters
    ----------
    state
        Arrays of the stream.
    advance
        `streaming.kernels.advance`, compiled, or `streaming.scipy_path.advance`, which takes the same arguments.
    path
        Which of the two.
    fallbacks
        What did not work as wished.
    """

    def __init__(
        self, state: BankState, advance: Callable[..., int], path: Path, fallbacks: tuple[str, ...] = ()
    ) -> None:
        self._state = state
        self._advance = advance
        self._fixed = (state.parameters, state.limits, state.biquads, state.bands, state.route)
        self._moving = (
            state.clock, state.rows, state.work, state.biquad_state, state.band_state, state.sums, state.ring,
            state.bits, state.counts, state.usual, state.caps,
        )  # fmt: skip
        self.path: Path = path
        self.fallbacks = fallbacks

    @property
    def hop(self) -> int:
        """Hops finished since the last restart."""
        return int(self._state.clock[k.C_HOP])

    @property
    def samples_to_next_hop(self) -> int:
        """Samples that the running hop still needs, at least 1."""
        clock = self._state.clock
        return int(clock[k.C_NEXT] - clock[k.C_SAMPLE])

    def restart(self) -> None:
        """Forget every sample."""
        self._state.restart()

    def process(
        self, samples_uv: NDArray[np.float64], state: NDArray[np.uint8], bad: NDArray[np.bool_] | None
    ) -> tuple[int, Hops]:
        """Filter regular samples; give how many hops end in them, and these.

        Parameters
        ----------
        samples_uv
            float64 (n, channels), contiguous.
        state
            uint8 (n,): 0 measured, 1 bridged, 2 missing.
        bad
            bool (n, channels) or None: True where the value is none.
        """
        hops = self._state.room(len(state))
        n_done = self._advance(samples_uv, state, NONE_BAD if bad is None else bad, *self._fixed, *self._moving, *hops)
        if n_done:
            for handed_on in hops[:3]:
                handed_on.setflags(write=False)
        return n_done, hops

    def hum_uv2(self) -> NDArray[np.float64]:
        """Give (2, channels): mean square of the hum at 50 and 60 Hz in the last token, µV²."""
        state = self._state
        sums = state.work[k.WORK :]
        at = 2 * state.bands.shape[0]
        seen = np.maximum(sums[at + k.S_SEEN], 1.0)
        return sums[at + k.S_METER_50 : at + k.S_METER_60 + 1] / seen


def open_bank(state: BankState, path: Literal["auto", "scipy"] = "auto") -> Bank:
    """Give a bank that runs compiled where that works, by SciPy where it does not.

    Parameters
    ----------
    state
        Arrays of the stream.
    path
        `scipy` does not try to compile.
    """
    if path == "auto":
        kernel = compile_function(k.advance, k.SIGNATURE)
        if kernel.compiled:
            return Bank(state, kernel.function, "compiled", kernel.notes)
        notes = kernel.notes
    else:
        notes = ()
    from streaming.scipy_path import advance

    return Bank(state, advance, "scipy", notes)
