"""Numba, asked for late and trusted little: one compilation for all streams, a cache where one can be written.

Kernels are plain functions in modules that never import numba. They are compiled on first use, so `focusloop --help`
and a machine without numba pay nothing; who asks learns why a function stayed uncompiled and takes another path.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Compiled:
    """A kernel, compiled or as it was written.

    Parameters
    ----------
    function
        The compiled function, or the Python function where numba failed.
    compiled
        True where it is machine code that runs without the GIL.
    notes
        What did not work as wished, one sentence each; empty where all is well.
    """

    function: Callable[..., Any]
    compiled: bool
    notes: tuple[str, ...] = ()


_KERNEL_BYTES = 1 << 17
"""About what a compiled kernel takes on disk."""

_lock = threading.Lock()
_done: dict[tuple[str, str, str], Compiled] = {}
_listeners: list[Callable[[], None]] = []


@contextmanager
def compiling_told(tell: Callable[[], None]) -> Generator[None]:
    """Have `tell` called, on the thread that compiles, before each kernel that is compiled meanwhile.

    What comes from the cache is not told: it takes no time worth a word.
    """
    _listeners.append(tell)
    try:
        yield
    finally:
        _listeners.remove(tell)


def data_folder() -> Path:
    """Give the folder for what focusloop keeps: `$FOCUSLOOP_DATA_DIR`, else the platform's own."""
    chosen = os.environ.get("FOCUSLOOP_DATA_DIR")
    if chosen:
        return Path(chosen)
    from platformdirs import user_data_dir

    return Path(user_data_dir("focusloop"))


def cache_folder() -> Path | None:
    """Give the folder of the compiler's cache, made if need be; None where nothing can be written.

    A cache holds pickles, so the folder is the owner's alone.
    """
    named = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(named) if named else data_folder() / "numba"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_KERNEL_BYTES))  # a full disk still takes an empty file
    except OSError:
        return None
    return folder


def compile_function(
    function: Callable[..., Any], signature: str, calls: tuple[Callable[..., Any], ...] = ()
) -> Compiled:
    """Compile a kernel once a process, with an explicit signature and without the GIL.

    Parameters
    ----------
    function
        Plain Python of the subset that numba knows, at the top of a module.
    signature
        Numba's, as text: `"float64(float64[::1])"`.
    calls
        The functions of ours that it calls, of the same module (the cache looks at no other); callee before caller.

    Returns
    -------
    Compiled
        With `compiled` False and the function itself where numba does not import or does not compile, or where
        `FOCUSLOOP_COMPILED=0` or `NUMBA_DISABLE_JIT=1` asks for that.
    """
    key = (function.__module__, function.__qualname__, signature)
    with _lock:
        if key not in _done:
            _done[key] = _compile(function, signature, calls)
        return _done[key]


def _compile(function: Callable[..., Any], signature: str, calls: tuple[Callable[..., Any], ...]) -> Compiled:
    if os.environ.get("FOCUSLOOP_COMPILED") == "0" or os.environ.get("NUMBA_DISABLE_JIT") == "1":
        return Compiled(function, compiled=False, notes=("compiled kernels are switched off by the environment",))
    notes: list[str] = []
    folder = cache_folder()
    if folder is None:
        notes.append(f"no compiler cache: {data_folder()} cannot be written; each start compiles anew")
    else:
        # Numba reads the variable at import and again before each compilation.
        os.environ["NUMBA_CACHE_DIR"] = str(folder)
    # Numba and LLVM fail in many ways (ImportError of a newer numpy, RuntimeError of a cache, pickles of another
    # version, compiler errors): every one has the same answer, the other path, and the reason is handed on.
    try:
        _register(calls)
        return Compiled(_njit(function, signature, cache=folder is not None), compiled=True, notes=tuple(notes))
    except Exception as error:
        notes.append(f"{function.__name__}: {type(error).__name__}: {_first_line(error)}")
    if folder is None or "numba" not in sys.modules:
        return Compiled(function, compiled=False, notes=tuple(notes))
    try:
        return Compiled(_njit(function, signature, cache=False), compiled=True, notes=tuple(notes))
    except Exception as error:
        notes.append(f"{function.__name__}: {type(error).__name__}: {_first_line(error)}")
    return Compiled(function, compiled=False, notes=tuple(notes))


def _register(calls: tuple[Callable[..., Any], ...]) -> None:
    from numba.extending import register_jitable

    for function in calls:
        register_jitable(function)


def _njit(function: Callable[..., Any], signature: str, *, cache: bool) -> Callable[..., Any]:
    import numba
    from numba.core import event

    class Told(event.Listener):
        def on_start(self, event: object) -> None:
            for tell in tuple(_listeners):
                tell()

        def on_end(self, event: object) -> None:
            pass

    with event.install_listener("numba:compile", Told()):
        return numba.njit(signature, nogil=True, cache=cache, fastmath=False, error_model="numpy")(function)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no reason given"
