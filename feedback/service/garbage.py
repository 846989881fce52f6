"""When the garbage collector looks, and through what."""

from __future__ import annotations

import gc

_NEW_OBJECTS = 20_000
"""Between two looks; scores and their messages are freed without it."""


def keep_what_is_loaded() -> None:
    """Keep everything that was loaded until here for good; what comes from here on is collected, seldom.

    A collector that looks through all modules and models holds every score up for a seventh to half of a second, again
    and again. Takes as long once.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
