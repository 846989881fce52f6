"""A pipeline that lives for hours keeps nothing of them. The benchmark asks the same for a million seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_memory_of_a_pipeline_does_not_grow_over_ten_thousand_seconds_of_signal() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.flat_memory", "10000"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    course = json.loads(done.stdout)
    assert course["simulated_s"] >= 1e4
    assert course["frames"] > 9e4
    assert course["resets"] >= 10  # the gaps were noticed: they are part of what must not grow
    # 5,000 s of frames are 25 MB if somebody keeps them.
    assert course["end_mib"] - course["middle_mib"] < 1.0
