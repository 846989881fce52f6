"""Small files about people: readable by their owner alone, and written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def private_file(target: Path) -> Generator[TextIO]:
    """Open a file to be written, with mode 0600; it replaces the one that was there when all went well.

    Its folder must be there. Line ends are written as they come.

    Raises
    ------
    OSError
        If the disk does not take it; the earlier file is whole then.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:40]}-", suffix=".part", dir=target.parent)  # mode 0600
    part = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_private(target: Path, text: str) -> None:
    """Write a file with mode 0600 in a folder with mode 0700, over the one that was there.

    Raises
    ------
    OSError
        If the disk does not take it; the earlier file is whole then.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with private_file(target) as stream:
        stream.write(text)


def digest(*parts: str) -> str:
    """Name a file by what it is about, without saying it."""
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
