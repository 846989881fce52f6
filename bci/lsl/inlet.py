"""An inlet that pulls into memory allocated once."""

from __future__ import annotations

import ctypes
from typing import Any, cast

import numpy as np
import pylsl
from numpy.typing import NDArray
from pylsl.util import handle_error

from bci.lsl.quick import pull_chunk, samples_available
from bci.types import Timestamps


class PreallocatedInlet(pylsl.StreamInlet):
    """A `pylsl.StreamInlet` with one more way to pull.

    `pylsl.StreamInlet.pull_chunk` makes a new ctypes array type and new arrays at each call, which is a third of the
    time from sample to chunk; this calls the same C function with pointers computed once.

    Parameters
    ----------
    info
        From a resolver; a stream of numbers.
    buffered_s
        What liblsl keeps at most while nobody pulls, in seconds of the nominal rate (in 100 samples where irregular).
    capacity
        Most samples of one pull.
    """

    def __init__(self, info: pylsl.StreamInfo, buffered_s: int, capacity: int) -> None:
        super().__init__(info, max_buflen=buffered_s, recover=True, processing_flags=pylsl.proc_none)
        self.capacity = capacity
        self.samples: NDArray[Any] = np.empty((capacity, self.channel_count), self.np_dtype)
        self.stamps_s: Timestamps = np.empty(capacity, np.float64)
        self._row_bytes = self.samples.strides[0]
        self._sample_address = self.samples.ctypes.data
        self._stamp_address = self.stamps_s.ctypes.data
        name: str = cast("Any", self.do_pull_chunk).__name__  # of the stream's own number format
        self._take, self._wait = pull_chunk(name, waits=False), pull_chunk(name, waits=True)
        self._available = samples_available()
        self._error = ctypes.c_int()
        self._error_at = ctypes.byref(self._error)

    @property
    def available(self) -> int:
        """How many samples wait in it."""
        return self._available(self.obj)

    def pull_into(self, first: int, n: int, timeout_s: float) -> int:
        """Wait for `n` samples and put them into the rows from `first` on.

        The wait is liblsl's own, in C++ and without the GIL: it wakes per sample, Python once. What is there already
        (a timeout of 0.0) is taken with the GIL held.

        Returns
        -------
        int
            How many came before the time was up.

        Raises
        ------
        pylsl.util.LostError
            If the outlet is gone and has no source_id by which it could be found again.
        """
        values = (self._wait if timeout_s else self._take)(
            self.obj,
            self._sample_address + first * self._row_bytes,
            self._stamp_address + first * 8,
            n * self.channel_count,
            n,
            timeout_s,
            self._error_at,
        )
        if self._error.value:
            handle_error(self._error)
        return values // self.channel_count
