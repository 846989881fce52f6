from __future__ import annotations

import os
from pathlib import Path

import pytest

from bci import compiled
from bci.compiled import cache_folder, compile_function, data_folder


def double(x: float) -> float:
    return 2.0 * x


def not_for_numba(x: float) -> list[str]:
    return sorted({str(x)}, key=lambda text: open(text))


def test_one_compilation_for_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FOCUSLOOP_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    first = compile_function(double, "float64(float64)")
    assert first.compiled
    assert first.function(2.0) == 4.0
    assert compile_function(double, "float64(float64)") is first


def test_what_does_not_compile_is_handed_back_with_the_reason() -> None:
    kept = compile_function(not_for_numba, "float64(float64)")
    assert not kept.compiled
    assert kept.function is not_for_numba
    assert "not_for_numba" in kept.notes[0]


def test_the_cache_lies_in_the_data_folder_and_is_the_owners(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("FOCUSLOOP_DATA_DIR", str(tmp_path / "data"))
    assert data_folder() == tmp_path / "data"
    folder = cache_folder()
    assert folder == tmp_path / "data" / "numba"
    if os.name == "posix":
        assert folder.stat().st_mode & 0o077 == 0


def test_no_cache_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("FOCUSLOOP_DATA_DIR", str(blocked))
    monkeypatch.setattr(compiled, "_done", {})
    assert cache_folder() is None
    result = compile_function(double, "float32(float32)")
    assert result.compiled
    assert "no compiler cache" in result.notes[0]
