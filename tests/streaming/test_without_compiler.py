from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import sys
{before}
import numpy as np
from made_eeg import chunk_of, made_uv, stream_spec
from streaming.pipeline import Pipeline
assert "numba" not in sys.modules or {blocked}, "numba is imported before the first pipeline"
spec = stream_spec()
pipeline = Pipeline(spec)
frames = pipeline.process(chunk_of(spec, made_uv(8, 2.0)))
print(pipeline.report.path, len(frames), *pipeline.report.fallbacks, sep="|")
"""


@pytest.mark.parametrize(
    ("before", "env"),
    [("", {"FOCUSLOOP_COMPILED": "0"}), ("sys.modules['numba'] = None", {})],
    ids=["switched off", "numba does not import"],
)
def test_without_a_compiler_scipy_takes_over_and_says_why(before: str, env: dict[str, str]) -> None:
    root = Path(__file__).resolve().parents[2]
    paths = os.pathsep.join((str(root), str(root / "tests" / "support")))
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(before=before, blocked=bool(before))],
        env={**os.environ, "PYTHONPATH": paths, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    path, frames, reason, *_ = done.stdout.strip().split("|")
    assert (path, frames) == ("scipy", "50")
    assert "switched off" in reason or "ModuleNotFoundError" in reason
