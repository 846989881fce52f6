"""Progress of long work: a bar on a terminal, silence in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def progress_bar(what: str) -> Generator[Callable[[str, float], None]]:
    """Give a function that takes what is being done and the share that is, 0..1.

    Parameters
    ----------
    what
        Name of the work, before the first step is known.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _text, _share: None
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(what, total=1.0)

        def advance(text: str, share: float) -> None:
            bar.update(task, description=text, completed=share)

        yield advance
