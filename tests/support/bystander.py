"""Somebody else's scores, while a test does its worst to another stream or client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pylsl
from focusloop_process import Serve


@contextmanager
def undisturbed(service: Serve, stream: str) -> Iterator[None]:
    """None of a stream's scores is lost, late or invalid, whatever happens meanwhile."""
    with service.talk() as other:
        other.subscribe("focus", stream=stream)
        first = service.first(other, lambda m: m["type"] == "focus", "a score")
        yield
        scores = [first, *other.synchronise()]
        others = [m for m in scores if m["type"] != "focus"]
        assert not others, others
        assert {b["seq"] - a["seq"] for a, b in pairwise(scores)} <= {1}
        assert {m["reason"] for m in scores} <= {None, "warming_up"}
        assert pylsl.local_clock() - scores[-1]["t_lsl_s"] < 1.0
