"""One reader for one source: opens it, asks for what the next hop needs, and leaves the chunks in the mailbox."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from bci.errors import FocusloopError, SourceEndedError, SourceNotFoundError
from bci.source import Source, Takeable
from bci.types import Chunk, SourceState, StreamSpec
from streaming.batching import EARLIEST
from streaming.defects import Place

READ_S = 0.2
OPEN_S = 10.0


@dataclass(frozen=True, slots=True)
class Connecting:
    """The source is not there yet; the reader goes on trying."""

    detail: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The source is open."""

    spec: StreamSpec


@dataclass(frozen=True, slots=True)
class Arrived:
    """A chunk, and when the reader had it (LSL clock)."""

    chunk: Chunk
    arrived_s: float


@dataclass(frozen=True, slots=True)
class Parked:
    """The reader has no thread any more: the worker takes what comes."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The last word of a reader."""

    state: SourceState
    detail: str


@dataclass(frozen=True, slots=True)
class Removed:
    """The stream is to be forgotten; `done` is set once the worker has done so."""

    done: threading.Event


Item = Connecting | Opened | Arrived | Parked | Ended | Removed


def sentence(error: Exception) -> str:
    """Say for a person what went wrong; an error that is not ours is a defect and carries its type."""
    return str(error) if isinstance(error, FocusloopError) else f"internal error: {type(error).__name__}: {error}"


class Demand:
    """How many samples to wait for, so that the reader wakes once a hop.

    The worker says what the pipeline still needed after a count of samples; what the reader has handed on since is
    taken off. A hop whose length is no whole number of samples may be asked for one too early, never one too late.
    """

    def __init__(self, hop_s: float) -> None:
        self._hop_s = hop_s
        self._said: tuple[int, int] | None = None
        self._handed_on = 0

    def met(self, processed: int, needed: int) -> None:
        """Take the worker's word: the pipeline has processed so many samples and needs so many more."""
        self._said = (processed, needed)

    def hand_on(self, n_samples: int) -> None:
        """Count what the reader has put in the mailbox."""
        self._handed_on += n_samples

    def hop(self, rate_hz: float) -> int:
        """Count the samples of a whole hop; 1 for irregular streams."""
        return max(1, math.floor(rate_hz * self._hop_s))

    def samples(self, rate_hz: float) -> int:
        """Count what the next hop still needs; 1 for irregular streams."""
        hop = self.hop(rate_hz)
        processed, needed = self._said or (0, hop)
        short = needed - (self._handed_on - processed)
        return short if short > 0 else hop - (-short) % hop


class Reader:
    """Drives a source until it ends, fails or is stopped: on a thread of its own, or parked.

    It parks itself where streams are many and its source is calm, and whoever is told so calls `take` from then on.

    Parameters
    ----------
    name
        Of the thread, and in messages.
    source
        Closed by the reader on every way out.
    post
        Takes what came; False ends the reader.
    clock
        LSL clock, seconds.
    demand
        Shared with the worker.
    retry_s
        Between two tries to find a source that is not there yet.
    defect
        Takes an error of the source that is not ours, and where it was met.
    many
        Says whether streams are too many for a thread each.

    Attributes
    ----------
    next_look_s
        LSL clock; before then a parked source that sends evenly has nothing for the next hop.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        post: Callable[[Item], bool],
        clock: Callable[[], float],
        demand: Demand,
        retry_s: float,
        defect: Callable[[Place, Exception], None],
        many: Callable[[], bool],
    ) -> None:
        self.source = source
        self.next_look_s = -math.inf
        self._name = name
        self._post = post
        self._clock = clock
        self._demand = demand
        self._retry_s = retry_s
        self._defect = defect
        self._many = many
        self._takeable = source if isinstance(source, Takeable) else None
        self._opened = False
        self._lock = threading.Lock()  # whoever holds it may park, resume and end
        self._parked = False
        self._stopping = threading.Event()
        self._closer: threading.Thread | None = None
        self._thread = threading.Thread(target=self._run, name=f"read {name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Ask the reader to end by itself, after the read in progress. Returns at once."""
        with self._lock:
            self._stopping.set()
            if self._parked:
                self._close_aside()

    def stop(self) -> None:
        """Ask the reader to end, and close the source under a read that blocks. Returns at once."""
        with self._lock:
            self._stopping.set()
            if self._thread.is_alive() or self._parked:
                self._close_aside()

    def resume(self) -> None:
        """Give a parked source a thread again."""
        with self._lock:
            if self._parked and not self._stopping.is_set():
                self._parked = False
                self._thread = threading.Thread(target=self._run, name=f"read {self._name}", daemon=True)
                self._thread.start()

    def take(self, now_s: float) -> Item | None:
        """Give what the source of a parked reader has for the next hop, or its last word; never waits.

        Parameters
        ----------
        now_s
            LSL clock.
        """
        if self._takeable is None or self._stopping.is_set():
            return None
        try:
            rate_hz = self.source.spec.nominal_rate_hz
            chunk = self._takeable.take(self._demand.samples(rate_hz), now_s)
        except Exception as error:
            word = self._word(error)
            self.end()
            return word
        if chunk is None:
            return None
        self._demand.hand_on(len(chunk))
        if rate_hz:
            self.next_look_s = now_s + EARLIEST * self._demand.samples(rate_hz) / rate_hz
        return Arrived(chunk, self._clock())

    @property
    def waiting_hops(self) -> int:
        """Hops whose samples, or some of them, wait in a parked source: the worker is late, not they."""
        if not self._parked or self._takeable is None:
            return 0
        waiting = self._takeable.waiting
        return -(-waiting // self._demand.hop(self.source.spec.nominal_rate_hz)) if waiting else 0

    @property
    def may_park(self) -> bool:
        """True where streams are many and the source is calm."""
        return self._takeable is not None and self._takeable.calm and self._many()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; False where the source holds its thread."""
        deadline_s = time.monotonic() + timeout_s
        for thread in (self._thread, self._closer):
            if thread is not None and thread.ident is not None:
                thread.join(max(0.0, deadline_s - time.monotonic()))
                if thread.is_alive():
                    return False
        return True

    def _run(self) -> None:
        try:
            if (self._opened or self._open()) and self._read():
                return
        except Exception as error:
            if (word := self._word(error)) is not None:
                self._post(word)
        self._close()

    def _park(self) -> bool:
        with self._lock:
            if self._stopping.is_set():
                return False
            self._parked = True
        return self._post(Parked())

    def _word(self, error: Exception) -> Ended | None:
        if isinstance(error, SourceEndedError):
            return Ended("closed", str(error))
        if self._stopping.is_set():
            return None  # closed under its feet, as asked
        if not isinstance(error, FocusloopError):
            self._defect("read", error)
        return Ended("failed", sentence(error))

    def _open(self) -> bool:
        while not self._stopping.is_set():
            try:
                spec = self.source.open(OPEN_S)
            except SourceNotFoundError as absent:
                if not self._post(Connecting(str(absent))):
                    return False
                self._stopping.wait(self._retry_s)
            else:
                self._opened = True
                return self._post(Opened(spec))
        return False

    def _read(self) -> bool:
        """Read until the reader is stopped (False) or parked (True)."""
        while not self._stopping.is_set():
            rate_hz = self.source.spec.nominal_rate_hz
            chunk = self.source.read(self._demand.samples(rate_hz), READ_S)
            if chunk is None or not len(chunk):
                continue
            self._demand.hand_on(len(chunk))
            if not self._post(Arrived(chunk, self._clock())):
                return False
            if self.may_park:
                return self._park()
        return False

    def _close_aside(self) -> None:
        if self._closer is None:
            # On a thread of its own: a vendor library may block in close as well, and others are waiting.
            self._closer = threading.Thread(target=self._close, name=f"close {self._name}", daemon=True)
            self._closer.start()

    def _close(self) -> None:
        try:
            self.source.close()
        except Exception as error:  # its device may still be held
            self._defect("close", error)
