"""What the shipped model's score rests on goes where a simulated person's signal goes: occlusion, end to end."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from bci.registry import open_source
from bci.sources.simulator import ManualSimulator
from bci.types import Chunk
from inference.attribution import Attribution, attribute
from inference.bundle import load_bundle
from inference.scorer import Due, StreamScorer
from inference.session import FocusSession, choose_providers
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline

MODEL = Path(__file__).parents[2] / "models" / "focus-attention" / "1.0.0"
RATE_HZ, REST_S, SECONDS, HOP_S = 250, 30, 42, 0.1
FRONT = ("Fp1", "Fp2", "F7", "F8")
LABELS = (*FRONT, "C3", "C4", "T7", "T8", "P3", "P4", "O1", "O2")
ALPHA = {(8.0, 10.0), (10.0, 13.0)}
HIGH = {(25.0, 30.0), (30.0, 38.0)}


@cache
def session() -> FocusSession:
    return FocusSession(load_bundle(MODEL), choose_providers(("cpu",)))


def chunks(seed: int, attention: float) -> list[Chunk]:
    """Rest at little attention, then `attention`; the same noise whatever that is."""
    source = open_source(
        f"simulator:manual?seed={seed}&speed=0&rate={RATE_HZ}&attention=0.1&effect=3&channels=12&montage={','.join(LABELS)}"
    )
    assert isinstance(source, ManualSimulator)
    source.open()
    found: list[Chunk] = []
    while sum(map(len, found)) < RATE_HZ * SECONDS:
        if sum(map(len, found)) >= RATE_HZ * REST_S:
            source.set_attention(attention)
        chunk = source.read(RATE_HZ, 1.0)
        assert chunk is not None
        found.append(chunk)
    source.close()
    return found


def frontal_muscle(chunk: Chunk, uv: float) -> Chunk:
    """Add 20 to 100 Hz to the frontal electrodes, µV rms."""
    generator = np.random.default_rng(chunk.first_sample)
    noise = sosfilt(
        butter(4, (20, 100), "bandpass", fs=RATE_HZ, output="sos"), generator.normal(size=(len(chunk) + 250, 4)), axis=0
    )
    added = chunk.data.copy()
    added[:, : len(FRONT)] += (uv * noise[250:] / noise.std()).astype(np.float32)
    return Chunk(chunk.spec, added, chunk.timestamps_s, chunk.first_sample)


@cache
def told(seed: int, *, attention: float = 0.1, muscle_uv: float = 0.0) -> Attribution:
    """Attribute the last window of a person against their own rest."""
    recorded = chunks(seed, attention)
    pipeline = Pipeline(recorded[0].spec, hop_s=HOP_S, mains=50)
    scorer = StreamScorer(
        "p", recorded[0].spec, session().bundle, SCHEMA, hop_s=HOP_S, group_delay_s=pipeline.group_delay_s
    )
    rest = scorer.collect()
    due: Due | None = None
    for chunk in recorded:
        resting = chunk.first_sample < RATE_HZ * REST_S
        for frame in pipeline.process(chunk if resting else frontal_muscle(chunk, muscle_uv)):
            due = scorer.prepare(frame)
        if not resting and scorer.baseline is None:
            scorer.stop_collecting()
            scorer.use_baseline(rest.finish(0.0, asked_eyes=None))
    assert due is not None
    assert due.x is not None, due.reason
    return attribute(session(), due.x, scorer.positions_m, due.window.usable)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_alpha_falls_at_the_back_bands_and_region_of_alpha_are_named(seed: int) -> None:
    idle, engaged = told(seed), told(seed, attention=0.9)
    bands = {band: engaged.bands[band] - idle.bands[band] for band in idle.bands}
    regions = {region: engaged.regions[region] - idle.regions[region] for region in idle.regions}
    assert max(regions, key=regions.__getitem__) == "back"
    assert engaged.logit > idle.logit
    assert sum(bands[band] for band in ALPHA) > 0.2
    assert engaged.muscular <= idle.muscular + 0.05


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_muscle_tenses_at_the_front_it_is_named(seed: int) -> None:
    still, tense = told(seed), told(seed, muscle_uv=4.0)
    bands = {band: tense.bands[band] - still.bands[band] for band in still.bands}
    regions = {region: abs(tense.regions[region] - still.regions[region]) for region in still.regions}
    assert tense.muscular > still.muscular + 0.1
    assert max(bands, key=lambda band: abs(bands[band])) in HIGH
    assert max(regions, key=regions.__getitem__) == "front"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_muscle_at_the_front_is_not_taken_for_the_eyes(seed: int) -> None:
    assert told(seed, muscle_uv=4.0).ocular < told(seed).ocular + 0.05
