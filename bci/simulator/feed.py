"""Blocks of the participant become runs of samples without a hole, handed out as their moment comes."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from bci.simulator.participant import Block, Participant
from bci.types import FloatSamples, Timestamps


@dataclass(frozen=True, slots=True)
class Run:
    """Samples without a hole: what one chunk can hold.

    Parameters
    ----------
    first_sample
        Running number of the first.
    samples_uv, stamps_s, arrivals_s
        float32 (n, channels); float64 (n,), seconds since the first sample of the simulation.
    free
        True where nobody has said where the electrodes are.
    """

    first_sample: int
    samples_uv: FloatSamples
    stamps_s: Timestamps
    arrivals_s: Timestamps
    free: bool

    @property
    def end(self) -> int:
        """Number of the sample after the last."""
        return self.first_sample + len(self.stamps_s)

    def cut(self, n: int) -> tuple[Run, Run]:
        """Split after n samples."""
        head = Run(self.first_sample, self.samples_uv[:n], self.stamps_s[:n], self.arrivals_s[:n], self.free)
        tail = Run(self.first_sample + n, self.samples_uv[n:], self.stamps_s[n:], self.arrivals_s[n:], self.free)
        return head, tail


class Feed:
    """What was made and not yet read.

    Parameters
    ----------
    participant
        Makes the samples.
    n_samples
        Where the simulation ends; infinite where it does not.
    rate_hz
        Samples per second.
    """

    def __init__(self, participant: Participant, n_samples: float, rate_hz: float) -> None:
        self._participant, self._n_samples, self._rate_hz = participant, n_samples, rate_hz
        self._runs: deque[Run] = deque()
        self.made_until_s = -math.inf
        """Everything that arrives up to this moment of the simulation has been made."""

    @property
    def ended(self) -> bool:
        """True where nothing is left and nothing will come."""
        return not self._runs and self._participant.next_sample >= self._n_samples

    @property
    def head_samples(self) -> int:
        """Samples that the first chunk could hold, arrived or not."""
        count, end, free = 0, None, None
        for run in self._runs:
            if end is not None and (run.first_sample != end or run.free is not free):
                break
            count, end, free = count + len(run.stamps_s), run.end, run.free
        return count

    @property
    def head_is_whole(self) -> bool:
        """True where the samples after the first chunk are known to be lost, so that waiting adds nothing to it."""
        if not self._runs:
            return False
        end = self._runs[0].first_sample + self.head_samples
        return end < self._participant.next_sample or end >= self._n_samples

    def make(self) -> None:
        """Make one more block."""
        if self._participant.next_sample >= self._n_samples:
            self.made_until_s = math.inf
            return
        block = self._participant.next_block()
        self.made_until_s = float(block.arrivals_s[-1])
        self._runs.extend(self._split(block))

    def skip_to(self, moment_s: float) -> None:
        """Leave out what would have arrived up to a moment of the simulation."""
        n = int((moment_s - self.made_until_s) * self._rate_hz)
        self._participant.skip(n)
        self.made_until_s += n / self._rate_hz

    def arrival_s(self, n: int) -> float:
        """Say when the n-th sample of the first chunk can be read; later than any that was made, an estimate."""
        for run in self._runs:
            if n <= len(run.stamps_s):
                return float(run.arrivals_s[n - 1])
            n -= len(run.stamps_s)
        return self.made_until_s + n / self._rate_hz

    def ready(self, moment_s: float) -> int:
        """Count the samples of the first chunk that have arrived."""
        count, left = 0, self.head_samples
        for run in self._runs:
            if left <= 0:
                break
            here = int(np.searchsorted(run.arrivals_s, moment_s, side="right"))
            count += here
            if here < len(run.stamps_s):
                break
            left -= here
        return count

    def take(self, n: int) -> Run:
        """Hand out the first n samples, which must be of one chunk."""
        taken: list[Run] = []
        while n > 0:
            head = self._runs.popleft()
            if len(head.stamps_s) > n:
                head, tail = head.cut(n)
                self._runs.appendleft(tail)
            taken.append(head)
            n -= len(head.stamps_s)
        return Run(
            taken[0].first_sample,
            np.concatenate([run.samples_uv for run in taken]),
            np.concatenate([run.stamps_s for run in taken]),
            np.concatenate([run.arrivals_s for run in taken]),
            taken[0].free,
        )

    def _split(self, block: Block) -> list[Run]:
        n = int(min(len(block.sent), self._n_samples - block.first_sample))
        edges = np.flatnonzero(np.diff(block.sent[:n].astype(np.int8), prepend=0, append=0))
        return [
            Run(
                block.first_sample + int(start),
                block.samples_uv[start:stop],
                block.stamps_s[start:stop],
                block.arrivals_s[start:stop],
                block.free,
            )
            for start, stop in edges.reshape(-1, 2)
        ]
