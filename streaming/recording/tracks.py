"""What a session's file of ours holds beside the raw streams, and how it is read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from bci.errors import FileFormatError
from bci.files.damage import DAMAGE
from bci.types import Timestamps
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


@dataclass(frozen=True, slots=True)
class Numbers:
    """A track of numbers: float64 (n,) stamps, LSL clock, and float64 (n, columns)."""

    stamps_s: Timestamps
    values: NDArray[np.float64]

    def column(self, name: str) -> NDArray[np.float64]:
        """Give one of `SCORE_COLUMNS`."""
        return self.values[:, SCORE_COLUMNS.index(name)]


Message = tuple[float, Mapping[str, Any]]
"""Stamp, LSL clock, and what was said."""


def read_scores(path: Path) -> Numbers:
    """Read the scores of a session as they were sent.

    Raises
    ------
    FileFormatError
        If the file cannot be read.
    """
    stamps: list[Timestamps] = [np.empty(0)]
    values: list[NDArray[np.float64]] = [np.empty((0, len(SCORE_COLUMNS)))]
    for stream in _load(path, SCORES):
        if len(stream["time_stamps"]):
            stamps.append(np.asarray(stream["time_stamps"], np.float64))
            values.append(np.asarray(stream["time_series"], np.float64))
    return Numbers(np.concatenate(stamps), np.concatenate(values))


def read_messages(path: Path, kind: str) -> list[Message]:
    """Read the messages of one of the tracks, in the order of time.

    Raises
    ------
    FileFormatError
        If the file cannot be read.
    """
    found: list[Message] = []
    for stream in _load(path, kind):
        for stamp_s, row in zip(stream["time_stamps"], stream["time_series"], strict=True):
            message = _json(row[0])
            if message is not None:
                found.append((float(stamp_s), message))
    return sorted(found, key=lambda item: item[0])


def _json(text: str) -> Mapping[str, Any] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None  # a marker of somebody else
    return value if isinstance(value, dict) else None


def _load(path: Path, kind: str) -> list[Mapping[str, Any]]:
    import pyxdf

    try:
        streams, _ = pyxdf.load_xdf(
            path, select_streams=[{"type": kind}], synchronize_clocks=False, dejitter_timestamps=False
        )
    except (OSError, *DAMAGE) as error:
        if "No matching streams" in str(error):
            return []
        msg = f"{path}: cannot be read ({error or type(error).__name__})"
        raise FileFormatError(msg) from error
    return list(streams)
