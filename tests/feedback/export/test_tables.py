"""Tables open in spreadsheets and in R, and start no formula there."""

from __future__ import annotations

import csv
import shutil
import subprocess
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


def test_a_table_longer_than_a_sheet_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recording(tmp_path)
    assert not any("rows, Excel" in note for note in exported(path, "csv").notes)
    monkeypatch.setattr("feedback.export.csv_tables.SHEET_ROWS", len(LABELS))
    (said,) = (note for note in exported(path, "csv", tmp_path / "long").notes if "events.csv has" in note)
    assert said.startswith(
        f"events.csv has {len(LABELS)} rows, Excel and LibreOffice show the first {len(LABELS) - 1};"
    )


IN_R = """
for (name in c("scores", "trials", "events")) {
  path <- Sys.glob(file.path(commandArgs(TRUE)[1], paste0("*_", name, ".csv")))
  table <- read.csv(path, fileEncoding = if (name == "scores") "" else "UTF-8-BOM")
  cat(name, nrow(table), names(table)[1], is.numeric(table$t_s), "\\n")
}
"""


def test_the_tables_open_in_r(tmp_path: Path) -> None:
    if (r := shutil.which("Rscript")) is None:
        pytest.skip("no R here (apt-get install r-base-core)")
    folder = exported(recording(tmp_path), "csv").folder
    script = tmp_path / "open.R"
    script.write_text(IN_R)
    done = subprocess.run([r, str(script), str(folder)], capture_output=True, text=True, check=True)
    rows = {name: len(rows_of(folder, name, "utf-8-sig")) for name in ("scores", "trials", "events")}
    assert done.stdout.splitlines() == [f"{name} {n} t_s TRUE " for name, n in rows.items()]
    assert not done.stderr


def test_a_spreadsheet_shows_every_text_of_the_tables(tmp_path: Path) -> None:
    if (office := shutil.which("soffice")) is None:
        pytest.skip("no LibreOffice here (apt-get install libreoffice-calc-nogui)")
    folder = exported(recording(tmp_path), "csv").folder
    (table,) = folder.glob("*_events.csv")
    home = f"-env:UserInstallation={(tmp_path / 'home').as_uri()}"
    convert = ["--headless", "--infilter=CSV:44,34,76", "--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76"]
    command = [office, home, *convert, "--outdir", str(tmp_path / "shown"), str(table)]
    subprocess.run(command, capture_output=True, check=True, timeout=120)
    with (tmp_path / "shown" / table.name).open(encoding="utf-8-sig", newline="") as file:
        assert [row["label"] for row in csv.DictReader(file)] == list(LABELS.values())
