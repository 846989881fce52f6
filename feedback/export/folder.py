"""A folder that appears whole or not at all, and what an interrupted one left is cleaned up by the next."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bci.errors import ConflictError, FocusloopError

_PREFIX, _SUFFIX = ".focusloop-export-", ".part"
_LOCK = "being-written.lock"
ABOUT = "focusloop-export.json"
"""In every export, so that only an export is ever overwritten."""


class ExportError(FocusloopError):
    """An export cannot be written; nothing of it is left behind."""


@contextmanager
def whole_folder(target: Path, *, overwrite: bool) -> Generator[Path]:
    """Give a folder beside the target to write into; it takes the target's name at the end, if nothing went wrong.

    It is its owner's alone: what is in it was recorded from a person.

    What exports that were killed left in the same place is removed first; one that is still being written is not.

    Parameters
    ----------
    target
        The folder that is wanted.
    overwrite
        Replace an earlier export of that name.

    Raises
    ------
    ConflictError
        It is there already, and may not or must not be replaced.
    ExportError
        It cannot be written.
    """
    _refuse(target, overwrite=overwrite)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clean(target.parent)
        part = Path(tempfile.mkdtemp(prefix=_PREFIX, suffix=_SUFFIX, dir=target.parent))
    except OSError as error:
        raise _failed(target, error) from error
    # A lock ends with its process, however that ends.
    lock = FileLock(part / _LOCK, timeout=0)
    try:
        with lock:
            yield part
        (part / _LOCK).unlink(missing_ok=True)
        _refuse(target, overwrite=overwrite)
        _take_place(part, target)
    except OSError as error:
        raise _failed(target, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _refuse(target: Path, *, overwrite: bool) -> None:
    if not target.exists() and not target.is_symlink():
        return
    if not target.is_dir() or (any(target.iterdir()) and not (target / ABOUT).is_file()):
        msg = f"{target} is there and no export; give another folder with --out"
        raise ConflictError(msg)
    if not overwrite:
        msg = f"{target} is there already; add --overwrite, or give another folder with --out"
        raise ConflictError(msg)


def _take_place(part: Path, target: Path) -> None:
    if not target.exists():
        part.rename(target)
        return
    earlier = Path(tempfile.mkdtemp(prefix=_PREFIX, suffix=_SUFFIX, dir=target.parent))
    target.rename(earlier / "earlier")
    try:
        part.rename(target)
    except OSError:
        (earlier / "earlier").rename(target)
        raise
    finally:
        shutil.rmtree(earlier, ignore_errors=True)


def _clean(parent: Path) -> None:
    for left in parent.glob(f"{_PREFIX}*{_SUFFIX}"):
        try:
            with FileLock(left / _LOCK, timeout=0):
                pass
        except (Timeout, OSError):
            continue  # it is being written, or somebody else's
        shutil.rmtree(left, ignore_errors=True)


def _failed(target: Path, error: OSError) -> ExportError:
    where = f" ({error.filename})" if error.filename else ""
    return ExportError(
        f"{target} cannot be written: {error.strerror or error}{where}; nothing of it was left behind. "
        "Is there space, and may you write there?"
    )
