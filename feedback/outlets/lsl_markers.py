"""Difficulties, trials, markers, proposals and rewards as LSL markers: one JSON text each, for any LSL program."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from pylsl import StreamOutlet


class LslMarkers:
    """One outlet `focusloop-<id>-markers` of type `Markers` for each participant, irregular, one string channel."""

    def __init__(self) -> None:
        self._outlets: dict[str, StreamOutlet] = {}
        self._lock = threading.Lock()

    def open(self, stream: str, *, origin: str = "live", model: str = "") -> None:
        """Make a participant's outlet findable before its first marker.

        Parameters
        ----------
        stream
            The participant's id.
        origin
            Written into the outlet's description: a simulated loop stays marked.
        model
            Not told here; the outlet of the scores has it.
        """
        del model
        with self._lock:
            if stream not in self._outlets:
                self._outlets[stream] = _make(stream, origin)

    def on_score(self, stream: str, score: Mapping[str, Any]) -> None:
        """Send nothing: scores have an outlet of their own."""

    def on_event(self, stream: str, topic: str, fields: Mapping[str, Any]) -> None:
        """Send the fields of a message, stamped with its moment."""
        text = orjson.dumps({"type": topic, "stream": stream, **fields}).decode()
        with self._lock:
            outlet = self._outlets.get(stream)
            if outlet is not None:
                outlet.push_sample([text], float(fields["t_lsl_s"]))

    def remove(self, stream: str) -> None:
        """End a participant's outlet."""
        with self._lock:
            ended = self._outlets.pop(stream, None)
        del ended  # not under the lock: it takes liblsl a while, and the worker sends meanwhile

    def close(self) -> None:
        """End all outlets."""
        with self._lock:
            self._outlets.clear()


def _make(stream: str, origin: str) -> StreamOutlet:
    from pylsl import IRREGULAR_RATE, StreamInfo, StreamOutlet, cf_string

    name = f"focusloop-{stream}-markers"
    info = StreamInfo(name, "Markers", 1, IRREGULAR_RATE, cf_string, name)
    info.desc().append_child("focusloop").append_child_value("origin", origin)
    return StreamOutlet(info)
