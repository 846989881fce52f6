"""LSL inlet: a stream of the lab network becomes chunks on the host's clock."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any, NoReturn

import numpy as np
import pylsl
from numpy.typing import NDArray

from bci.clock import lsl_now_s
from bci.errors import SourceError, SourceFailedError, UnsupportedStreamError
from bci.lsl.describe import Description, check_samples, describe
from bci.lsl.flood import Floodgate
from bci.lsl.inlet import PreallocatedInlet
from bci.lsl.resolve import PROPERTIES, resolve
from bci.lsl.setup import configure, parse_peers
from bci.lsl.stamps import ForeignStamps
from bci.lsl.successor import Watch, changes, difference, full_info
from bci.small import all_finite
from bci.source import SourceStatus
from bci.types import Chunk, FloatSamples, SourceState, StreamSpec
from bci.uri import SourceUri

_BUFFERED_S = 5  # what liblsl keeps while nobody reads; the oldest is dropped then
_SLICE_S = 0.2  # so soon a reader notices that it was closed
_PAUSE_S = 0.1  # no connection is broken and found again in less
_LULL_S = 1.0  # longer, and `take` leaves it to `read`
_SILENCE_S = 2.0
_ANSWER_S = 1.5  # a resolver's first answers have come by then
_REOPEN_S = 5.0  # of silence, though the outlet answers: the connection is dead, and only we notice
_CORRECT_EVERY_S = 5.0
_CORRECT_PATIENCE_S = 2.0
_RETRY_S = 1.0
_FLOOD_PAUSE_S = 0.05
_VERIFY_PATIENCE_S = 1.0
_CONNECT_PATIENCE_S = 4.0  # `close` waits for it


class LslSource:
    """An LSL inlet behind `bci.source.Source`.

    liblsl's own post-processing is off: dejittering is the timeline's. The clock offset is measured on the reading
    thread and slewed. Reading blocks in liblsl until `min_samples` have come, at most one second of them.

    Parameters
    ----------
    uri
        `lsl:` alone takes the only EEG stream; `name type source_id hostname uid session_id channel_count nominal_srate
        manufacturer` choose; `known_peers=10.0.0.5` where multicast is blocked.

    Raises
    ------
    UriError
        For an unknown parameter.
    """

    def __init__(self, uri: SourceUri) -> None:
        uri.allow(*PROPERTIES, "known_peers")
        self._uri = uri
        self._gate = threading.Lock()  # whoever holds it may touch the inlet
        self._closed = threading.Event()
        self._state: SourceState = "connecting"
        self._trouble = ""
        self._inlet: PreallocatedInlet | None = None
        self._info: pylsl.StreamInfo | None = None
        self._description: Description | None = None
        self._stamps = ForeignStamps(0.0)
        self._flood = Floodgate(0.0)
        self._watch: Watch | None = None
        self._watch_s = 0.0
        self._next_sample = 0
        self._counted: list[int] = []  # columns whose samples count as repaired
        self._lost = 0
        self._repaired = 0
        self._heard_s = 0.0
        self._newest_s = float("inf")
        self._reopen_s = 0.0
        self._corrected_s = 0.0
        self._calm = self._unverified = False

    @property
    def spec(self) -> StreamSpec:
        """What comes. Raises SourceError before `open`."""
        if self._description is None:
            msg = f"{self._uri.text} is not open"
            raise SourceError(msg)
        return self._description.spec

    @property
    def notes(self) -> tuple[str, ...]:
        """What had to be assumed about the stream, in words for a person."""
        if self._description is None:
            return ()
        stamps = ("its stamps are of no LSL clock, they are placed by arrival",) if self._stamps.by_arrival else ()
        return self._description.notes + stamps

    @property
    def status(self) -> SourceStatus:
        """A snapshot, from any thread."""
        return SourceStatus(
            state=self._state,
            detail=self._trouble or self._flood.trouble or "; ".join(self.notes),
            lost_samples=self._lost,
            repaired_samples=self._repaired + self._stamps.no_numbers,
            clock_steps=self._stamps.steps,
        )

    def open(self, timeout_s: float = 10.0) -> StreamSpec:
        """Find the stream, connect to it and measure its clock.

        Raises
        ------
        SourceNotFoundError, AmbiguousSourceError, UnsupportedStreamError, MontageError
            With what to do about it.
        SourceError
            If the stream is announced, but cannot be connected to.
        """
        configure(parse_peers(self._uri.params.get("known_peers")))
        deadline = time.monotonic() + timeout_s
        info = resolve(self._uri, timeout_s, self._closed)
        check_samples(info)
        with self._gate:
            if self._closed.is_set():
                msg = f"{self._uri.text} was closed"
                raise SourceError(msg)
            try:
                left_s = deadline - time.monotonic()
                description = self._connect(info, min(_CONNECT_PATIENCE_S, max(1.0, left_s)))
            except SourceError:
                self._inlet = None
                raise
            self._description = description
            columns = [i for i, channel in enumerate(description.spec.channels) if channel.kind == "eeg"]
            self._counted = columns or list(range(len(description.spec.channels)))
            self._stamps = ForeignStamps(description.spec.nominal_rate_hz)
            self._flood = Floodgate(description.spec.nominal_rate_hz)
            self._correct(_CORRECT_PATIENCE_S)
            self._heard_s = lsl_now_s()
            self._set_state("streaming")
        return description.spec

    def read(self, min_samples: int, timeout_s: float) -> Chunk | None:
        """Wait until `min_samples` (at most a second of them) are there or the time is up; give what is there.

        Raises
        ------
        SourceFailedError
            If the stream came back with other channels, format, rate or unit.
        SourceError
            Before `open` and after `close`.
        """
        with self._gate:
            if self._state == "failed":
                raise SourceFailedError(self._trouble)
            if self._closed.is_set() or self._description is None:
                msg = f"{self._uri.text} is not open"
                raise SourceError(msg)
            n = self._pull(min_samples, timeout_s)
            now_s = lsl_now_s()
            inlet = self._inlet
            if n == 0 or inlet is None:
                self._on_silence(now_s)
                return None
            if self._unverified or self._was_found_again(inlet, now_s):
                self._unverified = False
                self._verify()
                self._correct(_CORRECT_PATIENCE_S)
            chunk = self._accept(inlet, n, now_s)
        if chunk is None:
            self._closed.wait(_FLOOD_PAUSE_S)  # its reader does not spin, whatever is sent
        return chunk

    @property
    def calm(self) -> bool:
        """True while samples come as they should: nothing to wait for, to find again or to hold back."""
        return self._calm

    @property
    def waiting(self) -> int:
        """Samples that wait in the inlet."""
        inlet = self._inlet
        return inlet.available if inlet is not None else 0

    def take(self, min_samples: int, now_s: float) -> Chunk | None:
        """Give what is there if that is `min_samples` or has waited for long; never waits itself.

        It leaves all that needs time to `read`, and is not `calm` then.

        Parameters
        ----------
        min_samples
            As for `read`.
        now_s
            LSL clock.
        """
        inlet, silent_s = self._inlet, now_s - self._heard_s
        if inlet is None or not self._calm:
            self._calm = False
            return None
        waiting = inlet.available
        if waiting == 0 or (waiting < min(min_samples, inlet.capacity) and silent_s < _SLICE_S):
            self._calm = silent_s < _LULL_S
            return None
        if not self._gate.acquire(blocking=False):
            return None  # it is being closed
        try:
            if self._was_found_again(inlet, now_s):
                self._unverified, self._calm = True, False
                return None
            n = self._pull(1, 0.0)
            return self._accept(inlet, n, now_s) if n else None
        finally:
            self._gate.release()

    def close(self) -> None:
        """Disconnect. A reader in another thread comes back within 0.2 s."""
        self._closed.set()
        with self._gate:
            self._inlet = None  # its destructor disconnects
            self._watch = None
            if self._state != "failed":
                self._set_state("closed")

    def _connect(self, info: pylsl.StreamInfo, timeout_s: float) -> Description:
        capacity = int(np.clip(np.ceil(info.nominal_srate()), 256, 8192))
        inlet = PreallocatedInlet(info, _BUFFERED_S, capacity)
        try:
            full = inlet.info(timeout_s)
            description = describe(full, self._uri.montage)
            inlet.open_stream(timeout_s)
        except RuntimeError as error:  # pylsl's TimeoutError and LostError are such
            msg = (
                f"{info.name()}: announced by {info.hostname()}, but it cannot be connected to ({error}); "
                "does a firewall block TCP 16572-16604 there?"
            )
            raise SourceError(msg) from error
        self._info, self._inlet = full, inlet
        return description

    def _pull(self, min_samples: int, timeout_s: float) -> int:
        inlet = self._inlet
        if inlet is None:
            self._closed.wait(timeout_s)
            return 0
        wanted = max(1, min(min_samples, inlet.capacity))
        deadline = time.monotonic() + timeout_s
        try:
            # What is there first, then the wait: so nothing is left to do when the sample comes that was waited for.
            n = inlet.pull_into(0, inlet.capacity, 0.0)
            while n < wanted and not self._closed.is_set():
                left_s = deadline - time.monotonic()
                n += inlet.pull_into(n, wanted - n, max(0.0, min(left_s, _SLICE_S)))
                if left_s <= _SLICE_S:
                    break
        except RuntimeError:  # LostError: without a source_id liblsl does not look for it again
            self._inlet = None
            return 0
        return n

    def _was_found_again(self, inlet: PreallocatedInlet, now_s: float) -> bool:
        """Say whether liblsl has found the stream again: another outlet, perhaps on another machine."""
        return now_s - self._heard_s > _PAUSE_S and inlet.was_clock_reset()

    def _accept(self, inlet: PreallocatedInlet, n: int, now_s: float) -> Chunk | None:
        if now_s - self._corrected_s >= _CORRECT_EVERY_S:
            self._correct(0.0)
        self._heard_s, self._watch = now_s, None
        self._set_state("streaming")
        kept = self._flood.admit(n, now_s)
        dropped = 0 if kept == n else n - kept + inlet.flush()
        first = self._next_sample
        self._next_sample += kept + dropped
        self._lost += dropped
        self._calm = self.spec.nominal_rate_hz > 0.0 and not self._flood.trouble
        if not kept:
            return None
        own_s = inlet.stamps_s[:kept].copy()
        stamps_s = self._stamps.map(own_s, now_s)
        if len(stamps_s):
            self._newest_s = float(stamps_s[-1])
        clock = self._stamps.of(own_s)
        return Chunk(self.spec, self._to_microvolts(inlet.samples[:kept]), stamps_s, first, clock)

    def _to_microvolts(self, numbers: NDArray[Any]) -> FloatSamples:
        scale = self._description.scale if self._description else None
        if scale is None and numbers.dtype == np.float32:
            samples = numbers.copy()
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                samples = (numbers if scale is None else numbers * scale).astype(np.float32)
        if not all_finite(samples):  # one call where all is well; it may also be very large numbers
            finite = np.isfinite(samples)
            samples[~finite] = np.nan
            self._repaired += int((~finite[:, self._counted]).any(axis=1).sum())
        return samples

    def _on_silence(self, now_s: float) -> None:
        silent_s = now_s - self._heard_s
        if self._info is None or (silent_s < _SILENCE_S and self._inlet is not None):
            return
        if self._watch is None:
            # Not when it was read: what lay in the buffer may be read after the successor has started.
            lost_at_s = min(self._heard_s, self._newest_s) - self._stamps.correction_s
            self._watch, self._watch_s, self._reopen_s = Watch(self._info, lost_at_s), now_s, now_s + _REOPEN_S
            return
        verdict, info = self._watch.look()
        name = self._info.name()
        if info is None:
            if now_s - self._watch_s > _ANSWER_S:
                self._set_state("reconnecting", f"{name} is gone; waiting for it to come back")
        elif verdict == "back":
            self._take_over(info, now_s)
        elif self._inlet is None:
            self._reopen(info, now_s)
        elif self.spec.nominal_rate_hz:  # an irregular stream may be silent as long as it likes
            self._set_state("streaming", f"{name} is there, but sends nothing")
            if now_s >= self._reopen_s:
                self._reopen(info, now_s)

    def _take_over(self, info: pylsl.StreamInfo, now_s: float) -> None:
        """Go on with the outlet that took the place of ours; liblsl may do so by itself first."""
        if self._info is not None and (problem := difference(self._info, info)):
            self._fail(problem)
        self._set_state("reconnecting", f"{info.name()} has come back; connecting")
        if self._inlet is None or now_s - self._watch_s >= _ANSWER_S:
            self._reopen(info, now_s)

    def _reopen(self, info: pylsl.StreamInfo, now_s: float) -> None:
        self._reopen_s = now_s + _REOPEN_S
        before = self._description
        try:
            again = self._connect(info, _VERIFY_PATIENCE_S)
        except UnsupportedStreamError as error:
            self._fail(f"came back as one that cannot be used: {error}")
        except SourceError as error:
            self._inlet = None
            self._set_state("reconnecting", str(error))
            return
        if before is not None and (problem := changes(before, again)):
            self._fail(problem)
        self._correct(_CORRECT_PATIENCE_S)
        self._watch = None
        self._heard_s = now_s

    def _verify(self) -> None:
        """After liblsl reconnected by itself, see that labels, units and rate are those that were promised."""
        if self._info is None or self._description is None:
            return
        watch = self._watch or Watch(self._info, -np.inf)
        deadline = time.monotonic() + _VERIFY_PATIENCE_S
        verdict, info = watch.look()
        while verdict != "back" and time.monotonic() < deadline and not self._closed.wait(0.02):
            verdict, info = watch.look()
        if verdict != "back" or info is None:
            return  # the same outlet after a network failure, or one that answers no resolver
        if problem := difference(self._info, info):
            self._fail(problem)
        try:
            full = full_info(info, _VERIFY_PATIENCE_S)
            again = describe(full, self._uri.montage)
        except UnsupportedStreamError as error:
            self._fail(f"came back as one that cannot be used: {error}")
        except SourceError:
            return  # it streams, but does not describe itself: the next restart will tell
        if problem := changes(self._description, again):
            self._fail(problem)
        self._info = full

    def _correct(self, patience_s: float) -> None:
        inlet, info, now_s = self._inlet, self._info, lsl_now_s()
        if inlet is None or info is None:
            return
        self._corrected_s = now_s
        try:
            correction_s = inlet.time_correction(patience_s)
        except pylsl.util.TimeoutError:
            # Where UDP is blocked samples come all the same: on this host the clock is ours, else arrival must do.
            self._corrected_s = now_s - _CORRECT_EVERY_S + _RETRY_S
            if self._stamps.correction_known or info.hostname() != socket.gethostname():
                return
            correction_s = 0.0
        except pylsl.util.LostError:
            self._inlet = None
            return
        self._stamps.correct(correction_s, lsl_now_s())

    def _set_state(self, state: SourceState, trouble: str = "") -> None:
        self._state, self._trouble = state, trouble

    def _fail(self, problem: str) -> NoReturn:
        self._inlet = self._watch = None
        name = self._info.name() if self._info else self._uri.text
        self._set_state("failed", f"{name} {problem}; add it again as it is now")
        raise SourceFailedError(self._trouble)
