"""Recorded sessions with something of everything in them, and their exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from session_files import chunks, recorded, spec

from bci.types import Chunk
from feedback.export.exporting import Exported, export, exporter_of
from streaming.recording.reading import RecordedSession

TASK = "=集中 🧠/<&>"
MESSAGES: dict[str, list[tuple[float, dict[str, Any]]]] = {
    "trials": [
        (
            102.5 + i,
            {
                "type": "trial", "run": "Zoë's run", "trial": i, "task": TASK, "block": 1, "correct": i % 2 == 0,
                "rt_ms": 500 + i, "level": 0.5, "uncertainty_ms": 1.0, "stamped": "client",
            },
        )
        for i in range(4)
    ],
    "markers": [
        (103.0, {"type": "marker", "label": "=cmd|'/c calc'!A0"}),
        (104.0, {"type": "marker", "label": "关卡 🧠 / up"}),
    ],
    "difficulty": [(102.6, {"type": "difficulty", "level": 0.55, "reason": "Harder: -1"})],
    "session": [(105.0, {"type": "paused", "paused": True}), (106.0, {"type": "paused", "paused": False})],
    "quality": [
        (103.0, {"type": "quality", "channels": [{"label": "Fp2", "usable": 0.1}, {"label": "O1", "usable": 1.0}]})
    ],
}  # fmt: skip
LABELS = {
    2.5: "trial/correct",
    2.6: "difficulty/0.550",
    3.0: "marker/=cmd|'/c calc'!A0",
    3.5: "trial/error",
    4.0: "marker/关卡 🧠 / up",
    4.5: "trial/correct",
    5.0: "pause/begin",
    5.5: "trial/error",
    6.0: "pause/end",
}
"""By seconds after the first sample."""

SCORES = [(101 + i / 25, (0.5, 0.5, 0.5, 0.5, 1.0, -1.0, 0.8, 1.0, 1.0, 1.4, float(i), 101.0)) for i in range(100)] + [
    (105.0, (*[float("nan")] * 4, 0.0, 1.0, *[float("nan")] * 2, 0.0, float("nan"), 100.0, 105.0))
]
SERIAL = "00:55:DA:B0:1A:2B"
PERSON = "Zoë/李 🧠"


def telling_chunks(n: int = 200) -> list[Chunk]:
    """Make ten seconds or so of a headset whose names hold its serial number."""
    of = replace(spec(), name="Muse-1A2B", source_id=SERIAL, device=f"Muse S {SERIAL}")
    return chunks(n, of=of)


def recording(
    folder: Path,
    parts: Sequence[Chunk] | None = None,
    *,
    header: Mapping[str, Any] | None = None,
    finish: bool = True,
) -> Path:
    """Write a session with trials, markers, difficulty, pauses, quality and scores."""
    return recorded(
        folder / "sessions",
        telling_chunks() if parts is None else parts,
        header={"participant": PERSON, **(header or {})},
        messages=MESSAGES,
        scores=SCORES,
        fields={"device": f"Muse S {SERIAL}", "ended": "2026-11-25T21:01:00+00:00", "origin": "live"},
        finish=finish,
    )


def exported(
    path: Path, to: str, out: Path | None = None, *, identified: bool = False, overwrite: bool = False
) -> Exported:
    """Export a recording into a folder beside it."""
    data_dir = path.parent.parent
    return export(
        RecordedSession(path),
        exporter_of(to),
        data_dir,
        out or data_dir / to,
        lambda _what, share: _check(share),
        identified=identified,
        overwrite=overwrite,
    )


def _check(share: float) -> None:
    assert 0.0 <= share <= 1.0, share
