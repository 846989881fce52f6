"""Recordings through the online pipeline: the same chunks, frames, rules and model, only faster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from bci.errors import BaselineRefusedError, ConfigError, UnsupportedStreamError
from bci.files import Recording
from bci.montage import canonical_label
from bci.types import Channel, Chunk, StreamSpec
from inference.baseline import Baseline, RestCollector, rebind
from inference.batch import BatchScorer
from inference.bundle import ModelBundle
from inference.replay import Replay
from inference.scorer import StreamScorer
from inference.session import FocusSession
from inference.types import FocusScore
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline

HOP_S = 0.1
"""Ten scores a second."""

CHUNK_S = 6.4
"""64 windows: one full batch of the model."""

Mains = Literal["auto", 50, 60]


@dataclass(frozen=True, slots=True)
class Span:
    """Part of a recording, s into it (`Recording.elapsed_s`); `stop_s` None = to its end."""

    start_s: float = 0.0
    stop_s: float | None = None


def span_note(recording: Recording, span: Span) -> str:
    """Say where a span reaches beyond the end of its recording; empty where it does not."""
    if span.stop_s is None or span.stop_s <= recording.duration_s + 1.0:
        return ""
    return f"ends after {recording.duration_s:.0f} s, the span that was asked for would go to {span.stop_s:g} s"


def parse_span(text: str) -> tuple[Path, Span]:
    """Read `FILE[@START:STOP]`.

    Raises
    ------
    ConfigError
        If the span is none.
    """
    name, at, span = text.rpartition("@")
    if not at or Path(text).exists():
        return Path(text), Span()
    start, colon, stop = span.partition(":")
    try:
        first, last = float(start or 0.0), float(stop) if stop else None
    except ValueError:
        colon, first, last = "", 0.0, None
    if not colon or first < 0 or (last is not None and last <= first):
        msg = f"'{text}': expected FILE@START:STOP in seconds, for example rest.edf@0:30"
        raise ConfigError(msg)
    return Path(name), Span(first, last)


def keep_channels(spec: StreamSpec, labels: Sequence[str]) -> StreamSpec:
    """Score these electrodes only.

    Raises
    ------
    UnsupportedStreamError
        Naming what is not there, and what is.
    """
    wanted = [canonical_label(label) for label in labels]
    scored = [spec.channels[i].label for i in spec.scored]
    lacking = [label for label in wanted if label not in scored]
    if lacking:
        msg = f"{spec.device} has no {', '.join(lacking)}; it has {', '.join(scored) or 'no electrode with a position'}"
        raise UnsupportedStreamError(msg)
    return replace(spec, channels=tuple(c if c.label in wanted else _unscored(c) for c in spec.channels))


def _unscored(channel: Channel) -> Channel:
    return replace(channel, kind="aux") if channel.kind == "eeg" else channel


def _chunks(recording: Recording, spec: StreamSpec, span: Span) -> Iterator[Chunk]:
    stop_s = float("inf") if span.stop_s is None else span.stop_s
    first, end = np.searchsorted(recording.elapsed_s, (span.start_s, stop_s))
    given = 0
    for chunk in recording.chunks(max(1, round(CHUNK_S * spec.nominal_rate_hz))):
        start, stop = max(0, int(first) - given), min(len(chunk), int(end) - given)
        given += len(chunk)
        if start < stop:
            part = slice(start, stop)
            yield Chunk(spec, chunk.data[part], chunk.timestamps_s[part], chunk.first_sample + start)


def _nobody_listens(_sentence: str) -> None:
    """Take a sentence that nobody asked for."""


class RecordingScorer:
    """Scores recordings with one model.

    Parameters
    ----------
    session
        The loaded model.
    mains
        Line frequency, or `auto` to detect it.
    channels
        Electrodes to score; None for all with a position.
    """

    def __init__(self, session: FocusSession, *, mains: Mains = "auto", channels: Sequence[str] | None = None) -> None:
        self._session = session
        self._mains: Mains = mains
        self._channels = channels

    @property
    def bundle(self) -> ModelBundle:
        """The model in use."""
        return self._session.bundle

    def baseline(self, recording: Recording, span: Span) -> Baseline:
        """Make a baseline of a span of rest; the state of the eyes is judged, as nobody says it.

        Raises
        ------
        BaselineRefusedError
            `too_short`, `too_noisy` or `other_headset`.
        """
        if span.start_s >= recording.duration_s:
            msg = (
                f"{recording.spec.device} ends after {recording.duration_s:.0f} s, and the span begins at "
                f"{span.start_s:g} s; choose one within the recording, for example @0:30"
            )
            raise BaselineRefusedError("too_short", msg)
        scorer, pipeline, spec = self._begin(recording)
        if scorer.unassigned:
            msg = (
                f"{spec.device}: nobody has said where its electrodes are; name them in channel order (--montage of "
                "`focusloop score`; where it is served, `montage` of the participant)"
            )
            raise BaselineRefusedError("other_headset", msg)
        rest: RestCollector = scorer.collect()
        for chunk in _chunks(recording, spec, span):
            for frame in pipeline.process(chunk):
                scorer.prepare(frame)
        return rest.finish(time.time(), asked_eyes=None)

    def score(
        self,
        recording: Recording,
        *,
        baseline: Baseline | None = None,
        force_baseline: bool = False,
        progress: Callable[[float], None] | None = None,
        tell: Callable[[str], object] = _nobody_listens,
    ) -> Iterator[FocusScore]:
        """Score a recording, window by window, in the order of time.

        A session of ours is scored with what it was scored with when it was live: its baselines from the moment when
        they were taken, its pauses.

        Parameters
        ----------
        recording
            As read by `bci.files.read_recording`.
        baseline
            Of the same person; the electrodes are matched by name. In place of those that a session of ours holds.
        force_baseline
            Score also where the eyes seem to be in the other state than in the baseline (for evaluation).
        progress
            Called with the seconds of signal done.
        tell
            Takes a sentence on each recorded baseline that is used, or cannot be.

        Yields
        ------
        Ten scores a second of signal.

        Raises
        ------
        BaselineRefusedError
            `other_headset`, where the baseline lacks an electrode.
        """
        scorer, pipeline, spec = self._begin(recording)
        if baseline is not None:
            scorer.use_baseline(rebind(baseline, scorer.owner))
            scorer.check_baseline = not force_baseline
        batch = BatchScorer(self._session)
        replay = Replay(tell, baselines=baseline is None)
        replay.take(recording.noted)
        elapsed_s, done = recording.elapsed_s, 0
        for chunk in _chunks(recording, spec, Span()):
            frames = list(pipeline.process(chunk))
            while frames:
                n = replay.begin(scorer, frames)
                yield from batch.score([scorer.prepare(frame) for frame in frames[:n]])
                del frames[:n]
            if progress is not None:
                done += len(chunk)
                progress(float(elapsed_s[done - 1]))

    def _begin(self, recording: Recording) -> tuple[StreamScorer, Pipeline, StreamSpec]:
        spec = recording.spec if self._channels is None else keep_channels(recording.spec, self._channels)
        pipeline = Pipeline(spec, hop_s=HOP_S, mains=self._mains)
        scorer = StreamScorer(spec.device, spec, self.bundle, SCHEMA, hop_s=HOP_S, group_delay_s=pipeline.group_delay_s)
        return scorer, pipeline, spec
