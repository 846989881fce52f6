"""`python -m benchmarks`: one table, whatever is measured. No figure is asserted."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_table_stands_below_date_machine_and_versions() -> None:
    done = _benchmarks("flat_memory", "--quick")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for opening in ("Date: ", "Machine: ", "Versions: ", "Model: "):
        assert any(line.startswith(opening) for line in lines)
    table = [line for line in lines if line.startswith("|")]
    assert table[0] == "| quantity | target | measured | beside it in the same run |"
    assert len(table) == 3
    assert "simulated seconds" in table[2]


def test_without_recordings_their_rows_are_null(tmp_path: Path) -> None:
    done = _benchmarks("valid_share", "--quick", "--data", str(tmp_path / "none"))
    assert done.returncode == 0, done.stderr
    assert "| null | no " in done.stdout


def test_an_unknown_benchmark_is_refused_by_listing_those_there_are() -> None:
    done = _benchmarks("latencies")
    assert done.returncode == 2
    assert "latency, trial_to_difficulty, hop_cost, model_cost" in done.stderr


def test_what_the_documentation_has_python_run_is_there() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    told = [words.split() for page in pages for words in re.findall(r"`python ([^`]+)`", page.read_text("utf-8"))]
    assert ["demo.py"] in told
    for first, *others in told:
        if first != "-m":
            assert (first, others) == ("demo.py", []), "a file in a package does not find the packages beside it"
            continue
        module, *names = others
        run = ROOT / module.replace(".", "/")
        assert (run / "__main__.py").is_file() or run.with_suffix(".py").is_file()
        assert all((run / f"{name}.py").is_file() for name in names if name.isidentifier())
