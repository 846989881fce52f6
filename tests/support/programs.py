"""Programs of other languages that tests start: read what they say, with an end to patience."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_FAILED = ("Traceback (most recent call last)", "\nNode.js v", "Unhandled Exception")
"""What Python, Node and Mono say last where a program failed."""


def listen(
    command: Sequence[str | Path],
    enough: Callable[[str], bool],
    *,
    patience_s: float = 60.0,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Give what a program says, until it is enough or the program ends; it is ended then, and must not have failed."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, cwd=cwd
    ) as program:
        assert program.stdout is not None
        watchdog = threading.Timer(patience_s, program.kill)
        watchdog.start()
        said = ""
        for line in program.stdout:
            said += line
            if enough(said):
                break
        watchdog.cancel()
        program.kill()
    assert not any(mark in said for mark in _FAILED), said
    return said


def readme_block(language: str) -> str:
    """Give the code that README.md shows in a language."""
    text = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1, f"README.md has {len(blocks)} blocks of {language}"
    return blocks[0]
