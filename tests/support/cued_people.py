"""Simulated people who sit through a guided calibration, in a second each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from bci.montage import position_m
from bci.simulator.cued import cued_chunks, cued_spec
from bci.simulator.faults import parse_faults
from bci.simulator.head import SPANNING_LABELS
from bci.simulator.participant import Person
from inference.bundle import find_model
from inference.personal.certifying import Reading
from inference.personal.cued_recording import record_session
from inference.personal.cued_session import Condition, CuedBlock, CuedSession, random_order

KINDS: dict[str, dict[str, float]] = {
    "readable": {},
    "unreadable": {"coupling": 0.0},
    "inverted": {"coupling": -1.0},
    "blinks": {"coupling": 0.0, "blink_effect": 0.5},
    "muscle": {"coupling": 0.0, "muscle_effect_uv": 15.0},
}
LEAD_S = 8.0
"""Until the first block: filters settle, a window fills."""

Faults = Callable[[tuple[CuedBlock, ...]], str]


def person_of(kind: str, seed: int, labels: tuple[str, ...] = SPANNING_LABELS[:8], **more: float) -> Person:
    positions = np.array([position_m(label) for label in labels])
    fields: dict[str, Any] = {**KINDS[kind], **more}
    return Person(seed, labels, positions, 250.0, **fields)


def blocks_of(order: tuple[Condition, ...], block_s: float) -> tuple[CuedBlock, ...]:
    starts = [LEAD_S + number * block_s for number in range(len(order))]
    return tuple(CuedBlock(condition, start, start + block_s) for condition, start in zip(order, starts, strict=True))


@cache
def recorded(
    kind: str, seed: int, blocks: int = 30, block_s: float = 10.0, faults: Faults | None = None, strength: float = 1.0
) -> tuple[CuedSession, Reading]:
    """Samples through the real pipeline; what goes wrong may depend on when the blocks are."""
    person = person_of(kind, seed)
    if strength != 1.0:
        person = person_of(kind, seed, coupling=KINDS[kind].get("coupling", 1.0) * strength)
    spans = blocks_of(random_order(blocks, np.random.default_rng(seed)), block_s)
    chunks = cued_chunks(
        person,
        [(block.start_s, block.condition == "task") for block in spans],
        spans[-1].stop_s + 1.0,
        parse_faults(faults(spans)) if faults else (),
    )
    return record_session("p01", cued_spec(person), chunks, spans, find_model(), mains=50)
