"""How long the worker rests after a call of the sink, so that the next call takes several streams.

A call costs as much as what it scores: without a rest, 64 streams keep a core busy with calls of one score each.
"""

from __future__ import annotations

FEW = 8
"""So many streams are served at once."""

REST_S = 25e-6
"""For each stream, s."""

LONGEST_REST_S = 4e-3


def rest_s(n_streams: int) -> float:
    """Give the rest, s."""
    return 0.0 if n_streams <= FEW else min(LONGEST_REST_S, REST_S * n_streams)
