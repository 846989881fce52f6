"""The PsychoPy example with PsychoPy itself, where there is one: it is too large for the test extra.

python3 -m venv /somewhere && /somewhere/bin/pip install psychopy && apt-get install xvfb xdotool
FOCUSLOOP_PSYCHOPY=/somewhere/bin/python pytest tests/clients/test_psychopy.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from focusloop_process import PATIENCE_S, TOKEN, Serve

PYTHON = os.environ.get("FOCUSLOOP_PSYCHOPY", "")
CLIENT = Path(__file__).resolve().parents[2] / "clients" / "python"
TRIALS = 6

pytestmark = [
    pytest.mark.skipif(not PYTHON, reason="no PsychoPy here: FOCUSLOOP_PSYCHOPY names no Python that has it"),
    pytest.mark.skipif(not (shutil.which("Xvfb") and shutil.which("xdotool")), reason="no Xvfb and xdotool here"),
]


@pytest.fixture
def screen() -> Iterator[str]:
    """Run an X server without a screen; gives its DISPLAY."""
    readable, writable = os.pipe()
    command = ["Xvfb", "-displayfd", str(writable), "-screen", "0", "1024x768x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[writable], stderr=subprocess.DEVNULL) as server:
        os.close(writable)
        with os.fdopen(readable) as told:
            yield f":{told.readline().strip()}"
        server.terminate()


def test_the_example_shows_its_task_and_its_trials_are_counted(serve: Serve, screen: str, tmp_path: Path) -> None:
    environment = {**os.environ, "DISPLAY": screen, "PYTHONPATH": str(CLIENT), "HOME": str(tmp_path)}
    controller = "/v1/streams/p01/controller"
    before = serve.http.get(controller).json()["trials"]
    example = [PYTHON, CLIENT / "examples" / "psychopy_websocket.py", serve.url, TOKEN, "p01", str(TRIALS)]
    with subprocess.Popen(
        example, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as task:

        def pressed_until_done() -> bool:
            keys = ["xdotool", "search", "--onlyvisible", "--class", ".", "windowfocus", "key", "Right"]
            subprocess.run(keys, env=environment, capture_output=True, timeout=10, check=False)
            return task.poll() is not None

        serve.until(pressed_until_done, "done with its trials")
        assert task.stdout is not None
        said = task.stdout.read()
    assert task.wait(PATIENCE_S) == 0, said
    assert serve.http.get(controller).json()["trials"] == before + TRIALS
