"""Where a command is to write: tried before what takes its time, and in a sentence where the disk refuses later."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from bci.errors import FocusloopError


class PlaceError(FocusloopError):
    """Something cannot be written where it is wanted."""


def try_folder(folder: Path) -> None:
    """See whether a folder can be written to, or made; nothing is left behind.

    Raises
    ------
    PlaceError
        If not.
    """
    place = folder.absolute()
    with writing(folder), tempfile.TemporaryFile(dir=next(p for p in (place, *place.parents) if p.exists())):
        pass


def try_file(file: Path) -> None:
    """See whether a file can be written in a folder that is there; a device or a pipe is taken as it is.

    Raises
    ------
    PlaceError
        If not.
    """
    with writing(file):
        place = file.resolve()
        if place.is_dir():
            msg = f"{file} cannot be written: it is a folder; give the path of a file"
            raise PlaceError(msg)
        if not place.parent.is_dir():
            msg = f"{file} cannot be written: {place.parent} is no folder; make it, or choose another place"
            raise PlaceError(msg)
        if place.is_file() or not place.exists():
            tempfile.TemporaryFile(dir=place.parent).close()


@contextmanager
def writing(what: Path) -> Generator[None]:
    """Translate what the disk says meanwhile.

    Raises
    ------
    PlaceError
        Naming what was to be written.
    """
    try:
        yield
    except OSError as error:
        msg = f"{what} cannot be written ({error.strerror or error}); choose another place"
        raise PlaceError(msg) from error
