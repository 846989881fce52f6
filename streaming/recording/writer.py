"""The one thread that writes all recordings: each file every 0.6 s, and each time to the disk itself."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from streaming.recording.file import RecordingError, RecordingLostError
from streaming.recording.session import SessionFile

log = logging.getLogger(__name__)

WRITE_S = 0.6
"""Between two writes of a file: with the disk's own time less than a second is ever missing."""

RETRY_S = 1.0
_SPREAD = 0.6180339887498949


class DiskBudget:
    """What recordings may take of a disk.

    Parameters
    ----------
    folder
        Of the recordings.
    limit_bytes
        Of all of them together; None for no limit but the disk's.
    spare_bytes
        Left free on the disk, for everything else that lives there.
    """

    LOOK_S = 1.0
    COUNT_S = 60.0
    """Between two counts of all files; in between, what is written is added up."""

    def __init__(
        self,
        folder: Path,
        limit_bytes: int | None,
        spare_bytes: int = 256 * 1024 * 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._limit_bytes, self._spare_bytes, self._clock = folder, limit_bytes, spare_bytes, clock
        self._looked_s = self._counted_s = float("-inf")
        self._used_bytes = 0
        self._free_bytes = 0

    @property
    def limit_bytes(self) -> int | None:
        """Of all recordings together."""
        return self._limit_bytes

    @property
    def used_bytes(self) -> int:
        """What all recordings take now."""
        self._look()
        return self._used_bytes

    @property
    def free_bytes(self) -> int:
        """What is free on the disk."""
        self._look()
        return self._free_bytes

    def spend(self, n: int) -> None:
        """Take bytes off; fewer than none are given back.

        Raises
        ------
        RecordingError
            Saying which limit is reached and what to do.
        """
        self._look()
        if n > 0:
            self._check(n)
        self._used_bytes += n
        self._free_bytes -= n

    def _check(self, n: int) -> None:
        if self._limit_bytes is not None and self._used_bytes + n > self._limit_bytes:
            msg = (
                f"the recordings in {self._folder} have reached their limit of {self._limit_bytes / 1e9:g} GB; move "
                "some away, or raise [service] record_limit_gb"
            )
            raise RecordingError(msg)
        if self._free_bytes - n < self._spare_bytes:
            msg = f"the disk of {self._folder} is full: {self._free_bytes / 1e6:.0f} MB are free; free some space"
            raise RecordingError(msg)

    def _look(self) -> None:
        now_s = self._clock()
        if now_s - self._looked_s < self.LOOK_S:
            return
        self._looked_s = now_s
        try:
            if now_s - self._counted_s >= self.COUNT_S:
                self._used_bytes = sum(path.stat().st_size for path in self._folder.glob("*.xdf"))
                self._counted_s = now_s
            self._free_bytes = shutil.disk_usage(self._folder).free
        except OSError as error:
            log.warning("%s: cannot be measured (%s)", self._folder, error)


class _Turn:
    """When a file is served next."""

    __slots__ = ("due_s", "finishing")

    def __init__(self, due_s: float) -> None:
        self.due_s = due_s
        self.finishing: Future[bool] | None = None


class RecordingWriter:
    """Serves the files of all sessions, each in its turn.

    Parameters
    ----------
    write_s
        Between two writes of a file, each brought to the disk itself.
    clock
        Monotonic seconds.
    """

    def __init__(self, *, write_s: float = WRITE_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._write_s, self._clock = write_s, clock
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._files: dict[SessionFile, _Turn] = {}
        self._opened = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="recordings", daemon=True)

    def start(self) -> None:
        """Begin; a writer starts once."""
        self._thread.start()

    def add(self, file: SessionFile) -> None:
        """Serve a file from now on."""
        with self._lock:
            # Spread over the period, so that many files do not wake together.
            self._opened += 1
            self._files[file] = _Turn(self._clock() + self._write_s * (self._opened * _SPREAD % 1.0))
        self._wake.set()

    def finish(self, file: SessionFile) -> Future[bool]:
        """Close a file with its footers.

        Returns
        -------
        Future
            True where it is whole; False where it was given up and has to be repaired.
        """
        done: Future[bool] = Future()
        with self._lock:
            turn = self._files.get(file)
            if turn is None:
                done.set_result(False)
                return done
            turn.finishing = done
        self._wake.set()
        return done

    def stop(self, timeout_s: float) -> bool:
        """Finish every file and end; False where the disk holds the thread."""
        with self._lock:
            files = list(self._files)
        for file in files:
            self.finish(file)
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._lock:
                turns = list(self._files.items())
            if self._stopping and not turns:
                return
            self._wake.clear()
            now_s = self._clock()
            for file, turn in turns:
                if now_s < turn.due_s and turn.finishing is None:
                    continue  # of many files one is due at a time
                try:
                    self._serve(file, turn)
                except Exception:  # of a listener, or a defect of ours: the other files go on
                    log.exception("%s: the recording failed", file.path)
                    self._give_up(file, turn, "an internal error; the service's log has the details")
            now_s = self._clock()
            due_s = min((turn.due_s for _, turn in turns), default=now_s + 1.0)
            self._wake.wait(max(0.0, due_s - now_s))

    def _serve(self, file: SessionFile, turn: _Turn) -> None:
        if turn.finishing is not None:
            self._finish(file, turn)
            return
        if file.over:
            self._give_up(file, turn, file.problem or "the recording has stopped")
            return
        now_s = self._clock()
        try:
            file.write()
            file.sync()
            turn.due_s = max(turn.due_s + self._write_s, now_s)
        except RecordingLostError as error:
            self._give_up(file, turn, str(error))
        except RecordingError as error:
            turn.due_s = now_s + RETRY_S
            file.hold(error)

    def _finish(self, file: SessionFile, turn: _Turn) -> None:
        assert turn.finishing is not None  # noqa: S101 - that is why it is called
        try:
            file.finish()
        except RecordingError as error:
            self._give_up(file, turn, str(error))
            return
        with self._lock:
            self._files.pop(file, None)
        turn.finishing.set_result(True)

    def _give_up(self, file: SessionFile, turn: _Turn, problem: str) -> None:
        with self._lock:
            self._files.pop(file, None)
        file.abandon(problem)
        if turn.finishing is not None:
            turn.finishing.set_result(False)
