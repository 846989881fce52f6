"""An export is there whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from exported_sessions import exported, recording

from bci.errors import ConflictError
from feedback.export.folder import ABOUT, ExportError, whole_folder

HELD = """
import sys
from pathlib import Path
from feedback.cli.options import ending_as_an_error
from feedback.export.folder import whole_folder
with ending_as_an_error(), whole_folder(Path(sys.argv[1]), overwrite=False) as folder:
    (folder / "half").write_text("half")
    print("writing", flush=True)
    sys.stdin.read()
"""


class Writing:
    """An export in a process of its own that has begun, and does not go on."""

    def __init__(self, target: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", HELD, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> Writing:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"writing\n"
        return self

    def end(self, number: signal.Signals) -> int:
        self._process.send_signal(number)
        return self._process.wait()

    def kill(self) -> None:
        self.end(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)

    def __exit__(self, *_: object) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def test_what_a_killed_export_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    path = recording(tmp_path / "data")
    out = tmp_path / "out"
    with Writing(out / "first") as writing:
        writing.kill()
    assert not (out / "first").exists()
    assert len(list(out.iterdir())) == 1
    exported(path, "csv", out / "second")
    assert [p.name for p in out.iterdir()] == ["second"]


@pytest.mark.skipif(os.name != "posix", reason="Windows ends a process without a word")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_an_export_that_is_asked_to_end_leaves_nothing(tmp_path: Path, name: str) -> None:
    number = signal.Signals[name]
    with Writing(tmp_path / "out" / "first") as writing:
        assert writing.end(number) == 128 + number
        assert list((tmp_path / "out").iterdir()) == []


def test_what_is_still_being_written_stays(tmp_path: Path) -> None:
    path = recording(tmp_path / "data")
    out = tmp_path / "out"
    with Writing(out / "first"):
        exported(path, "csv", out / "second")
        (part,) = out.glob(".focusloop-export-*")
        assert (part / "half").read_text() == "half"


def fail_half_way(target: Path, failure: BaseException) -> None:
    with whole_folder(target, overwrite=True) as folder:
        (folder / "half").write_text("half")
        raise failure


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fail_half_way(tmp_path / "out", KeyboardInterrupt())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_sentence_and_leaves_the_earlier_export(tmp_path: Path) -> None:
    exported(recording(tmp_path), "csv")
    before = sorted((tmp_path / "csv").iterdir())
    with pytest.raises(ExportError, match="No space left"):
        fail_half_way(tmp_path / "csv", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert sorted((tmp_path / "csv").iterdir()) == before


def test_a_repeated_export_asks_for_overwrite(tmp_path: Path) -> None:
    path = recording(tmp_path)
    exported(path, "csv")
    (tmp_path / "csv" / "of-the-first").touch()
    with pytest.raises(ConflictError, match="add --overwrite"):
        exported(path, "csv")
    exported(path, "csv", overwrite=True)
    assert not (tmp_path / "csv" / "of-the-first").exists()
    assert (tmp_path / "csv" / ABOUT).is_file()


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_export_is_never_replaced(tmp_path: Path, overwrite: bool) -> None:
    path = recording(tmp_path)
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "thesis.txt").write_text("mine")
    with pytest.raises(ConflictError, match="no export"):
        exported(path, "csv", overwrite=overwrite)
    assert (tmp_path / "csv" / "thesis.txt").read_text() == "mine"


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    path = recording(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match="cannot be written"):
        exported(path, "csv", tmp_path / "file" / "out")
