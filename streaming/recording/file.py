"""A file that is only ever appended to in whole chunks: cut off anywhere, what came before is readable."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from bci.errors import FocusloopError

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class RecordingError(FocusloopError):
    """A recording cannot be written; what was on disk before stays readable."""


class RecordingLostError(RecordingError):
    """The file was deleted or changed underneath: nothing more can be added to it."""


class AppendOnlyFile:
    """Takes bytes whole or not at all, and notices when the file is not what was written.

    Parameters
    ----------
    path
        Must not exist; its folder must. Made with mode 0600.

    Raises
    ------
    RecordingError
        If it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        """Bytes that the system has taken."""
        self._synced = 0
        try:
            self._descriptor = os.open(path, _FLAGS, 0o600)
        except OSError as error:
            msg = f"{path}: cannot be made ({error.strerror or error}); is there space, and may you write there?"
            raise RecordingError(msg) from error

    def append(self, content: bytes) -> None:
        """Add bytes at the end.

        Raises
        ------
        RecordingError
            The disk does not take them. The file is as it was before; the same bytes may be offered again.
        RecordingLostError
            The file was deleted or changed underneath.
        """
        self._check()
        try:
            self._put(self.size, content)
        except OSError as error:
            # Making a file shorter takes no space. Where even that fails, repair cuts off what is not whole.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            msg = f"{self.path}: the disk does not take more ({error.strerror or error}); free some space"
            raise RecordingError(msg) from error
        self.size += len(content)

    def overwrite(self, at: int, content: bytes) -> None:
        """Replace bytes that were written before, for a field of fixed width.

        Raises
        ------
        RecordingError
            If the disk does not take them.
        """
        self._check()
        try:
            self._synced = -1
            self._put(at, content)
        except OSError as error:
            msg = f"{self.path}: the disk does not take more ({error.strerror or error})"
            raise RecordingError(msg) from error

    def sync(self) -> None:
        """Have everything on the disk itself, safe from a power cut.

        Raises
        ------
        RecordingError
            If the disk does not say so.
        """
        if self._synced == self.size:
            return
        try:
            os.fdatasync(self._descriptor) if hasattr(os, "fdatasync") else os.fsync(self._descriptor)
        except OSError as error:
            msg = f"{self.path}: the disk did not keep what was written ({error.strerror or error})"
            raise RecordingError(msg) from error
        self._synced = self.size

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _put(self, at: int, content: bytes) -> None:
        os.lseek(self._descriptor, at, os.SEEK_SET)  # whatever was refused before has left it anywhere
        left = memoryview(content)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def _check(self) -> None:
        found = os.fstat(self._descriptor)
        if found.st_nlink == 0:
            msg = f"{self.path} was deleted while it was recorded"
            raise RecordingLostError(msg)
        if found.st_size != self.size:
            msg = f"{self.path} was changed underneath: {found.st_size} bytes, {self.size} were written"
            raise RecordingLostError(msg)


def sync_folder(folder: Path) -> None:
    """Have the names of new files on the disk, too; nothing where the system has no such thing."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
