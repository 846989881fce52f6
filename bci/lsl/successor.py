"""Whether a stream that fell silent is still there, is gone, or has come back as another.

liblsl finds a stream again by itself where it has a source_id and comes back with the same channels and format; else it
waits in silence for ever. This looks for the stream beside it.
"""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import pylsl
from numpy.typing import NDArray

from bci.errors import SourceError
from bci.lsl.describe import Description
from bci.lsl.resolve import quoted

_FORGET_S = 2.0
# pylsl makes a source_id of its own where a program gives none: a hash, another one at each start.
_MADE_UP = re.compile(r"-?\d{9,}")

Verdict = Literal["gone", "same", "back"]


class Watch:
    """Looks in the background for a stream and whatever takes its place.

    Parameters
    ----------
    info
        Of the stream as it was.
    lost_at_s
        Sender's LSL clock when it fell silent: without a lasting source_id, only a stream made after that, on the same
        host and of the same name, is its successor (another person's headset of the same model is not).
    """

    def __init__(self, info: pylsl.StreamInfo, lost_at_s: float) -> None:
        self._uid = info.uid()
        self._lost_at_s = lost_at_s
        self._lasting = is_lasting(info.source_id())
        parts = [f"name={quoted(info.name())}", f"type={quoted(info.type())}"]
        key = "source_id" if self._lasting else "hostname"
        parts.append(f"{key}={quoted(info.source_id() if self._lasting else info.hostname())}")
        self._resolver = pylsl.ContinuousResolver(pred=" and ".join(parts), forget_after=_FORGET_S)

    def look(self) -> tuple[Verdict, pylsl.StreamInfo | None]:
        """Say what answers now: nothing, the outlet as it was, or another that takes its place."""
        found = self._resolver.results()
        others = [info for info in found if info.uid() != self._uid and self._follows(info)]
        if len(others) == 1 or (others and self._lasting):
            return "back", max(others, key=lambda info: info.created_at())
        same = next((info for info in found if info.uid() == self._uid), None)
        return ("same", same) if same is not None else ("gone", None)

    def _follows(self, info: pylsl.StreamInfo) -> bool:
        if self._lasting:
            return True
        return not is_lasting(info.source_id()) and info.created_at() >= self._lost_at_s


def is_lasting(source_id: str) -> bool:
    """Tell whether a source_id survives a restart of the program: it is given, and not a hash that pylsl made up."""
    return bool(source_id) and _MADE_UP.fullmatch(source_id) is None


def difference(was: pylsl.StreamInfo, now: pylsl.StreamInfo) -> str:
    """Say how the core of a stream that came back differs, empty where it does not.

    Returns
    -------
    str
        As in `came back with 4 channels, 8 expected`.
    """
    if now.channel_count() != was.channel_count():
        return f"came back with {now.channel_count()} channels, {was.channel_count()} expected"
    if now.channel_format() != was.channel_format():
        return f"came back with samples of {_format(now)}, {_format(was)} expected"
    if now.nominal_srate() != was.nominal_srate():
        return f"came back with {now.nominal_srate():g} Hz, {was.nominal_srate():g} Hz expected"
    return ""


def changes(before: Description, after: Description) -> str:
    """Say in which of its channels, rate and unit a stream has changed; empty where in none."""
    was, now = before.spec, after.spec
    if now.channels != was.channels:
        labels = ["{" + " ".join(c.label for c in spec.channels) + "}" for spec in (now, was)]
        return f"came back with channels {labels[0]}, {labels[1]} expected"
    if now.nominal_rate_hz != was.nominal_rate_hz:
        return f"came back with {now.nominal_rate_hz:g} Hz, {was.nominal_rate_hz:g} Hz expected"
    if not np.array_equal(_factors(after), _factors(before)):
        return "came back in another unit"
    return ""


def full_info(info: pylsl.StreamInfo, timeout_s: float) -> pylsl.StreamInfo:
    """Fetch the full description of a stream through an inlet of its own: an inlet that recovered keeps the old one.

    Raises
    ------
    SourceError
        If the sender does not answer in time.
    """
    try:
        return pylsl.StreamInlet(info, max_buflen=1, recover=False).info(timeout_s)
    except RuntimeError as error:  # pylsl's TimeoutError and LostError are such
        msg = f"{info.name()}: its description did not come within {timeout_s:g} s ({error})"
        raise SourceError(msg) from error


def _format(info: pylsl.StreamInfo) -> str:
    names = {
        pylsl.cf_float32: "float32",
        pylsl.cf_double64: "double64",
        pylsl.cf_string: "text",
        pylsl.cf_int8: "int8",
        pylsl.cf_int16: "int16",
        pylsl.cf_int32: "int32",
        pylsl.cf_int64: "int64",
    }
    return names.get(info.channel_format(), "unknown format")


def _factors(description: Description) -> NDArray[np.float64]:
    return np.ones(len(description.spec.channels)) if description.scale is None else description.scale
