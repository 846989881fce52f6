"""What a session's file of ours holds beside the raw streams; `streaming.recording.reading` reads it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from streaming.recording.session import Track

SESSION, SCORES, TRIALS, MARKERS = "Focus-Session", "Focus-Scores", "Trials", "Markers"
DIFFICULTY, QUALITY, SENT = "Focus-Difficulty", "Focus-Quality", "Focus-Sent"
HEADER_FIELDS = {
    "device": 96,
    "profile": 64,
    "origin": 16,
    "montage": 1024,
    "baseline": 200,
    "latency_p50_ms": 12,
    "latency_p95_ms": 12,
    "ended": 32,
}
"""Texts of the header that become known while it is recorded, and their widths in bytes."""

SCORE_COLUMNS = (
    "value",
    "steady",
    "relative",
    "raw",
    "valid",
    "reason",
    "confidence",
    "quality",
    "calibrated",
    "age_ms",
    "seq",
    "sent_lsl_s",
)
"""Of the scores as they were sent; `reason` counts from 0 in the order of the stream's description, -1 = valid."""

Row = Callable[[Any], Sequence[float]]


def session_tracks(
    participant: str, rate_hz: float, reasons: Sequence[str], score_row: Row, model: str
) -> tuple[Track, ...]:
    """Give the streams that every session has; those that stay empty are there all the same.

    Parameters
    ----------
    participant
        Id.
    rate_hz
        Of the scores.
    reasons
        Why a score may not be valid, in the order in which `reason` counts.
    score_row
        Makes `SCORE_COLUMNS` of what is left for the track `scores`; on the writer's thread.
    model
        That makes the scores.
    """
    name = f"focusloop-{participant}"
    described = {"focusloop": {"model": model, "reasons": {"reason": list(reasons)}}}
    return (
        Track("session", f"{name}-session", SESSION),
        Track("scores", f"{name}-scores", SCORES, SCORE_COLUMNS, rate_hz, described, score_row),
        Track("trials", f"{name}-trials", TRIALS),
        Track("markers", f"{name}-markers", MARKERS),
        Track("difficulty", f"{name}-difficulty", DIFFICULTY),
        Track("quality", f"{name}-quality", QUALITY),
        Track("sent", f"{name}-sent", SENT),
    )
