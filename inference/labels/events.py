"""What a recorded session says of its person's time, all of it on the clock of the signal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bci.errors import AmbiguousSourceError, FileFormatError, UnsupportedStreamError
from bci.types import Timestamps
from streaming.recording import tracks
from streaming.recording.length import BACKWARD_S
from streaming.recording.reading import Message, RecordedSession, RecordedStream, Scores

GAP_S = 1.0
"""A longer hole is a gap; the timeline begins anew after it, too."""

_BESIDE_S = 1.0
"""A calibration's message is sent right after the score of its frame; an older score is not of its frame."""

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Events:
    """What labels are made of. All times: s, LSL clock, by the stamps of the signal.

    Parameters
    ----------
    start_s, stop_s
        First and last sample.
    markers
        Moment and label, in order.
    trials
        Moment of the answer and reaction time (0.0 where it was not told), in order.
    calibration
        Messages of calibrations, each at the newest sample that it knew of.
    holes
        Pauses and gaps: nobody knows what was done there, or there is nothing.
    notes
        A sentence on each thing that is not exact.
    """

    start_s: float
    stop_s: float
    markers: tuple[tuple[float, str], ...] = ()
    trials: tuple[tuple[float, float], ...] = ()
    calibration: tuple[Message, ...] = ()
    holes: tuple[Interval, ...] = ()
    notes: tuple[str, ...] = ()


def scored_stream(session: RecordedSession) -> RecordedStream:
    """Give the one stream of a session that can be scored.

    Raises
    ------
    UnsupportedStreamError
        There is none.
    AmbiguousSourceError
        The headset changed its electrodes or its rate: there are several.
    """
    found = [stream for stream in session.streams if stream.samples and stream.spec.scored]
    if len(found) == 1:
        return found[0]
    if found:
        listed = "; ".join(
            f"{s.spec.device}, {len(s.spec.scored)} electrodes at {s.spec.nominal_rate_hz:g} Hz" for s in found
        )
        msg = (
            f"{session.path.name}: its headset changed while it was recorded ({listed}); take a session of one headset"
        )
        raise AmbiguousSourceError(msg)
    unassigned = any(stream.samples and stream.spec.unassigned for stream in session.streams)
    why = "nobody had said where its electrodes were (montage=)" if unassigned else "it holds no signal of a headset"
    msg = f"{session.path.name}: {why}; nothing can be learnt from it: record another session"
    raise UnsupportedStreamError(msg)


def read_events(session: RecordedSession, stream: RecordedStream) -> Events:
    """Gather what a session says.

    Parameters
    ----------
    session
        The recording.
    stream
        Of its headset, from `scored_stream`.

    Raises
    ------
    FileFormatError
        The headset's clock stepped back: a moment then names two places of the signal.
    """
    stamps_s, _ = stream.stamps()
    start_s, stop_s = float(stamps_s[0]), float(stamps_s[-1])
    back_s = float(np.diff(stamps_s).min(initial=0.0))
    if back_s < -BACKWARD_S:
        msg = (
            f"{session.path.name}: the clock of its headset stepped back by {-back_s:.0f} s, so that a moment names "
            "two places of the signal; take another session"
        )
        raise FileFormatError(msg)
    messages = [one for one in session.messages(tracks.SENT) if one[1].get("type") == "calibration"]
    calibration, not_exact = on_signal(messages, session.scores())
    notes: list[str] = []
    if not_exact:
        notes.append(
            f"{not_exact} messages of a calibration have no score beside them: their moment is when they were sent"
        )
    return Events(
        start_s=start_s,
        stop_s=stop_s,
        markers=tuple((at_s, str(said.get("label", ""))) for at_s, said in session.messages(tracks.MARKERS)),
        trials=tuple((at_s, _seconds(said.get("rt_ms"))) for at_s, said in session.messages(tracks.TRIALS)),
        calibration=calibration,
        holes=tuple(sorted([*gaps(stamps_s), *pauses(session.messages(tracks.SESSION), stop_s)])),
        notes=tuple(notes),
    )


def on_signal(messages: Sequence[Message], scores: Scores) -> tuple[tuple[Message, ...], int]:
    """Bring messages from the moment when they were sent to that of the newest sample that they knew of.

    The service sends the score of a frame, and right after it what a calibration says of that frame: so the last score
    before a message knows the frame's stamp, however late both were sent.

    Parameters
    ----------
    messages
        Stamped when they were sent, s, LSL clock, in order.
    scores
        Of the same session.

    Returns
    -------
    The messages by the stamps of the signal; and how many had no score beside them, whose moment stays as it was.
    """
    sent_s = scores.column("sent_lsl_s")
    moved: list[Message] = []
    not_exact = 0
    for at_s, said in messages:
        before = int(np.searchsorted(sent_s, at_s, side="right")) - 1
        if before < 0 or not at_s - sent_s[before] <= _BESIDE_S:
            not_exact += 1
            moved.append((at_s, said))
        else:
            moved.append((float(scores.stamps_s[before]), said))
    return tuple(moved), not_exact


def gaps(stamps_s: Timestamps) -> list[Interval]:
    """Find the holes of a signal that are longer than `GAP_S`; stamps float64 (n,), s."""
    after = np.flatnonzero(np.diff(stamps_s) > GAP_S)
    return [(float(stamps_s[i]), float(stamps_s[i + 1])) for i in after]


def pauses(messages: Iterable[Message], stop_s: float) -> list[Interval]:
    """Find when scoring was paused; one that never ended lasts to `stop_s`."""
    found: list[Interval] = []
    since_s: float | None = None
    for at_s, said in messages:
        if said.get("type") != "paused":
            continue
        if said.get("paused"):
            since_s = at_s if since_s is None else since_s
        elif since_s is not None:
            found.append((since_s, at_s))
            since_s = None
    return found if since_s is None else [*found, (since_s, stop_s)]


def _seconds(rt_ms: object) -> float:
    return rt_ms / 1e3 if isinstance(rt_ms, int | float) and rt_ms > 0 else 0.0
