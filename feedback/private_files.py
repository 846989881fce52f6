"""Small files about people: named without their ids, readable by nobody else, written whole or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def digest(text: str) -> str:
    """Name something in 16 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_private(target: Path, text: str) -> None:
    """Write a file with mode 0600 in a folder with mode 0700, over an earlier one of the name.

    Raises
    ------
    OSError
        If the disk does not take it; an earlier file is whole then.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(target)
