from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bci.errors import ConfigError
from inference.training.regional import POWERS, regional_figures

HEAD = ",".join((*POWERS, "subject", "window_idx", "label"))


def written(path: Path, *, people: int = 12, effect: float = 0.0, labels: tuple[int, ...] = (0, 1)) -> Path:
    generator = np.random.default_rng(0)
    lines = [HEAD]
    for person in range(people):
        habit = generator.normal(0, 1, len(POWERS))
        for label in labels:
            for window in range(20):
                log = habit + generator.normal(0, 0.3, len(POWERS))
                log[3] += effect * label  # frontal theta, which no whole-head band shows
                lines.append(
                    ",".join([*(f"{value:.5g}" for value in np.exp(log)), str(person), str(window), str(label)])
                )
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_regional_effect_is_found_and_whole_head_bands_do_not_see_it(tmp_path: Path) -> None:
    found = regional_figures(written(tmp_path / "table.csv", effect=0.5))
    assert found.people == 12
    assert found.pooled.value > 0.75
    assert found.whole_pooled.value < 0.6


def test_without_an_effect_nothing_is_found(tmp_path: Path) -> None:
    assert abs(regional_figures(written(tmp_path / "table.csv")).within.value - 0.5) < 0.08


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("beta_power", "beta", 1), "no column beta_power"),
        (lambda text: text.replace(text.splitlines()[3].split(",")[0], "nan", 1), "line 4 holds a band power"),
        (lambda text: text.replace(text.splitlines()[3].split(",")[0], "", 1), "line 4 holds a band power"),
        (lambda text: text.replace(text.splitlines()[3].split(",")[0], "x", 1), "line 4: theta_power is 'x', expected"),
        (lambda text: text.replace(",0,0,0\n", ",0,0,rest\n", 1), "line 2: label is 'rest', expected a whole number"),
        (lambda text: text.replace(",3,0,0\n", ",3,,0\n", 1), "window_idx is 'nan', expected a whole number"),
        (
            lambda text: text.replace(",3,0,0", ",3,7,0").replace(",3,1,0", ",3,7,0").replace(",3,2,0", ",3,7,0"),
            "person 3 has no rest",
        ),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, change, said: str) -> None:  # noqa: ANN001
    path = written(tmp_path / "table.csv")
    path.write_text(change(path.read_text()))
    with pytest.raises(ConfigError, match=said):
        regional_figures(path)


def test_one_condition_or_too_few_people_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="only one condition"):
        regional_figures(written(tmp_path / "one.csv", labels=(0,)))
    with pytest.raises(ConfigError, match="3 people for 6 folds"):
        regional_figures(written(tmp_path / "few.csv", people=3))
    with pytest.raises(ConfigError, match="eyes-features"):
        regional_figures(tmp_path / "absent.csv")
