"""A recording that was only scored becomes the material of a report; its quality is what the online pipeline says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bci.files import Recording
from bci.types import Chunk, StreamSpec
from feedback.messages import flag_names
from feedback.report.material import Event, QualityTrack, ReportMaterial, ScoreTrack
from feedback.report.survey import survey
from feedback.sessions.header import versions
from inference.baseline import Baseline
from inference.offline import CHUNK_S, HOP_S, Mains, keep_channels
from inference.types import FocusScore
from streaming.pipeline import Pipeline


class ScoresSeen:
    """Remembers of scores what a report shows, while they go to their table."""

    def __init__(self) -> None:
        self._numbers: list[tuple[float, float, float, bool]] = []
        self._reasons: list[str | None] = []
        self.model = ""

    def watch(self, scores: Iterator[FocusScore]) -> Iterator[FocusScore]:
        """Hand scores on."""
        for score in scores:
            self.model = score.model_id
            value, steady = (np.nan if n is None else n for n in (score.value, score.steady))
            at_s = 0.0 if score.end_s is None else score.end_s  # a recording begins at 0
            self._numbers.append((at_s, value, steady, score.calibrated))
            self._reasons.append(score.reason)
            yield score

    def track(self) -> ScoreTrack:
        """Give them over time."""
        table = np.array(self._numbers, np.float64).reshape(-1, 4)
        order = np.argsort(table[:, 0], kind="stable")
        times_s, value, steady, calibrated = table[order].T
        return ScoreTrack(times_s, value, steady, [self._reasons[i] for i in order.tolist()], calibrated == 1.0)


def scored_material(
    recording: Recording,
    seen: ScoresSeen,
    baseline: Baseline | None,
    *,
    mains: Mains = "auto",
    channels: Sequence[str] | None = None,
    path: Path | None = None,
) -> ReportMaterial:
    """Gather what a report of a scored recording shows.

    Parameters
    ----------
    recording
        As it was read.
    seen
        Its scores.
    baseline
        That they were made with; None without one.
    mains, channels
        As it was scored with.
    path
        Of the file.
    """
    quality = QualityTrack()
    spec = recording.spec if channels is None else keep_channels(recording.spec, channels)
    chunks = _with_quality(recording, spec, Pipeline(spec, hop_s=HOP_S, mains=mains), quality)
    whole = survey(recording.spec, chunks)
    return ReportMaterial(
        title=f"Recording {path.name if path is not None else recording.spec.device}, scored",
        origin="file",
        facts=list(_facts(recording, seen, baseline, path)),
        notes=list(recording.notes),
        scores=seen.track(),
        quality=quality,
        surveys=[whole],
        events=[Event(marker.at_s, "marker", marker.label) for marker in recording.markers],
        lost=recording.lost_samples,
    )


def _with_quality(recording: Recording, spec: StreamSpec, pipeline: Pipeline, quality: QualityTrack) -> Iterator[Chunk]:
    labels = tuple(spec.channels[i].label for i in spec.scored) or tuple(
        c.label for c in spec.channels if c.kind == "eeg"
    )
    for chunk in recording.chunks(max(1, round(CHUNK_S * spec.nominal_rate_hz))):
        yield chunk
        for frame in pipeline.process(Chunk(spec, chunk.data, chunk.timestamps_s, chunk.first_sample)):
            quality.add(
                frame.end_s, labels, frame.quality.tolist(), [flag_names(bits) for bits in frame.flags.tolist()]
            )


def _facts(
    recording: Recording, seen: ScoresSeen, baseline: Baseline | None, path: Path | None
) -> Iterator[tuple[str, str]]:
    spec = recording.spec
    if path is not None:
        yield "file", path.name
    if recording.started_unix_s is not None:
        yield "recorded", f"{datetime.fromtimestamp(recording.started_unix_s, UTC):%Y-%m-%d %H:%M:%S} UTC"
    yield "origin", "file"
    yield "device", spec.device
    yield "stream", f"{spec.name}: {len(spec.channels)} channels at {spec.nominal_rate_hz:g} Hz"
    yield "scored electrodes", " ".join(spec.channels[i].label for i in spec.scored) or "none"
    yield "model", seen.model or "none"
    told = "of the recording" if seen.track().calibrated.any() else "none"
    if baseline is not None:
        told = f"eyes {baseline.eyes}, {baseline.clean_s:.0f} s clean"
    yield "baseline", told
    yield "versions", ", ".join(f"{name} {version}" for name, version in versions().items())
