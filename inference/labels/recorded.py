"""A recorded session with its labels, and its signal as everything else reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bci.files.recording import Recording
from inference.labels.events import read_events, scored_stream
from inference.labels.spans import Labels, Wish, label
from streaming.recording.reading import RecordedSession, RecordedStream


@dataclass(frozen=True, slots=True)
class LabelledSession:
    """A session that can be learnt from.

    Parameters
    ----------
    session
        The recording.
    stream
        Of its headset.
    labels
        Spans by the stamps of that stream, s, LSL clock.
    """

    session: RecordedSession
    stream: RecordedStream
    labels: Labels

    @property
    def name(self) -> str:
        """Id of the session."""
        return self.session.header.session or self.session.path.stem

    @property
    def ended_unix_s(self) -> float | None:
        """Unix time of the end of the last span; None where the recording has no anchor to UTC."""
        anchor = self.session.anchor
        return None if anchor is None else anchor.to_unix(self.labels.spans[-1].stop_s)


def label_recording(path: Path, wish: Wish, window_s: float) -> LabelledSession:
    """Read a session and find its labels; arguments as for `inference.labels.spans.label`.

    Raises
    ------
    RecordingNotFoundError, FileFormatError
        It is not there, or no session of ours.
    UnsupportedStreamError, AmbiguousSourceError
        It has no headset that can be scored, or several.
    NoLabelsError
        It does not say when its person rested, or worked.
    """
    session = RecordedSession(path)
    stream = scored_stream(session)
    labels = label(read_events(session, stream), wish, window_s, session.header.session or path.stem)
    return LabelledSession(session, stream, labels)


def recording_of(stream: RecordedStream) -> tuple[Recording, float]:
    """Read a whole stream into memory, 4 bytes a value.

    Returns
    -------
    The recording, its stamps counted from its first sample; and the LSL time of that sample, s.
    """
    blocks = list(stream.blocks())
    stamps_s = np.concatenate([block.stamps_s for block in blocks])
    numbers = np.concatenate([block.numbers for block in blocks])
    samples = np.concatenate([block.samples for block in blocks])
    start_s = float(stamps_s[0])
    return Recording(stream.spec, samples, stamps_s - start_s, numbers - numbers[0]), start_s
