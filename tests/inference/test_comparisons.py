from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from written_files import write_edf

from bci.errors import ConfigError
from inference.training.comparisons import compare

pytest.importorskip("pyriemann")
LABELS = ("Fp1", "Fp2", "C3", "O1", "O2")
PEOPLE = range(6)
FOLDS = np.array([0, 1, 0, 1, 0, 1])


def eeg_uv(seed: int, alpha_uv: float, seconds: int, rate_hz: int = 250) -> np.ndarray:
    generator = np.random.default_rng(seed)
    count = seconds * rate_hz
    noise = np.cumsum(generator.normal(0, 1, (count, len(LABELS))), axis=0)
    noise -= np.stack([np.convolve(column, np.ones(100) / 100, "same") for column in noise.T], axis=1)
    wave = alpha_uv * np.sin(2 * np.pi * 10.0 * np.arange(count) / rate_hz + generator.uniform(0, 6))
    return noise + generator.normal(0, 3, noise.shape) + wave[:, None] * (1 + 0.2 * generator.normal(size=len(LABELS)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("eegmat")
    for person in PEOPLE:
        usual = 6.0 + person
        write_edf(root / f"Subject{person:02d}_1.edf", eeg_uv(person, usual, 60), LABELS)
        write_edf(root / f"Subject{person:02d}_2.edf", eeg_uv(100 + person, 0.5 * usual, 30), LABELS)
    return root


def test_what_lowers_alpha_is_seen_by_all_that_look_at_it(folder: Path) -> None:
    told: list[float] = []
    found = {
        one.name: one for one in compare(folder, PEOPLE, FOLDS, baseline_s=20.0, progress=lambda _t, s: told.append(s))
    }
    assert len(found) == 5
    assert told == sorted(told)
    assert found["relative alpha, falling"].rest_pooled.value > 0.95
    fitted = next(one for name, one in found.items() if name.startswith("logistic"))
    assert fitted.fitted
    assert fitted.rest_within.value > 0.9
    assert fitted.rest_steady.value >= fitted.rest_pooled.value - 0.02
    assert all(0.0 <= one.pooled.value <= 1.0 for one in found.values())


def test_a_person_without_a_task_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match="Subject07"):
        compare(folder, [7], np.array([0]))
