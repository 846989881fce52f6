"""Where a command is to write is tried before it takes its time; what was computed is told whatever the disk says."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from focusloop_process import run_focusloop

from feedback.cli.main import main
from feedback.cli.places import PlaceError, try_file, try_folder


def test_what_can_be_written_passes_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("earlier")
    try_folder(tmp_path)
    try_folder(tmp_path / "new" / "below")
    try_file(tmp_path / "page.html")
    try_file(tmp_path / "new.html")
    try_file(Path(os.devnull))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("page.html", "earlier")]


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    for folder in (blocked, blocked / "below"):
        with pytest.raises(PlaceError, match="cannot be written"):
            try_folder(folder)
    with pytest.raises(PlaceError, match="it is a folder"):
        try_file(tmp_path)
    for file in (tmp_path / "absent" / "page.html", blocked / "page.html"):
        with pytest.raises(PlaceError, match="is no folder; make it"):
            try_file(file)


@pytest.mark.parametrize(
    "arguments",
    [
        ("data", "eegmat", "--to"),
        ("train", "--out"),
        ("train", "--keep"),
        ("train", "--tensorboard"),
        ("evaluate", "focus", "--keep"),
        ("evaluate", "focus", "--html"),
        ("score", "absent.edf", "--out"),
        ("score", "absent.edf", "--report"),
        ("adapt", "--session", "absent", "--data-dir"),
    ],
)
def test_each_command_refuses_it_in_a_sentence_before_anything_else(arguments: tuple[str, ...], tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    done = run_focusloop(*arguments, str(blocked / "x"), FOCUSLOOP_DATA=str(tmp_path / "nothing"))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert str(blocked) in line
    assert "no folder" in line or "cannot be written" in line


@dataclass
class Found:
    auc: float
    not_asked: tuple[float, ...] = (float("nan"),)


def test_what_was_evaluated_is_told_where_its_page_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()

    def evaluated(*_arguments: object, **_options: object) -> Found:
        folder.rmdir()  # while it took its time
        return Found(0.75)

    monkeypatch.setattr("inference.training.recipe.evaluate_focus", evaluated)
    monkeypatch.setattr("inference.training.page.html_page", lambda _found: "<html>")
    assert main(["evaluate", "focus", "--json", "--html", str(folder / "page.html")]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out) == {"auc": 0.75, "not_asked": [None]}  # JSON has no NaN
    assert "page.html cannot be written" in said.err
