"""Tables open in spreadsheets and in R, and start no formula there."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from exported_sessions import LABELS, TASK, exported, recording
from hypothesis import given
from hypothesis import strategies as st

from feedback.export.csv_tables import disarmed


def rows_of(folder: Path, name: str, encoding: str) -> list[dict[str, str]]:
    (path,) = folder.glob(f"*_{name}.csv")
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file))


def test_scores_trials_and_events_are_read_again(tmp_path: Path) -> None:
    folder = exported(recording(tmp_path), "csv").folder
    scores = rows_of(folder, "scores", "ascii")
    assert (len(scores), scores[0]["value"], scores[0]["valid"]) == (101, "0.500000", "TRUE")
    assert (scores[-1]["value"], scores[-1]["valid"], scores[-1]["reason"]) == ("", "FALSE", "no_data")
    trials = rows_of(folder, "trials", "utf-8-sig")
    assert [t["correct"] for t in trials] == ["TRUE", "FALSE", "TRUE", "FALSE"]
    assert trials[0]["task"] == f"'{TASK}"
    events = rows_of(folder, "events", "utf-8-sig")
    assert [e["label"] for e in events] == list(LABELS.values())
    assert [float(e["t_s"]) for e in events] == pytest.approx(list(LABELS), abs=5e-4)


@pytest.mark.parametrize("name", ["trials", "events"])
def test_texts_begin_with_the_mark_that_excel_needs_and_lines_end_as_it_does(tmp_path: Path, name: str) -> None:
    (path,) = exported(recording(tmp_path), "csv").folder.glob(f"*_{name}.csv")
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\n") == content.count(b"\r\n")


@given(st.sampled_from("=+-@＝＠\t\r"), st.text(), st.sampled_from(["", " ", "\n", "  "]))
def test_no_text_is_a_formula(sign: str, rest: str, before: str) -> None:
    assert disarmed(f"{before}{sign}{rest}").startswith("'")


@given(st.text(alphabet=st.characters(categories=["L", "N"])))
def test_an_ordinary_text_stays_as_it_is(text: str) -> None:
    assert disarmed(text) == text
