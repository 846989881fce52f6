"""The way from the electrode to the computer: loss, bursts, and a clock of its own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bci.simulator.spells import Spells
from bci.types import Timestamps

Active = Mapping[str, NDArray[np.bool_]]

PACKET_SAMPLES = 12
"""Samples of one packet under `jitter`, as a Muse sends them."""

FAST_CLOCK = 0.004
"""How much too fast the device's clock runs under `clock-drift`."""


class Transport:
    """Decides for each sample whether, when and with what stamp it comes."""

    def __init__(self, rate_hz: float, rng: np.random.Generator) -> None:
        self._rate_hz, self._rng = rate_hz, rng
        self._lost = Spells(
            lambda: rng.exponential(4.0) * rate_hz,
            lambda: (rng.uniform(0.2, 0.5) if rng.random() < 0.15 else rng.uniform(0.004, 0.08)) * rate_hz,
        )
        self._early_s = 0.0
        self._packet, self._packet_s = -1, 0.0
        self._latest_s = -np.inf

    def block(
        self, first_sample: int, t_s: Timestamps, active: Active
    ) -> tuple[NDArray[np.bool_], Timestamps, Timestamps]:
        """Give `sent`, stamps and arrivals for samples at moments `t_s` of the simulation, all (n,)."""
        n = t_s.size
        sent = np.ones(n, dtype=bool)
        if (gap := active.get("gap")) is not None:
            sent &= ~gap
        if (loss := active.get("loss")) is not None:
            sent &= ~(loss & self._lost.inside(first_sample, n))
        stamps_s = t_s - self._early_s
        if (drift := active.get("clock-drift")) is not None:
            early_s = np.cumsum(drift) * (FAST_CLOCK / self._rate_hz)
            stamps_s = stamps_s - early_s
            self._early_s += float(early_s[-1])
        arrivals_s = stamps_s
        if (jitter := active.get("jitter")) is not None:
            late_s = self._packets(first_sample, stamps_s)
            stamps_s = np.where(jitter, late_s, stamps_s)
            arrivals_s = stamps_s
        # Samples are never read out of order: none is there before the one that was sent before it.
        arrivals_s = np.maximum.accumulate(np.maximum(arrivals_s, self._latest_s))
        self._latest_s = float(arrivals_s[-1])
        return sent, stamps_s, arrivals_s

    def _packets(self, first_sample: int, sampled_s: Timestamps) -> Timestamps:
        """Stamp the samples of a packet with its arrival: when its last sample was taken, and 5-40 ms on the way."""
        number = np.arange(first_sample, first_sample + sampled_s.size)
        packet = number // PACKET_SAMPLES
        late_s = np.empty(sampled_s.size)
        for p in np.unique(packet):
            mine = packet == p
            if p != self._packet:
                to_end_s = ((p + 1) * PACKET_SAMPLES - 1 - number[mine][0]) / self._rate_hz
                on_the_way_s = 0.005 + min(0.035, self._rng.exponential(0.008))
                self._packet, self._packet_s = int(p), float(sampled_s[mine][0]) + to_end_s + on_the_way_s
            late_s[mine] = self._packet_s
        return late_s
