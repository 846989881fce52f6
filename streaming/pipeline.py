"""The signal path of one stream: chunks in, feature frames out, and an account of what was done."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from bci.errors import ConfigError
from bci.limits import check_scorable
from bci.types import Channel, Chunk, StreamSpec
from streaming.bank import BankState, open_bank
from streaming.features import SCHEMA, FeatureSchema
from streaming.filterbank import Mains, design
from streaming.timeline import RegularBlock, Timeline, TimelineReport
from streaming.types import FeatureFrame

KEPT_RESETS = 16

LINE_SEEN_UV = 1.0
LINE_CLEAR = 4.0
"""The line frequency in use is told where the median channel's hum exceeds 1 µV rms, and the other frequency's power
fourfold."""


@dataclass(frozen=True, slots=True)
class StreamHealth:
    """How a stream stands at a moment.

    Parameters
    ----------
    newest_s
        Corrected stamp of the newest sample, LSL clock; None before the first.
    silent_s
        Seconds since then; None before the first sample.
    """

    newest_s: float | None
    silent_s: float | None


@dataclass(frozen=True, slots=True)
class PipelineReport:
    """What the signal path is and what it did; a snapshot.

    Parameters
    ----------
    path
        `compiled` or `scipy`: who runs the inner loop. Both give the same features.
    fallbacks
        What did not work as wished, one sentence each.
    timeline
        Loss, jitter and effective rate.
    line_hz
        Line frequency: as it was configured, else as it was found; None where no hum is seen.
    notched_hz
        Frequencies that are notched.
    line_uv
        Hum of the median channel at `line_hz` in the last seconds, µV rms.
    band_delay_s
        Group delay at the centre of each band.
    group_delay_s
        Group delay at 10 Hz.
    settle_s
        Time from a reset to the first settled frame.
    resets
        Generation that began and why, the newest last; a bounded memory.
    n_resets
        All of them.
    frames
        Made so far.
    """

    path: Literal["compiled", "scipy"]
    fallbacks: tuple[str, ...]
    timeline: TimelineReport
    line_hz: float | None
    notched_hz: tuple[float, ...]
    line_uv: float
    band_delay_s: tuple[float, ...]
    group_delay_s: float
    settle_s: float
    resets: tuple[tuple[int, str], ...]
    n_resets: int
    frames: int


class Pipeline:
    """Timeline, filter bank, quality and features of one stream.

    The only inputs are `process` and `advance`: no clock is read. Cutting the same samples into other chunks changes
    no feature, to the last bit.

    Parameters
    ----------
    spec
        Stream to score. Where nobody has said where its electrodes are, all its EEG channels are taken, so that their
        quality can be shown.
    hop_s
        Time between frames, seconds; the token is a whole number of hops.
    mains
        Line frequency, 50 or 60 Hz; `auto` notches both and reports what it finds.
    schema
        Bands and filters.
    path
        `auto` compiles and falls back to SciPy; `scipy` takes that at once.

    Raises
    ------
    UnsupportedStreamError
        For a rate or a number of EEG channels that cannot be scored.
    ConfigError
        If the token is no whole number of hops.
    """

    def __init__(
        self,
        spec: StreamSpec,
        *,
        hop_s: float = 0.04,
        mains: Mains = "auto",
        schema: FeatureSchema = SCHEMA,
        path: Literal["auto", "scipy"] = "auto",
    ) -> None:
        self.hop_s = hop_s
        self.mains: Mains = mains
        self.schema = schema
        self._path: Literal["auto", "scipy"] = path
        self._hops = _hops_a_token(schema.token_s, hop_s)
        self._generation = -1
        self._frames = 0
        self._n_resets = -1
        self._resets: deque[tuple[int, str]] = deque(maxlen=KEPT_RESETS)
        self.reset(spec)

    def reset(self, spec: StreamSpec, reason: str = "opened") -> None:
        """Start anew with a stream that may have other channels or another rate.

        Parameters
        ----------
        spec
            What comes from now on.
        reason
            For the report.
        """
        check_scorable(spec)
        self.spec = spec
        self.columns = spec.scored or tuple(i for i, c in enumerate(spec.channels) if c.kind == "eeg")
        self.channels: tuple[Channel, ...] = tuple(spec.channels[i] for i in self.columns)
        self._design = design(spec.nominal_rate_hz, self.schema, self.mains)
        self._bank = open_bank(self.new_state(), self._path)
        self._settled_hop = math.ceil(self._design.settle_s / self.hop_s) + self._hops - 1
        self._timeline = Timeline(spec, self.columns)
        self._newest_s: float | None = None
        self._restart(reason)

    def new_state(self) -> BankState:
        """Allocate the state of a filter bank for the stream as it is."""
        rate = Fraction(self.spec.nominal_rate_hz).limit_denominator(1000)
        per_hop = rate * Fraction(self.hop_s).limit_denominator(10000)
        return BankState(self.spec, self.channels, self._design, self.schema, per_hop, self._hops)

    def _restart(self, reason: str) -> None:
        self._bank.restart()
        self._generation += 1
        self._n_resets += 1
        self._resets.append((self._generation, reason))

    def process(self, chunk: Chunk) -> list[FeatureFrame]:
        """Take a chunk and give the frames whose hops it completes.

        Parameters
        ----------
        chunk
            Of the stream that the pipeline stands for.
        """
        frames: list[FeatureFrame] = []
        for block in self._timeline.process(chunk):
            self._take(block, frames)
        return frames

    def _take(self, block: RegularBlock, frames: list[FeatureFrame]) -> None:
        if block.reset is not None:
            self._restart(block.reset)
        if not len(block):
            return
        first_hop = self._bank.hop
        n_done, (values, quality, flags, bridged, ends) = self._bank.process(block.samples_uv, block.state, block.bad)
        self._newest_s = block.times_s.item(-1)
        schema_id = self.schema.id
        generation = self._generation
        for i in range(n_done):
            hop = first_hop + i
            frames.append(
                FeatureFrame(
                    values[i],
                    quality[i],
                    flags[i],
                    block.times_s.item(ends.item(i)),
                    schema_id,
                    hop,
                    generation,
                    hop >= self._settled_hop,
                    bridged.item(i),
                )
            )
        self._frames += n_done

    def advance(self, now_s: float) -> StreamHealth:
        """Tell how the stream stands, so that silence can be noticed.

        Parameters
        ----------
        now_s
            Moment to judge, LSL clock; a recording supplies it from its stamps.
        """
        if self._newest_s is None:
            return StreamHealth(None, None)
        return StreamHealth(self._newest_s, max(0.0, now_s - self._newest_s))

    @property
    def samples_to_next_hop(self) -> int:
        """Regular samples that the running hop still needs, at least 1."""
        return self._bank.samples_to_next_hop

    @property
    def generation(self) -> int:
        """Count of resets since the pipeline was made."""
        return self._generation

    @property
    def group_delay_s(self) -> float:
        """Group delay of the filters at 10 Hz, seconds."""
        return self._design.delay_10hz_s

    @property
    def timeline(self) -> TimelineReport:
        """Loss, jitter and effective rate."""
        return self._timeline.report

    @property
    def report(self) -> PipelineReport:
        """What the signal path is and did so far."""
        line_hz, line_uv = self._line()
        return PipelineReport(
            path=self._bank.path,
            fallbacks=self._bank.fallbacks,
            timeline=self.timeline,
            line_hz=line_hz,
            notched_hz=self._design.notched_hz,
            line_uv=line_uv,
            band_delay_s=self._design.band_delay_s,
            group_delay_s=self._design.delay_10hz_s,
            settle_s=(self._settled_hop + 1) * self.hop_s,
            resets=tuple(self._resets),
            n_resets=self._n_resets,
            frames=self._frames,
        )

    def _line(self) -> tuple[float | None, float]:
        hum = self._bank.hum_uv2()
        at_50, at_60 = (float(np.median(row)) for row in hum)
        if self.mains != "auto":
            return float(self.mains), math.sqrt(at_50 if self.mains == 50 else at_60)
        line_hz, strong, weak = (50.0, at_50, at_60) if at_50 >= at_60 else (60.0, at_60, at_50)
        if strong < LINE_SEEN_UV**2 or strong < LINE_CLEAR * weak:
            return None, math.sqrt(strong)
        return line_hz, math.sqrt(strong)


def _hops_a_token(token_s: float, hop_s: float) -> int:
    if not hop_s > 0.0:
        msg = f"hop of {hop_s:g} s, expected more than 0"
        raise ConfigError(msg)
    hops = round(token_s / hop_s)
    if hops < 1 or abs(hops * hop_s - token_s) > 1e-9:
        msg = f"hop of {hop_s:g} s: the token of {token_s:g} s is no whole number of hops; take 0.04 or 0.1"
        raise ConfigError(msg)
    return hops
