"""Recorded sessions of simulated people that say when the person rested and when they worked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from cued_people import LEAD_S, blocks_of, person_of
from session_files import recorded

from bci.simulator.cued import cued_chunks, cued_spec
from bci.simulator.faults import parse_faults
from bci.types import Chunk
from feedback.guided import GuidedRun, Measurement, Plan
from inference.bundle import find_model
from inference.personal.cued_session import Condition, random_order
from inference.scorer import StreamScorer
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline

START_S = 100.0
"""LSL time of the first sample; the header's anchor is of the same moment."""

LATE_S = 0.3
"""So much after its newest sample a score is sent, and right after it what a calibration says."""

Said = dict[str, list[tuple[float, dict[str, Any]]]]
Row = tuple[float, Sequence[float]]


def person_chunks(
    kind: str, seed: int, order: Sequence[Condition], block_s: float = 10.0, faults: str = "", device: str | None = None
) -> list[Chunk]:
    """Samples of a person who does as the blocks ask, stamped from `START_S` on."""
    person = person_of(kind, seed)
    spans = blocks_of(tuple(order), block_s)
    of = cued_spec(person) if device is None else replace(cued_spec(person), device=device)
    made = cued_chunks(
        person, [(b.start_s, b.condition == "task") for b in spans], spans[-1].stop_s + 1.0, parse_faults(faults)
    )
    return [Chunk(of, c.data, c.timestamps_s + START_S, c.first_sample) for c in made]


def write(
    folder: Path,
    parts: Sequence[Chunk],
    messages: Said,
    scores: Sequence[Row] = (),
    *,
    session: str = "20261125T210000Z-p01-ab12",
    participant: str = "p01",
    started: str = "2026-11-25T21:00:00+00:00",
    header: Mapping[str, Any] | None = None,
) -> Path:
    """Write a session as the service does."""
    about = {"session": session, "participant": participant, "started": started, **(header or {})}
    fields = {"device": parts[0].spec.device, "origin": parts[0].spec.origin}
    return recorded(folder / "sessions", parts, header=about, messages=messages, scores=scores, fields=fields, every=1)


def guided_messages(
    parts: Sequence[Chunk], order: Sequence[Condition], block_s: float = 10.0
) -> tuple[Said, list[Row]]:
    """Say what the service says while it guides: the very run, each message stamped when it was sent."""
    spec = parts[0].spec
    pipeline = Pipeline(spec, hop_s=0.1, mains=50)
    scorer = StreamScorer("p01", spec, find_model(), SCHEMA, hop_s=0.1, group_delay_s=pipeline.group_delay_s)
    # half a hop less, so that each block lasts what the person was given, whatever the last bit of a stamp says
    run = GuidedRun(scorer, Plan(len(order), block_s - 0.05), tuple(order), lambda _: Future[Measurement]())
    run.begin()
    said: list[tuple[float, dict[str, Any]]] = [(START_S + 0.5, {"type": "calibration", **run.fields()})]
    rows: list[Row] = []
    for chunk in parts:
        for frame in pipeline.process(chunk):
            due = scorer.prepare(frame)
            sent_s = frame.end_s + LATE_S
            rows.append((frame.end_s, (*[0.5] * 4, 1.0, -1.0, 0.8, 1.0, 0.0, 1e3 * LATE_S, 1.0 * len(rows), sent_s)))
            if frame.end_s < START_S + LEAD_S:
                continue
            changed = run.step(due, None, 0.0)
            if changed or frame.hop % 12 == 0:
                said.append((sent_s + 1e-4, {"type": "calibration", "seq": len(said), **run.fields()}))
    return {"sent": said}, rows


def guided_session(folder: Path, kind: str, seed: int, blocks: int = 30, **more: Any) -> Path:  # noqa: ANN401 - passed on
    """Record a person through a guided calibration."""
    order = random_order(blocks, np.random.default_rng(seed))
    parts = person_chunks(kind, seed, order)
    messages, rows = guided_messages(parts, order)
    return write(folder, parts, messages, rows, **more)


def marked(order: Sequence[Condition], names: Mapping[Condition, str], block_s: float = 10.0) -> Said:
    """Markers that a program sends at the beginning of each block, and `end` after the last."""
    spans = blocks_of(tuple(order), block_s)
    said = [(START_S + b.start_s, {"type": "marker", "label": names[b.condition]}) for b in spans]
    return {"markers": [*said, (START_S + spans[-1].stop_s, {"type": "marker", "label": "end"})]}


def trials(
    start_s: float, stop_s: float, every_s: float = 3.0, rt_ms: float = 900.0
) -> list[tuple[float, dict[str, Any]]]:
    """Answers of a task between two moments."""
    return [
        (float(at_s), {"type": "trial", "run": "r", "trial": i, "task": "n-back", "correct": True, "rt_ms": rt_ms})
        for i, at_s in enumerate(np.arange(start_s + rt_ms / 1e3, stop_s, every_s))
    ]
