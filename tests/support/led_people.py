"""Simulated people led through blocks, from samples through the real pipeline to a guided calibration."""

from __future__ import annotations

import numpy as np

from bci.simulator.blocks import LEAD_S, led_person
from inference.blocks import draw_plan
from inference.bundle import ModelBundle
from inference.guided import GuidedCalibration
from inference.scorer import StreamScorer
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline

HOP_S = 0.1


def led(bundle: ModelBundle, kind: str, seed: int, *, blocks: int = 16, block_s: float = 15.0) -> GuidedCalibration:
    """Lead one person through all blocks, as fast as the samples are made."""
    plan = draw_plan(blocks, block_s, np.random.default_rng(seed))
    spec, chunks = led_person(kind, seed, plan.phases, block_s)
    pipeline = Pipeline(spec, hop_s=HOP_S, mains=50)
    scorer = StreamScorer("p01", spec, bundle, SCHEMA, hop_s=HOP_S, group_delay_s=pipeline.group_delay_s)
    guided = GuidedCalibration(scorer, block_s)
    running = -1
    for chunk in chunks:
        for frame in pipeline.process(chunk):
            due = scorer.prepare(frame)
            block = int((frame.end_s - LEAD_S) // block_s)
            if not 0 <= block < blocks:
                continue
            if block != running:
                running = block
                guided.begin(plan.phases[block])
            guided.add(due)
    return guided
