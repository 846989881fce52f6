from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import asdict, replace

import numpy as np
import pytest
from generated_people import generated_person

from inference.training.calibration import Calibrated
from inference.training.config import TrainingConfig
from inference.training.curves import curve_of, time_to_detect
from inference.training.evaluate import FocusReport, looks_like_task, out_of_fold, report
from inference.training.folds import fit_folds
from inference.training.lengths import LENGTHS_S, baseline_lengths
from inference.training.metrics import Null, Scores
from inference.training.page import html_page

TINY = TrainingConfig(
    people=4, folds=2, members=2, width=4, steps=3, batch=32, table=1024, baseline_s=20.0, baseline_starts_s=(0.0,)
)


def steps_at(second: float, *, people: int = 4) -> tuple[Scores, np.ndarray]:
    """Scores of rest at .2 to .4, and of a task that jumps to .9 at `second`."""
    end = np.arange(5.0, 60.0, 0.5)
    rest = np.linspace(0.2, 0.4, len(end))
    task = np.where(end < second, 0.2, 0.9)
    probability = np.tile(np.r_[rest, task], people)
    label = np.tile(np.repeat([0, 1], len(end)), people)
    person = np.repeat(np.arange(people), 2 * len(end))
    return Scores(probability, label, person), np.tile(np.r_[end, end], people)


def test_a_change_is_detected_after_it_happened_and_not_much_later() -> None:
    scores, end = steps_at(30.0)
    found = time_to_detect(scores, end)
    assert found.detected == 1.0
    assert found.median_s is not None
    assert 30.0 <= found.median_s <= 35.0


def test_what_is_never_scored_is_never_detected() -> None:
    scores, end = steps_at(30.0)
    found = time_to_detect(replace(scores, probability=np.where(scores.label == 1, np.nan, scores.probability)), end)
    assert (found.median_s, found.detected) == (None, 0.0)
    assert "median" not in str(found)


def calibrated(scores: Scores, end: np.ndarray) -> Calibrated:
    return Calibrated(scores, scores, np.zeros(len(end)), end)


def test_curves_of_a_perfect_and_a_blind_score() -> None:
    scores, end = steps_at(0.0)
    perfect = curve_of("perfect", calibrated(scores, end), list("abcd"))
    assert perfect.roc[0] == (0.0, 0.0)
    assert perfect.roc[1] == (0.0, 1.0)
    assert [auc for _, auc in perfect.people] == [1.0] * 4
    assert sum(weight for _, _, weight in perfect.reliability) == pytest.approx(1.0)
    nothing = replace(scores, probability=np.full(len(end), np.nan))
    blind = curve_of("blind", calibrated(nothing, end), list("abcd"))
    assert all(x == pytest.approx(y) for x, y in blind.roc)
    assert blind.reliability == ()


def test_half_minutes_that_would_be_refused_as_a_baseline_are_counted() -> None:
    scores, end = steps_at(30.0)
    once = replace(scores, probability=np.where((scores.person == 0) & (scores.label == 0), 0.71, scores.probability))
    rest, task = looks_like_task(calibrated(once, end))
    assert (rest.value, task.value) == (0.25, 0.5)  # one person's rest; everybody's second half minute of task
    assert rest.question.startswith("8 half minutes of rest")
    assert rest.passed is None


def test_people_are_listed_worst_first() -> None:
    scores, end = steps_at(0.0)
    wrong = scores.person == 2
    turned = replace(scores, probability=np.where(wrong, 1.0 - scores.probability, scores.probability))
    assert curve_of("turned", calibrated(turned, end), list("abcd")).people[0] == ("c", 0.0)


@pytest.fixture(scope="module")
def told() -> FocusReport:
    corpus = [generated_person(seed, rest_s=80.0) for seed in range(4)]
    fitted = fit_folds(corpus, TINY)
    nulls = [Null("leak", "a null that <leaks>, AUC", 0.9, None, 0.6)]
    whole = report(corpus, out_of_fold(corpus, TINY, fitted), nulls)
    return replace(whole, lengths=baseline_lengths(corpus, TINY, fitted))


def test_a_longer_baseline_is_measured_on_windows_that_it_does_not_touch(told: FocusReport) -> None:
    assert [one.seconds for one in told.lengths] == list(LENGTHS_S)
    assert all(one.pooled.value > 0.8 for one in told.lengths[1:])


def test_the_page_holds_every_figure_and_loads_nothing(told: FocusReport) -> None:
    page = html_page(told)
    for row in told.rows:
        assert str(row.pooled) in page
    for name, auc in told.curves[0].people:
        assert f">{name}</text>" in page
        assert f">{auc:.2f}</text>" in page
    assert "FAILED" in page
    assert "&lt;leaks&gt;" in page
    assert "60 s" in page
    for outside in ("http://", "https://", "<script", "<link", "src="):
        assert outside not in page
    pictures = page.split("<svg")[1:]
    assert len(pictures) == 3 * len(told.curves)
    for picture in pictures:
        ET.fromstring("<svg" + picture.partition("</svg>")[0] + "</svg>")  # noqa: S314 - our own page


def test_a_report_can_be_written_as_json(told: FocusReport) -> None:
    json.loads(json.dumps(asdict(told), allow_nan=False))
