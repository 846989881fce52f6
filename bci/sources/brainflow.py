"""BrainFlow boards as sources: any board that has a firmware profile."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from bci.boards.counting import PacketCounter
from bci.boards.library import brainflow
from bci.boards.session import BoardOrder, BoardSession, Opening
from bci.boards.stamps import BoardClock
from bci.errors import ProfileError, SourceError, SourceNotFoundError, UriError
from bci.firmware_profile import BrainflowLink, FirmwareProfile, ParameterName
from bci.montage import assign_montage
from bci.profiles import profile_for_brainflow
from bci.source import SourceStatus
from bci.types import Chunk, StreamSpec
from bci.uri import SourceUri

POLL_S = 0.004
"""BrainFlow has no blocking read: the waiting samples are counted this often."""

_RETRY_S = 2.0
_BATTERY_S = 10.0
_NUMBERS = frozenset({"ip_port", "ip_protocol", "timeout"})


class BrainflowSource:
    """A BrainFlow board, polled by count.

    Rows become channels by the board's own descriptor, Unix stamps become LSL time by an offset measured at each poll,
    and loss is told from the packet numbers where the profile knows how they count. A board that falls silent is opened
    again, on a thread of its own, until it is back or the source is closed.

    Parameters
    ----------
    uri
        `brainflow:NAME?serial_port=…`: NAME is that of a firmware profile, the query holds BrainFlowInputParams.

    Raises
    ------
    UriError
        For a board without a profile (listing those that have one), a parameter that BrainFlow does not know, and one
        that this board needs and that is missing (saying how to find it).
    """

    def __init__(self, uri: SourceUri) -> None:
        self._uri = uri
        self._profile, self._link = _profile(uri)
        self._order = BoardOrder(self._profile, self._link, dict(uri.params))
        self._clock = BoardClock(self._link.stamps)
        self._counter: PacketCounter | None = None
        self._spec = _spec(self._profile, self._profile.rate_hz or 0.0, uri)
        self._status = SourceStatus("connecting")
        self._saying = threading.Lock()
        self._closing = threading.Event()
        self._session: BoardSession | None = None
        self._opening: Opening | None = None
        self._was_open = False
        self._reopened = False
        self._reported: tuple[int, float | None, int] = (0, None, 0)
        self._pending: deque[Chunk] = deque()
        self._next_sample = 0
        self._newest_s: float | None = None  # LSL stamp of the newest sample
        self._heard_at_s = 0.0  # monotonic
        self._retry_at_s = 0.0  # monotonic
        self._battery_at_s = 0.0  # monotonic

    @property
    def spec(self) -> StreamSpec:
        """What will come; valid once `open` has returned."""
        return self._spec

    @property
    def status(self) -> SourceStatus:
        """A snapshot."""
        return self._status

    def open(self, timeout_s: float = 10.0) -> StreamSpec:
        """Connect to the board and wait for its first sample.

        Raises
        ------
        SourceNotFoundError
            If the board or its port is not there or does not answer; opening may be tried again.
        UnsupportedStreamError
            If its driver does not run on this machine, or the montage does not fit.
        SourceError
            For everything else, with what to check.
        """
        if self._closing.is_set():
            msg = f"{self._profile.device}: was closed"
            raise SourceError(msg)
        brainflow()  # said here, and not on another thread, if it cannot be loaded
        try:
            session = self._wait_for_board(timeout_s, patience_s=timeout_s)
            if session is None:
                msg = (
                    f"{self._profile.device} (brainflow:{self._profile.name}) has not answered within {timeout_s:g} s; "
                    f"is it on and near? First step: {self._profile.connect[1]}"
                )
                raise SourceNotFoundError(msg)
        except SourceError as error:
            self._say(detail=str(error))
            raise
        self._take_over(session)
        return self._spec

    def read(self, min_samples: int, timeout_s: float) -> Chunk | None:
        """Wait until `min_samples` samples are there or the time is up; give all that is there, None if nothing is.

        Where samples were lost, what came before the loss is one chunk and what came after it the next.

        Raises
        ------
        SourceError
            If the source was never opened.
        """
        if self._closing.is_set():
            return None
        if self._pending:
            return self._pending.popleft()
        session = self._session  # close may take it away meanwhile
        if session is None:
            return self._look_again(timeout_s)
        try:
            rows = self._poll(session, min_samples, timeout_s)
        except brainflow().BrainFlowError as error:
            self._lose(f"its driver says: {error}")
            return None
        if rows is None:
            return None
        self._pending.extend(self._chunks(rows, session))
        return self._pending.popleft()

    def close(self) -> None:
        """Release the board. May be called twice, from any thread, and before `open`."""
        self._closing.set()
        opening, session = self._opening, self._session
        if opening is not None:
            opening.give_up()
        if session is not None:
            session.close()
        self._session = None
        self._say(state="closed", detail="")

    def _say(self, **changes: Any) -> None:  # noqa: ANN401 - the fields of SourceStatus
        with self._saying:
            if self._status.state != "closed":  # what a reader still has to say when another thread has closed
                self._status = dataclasses.replace(self._status, **changes)

    def _wait_for_board(self, timeout_s: float, patience_s: float) -> BoardSession | None:
        """Wait for the board that is being opened, or begin to open it; None where it takes longer."""
        if self._opening is None or self._opening.expired:
            self._opening = Opening(self._order, timeout_s)
        if self._closing.is_set():  # close may have come before there was anything to give up
            self._opening.give_up()
        try:
            session = self._opening.wait(patience_s)
        except SourceError:
            self._opening = None
            raise
        if session is not None:
            self._opening = None
        return session

    def _take_over(self, session: BoardSession) -> None:
        self._spec = _spec(self._profile, session.rate_hz, self._uri)
        if self._counter is None and self._link.counter is not None:
            self._counter = PacketCounter(self._link.counter, session.rate_hz)
        if self._counter is not None:
            self._counter.reset()
        self._heard_at_s = time.monotonic()
        self._reopened, self._was_open = self._was_open, True
        self._session = session
        self._say(state="streaming", detail="")
        if self._closing.is_set():
            self.close()

    def _poll(self, session: BoardSession, min_samples: int, timeout_s: float) -> NDArray[np.float64] | None:
        wanted = min(max(1, min_samples), session.capacity // 2)
        deadline = time.monotonic() + timeout_s
        while (count := session.count()) < wanted:
            left_s = deadline - time.monotonic()
            if left_s <= 0.0 or self._closing.is_set():
                break
            time.sleep(min(POLL_S, left_s))  # not a wait for `_closing`: Ctrl-C inside one may come out as RuntimeError
        if self._closing.is_set():
            return None
        if count == 0:
            silent_s = time.monotonic() - self._heard_at_s
            if silent_s > self._link.silence_s:
                self._lose(f"no samples for {silent_s:.1f} s; is it still on, charged and near?")
            return None
        self._heard_at_s = time.monotonic()
        return session.take()

    def _lose(self, why: str) -> None:
        if self._closing.is_set():
            return  # that is why
        if self._session is not None:
            self._session.close()
        self._session = None
        self._retry_at_s = time.monotonic()
        self._say(state="reconnecting", detail=f"{self._profile.device}: {why}")

    def _look_again(self, timeout_s: float) -> Chunk | None:
        if not self._was_open:
            msg = f"{self._profile.device}: is not open"
            raise SourceError(msg)
        waiting_s = self._retry_at_s - time.monotonic()
        if waiting_s > 0.0:
            self._closing.wait(min(timeout_s, waiting_s))
            return None
        try:
            session = self._wait_for_board(10.0, patience_s=timeout_s)
        except SourceError as error:
            self._retry_at_s = time.monotonic() + _RETRY_S
            self._say(detail=str(error))
            return None
        if session is not None:
            self._take_over(session)
        return None

    def _chunks(self, rows: NDArray[np.float64], session: BoardSession) -> list[Chunk]:
        """Cut what one poll gave where samples are missing, so that each chunk is consecutive."""
        described = session.descriptor
        samples = np.ascontiguousarray(rows[described["eeg_channels"]].T, dtype=np.float32)
        if self._profile.scale_to_uv != 1.0:
            samples *= np.float32(self._profile.scale_to_uv)
        broken = ~np.isfinite(samples)
        if broken.any():
            samples[broken] = np.nan
            self._say(repaired_samples=self._status.repaired_samples + int(broken.any(axis=1).sum()))
        own_s = rows[described["timestamp_channel"]]
        stamps_s = self._clock.to_lsl(own_s)
        missing = self._missing(rows[described["package_num_channel"]], stamps_s)
        self._newest_s = float(stamps_s[-1])
        self._report(rows, session, int(missing.sum()))
        chunks: list[Chunk] = []
        gaps = np.flatnonzero(missing)
        for start, stop in zip([0, *gaps[gaps > 0]], [*gaps[gaps > 0], len(missing)], strict=True):
            self._next_sample += int(missing[start])
            part = slice(int(start), int(stop))
            clock = self._clock.of(own_s[part])
            chunks.append(Chunk(self._spec, samples[part], stamps_s[part], self._next_sample, clock))
            self._next_sample += int(stop - start)
        return chunks

    def _missing(self, numbers: NDArray[np.float64], stamps_s: NDArray[np.float64]) -> NDArray[np.int64]:
        if self._counter is not None:
            missing = self._counter.missing(numbers, stamps_s)
        else:
            missing = np.zeros(len(stamps_s), dtype=np.int64)
        if self._newest_s is not None and self._reopened:
            # Nothing counts across two sessions but the clock.
            missing[0] = max(0, round((stamps_s[0] - self._newest_s) * self._spec.nominal_rate_hz) - 1)
        self._reopened = False
        return missing

    def _report(self, rows: NDArray[np.float64], session: BoardSession, lost: int) -> None:
        now_s = time.monotonic()
        battery = self._status.battery
        if self._link.battery is not None and now_s >= self._battery_at_s:
            self._battery_at_s = now_s + _BATTERY_S
            battery = session.battery(rows, self._link.battery)
        lost_samples = self._status.lost_samples + lost
        if (lost_samples, battery, self._clock.steps) != self._reported:
            self._reported = lost_samples, battery, self._clock.steps
            self._say(lost_samples=lost_samples, battery=battery, clock_steps=self._clock.steps)


def _profile(uri: SourceUri) -> tuple[FirmwareProfile, BrainflowLink]:
    try:
        profile = profile_for_brainflow(uri.target)
    except ProfileError as error:
        msg = f"{uri.text}: {error}"
        raise UriError(msg) from error
    uri.allow(*get_args(ParameterName))
    for key in _NUMBERS & set(uri.params):
        uri.number(key, 0.0, low=0.0, high=65535.0)
    link = profile.brainflow
    if link is None:  # profile_for_brainflow gives none without
        msg = f"{uri.text}: {profile.device} is not read through BrainFlow"
        raise UriError(msg)
    for parameter in link.parameters:
        if parameter.required and parameter.name not in uri.params:
            msg = f"{uri.text}: {profile.device} needs {parameter.name}=…, {parameter.how}"
            raise UriError(msg)
    return profile, link


def _spec(profile: FirmwareProfile, rate_hz: float, uri: SourceUri) -> StreamSpec:
    params = uri.params
    which = params.get("serial_port") or params.get("mac_address") or params.get("serial_number")
    spec = StreamSpec(
        source_id=":".join(filter(None, ("brainflow", profile.name, which or params.get("other_info")))),
        name=profile.name,
        kind="EEG",
        nominal_rate_hz=rate_hz,
        channels=profile.eeg_channels(),
        device=profile.device,
        origin=profile.origin,
        profile=profile.id,
        profile_verified=profile.is_verified,
        rails_uv=profile.rails_uv,
    )
    return assign_montage(spec, profile.montage(uri.montage)) if uri.montage is not None else spec
