"""A guided calibration that lies before us whole: samples through the online pipeline, blocks by their spans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bci.types import Chunk, StreamSpec
from inference.bundle import ModelBundle
from inference.offline import HOP_S, Mains
from inference.personal.certifying import Reading, reading_of
from inference.personal.cued_session import CuedBlock, CuedSession, CueRecorder
from inference.scorer import StreamScorer
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline


def record_session(
    participant: str,
    spec: StreamSpec,
    chunks: Iterable[Chunk],
    blocks: Sequence[CuedBlock],
    bundle: ModelBundle,
    mains: Mains = "auto",
) -> tuple[CuedSession, Reading]:
    """Run a calibration through the pipeline that scores a headset.

    Parameters
    ----------
    participant
        Whose it is.
    spec, chunks
        The samples, in order.
    blocks
        Spans by the stamps of the samples.
    bundle
        The model that the head is for.
    mains
        Line frequency, or `auto` to detect it.
    """
    pipeline = Pipeline(spec, hop_s=HOP_S, mains=mains)
    scorer = StreamScorer(participant, spec, bundle, SCHEMA, hop_s=HOP_S, group_delay_s=pipeline.group_delay_s)
    recorder = CueRecorder(HOP_S)
    for chunk in chunks:
        for frame in pipeline.process(chunk):
            due = scorer.prepare(frame)
            recorder.add(frame, due.window, due.reason is None)
    return recorder.session(blocks), reading_of(scorer)
