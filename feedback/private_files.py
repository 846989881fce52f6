"""Small files about people: readable by their owner alone, and written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path


def write_private(target: Path, text: str) -> None:
    """Write a file with mode 0600 in a folder with mode 0700, over the one that was there.

    Raises
    ------
    OSError
        If the disk does not take it; the earlier file is whole then.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:40]}-", suffix=".part", dir=target.parent)  # mode 0600
    part = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def digest(*parts: str) -> str:
    """Name a file by what it is about, without saying it."""
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
