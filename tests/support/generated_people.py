"""People whose features were drawn, not recorded: training and evaluation in seconds, without a data set."""

from __future__ import annotations

import numpy as np

from inference.normalise import relative_log_power
from inference.training.corpus import FrameSeries, Person

LABELS = ("Fp1", "Fp2", "T7", "T8", "C3", "C4", "O1", "O2")
POSITIONS_M = np.array(
    [
        (-0.03, 0.08, 0.0),
        (0.03, 0.08, 0.0),
        (-0.08, -0.02, -0.01),
        (0.08, -0.02, -0.01),
        (-0.06, -0.01, 0.06),
        (0.06, -0.01, 0.06),
        (-0.03, -0.11, 0.01),
        (0.03, -0.11, 0.01),
    ],
    np.float32,
)
ALPHA = slice(2, 4)


def generated_series(
    generator: np.random.Generator, habit: np.ndarray, alpha: float, *, seconds: float, channels: int = len(LABELS)
) -> FrameSeries:
    """Frames at 10 a second: a person's habit, alpha raised or lowered, and noise that lasts for a second."""
    frames = round(seconds * 10)
    noise = generator.normal(0, 0.5, (frames + 9, channels, 8))
    noise = np.stack([noise[k : k + frames] for k in range(10)]).mean(0) * 3
    power = (habit[:channels] + noise).astype(np.float32)
    power[..., ALPHA] += alpha
    return FrameSeries(
        relative=relative_log_power(power),
        usable=np.ones((frames, channels), bool),
        flags=np.zeros((frames, channels), np.uint8),
        labels=LABELS[:channels],
        positions_m=POSITIONS_M[:channels],
    )


def generated_person(seed: int, *, effect: float = 0.8, rest_s: float = 60.0, task_s: float = 30.0) -> Person:
    """One person whose alpha falls by `effect` (log units) in the task."""
    generator = np.random.default_rng(seed)
    habit = generator.normal(0, 0.7, (1, 8)) + generator.normal(0, 0.2, (len(LABELS), 8))
    rest = generated_series(generator, habit, 0.0, seconds=rest_s)
    task = generated_series(generator, habit, -effect, seconds=task_s)
    return Person(f"generated{seed}", rest, task)
