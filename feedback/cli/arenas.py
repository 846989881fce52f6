"""How glibc hands out memory in a service with hundreds of threads."""

from __future__ import annotations

import ctypes
import sys

_M_ARENA_MAX = -8
_ARENAS = 4


def share_arenas() -> None:
    """Let all threads allocate from four arenas; call before they start. Nothing happens without glibc.

    glibc would give eight a core, each with holes of its own; a stream then takes a twentieth more.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl has none
        mallopt(_M_ARENA_MAX, _ARENAS)
