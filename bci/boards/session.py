"""A BrainFlow board that is open: opened on a thread of its own, released on every way out."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import math
import threading
import time
import weakref
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bci.boards.failures import ALREADY_OPEN, SILENT, board_failure
from bci.boards.library import board_id, brainflow, descriptor
from bci.boards.probe import probe
from bci.errors import UnsupportedStreamError
from bci.firmware_profile import BrainflowLink, FirmwareProfile

_FIRST_SAMPLE_S = 5.0
"""A board that sends nothing for so long after it was started is not there."""

_CLAIM_S = 5.0
"""A board that answered too late waits this long for whoever asks again, then it is released."""

_BUFFER_S = 10.0
"""How much BrainFlow keeps while nobody reads; the oldest falls out, and the packet numbers tell."""

_open_sessions: weakref.WeakSet[BoardSession] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class BoardOrder:
    """Which board to open, and how.

    Parameters
    ----------
    profile, link
        The firmware profile and its BrainFlow part.
    params
        BrainFlowInputParams as the URI gives them.
    """

    profile: FirmwareProfile
    link: BrainflowLink
    params: dict[str, str]

    @property
    def board(self) -> str:
        """BrainFlow's name of the board: that of the dongle's driver where a dongle's port is given."""
        if self.link.dongle_board is not None and "serial_port" in self.params:
            return self.link.dongle_board
        return self.link.board

    def inputs(self, timeout_s: float) -> dict[str, str | int]:
        """BrainFlowInputParams: numbers as numbers, and a time to look that leaves some for connecting."""
        numbers = {"ip_port", "ip_protocol", "timeout"}
        inputs: dict[str, str | int] = {k: int(float(v)) if k in numbers else v for k, v in self.params.items()}
        if any(parameter.name == "timeout" for parameter in self.link.parameters):
            inputs.setdefault("timeout", max(2, math.floor(timeout_s * 0.6)))
        return inputs

    @property
    def device(self) -> tuple[str, ...]:
        """What only one session may have at a time: the serial port, or the board as the URI addresses it."""
        if port := self.params.get("serial_port"):
            return (port,)
        return (self.profile.id, *(f"{k}={v}" for k, v in sorted(self.params.items()) if k != "timeout"))


class BoardRefusedError(Exception):
    """A board cannot be opened, for a reason that BrainFlow itself did not raise; `code` is its or `SILENT`."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@contextlib.contextmanager
def _interrupted_as_ever() -> Generator[None]:
    """Let Ctrl-C be Ctrl-C: ctypes makes an error of its own of what is raised while it converts an argument."""
    try:
        yield
    except ctypes.ArgumentError as error:
        if KeyboardInterrupt.__name__ in str(error):
            raise KeyboardInterrupt from error
        raise


class BoardSession:
    """A board that is streaming.

    It raises BrainFlow's own errors: `Opening` and the source translate them.
    """

    def __init__(self, order: BoardOrder, timeout_s: float) -> None:
        """Open and start the board; blocks as long as its driver does."""
        library = brainflow()
        self.device = order.device
        if any(session.device == order.device for session in list(_open_sessions)):
            # BrainFlow itself would open a serial port twice, and each session would get half of the bytes.
            raise BoardRefusedError(ALREADY_OPEN)
        number = board_id(order.board)
        inputs = order.inputs(timeout_s)
        if _open_sessions and order.profile.origin == "live":
            code = probe(number, inputs, timeout_s + 10.0)
            if code != 0:
                raise BoardRefusedError(code)
        fields = library.BrainFlowInputParams()
        for key, value in inputs.items():
            setattr(fields, key, value)
        self._board = order.board
        self._lock = threading.Lock()
        self._shim: Any = library.BoardShim(number, fields)
        self._shim.prepare_session()
        _open_sessions.add(self)
        try:
            self.rate_hz = float(self._shim.get_board_sampling_rate())
            self.descriptor = descriptor(order.board)
            self.capacity = math.ceil(self.rate_hz * _BUFFER_S)
            self._shim.start_stream(self.capacity)
        except library.BrainFlowError:
            self.close()
            raise

    def count(self) -> int:
        """Count the samples that wait."""
        with _interrupted_as_ever():
            return int(self._shim.get_board_data_count())

    def take(self) -> NDArray[np.float64]:
        """Take all samples that wait: float64 (rows, n), rows as the descriptor numbers them."""
        with _interrupted_as_ever():
            rows: NDArray[np.float64] = self._shim.get_board_data()
        return rows

    def battery(self, rows: NDArray[np.float64], preset: str) -> float | None:
        """Share of charge, 0..1; None where it has not come yet.

        Parameters
        ----------
        rows
            What `take` gave, for a board that sends its charge beside the EEG.
        preset
            Where the board sends its charge: `default`, `auxiliary` or `ancillary`.
        """
        if preset == "default":
            percent = float(rows[self.descriptor["battery_channel"], -1])
        else:
            number = brainflow().BrainFlowPresets[f"{preset.upper()}_PRESET"]
            newest = self._shim.get_current_board_data(1, number)
            if not newest.shape[1]:
                return None
            percent = float(newest[descriptor(self._board, preset)["battery_channel"], -1])
        return min(1.0, max(0.0, percent / 100.0)) if math.isfinite(percent) else None

    def close(self) -> None:
        """Release the board; may be called twice and from any thread."""
        with self._lock:
            shim = self._shim
            _open_sessions.discard(self)
            # A board that was pulled out cannot be released properly, and there is nobody to tell.
            with contextlib.suppress(brainflow().BrainFlowError):
                if shim.is_prepared():
                    shim.release_session()


@atexit.register
def release_all() -> None:
    """Release every board that is still open: the last of the ways out of a process."""
    for session in list(_open_sessions):
        session.close()


class Opening:
    """A board that is being opened on a thread of its own, since a vendor's library may block for long or for ever.

    Whoever waits may give up; the board is then released as soon as the library lets go of it. Who only stops waiting
    may come back for it: a headset that was slow is not connected twice.
    """

    def __init__(self, order: BoardOrder, timeout_s: float) -> None:
        self._order = order
        self._timeout_s = timeout_s
        self._given_up = threading.Event()
        self._done = threading.Event()
        self._claimed = threading.Event()
        self._expired = False
        self._lock = threading.Lock()
        self._session: BoardSession | None = None
        self._error: BaseException | None = None
        # A daemon: a library that never returns must not keep the process alive.
        threading.Thread(target=self._run, name=f"open {order.profile.name}", daemon=True).start()

    @property
    def expired(self) -> bool:
        """True where the board was opened, nobody came for it, and it was released."""
        return self._expired

    def wait(self, timeout_s: float) -> BoardSession | None:
        """Give the open board, or None where it is not there yet or was given up.

        Raises
        ------
        SourceError
            In our words, where it cannot be opened.
        """
        if not self._done.wait(max(0.0, timeout_s)):
            return None
        if self._error is not None:
            raise self._error
        with self._lock:
            self._claimed.set()
            return self._session

    def give_up(self) -> None:
        """Release the board, now or when it is there."""
        with self._lock:
            self._given_up.set()
            self._claimed.set()
            self._done.set()  # nobody waits any more
            session = self._session
        if session is not None:
            session.close()

    def _run(self) -> None:
        library = brainflow()
        session: BoardSession | None = None
        try:
            session = BoardSession(self._order, self._timeout_s)
            self._check(session)
            if not self._first_sample(session):
                raise BoardRefusedError(SILENT)
        except library.BrainFlowError as error:
            self._error = board_failure(self._order.profile, self._order.params, int(error.exit_code))
        except BoardRefusedError as error:
            self._error = board_failure(self._order.profile, self._order.params, error.code)
        except BaseException as error:
            self._error = error
        with self._lock:
            if session is not None and (self._error is not None or self._given_up.is_set()):
                session.close()
            elif session is not None:
                self._session = session
            self._done.set()
        if self._session is not None and not self._claimed.wait(_CLAIM_S):
            self._expire()

    def _expire(self) -> None:
        with self._lock:
            if not self._claimed.is_set() and self._session is not None:
                self._session.close()
                self._session = None
                self._expired = True

    def _check(self, session: BoardSession) -> None:
        profile, rows = self._order.profile, len(session.descriptor["eeg_channels"])
        if rows != profile.n_channels:
            msg = (
                f"{profile.device}: this version of BrainFlow gives {rows} EEG channels, its firmware profile "
                f"{profile.id} says {profile.n_channels}; correct the profile or install another version"
            )
            raise UnsupportedStreamError(msg)

    def _first_sample(self, session: BoardSession) -> bool:
        deadline = time.monotonic() + _FIRST_SAMPLE_S
        while session.count() == 0:
            if time.monotonic() > deadline or self._given_up.wait(0.005):
                return self._given_up.is_set()
        return True
