"""Small files about people: readable by their owner alone, and written whole or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def write_private(target: Path, text: str) -> None:
    """Write a file with mode 0600 in a folder with mode 0700, over the one that was there.

    Raises
    ------
    OSError
        If the disk does not take it; the earlier file is whole then.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(target)


def digest(*parts: str) -> str:
    """Name a file by what it is about, without saying it."""
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
