"""A program that is not ours: plain pylsl outlets of EEG-like noise, stamped with `local_clock()` as they are pushed.

    python -m benchmarks.outlets LOG STREAMS CHANNELS RATE_HZ CHUNK

Several streams send in turn, evenly spread over the time of a chunk, as headsets that know nothing of each other do on
average. LOG gets (stream, stamp) as two float64 a push: the stamp is that of the newest sample.
"""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType

import numpy as np
import pylsl

LABELS = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "O1", "O2")
BUFFER_S = 64
RATE_HZ = 250.0
PUSHED_SAMPLES = 10
NEAR_PUSHES = 3
"""The first sample of a recording is of one of so many pushes beside its stamp, which was smoothed on the way."""


def eeg_like(rate_hz: float, channels: int, seconds: int = BUFFER_S, seed: int = 1) -> np.ndarray:
    """Make a 1/f background with an alpha rhythm, float32 (samples, channels), µV; its end meets its beginning."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate_hz)
    hz = np.fft.rfftfreq(n, 1.0 / rate_hz)
    shape = np.where(hz >= 0.5, 1.0 / np.maximum(hz, 0.5), 0.0) + 0.15 * np.exp(-0.5 * ((hz - 10.0) / 0.8) ** 2)
    spectrum = shape[:, None] * (rng.normal(size=(len(hz), channels)) + 1j * rng.normal(size=(len(hz), channels)))
    signal_uv = np.fft.irfft(spectrum, n, axis=0)
    return (signal_uv / signal_uv.std(axis=0) * 12.0).astype(np.float32)


def open_outlet(number: int, channels: int, rate_hz: float) -> pylsl.StreamOutlet:
    name = f"bench-{number:02d}"
    info = pylsl.StreamInfo(name, "EEG", channels, rate_hz, pylsl.cf_float32, f"{name}-source")
    described = info.desc().append_child("channels")
    for i in range(channels):
        channel = described.append_child("channel")
        channel.append_child_value("label", LABELS[i % len(LABELS)])
        channel.append_child_value("unit", "microvolts")
        channel.append_child_value("type", "EEG")
    return pylsl.StreamOutlet(info)


def first_row(turn: int, stream: int, size: int, rows: int) -> int:
    """Say with which row of the samples a push of a stream begins."""
    return ((turn + 37 * stream) * size) % (rows - size)


def lost_pushes(values: np.ndarray, stream: int, first_s: float, pushed_s: np.ndarray) -> int:
    """Count the pushes that an unbroken run of what the outlet sent, from the first sample on, has beyond these.

    Parameters
    ----------
    values
        What came of outlets that push `PUSHED_SAMPLES` at a time at `RATE_HZ`, (samples, channels).
    stream
        Number of the outlet.
    first_s
        Stamp of the first of them.
    pushed_s
        When the outlet pushed, by its log.
    """
    sent = eeg_like(RATE_HZ, values.shape[1])
    near = int(np.searchsorted(pushed_s, first_s))
    turns = np.arange(max(0, near - NEAR_PUSHES), near + NEAR_PUSHES + len(values) // PUSHED_SAMPLES + 1)
    expected = np.concatenate(
        [
            sent[at : at + PUSHED_SAMPLES]
            for at in (first_row(int(turn), stream, PUSHED_SAMPLES, len(sent)) for turn in turns)
        ]
    )
    begins = np.flatnonzero((expected[: 2 * NEAR_PUSHES * PUSHED_SAMPLES] == values[0]).all(axis=1))
    if not len(begins):
        return len(values) // PUSHED_SAMPLES
    expected = expected[begins[0] : begins[0] + len(values)]
    differs = (expected != values).any(axis=1)
    return -(-int(differs.sum()) // PUSHED_SAMPLES)


def main() -> None:
    path, streams, channels, rate_hz, chunk = sys.argv[1], *map(float, sys.argv[2:6])
    n, size = int(streams), int(chunk)
    outlets = [open_outlet(i, int(channels), rate_hz) for i in range(n)]
    samples = eeg_like(rate_hz, int(channels))
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    print("ready", flush=True)
    period_s = size / rate_hz
    begin_s = pylsl.local_clock() + 0.1
    push = 0
    with open(path, "wb") as log:
        while not stopping:
            turn, stream = divmod(push, n)
            wait_s = begin_s + (turn + stream / n) * period_s - pylsl.local_clock()
            if wait_s > 0.0:
                time.sleep(wait_s)
            at = first_row(turn, stream, size, len(samples))
            stamp_s = pylsl.local_clock()
            if size == 1:
                outlets[stream].push_sample(samples[at], stamp_s)
            else:
                outlets[stream].push_chunk(samples[at : at + size], stamp_s)
            log.write(np.array([stream, stamp_s]).tobytes())
            push += 1


if __name__ == "__main__":
    main()
