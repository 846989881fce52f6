"""A recorded session becomes the material of a report, one stream at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from bci.types import Chunk
from feedback.report.material import Event, LevelChange, QualityTrack, ReportMaterial, ScoreTrack, TrialMark
from feedback.report.survey import Survey, survey
from feedback.sessions.database import SessionRow
from streaming.recording import tracks
from streaming.recording.about import SessionHeader
from streaming.recording.reading import RecordedSession, RecordedStream

Progress = Callable[[str, float], None]

BLOCK_SAMPLES = 8192
"""Of a stream in memory: 2 MiB at 64 channels."""

_UNSTAMPED = ("stale", "no_data")
"""Reasons of scores that are said without a new sample; their moment is when they were sent."""


def recorded_material(
    session: RecordedSession, row: SessionRow | None = None, progress: Progress = lambda _text, _share: None
) -> ReportMaterial:
    """Gather what a report of a session shows.

    Parameters
    ----------
    session
        Whole or not.
    row
        What the catalogue knows of it; None where it knows nothing.
    progress
        Told what is being read, and the share that is done.

    Raises
    ------
    RecordingNotFoundError, FileFormatError
        If the file is deleted, shortened or damaged underneath.
    """
    progress("reading scores", 0.0)
    scores, ages_ms = _scores(session)
    progress("reading quality", 0.05)
    quality = _quality(session)
    trials, levels = _trials(session), _levels(session)
    events = _events(session)
    surveys = list(_surveys(session, progress))
    header = session.header
    return ReportMaterial(
        title=f"Session {header.session or session.path.stem}",
        origin=header.origin or (row.origin if row is not None and row.origin else ""),
        facts=list(_facts(header, row, surveys)),
        notes=list(_notes(session, row)),
        scores=scores,
        quality=quality,
        surveys=surveys,
        events=events,
        trials=trials,
        levels=levels,
        ages_ms=ages_ms,
        lost=row.lost_samples if row is not None and row.state == "complete" else session.lost_samples(),
    )


def _scores(session: RecordedSession) -> tuple[ScoreTrack, np.ndarray[Any, np.dtype[np.float64]]]:
    sent = session.scores()
    reasons = sent.reason_names()
    valid = np.array([reason is None for reason in reasons], bool)
    unstamped = np.array([reason in _UNSTAMPED for reason in reasons], bool)
    sent_s = sent.column("sent_lsl_s")
    times_s = np.where(unstamped & np.isfinite(sent_s), sent_s, sent.stamps_s)
    order = np.argsort(times_s, kind="stable")
    ages_ms = sent.column("age_ms")[~unstamped]
    track = ScoreTrack(
        times_s=times_s[order],
        value=np.where(valid, sent.column("value"), np.nan)[order],
        steady=np.where(valid, sent.column("steady"), np.nan)[order],
        reasons=[reasons[i] for i in order.tolist()],
        calibrated=sent.column("calibrated")[order] == 1.0,
    )
    return track, ages_ms[np.isfinite(ages_ms)]


def _quality(session: RecordedSession) -> QualityTrack:
    found = QualityTrack()
    for stamp_s, said in session.each_message(tracks.QUALITY):
        channels = [c for c in said.get("channels") or () if isinstance(c, Mapping)]
        if channels:
            labels = tuple(str(c.get("label")) for c in channels)
            usable = [_number(c.get("usable")) or 0.0 for c in channels]
            flags = [[str(name) for name in c.get("flags") or ()] for c in channels]
            found.add(stamp_s, labels, usable, flags)
    return found


def _trials(session: RecordedSession) -> list[TrialMark]:
    told = {
        (after.get("run"), after.get("trial")): _number(said.get("previous"))
        for _, said in session.each_message(tracks.DIFFICULTY)
        if isinstance(after := said.get("after"), Mapping)
    }
    marks: list[TrialMark] = []
    for stamp_s, said in session.messages(tracks.TRIALS):
        level = _number(said.get("level"))
        if level is None:
            level = told.get((said.get("run"), said.get("trial")))
        number, correct = said.get("trial"), said.get("correct")
        marks.append(
            TrialMark(
                stamp_s,
                number if isinstance(number, int) else None,
                str(said.get("task") or ""),
                correct if isinstance(correct, bool) else None,
                _number(said.get("rt_ms")),
                level,
            )
        )
    return marks


def _levels(session: RecordedSession) -> list[LevelChange]:
    return [
        LevelChange(stamp_s, level, str(said.get("reason") or ""))
        for stamp_s, said in session.messages(tracks.DIFFICULTY)
        if (level := _number(said.get("level"))) is not None
    ]


def _events(session: RecordedSession) -> list[Event]:
    """Give markers, states of the source, calibrations and pauses."""
    events = [Event(t, "marker", str(said.get("label"))) for t, said in session.messages(tracks.MARKERS)]
    before: dict[str, str] = {}
    for stamp_s, said in session.each_message(tracks.SENT):
        kind = str(said.get("type"))
        if kind not in ("status", "calibration", "proposal"):
            continue
        text = ", ".join(str(said[name]) for name in ("state", "detail", "code", "text") if said.get(name))
        if before.get(kind) != text:
            events.append(Event(stamp_s, kind, text))
        before[kind] = text
    for stamp_s, said in session.each_message(tracks.SESSION):
        if said.get("type") == "paused":
            events.append(Event(stamp_s, "pause", "paused" if said.get("paused") else "goes on"))
    return sorted(events, key=lambda event: event.at_s)


def _surveys(session: RecordedSession, progress: Progress) -> Iterator[Survey]:
    total, done = max(1, sum(stream.samples for stream in session.streams)), 0

    def told(stream: RecordedStream) -> Iterator[Chunk]:
        nonlocal done
        for chunk in stream.chunks(BLOCK_SAMPLES):
            yield chunk
            done += len(chunk)
            progress(f"reading {stream.spec.device}", 0.1 + 0.9 * done / total)

    for stream in session.streams:
        yield survey(stream.spec, told(stream))


def _facts(header: SessionHeader, row: SessionRow | None, surveys: list[Survey]) -> Iterator[tuple[str, str]]:
    yield "participant", header.participant
    if header.started_unix_s is not None:
        yield "started", f"{datetime.fromtimestamp(header.started_unix_s, UTC):%Y-%m-%d %H:%M:%S} UTC"
    yield "ended", header.ended or "not said"
    yield "state", row.state if row is not None else "not in the catalogue"
    yield "origin", header.origin or "not said"
    yield "device", header.device or "it never answered"
    yield "profile", header.profile or "none"
    yield "sources", ", ".join(header.sources)
    for one in surveys:
        yield "stream", f"{one.spec.name}: {len(one.spec.channels)} channels at {one.spec.nominal_rate_hz:g} Hz"
    yield "scored electrodes", " ".join(header.montage) or "none"
    yield "model", header.model
    yield "baseline", header.baseline or "none"
    yield "configuration", header.configuration[:12]
    yield "versions", ", ".join(f"{name} {version}" for name, version in header.versions.items())
    if header.latency_ms is not None:
        yield "age of scores, by the header", f"p50 {header.latency_ms[0]:g} ms, p95 {header.latency_ms[1]:g} ms"


def _notes(session: RecordedSession, row: SessionRow | None) -> Iterator[str]:
    if row is not None and row.state == "recording":
        yield "This session runs, or was interrupted and not repaired yet: the page shows what is on the disk."
    if row is not None and row.state == "recovered":
        yield "This session was interrupted and repaired: what came in its last second may be missing."
    if row is not None and row.problem:
        yield row.problem
    for sentence in session.damage:
        yield f"Of the file, {sentence}."
    if not any(stream.samples for stream in session.streams):
        yield "No sample was recorded: the device never sent any."


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if np.isfinite(value) else None
