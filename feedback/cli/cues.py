"""What a person at a terminal sees of a guided calibration: a cross, or the task."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

STEP = 7


def task_words(generator: np.random.Generator) -> str:
    """Set a task: serial subtraction, as in EEGMAT and in clinics, from a number that changes each time."""
    return f"count down from {generator.integers(500, 1000)} in steps of {STEP}, silently"


@contextmanager
def cue_screen() -> Generator[Callable[[Mapping[str, Any]], None]]:
    """Give a function that shows the fields of a `calibration` message; silent where nobody looks."""
    from rich.align import Align
    from rich.console import Console
    from rich.live import Live
    from rich.panel import Panel

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _fields: None
        return
    generator = np.random.default_rng()
    block: tuple[Any, Any] = (None, None)
    words: str = ""
    with Live(console=console, transient=True, refresh_per_second=8) as live:

        def show(fields: Mapping[str, Any]) -> None:
            nonlocal block, words
            phase: str = fields["phase"]
            if (phase, fields.get("block")) != block:
                block = (phase, fields.get("block"))
                words = {
                    "ready": "sit still, jaw loose, eyes open; it begins when the signal is good",
                    "cross": "+\n\nlook at the cross, think of nothing",
                    "task": f"+\n\n{task_words(generator)}",
                    "measuring": "measuring …",
                }.get(phase, phase)
            left = fields.get("left_s") or 0.0
            title = f"block {fields.get('block')} of {fields.get('blocks')}, {left / 60:.1f} min left"
            live.update(Panel(Align.center(words, vertical="middle"), title=title, height=9))

        yield show
