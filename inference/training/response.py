"""How long a step of attention takes to show, measured on samples: simulated people, pipeline, model and smoothing.

Each person rests for half a minute, which is their baseline, and their attention goes from 0 to 1 at a known moment,
with rhythms that follow clearly. The curves of `value` are averaged over people, for a single one is noisy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bci.errors import ModelError
from bci.montage import eeg_channel
from bci.simulator.participant import Participant, Person
from bci.types import Chunk, StreamSpec
from inference.batch import BatchScorer
from inference.scorer import StreamScorer
from inference.session import FocusSession
from streaming.features import SCHEMA
from streaming.pipeline import Pipeline

LABELS = ("Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2")
RATE_HZ, HOP_S = 250.0, 0.04
REST_S, STEP_S, END_S = 30.0, 50.0, 75.0
LEVEL_S = 10.0
"""What counts as the level before the step and after it: so many seconds just before, and at the end."""

COUPLING = 3.0

Curve = NDArray[np.float64]


class StepOfAttention:
    """A script: attention 0, then 1; no faults."""

    def attention(self, t_s: Curve) -> Curve:
        """Attention at moments of the simulation."""
        return (t_s >= STEP_S).astype(np.float64)

    def faults(self, t_s: float) -> tuple[()]:
        """None."""
        del t_s
        return ()


def response_time_s(session: FocusSession, people: int) -> float:
    """Time from the step to 63 % of the change of the mean `value`, s.

    Parameters
    ----------
    session
        A loaded model.
    people
        How many are simulated, seeds 0 to people - 1.

    Raises
    ------
    ModelError
        If nobody has a score before the step, or after it.
    """
    curve = mean_curve(np.array([value_curve(session, seed) for seed in range(people)]))
    step, hops = round(STEP_S / HOP_S), round(LEVEL_S / HOP_S)
    if any(np.isnan(part).all() for part in (curve[step - hops : step], curve[-hops:])):
        msg = (
            f"the model gives none of {people} simulated people a score ({', '.join(LABELS)}), so how fast it responds "
            "cannot be measured: it was trained on signals that are not like scalp EEG; look at its recordings"
        )
        raise ModelError(msg)
    return t63(curve)


def value_curve(session: FocusSession, seed: int) -> Curve:
    """Give one person's `value` at each hop, NaN where there is none."""
    channels = tuple(eeg_channel(label) for label in LABELS)
    positions = np.array([channel.position_m for channel in channels])
    person = Participant(Person(seed, LABELS, positions, RATE_HZ, coupling=COUPLING), StepOfAttention())
    spec = StreamSpec("step", "step", "EEG", RATE_HZ, channels, "step", origin="simulator")
    pipeline = Pipeline(spec, hop_s=HOP_S)
    scorer = StreamScorer("step", spec, session.bundle, SCHEMA, hop_s=HOP_S, group_delay_s=pipeline.group_delay_s)
    scorer.check_baseline = False  # a simulated effect this strong looks like eyes that open
    batch, rest = BatchScorer(session), scorer.collect()
    values = np.full(round(END_S / HOP_S), np.nan)
    while person.next_sample < END_S * RATE_HZ:
        block = person.next_block()
        chunk = Chunk(spec, block.samples_uv, block.stamps_s, block.first_sample)
        for frame in pipeline.process(chunk):
            due = scorer.prepare(frame)
            if not scorer.calibrated and frame.end_s >= REST_S:
                scorer.stop_collecting()
                scorer.use_baseline(rest.finish(0.0, asked_eyes=None))
            (score,) = batch.score([due])
            if frame.hop < len(values) and score.value is not None:
                values[frame.hop] = score.value
    return values


def mean_curve(curves: Curve) -> Curve:
    """Mean over people, (people, hops) to (hops,); NaN where nobody has a value."""
    known = np.isfinite(curves)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, curves, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)


def t63(values: Curve) -> float:
    """Give the time from the step to 63 % of the change, s."""
    step, hops = round(STEP_S / HOP_S), round(LEVEL_S / HOP_S)
    before, after = np.nanmean(values[step - hops : step]), np.nanmean(values[-hops:])
    share = (values[step:] - before) / (after - before)
    return float((int(np.argmax(share >= 1.0 - np.exp(-1.0))) + 1) * HOP_S)
