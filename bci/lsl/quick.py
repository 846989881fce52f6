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

_PULL = (
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_size_t,
    ctypes.c_double,
    ctypes.POINTER(ctypes.c_int),
)


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


@functools.cache
def samples_available() -> Callable[[ctypes.c_void_p], int]:
    """Give `lsl_samples_available`: how many samples an inlet holds."""
    function = _holding_gil().lsl_samples_available
    function.restype, function.argtypes = ctypes.c_uint32, (ctypes.c_void_p,)
    return function


@functools.cache
def pull_chunk(name: str, *, waits: bool) -> Callable[..., int]:
    """Give a function of the family `lsl_pull_chunk_*`, which takes plain numbers for its pointers.

    Parameters
    ----------
    name
        In liblsl; each number format has its own.
    waits
        True for one that lets the GIL go while it waits; False for one to be called with a timeout of 0.0.
    """
    function = getattr(ctypes.CDLL(lib._name) if waits else _holding_gil(), name)  # noqa: SLF001 - as above
    function.restype, function.argtypes = ctypes.c_long, _PULL
    return function
