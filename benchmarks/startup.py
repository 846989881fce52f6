"""From the start of the process to /readyz 200, with compiled kernels in the cache and without."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from benchmarks.children import service
from benchmarks.table import Row, Setting

READY_S = 3.0


def rows(setting: Setting) -> list[Row]:
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        cold = _start(folder, setting)
        warm = [_start(folder, setting)[0] for _ in range(2 if setting.quick else 5)]
    ready_s, refused, said = cold
    return [
        Row(
            "ready after the start, warm cache",
            f"≤ {READY_S:g} s",
            f"{statistics.median(warm):.2f} s",
            f"median of {len(warm)}; least {min(warm):.2f}, most {max(warm):.2f} s",
            statistics.median(warm) <= READY_S,
        ),
        Row(
            "ready after the start, cold cache",
            "a progress line, /readyz 503 until then",
            f"{ready_s:.1f} s",
            f"/readyz said 503 {refused} times; meanwhile it printed: {said or 'nothing'}",
            bool(refused) and bool(said),
        ),
    ]


def _start(folder: Path, setting: Setting) -> tuple[float, int, str]:
    source = "p01=simulator:focus?seed=1"
    with service(folder / "data", setting.models_dir, source, cache=folder / "numba") as running:
        progress = [line for line in running.lines if "compil" in line.lower()]
        return running.ready_s, running.refused, progress[0].strip() if progress else ""
