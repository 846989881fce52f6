"""How long a step of attention takes to show; `inference.training.response` says how it is measured."""

from __future__ import annotations

import numpy as np

from benchmarks.table import Row, Setting
from inference.bundle import DEFAULT_MODEL, find_model
from inference.session import FocusSession
from inference.training.response import mean_curve, t63, value_curve

DRAWS = 400


def rows(setting: Setting) -> list[Row]:
    session = FocusSession(find_model(DEFAULT_MODEL, setting.models_dir))
    curves = np.array([value_curve(session, seed) for seed in range(12 if setting.quick else 60)])
    rng = np.random.default_rng(0)
    draws = [t63(mean_curve(curves[rng.integers(0, len(curves), len(curves))])) for _ in range(DRAWS)]
    low, high = np.percentile(draws, [2.5, 97.5])
    card = session.bundle.card
    return [
        Row(
            "a step of attention, samples → 63 % of the change of `value`",
            "",
            f"{t63(mean_curve(curves)):.2f} s [{low:.2f}, {high:.2f}]",
            f"model.toml says {card.response_s:g} s; window {card.window_s:g} s; "
            f"mean of {len(curves)} simulated people, 95 % over people",
        )
    ]
