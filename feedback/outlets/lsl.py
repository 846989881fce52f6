"""Scores as LSL streams: PsychoPy, Unity, OpenViBE and LabRecorder need no new code."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pylsl import StreamOutlet

CHANNELS = ("focus", "steady", "confidence", "valid")
_UNITS = {"valid": "boolean"}


class LslOutlets:
    """One outlet `focusloop-<id>` of type `Focus` for each participant.

    Parameters
    ----------
    rate_hz
        Nominal rate of the scores. In silence they come slower; the stamps say so.
    """

    def __init__(self, rate_hz: float = 25.0) -> None:
        from bci.lsl.quick import has_consumers

        self._has_consumers = has_consumers  # an import in `on_score` would cost more than it does
        self._rate_hz = rate_hz
        self._outlets: dict[str, StreamOutlet] = {}
        self._lock = threading.Lock()

    def open(self, stream: str, *, origin: str = "live", model: str = "") -> None:
        """Make a participant's outlet findable before its first score; one that is there already stays.

        Parameters
        ----------
        stream
            The participant's id.
        origin, model
            Written into the outlet's description: a simulated score stays marked.
        """
        with self._lock:
            if stream not in self._outlets:
                self._outlets[stream] = self._make(stream, origin, model)

    def on_score(self, stream: str, score: Mapping[str, Any]) -> None:
        """Send a score (fields of the `focus` message), stamped with its newest sample; null becomes NaN.

        Silence is told too: the score of a stale stream has `valid` 0 and NaN in front of it. Before the device has
        said what it is there is no outlet yet, for its description names origin and model.
        """
        outlet = self._outlets.get(stream)
        if outlet is None or not self._has_consumers(outlet):
            return  # liblsl keeps nothing for who comes later, and to push is dearer than to ask
        stamp_s = score["t_lsl_s"]
        sample = [
            _number(score["value"]),
            _number(score["steady"]),
            _number(score["confidence"]),
            1.0 if score["valid"] else 0.0,
        ]
        # 0 = now: before the first sample there is nothing to be stamped with.
        outlet.push_sample(sample, 0.0 if stamp_s is None else float(stamp_s))

    def remove(self, stream: str) -> None:
        """End a participant's outlet."""
        with self._lock:
            ended = self._outlets.pop(stream, None)
        del ended  # not under the lock: it takes liblsl a while, and the worker sends meanwhile

    def close(self) -> None:
        """End all outlets."""
        with self._lock:
            self._outlets.clear()

    def _make(self, stream: str, origin: str, model: str) -> StreamOutlet:
        from pylsl import StreamInfo, StreamOutlet, cf_float32

        name = f"focusloop-{stream}"
        info = StreamInfo(name, "Focus", len(CHANNELS), self._rate_hz, cf_float32, name)
        description = info.desc()
        channels = description.append_child("channels")
        for label in CHANNELS:
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", _UNITS.get(label, "probability"))
            channel.append_child_value("type", "Focus")
        focusloop = description.append_child("focusloop")
        focusloop.append_child_value("origin", origin)
        focusloop.append_child_value("model", model)
        return StreamOutlet(info)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
