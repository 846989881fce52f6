"""The neurofeedback of all streams: frames and scores in, `neurofeedback` out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from bci.clock import ClockAnchor, lsl_now_s
from bci.config import NeurofeedbackConfig
from feedback.loop.neurofeedback_run import NeurofeedbackRun
from streaming.types import FeatureFrame

TOPIC = "neurofeedback"

_log = structlog.get_logger("focusloop.neurofeedback")


class Neurofeedbacks:
    """The runs by stream; an outlet of the scorer, too: a moment is judged once its score is known.

    Parameters
    ----------
    publish
        Sends a message to those who listen: stream, topic, fields.
    tell
        Sends it as an event, too, to LSL: rewards, and changes of state.
    labels
        Electrodes of a stream's frames; empty before its headset is known.
    hop_s
        Between two frames, seconds.
    """

    def __init__(
        self,
        publish: Callable[[str, str, Mapping[str, Any]], object],
        tell: Callable[[str, str, Mapping[str, Any]], object],
        labels: Callable[[str], Sequence[str]],
        hop_s: float,
    ) -> None:
        self._publish = publish
        self._tell = tell
        self._labels = labels
        self._hop_s = hop_s
        self._by_stream: dict[str, NeurofeedbackRun] = {}
        self._waiting: dict[str, dict[float, FeatureFrame]] = {}
        self._told: dict[str, tuple[str, str]] = {}

    # From the event loop

    def set(self, stream: str, settings: NeurofeedbackConfig) -> dict[str, Any]:
        """Begin a protocol, with rest; one that runs is ended.

        Raises
        ------
        ConfigError
            If the settings cannot be, or the headset has no such electrodes; what ran goes on then.
        """
        run = NeurofeedbackRun(settings, self._hop_s)
        if labels := self._labels(stream):
            run.check(labels)
        self._by_stream[stream] = run
        _log.info("neurofeedback started", stream=stream, **settings.model_dump(mode="json"))
        return self.view(stream)

    def view(self, stream: str) -> dict[str, Any]:
        """Show settings and state; the state `none` where there is no protocol."""
        run = self._by_stream.get(stream)
        return {"state": "none"} if run is None else {**run.settings.model_dump(mode="json"), **run.summary()}

    def running(self) -> list[str]:
        """Name the streams whose protocol has its thresholds, and trains now."""
        return [stream for stream, run in list(self._by_stream.items()) if run.state == "running"]

    def end(self, stream: str) -> None:
        """End a stream's protocol."""
        if self._by_stream.pop(stream, None) is not None:
            self._waiting.pop(stream, None)
            self._told.pop(stream, None)
            _log.info("neurofeedback ended", stream=stream)

    # On the worker's thread

    def frames(self, stream: str, frames: Sequence[FeatureFrame]) -> None:
        """Keep what falls due until its score is known."""
        if stream in self._by_stream:
            self._waiting[stream] = {frame.end_s: frame for frame in frames}

    def open(self, stream: str, *, origin: str = "live", model: str = "") -> None:
        """Nothing to open."""

    def on_score(self, stream: str, score: Mapping[str, Any]) -> None:
        """Judge a moment by its score and its frame; without a frame there was only silence."""
        run = self._by_stream.get(stream)
        if run is None:
            return
        stamp_s: float | None = score["t_lsl_s"]
        frame = None if stamp_s is None else self._waiting.get(stream, {}).pop(stamp_s, None)
        said = run.interrupt(score["reason"]) if frame is None else run.take(frame, tuple(self._labels(stream)), score)
        at_s = lsl_now_s() if frame is None or stamp_s is None else stamp_s
        when = {"t_unix_s": ClockAnchor.now().to_unix(at_s), "t_lsl_s": at_s, "origin": score["origin"]}
        changed = (run.state, run.detail)
        send = self._tell if said["rewarded"] or self._told.get(stream) != changed else self._publish
        self._told[stream] = changed
        send(stream, TOPIC, {**when, **said})

    def remove(self, stream: str) -> None:
        """Let go of a stream that was closed."""
        self.end(stream)

    def close(self) -> None:
        """Nothing is open."""
