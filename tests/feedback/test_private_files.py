"""A private file is whole or not there, and nothing beside it is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from feedback.private_files import write_private


def test_a_file_beside_it_survives_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    mine = tmp_path / "q.part"
    mine.write_text("mine")
    mine.chmod(0o644)
    write_private(tmp_path / "q.html", "page")
    assert mine.read_text() == "mine"
    assert (tmp_path / "q.html").read_text() == "page"
    assert (tmp_path / "q.html").stat().st_mode & 0o777 == 0o600


def test_what_the_disk_does_not_take_leaves_the_earlier_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_private(tmp_path / "q.html", "earlier")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("feedback.private_files.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_private(tmp_path / "q.html", "later")
    assert [path.name for path in tmp_path.iterdir()] == ["q.html"]
    assert (tmp_path / "q.html").read_text() == "earlier"
