"""An inlet that pulls into memory allocated once."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pylsl
from numpy.typing import NDArray
from pylsl.util import handle_error

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
        self._pull = cast("Callable[..., int]", self.do_pull_chunk)  # of the stream's own number format
        self._error = ctypes.c_int()

    def pull_into(self, first: int, n: int, timeout_s: float) -> int:
        """Wait for `n` samples and put them into the rows from `first` on.

        The wait is liblsl's own, in C++ and without the GIL: it wakes per sample, Python once.

        Returns
        -------
        int
            How many came before the time was up.

        Raises
        ------
        pylsl.util.LostError
            If the outlet is gone and has no source_id by which it could be found again.
        """
        values = self._pull(
            self.obj,
            ctypes.c_void_p(self._sample_address + first * self._row_bytes),
            ctypes.c_void_p(self._stamp_address + first * 8),
            ctypes.c_size_t(n * self.channel_count),
            ctypes.c_size_t(n),
            ctypes.c_double(timeout_s),
            ctypes.byref(self._error),
        )
        if self._error.value:
            handle_error(self._error)
        return values // self.channel_count
