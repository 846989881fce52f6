"""Standard output that may be a full disk, or a reader that goes away."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TextIO, cast

from bci.errors import FocusloopError


class OutputError(FocusloopError):
    """Standard output does not take what was printed."""


class _Checked:
    """A text stream whose errors are ours; a reader that went away is left to who knows what to make of it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with _translated():
            return self._stream.write(text)

    def flush(self) -> None:
        with _translated():
            self._stream.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        msg = f"standard output cannot be written: {error.strerror}"
        raise OutputError(msg) from error


@contextmanager
def checked_output() -> Generator[None]:
    """Have everything that is printed meanwhile reach standard output, or raise.

    Raises
    ------
    OutputError
        If it cannot be written.
    BrokenPipeError
        If its reader went away.
    """
    stream = sys.stdout
    sys.stdout = cast("TextIO", _Checked(stream))
    try:
        yield
        sys.stdout.flush()
    except (OutputError, BrokenPipeError):
        # Python would try again at its end, and complain in words of its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise
    finally:
        sys.stdout = stream
