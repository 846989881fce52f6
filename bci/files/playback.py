"""When each sample of a recording is due when it is played again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bci.files.recording import CLOCK_BACK_S, Recording
from bci.types import Noted, Timestamps

LONGEST_PAUSE_S = 10.0
"""A longer pause is played as this: nobody sits through the 700 s in which a headset was off."""

NOTED_AHEAD_S = 0.5
"""What was noted is given so long before its sample: stamps that were smoothed lie a little off the source's own."""


@dataclass(frozen=True, slots=True)
class Playback:
    """A recording's schedule, from 0 at its first sample.

    Parameters
    ----------
    stamps_s
        float64 (samples,), seconds since the first sample; jitter, repeats and small steps back as recorded.
    due_s
        float64 (samples,), never falling: when a sample may be given. Not before its stamp.
    numbers
        int64 (samples,), running numbers; a shortened pause has lost as many samples less.
    detail
        What differs from the recording, for a person; empty where nothing does.
    """

    stamps_s: Timestamps
    due_s: Timestamps
    numbers: NDArray[np.int64]
    detail: str


def schedule(recording: Recording) -> Playback:
    """Plan to play a recording at its own rate: pauses shortened, the clock's jumps back passed over."""
    rate_hz = recording.spec.nominal_rate_hz
    steps = np.diff(recording.stamps_s)
    period_s = 1.0 / rate_hz if rate_hz > 0.0 else 0.0
    too_long, back = steps > LONGEST_PAUSE_S, steps < -CLOCK_BACK_S
    excess_s = np.where(too_long, steps - LONGEST_PAUSE_S, np.where(back, steps - period_s, 0.0))
    detail: list[str] = []
    if too_long.any():
        detail.append(f"{too_long.sum()} pauses of up to {steps.max():.0f} s are played as {LONGEST_PAUSE_S:g} s")
    if back.any():
        detail.append(f"{back.sum()} jumps of its clock back by up to {-steps.min():.0f} s are passed over")
    if not detail:
        stamps_s, numbers = recording.stamps_s, recording.sample_numbers
    else:
        stamps_s = recording.stamps_s - np.concatenate([[0.0], np.cumsum(excess_s)])
        jumps = np.diff(recording.sample_numbers)
        spared = np.where(too_long, np.round(excess_s * rate_hz).astype(np.int64), 0)
        numbers = np.concatenate([[0], np.cumsum(np.maximum(1, jumps - spared))])
    return Playback(stamps_s, np.maximum.accumulate(stamps_s), numbers, "; ".join(detail))


class NotedOnTheWay:
    """What a recording says beside its samples, its markers among it, by the sample with which it is given.

    Parameters
    ----------
    recording
        That is played.
    playback
        As it is played: what was noted in a pause that is shortened moves with the samples after it.
    """

    def __init__(self, recording: Recording, playback: Playback) -> None:
        markers = [Noted(m.at_s, {"type": "marker", "label": m.label}) for m in recording.markers]
        told = sorted((*markers, *recording.noted), key=lambda one: one.at_s)
        as_recorded_s = np.maximum.accumulate(recording.stamps_s)
        self._at, self._told = np.empty(0, np.int64), []
        if not len(recording) or not told:
            return
        at_s = np.array([one.at_s for one in told])
        last = len(recording) - 1
        beside = np.minimum(np.searchsorted(as_recorded_s, at_s), last)
        moved_s = playback.stamps_s[beside] - recording.stamps_s[beside]
        # What was noted after the last sample is told with it: no later one will come.
        told_s = np.minimum(at_s + moved_s, playback.stamps_s.max())
        self._told: list[Noted] = [Noted(float(when_s), one.said) for when_s, one in zip(told_s, told, strict=True)]
        given = np.minimum(np.searchsorted(as_recorded_s, at_s - NOTED_AHEAD_S), last)
        self._at = np.maximum.accumulate(given)

    def between(self, start: int, stop: int, start_s: float) -> tuple[Noted, ...]:
        """Give what belongs to samples [start, stop), `start_s` added to its seconds."""
        if not self._told:
            return ()
        first, end = np.searchsorted(self._at, (start, stop))
        return tuple(Noted(one.at_s + start_s, one.said) for one in self._told[first:end])
