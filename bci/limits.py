"""Which streams can be scored: the one place that knows the limits of rate and channel count."""

from __future__ import annotations

from bci.errors import UnsupportedStreamError
from bci.types import StreamSpec

LOWEST_RATE_HZ = 100.0
"""The highest band ends at 45 Hz, and an anti-alias filter needs room below the Nyquist frequency."""

HIGHEST_RATE_HZ = 4096.0
"""Above, EEG amplifiers do not go; what is faster is audio, or a mistake in the meta-data."""

MOST_CHANNELS = 256
"""The densest caps."""


def check_scorable(spec: StreamSpec) -> None:
    """Refuse a stream that the focus pipeline cannot score, whatever its montage.

    A stream whose electrodes nobody has placed (`spec.unassigned`) is no error: its scores are null with the reason
    `unassigned` until someone gives a montage.

    Raises
    ------
    UnsupportedStreamError
        With one sentence that says what the stream has, what is expected and what to do.
    """
    eeg = sum(channel.kind == "eeg" for channel in spec.channels)
    problem = _channel_problem(spec, eeg) or _rate_problem(spec.nominal_rate_hz)
    if problem:
        msg = f"{spec.device} ({spec.kind or 'no type'}): {problem}"
        raise UnsupportedStreamError(msg)


def _channel_problem(spec: StreamSpec, eeg: int) -> str:
    if not spec.channels:
        return "the stream has no channels; restart the program that sends it"
    if not eeg:
        kinds = ", ".join(sorted({channel.kind for channel in spec.channels}))
        return f"none of its {len(spec.channels)} channels is EEG (they are {kinds}); choose the device's EEG stream"
    if eeg > MOST_CHANNELS:
        return f"{eeg} EEG channels, at most {MOST_CHANNELS} can be scored; let the amplifier send fewer"
    return ""


def _rate_problem(rate_hz: float) -> str:
    span = f"{LOWEST_RATE_HZ:g} to {HIGHEST_RATE_HZ:g} Hz are needed"
    if rate_hz == 0.0:
        return f"its nominal rate is irregular (0 Hz), {span}; set the rate in the program that sends it"
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        return f"its nominal rate is {rate_hz:g} Hz, {span}; set another rate in the device's program"
    return ""
