"""Functions of liblsl that take less than it takes to let the GIL go and get it back.

pylsl loads liblsl so that each call releases the GIL. With a reader thread for each of 64 streams, whoever has let it
go waits for one of them, which is far longer than these calls last.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

from pylsl import StreamOutlet
from pylsl.lib import lib


@functools.cache
def _holding_gil() -> ctypes.PyDLL:
    return ctypes.PyDLL(lib._name)  # noqa: SLF001 - public by ctypes' documentation; loaded already


def clock() -> Callable[[], float]:
    """Give `lsl_local_clock`: seconds of the host's LSL clock."""
    function = _holding_gil().lsl_local_clock
    function.restype, function.argtypes = ctypes.c_double, ()
    return function


@functools.cache
def _have_consumers() -> Callable[[ctypes.c_void_p], int]:
    function = _holding_gil().lsl_have_consumers
    function.restype, function.argtypes = ctypes.c_int, (ctypes.c_void_p,)
    return function


def has_consumers(outlet: StreamOutlet) -> bool:
    """Say whether anybody is connected to an outlet (`lsl_have_consumers`)."""
    return bool(_have_consumers()(outlet.obj))
