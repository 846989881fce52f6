"""One participant's recording: what the worker leaves for it, and what is counted on the way."""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

import numpy as np

from bci.types import Chunk, StreamSpec
from feedback.sessions.database import SessionRow
from inference.baseline import Baseline
from inference.personal.certificate import Certificate
from inference.scorer import StreamScorer
from inference.types import REASONS
from streaming.recording.length import SignalLength
from streaming.recording.session import SessionFile, Track
from streaming.recording.tracks import session_tracks
from streaming.recording.writer import RecordingWriter
from streaming.types import FeatureFrame

SCORES_HZ = 25.0
_REASON_NUMBERS = {reason: float(number) for number, reason in enumerate(REASONS)}
_AGE_EDGES_MS: list[float] = np.geomspace(0.01, 10_000.0, 700).tolist()
"""Of the bins in which ages are counted, 2 % wide each: a session of hours costs as little as one of seconds."""

_LEFT_OUT = frozenset({"raw", "spectrum"})
"""Display of what the recording holds anyway: noted that it was sent, without its numbers."""

_OWN_TRACK = {"trial": "trials", "marker": "markers", "quality": "quality", "difficulty": "difficulty"}

NewFile = Callable[[Sequence[Track], "ParticipantRecorder"], SessionFile]


class ParticipantRecorder:
    """What one session records, from the first sample to the last.

    `chunk`, `frame`, `score`, `sent` and `opened` are called on the engine's worker and only leave references.

    Parameters
    ----------
    row
        What is known of the session.
    new_file
        Makes its file.
    writer
        Writes it.

    Raises
    ------
    RecordingError
        If the file cannot be made.
    """

    def __init__(self, row: SessionRow, new_file: NewFile, writer: RecordingWriter) -> None:
        self._row = row
        self._writer = writer
        self._ages = [0] * len(_AGE_EDGES_MS)
        self._samples = self._lost = self._lost_before = self._scores = self._valid = 0
        self._length = SignalLength()
        self._last_s = 0.0
        self._baseline: Baseline | None = None
        self._certificate: Certificate | None = None
        self._paused = False
        self.spec: StreamSpec | None = None
        self.problem: str | None = None
        """Why nothing is written at the moment, or any more; None where all is well."""
        self._file = new_file(
            session_tracks(row.participant, SCORES_HZ, REASONS, self._score_row, row.model or ""), self
        )

    @property
    def session_id(self) -> str:
        """Id of the session."""
        return self._row.id

    @property
    def over(self) -> bool:
        """True where the file takes nothing any more, though it should."""
        return self._file.over

    @property
    def bytes(self) -> int:
        """On the disk."""
        return self._file.size

    def start(self) -> None:
        """Have what comes written from now on."""
        self._writer.add(self._file)

    def discard(self) -> None:
        """Undo what was made: the session could not be noted."""
        self._file.abandon("the session could not be noted")
        self._file.path.unlink(missing_ok=True)

    # From the engine's worker

    def opened(self, spec: StreamSpec, about: Mapping[str, Any], baseline: Baseline | None, now_s: float) -> None:
        """Note what the device turned out to be, at first and whenever it comes back as another.

        Parameters
        ----------
        spec
            Of the source.
        about
            What `GET /v1/streams/{id}` shows.
        baseline
            That the scores begin with.
        now_s
            LSL clock.
        """
        if self.spec is None:
            self._lost_before = int(about["lost_samples"])
        self.spec = spec
        self._row = replace(self._row, device=spec.device, origin=spec.origin)
        texts = {
            "device": spec.device,
            "profile": f"{spec.profile} ({'verified' if spec.profile_verified else 'not verified'})"
            if spec.profile
            else "none",
            "origin": spec.origin,
            "montage": " ".join(spec.channels[i].label for i in spec.scored) or "unassigned",
        }
        for name, text in texts.items():
            self._file.set_field(name, text)
        self._note({"type": "opened", **about}, now_s)
        self._tell_baseline(baseline, now_s)

    def chunk(self, chunk: Chunk) -> None:
        """Record samples as they came."""
        n = len(chunk)
        if not n:
            return
        self._samples += n
        first_s, self._last_s = float(chunk.timestamps_s[0]), float(chunk.timestamps_s[-1])
        self._length.add(first_s, self._last_s)
        self._file.chunk(chunk)

    def frame(self, frame: FeatureFrame, scorer: StreamScorer) -> None:
        """Note what this frame is scored with, where it is not what the one before was."""
        if scorer.baseline is not self._baseline:
            self._tell_baseline(scorer.baseline, frame.end_s)
        if scorer.certificate is not self._certificate:
            self._certificate = certificate = scorer.certificate
            told = certificate.model_dump(mode="json") if certificate is not None else None
            self._note({"type": "certificate", "certificate": told}, frame.end_s)
        if scorer.paused is not self._paused:
            self._paused = scorer.paused
            self._note({"type": "paused", "paused": scorer.paused}, frame.end_s)

    def score(self, fields: Mapping[str, Any], seq: int, sent_lsl_s: float) -> None:
        """Record a score as it was sent."""
        self._scores += 1
        self._valid += bool(fields["valid"])
        stamp_s = fields["t_lsl_s"]
        self._file.add("scores", sent_lsl_s if stamp_s is None else stamp_s, (fields, seq, sent_lsl_s))

    def sent(self, topic: str, fields: Mapping[str, Any], seq: int, now_s: float) -> None:
        """Record a message of another topic as it was sent."""
        if topic in _LEFT_OUT:
            fields = {"t_lsl_s": fields.get("t_lsl_s")}
        stamp_s = fields.get("t_lsl_s") if topic in ("trial", "marker") else None
        said = {"type": topic, "seq": seq, **fields}
        self._file.add(_OWN_TRACK.get(topic, "sent"), now_s if stamp_s is None else stamp_s, said)

    def lost(self, samples: int) -> None:
        """Take the count of samples that never came since the stream was opened."""
        self._lost = samples

    # From any thread

    def row(self) -> SessionRow:
        """Give what is known of the session now."""
        return replace(
            self._row,
            problem=self.problem,
            length_s=self._length.seconds,
            scores=self._scores,
            valid_scores=self._valid,
            samples=self._samples,
            lost_samples=max(0, self._lost - self._lost_before),
            bytes=self._file.size,
        )

    def tell_latency(self) -> tuple[float, float] | None:
        """Write p50 and p95 of the age of scores when they were sent, ms, into the header; None before there is one."""
        ages = self._ages.copy()  # the writer goes on counting
        total = sum(ages)
        if not total:
            return None
        reached = list(accumulate(ages))
        p50, p95 = (_AGE_EDGES_MS[bisect_left(reached, share * total)] for share in (0.5, 0.95))
        self._file.set_field("latency_p50_ms", f"{p50:.2f}")
        self._file.set_field("latency_p95_ms", f"{p95:.2f}")
        return p50, p95

    def finish(self, timeout_s: float) -> bool:
        """Close the file with everything that is known; False where it has to be repaired. Blocks.

        Raises
        ------
        TimeoutError
            If the disk does not answer in time.
        """
        latency = self.tell_latency()
        if latency is not None:
            summary = {"type": "latency", "p50_ms": latency[0], "p95_ms": latency[1], "scores": sum(self._ages)}
            self._note(summary, self._last_s)
        self._file.set_field("ended", datetime.now(UTC).isoformat(timespec="seconds"))
        return self._writer.finish(self._file).result(timeout_s)

    # What became of what the file was given; on the writer's thread

    def on_trouble(self, problem: str | None) -> None:
        """Remember it: the next status says it."""
        self.problem = problem

    def on_lost(self, problem: str) -> None:
        """Remember it; the keeper begins another recording."""
        self.problem = problem

    def _note(self, message: Mapping[str, Any], stamp_s: float) -> None:
        self._file.add("session", stamp_s, message)

    def _tell_baseline(self, baseline: Baseline | None, stamp_s: float) -> None:
        self._baseline = baseline
        told = baseline.model_dump(mode="json") if baseline is not None else None
        self._note({"type": "baseline", "baseline": told}, stamp_s)
        text = "none"
        if baseline is not None:
            taken = datetime.fromtimestamp(baseline.taken_unix_s, UTC).isoformat(timespec="seconds")
            text = f"eyes {baseline.eyes}, {baseline.clean_s:.0f} s clean, taken {taken}"
        self._file.set_field("baseline", text)

    def _score_row(self, left: tuple[Mapping[str, Any], int, float]) -> Sequence[float]:
        """Make the numbers of a score; on the writer's thread."""
        fields, seq, sent_lsl_s = left
        age_ms = fields["age_ms"]
        if age_ms is not None and fields["reason"] != "stale":
            self._ages[min(len(self._ages) - 1, bisect_left(_AGE_EDGES_MS, age_ms))] += 1
        reason = fields["reason"]
        return (
            *(_number(fields[name]) for name in ("value", "steady", "relative", "raw")),
            float(fields["valid"]),
            -1.0 if reason is None else _REASON_NUMBERS[reason],
            _number(fields["confidence"]),
            _number(fields["quality"]),
            float(fields["calibrated"]),
            _number(age_ms),
            float(seq),
            sent_lsl_s,
        )


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def new_row(session_id: str, participant: str, sources: Sequence[str], model: str, file: str) -> SessionRow:
    """Begin a row: what is known before the device has answered."""
    return SessionRow(session_id, participant, file, tuple(sources), None, None, model, "recording", None, time.time())
