"""How the worker serves many streams: in groups, with a rest after those that have nothing more to give.

A call of the sink costs as much as what it scores: without a rest, 64 streams keep a core busy with calls of one score
each; without a limit, the first of 64 waits for the last.
"""

from __future__ import annotations

FEW = 8
"""So many streams are served at once, each source by a thread that waits for it."""

GROUP = 8
"""Streams whose samples are taken before what fell due is handed on."""

LOOK_S = 2e-3
"""Between two looks at sources without a thread that had nothing to give, s."""

EARLIEST = 0.5
"""Share of the time that the samples of the next hop take, before which such a source is not looked at again."""

REST_S = 25e-6
"""For each stream, s."""

LONGEST_REST_S = 4e-3


def rest_s(n_streams: int) -> float:
    """Give the rest, s."""
    return 0.0 if n_streams <= FEW else min(LONGEST_REST_S, REST_S * n_streams)
