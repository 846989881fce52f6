"""What every format is given, and what it has to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from bci.errors import UnsupportedStreamError
from bci.types import StreamSpec
from feedback.export.events import Event, Trial, events_of, trials_of
from feedback.export.grid import Grid, lay_out
from feedback.export.identity import Identity
from streaming.recording import tracks
from streaming.recording.reading import RecordedSession

Progress = Callable[[str, float], None]
"""Told what is being done, and the share of it that is, 0..1."""


@dataclass(frozen=True, slots=True)
class Material:
    """A session as an export may tell it.

    Parameters
    ----------
    session
        The recording.
    identity
        How it is named.
    notes
        What the format does not hold, or a person should know: a sentence each. Formats add to it.
    """

    session: RecordedSession
    identity: Identity
    notes: list[str] = field(default_factory=list)

    def note(self, *sentences: str) -> None:
        """Tell a person something about the export."""
        self.notes.extend(sentences)

    def start_s(self) -> float:
        """Give the moment that tables count from, LSL clock: the first sample of the first stream that sent any."""
        for stream in self.session.streams:
            if stream.samples:
                return float(next(stream.blocks(1)).stamps_s[0])
        scores = self.session.scores()
        if len(scores):
            return float(scores.stamps_s[0])
        return self.session.anchor.lsl_s if self.session.anchor is not None else 0.0

    def moment(self, lsl_s: float) -> datetime | None:
        """Give a moment in UTC, as the export may tell it; None where the recording does not say."""
        anchor = self.session.anchor
        return None if anchor is None else self.identity.moment(anchor.to_unix(lsl_s))

    def events(self) -> list[Event]:
        """Give what happened, in the order of time."""
        return events_of(self.session)

    def trials(self) -> list[Trial]:
        """Give the trials, in the order of time."""
        return trials_of(self.session.messages(tracks.TRIALS), identified=self.identity.identified)

    def title(self, spec: StreamSpec) -> str:
        """Name a stream for a person: by number, for its own name often holds a serial number."""
        number = next(i for i, stream in enumerate(self.session.streams, start=1) if stream.spec == spec)
        return spec.name if self.identity.identified else f"stream {number}"


class Exporter(Protocol):
    """Writes one format."""

    name: str
    """As `--to` has it."""

    def write(self, material: Material, folder: Path, show: Progress) -> None:
        """Write a session below a folder that is the export's own.

        Raises
        ------
        UnsupportedStreamError
            If the format can hold nothing of this session.
        OSError
            Of the disk.
        """
        ...


def regular_eeg(material: Material, show: Progress) -> list[Grid]:
    """Lay out every stream with EEG, for formats that know a rate and no stamps; what cannot be is noted.

    Raises
    ------
    UnsupportedStreamError
        If nothing is left.
    """
    grids: list[Grid] = []
    left_out: list[str] = []
    for stream in material.session.streams:
        title = material.title(stream.spec)
        if not any(channel.kind == "eeg" for channel in stream.spec.channels):
            left_out.append(f"{title}: no EEG, left out; parquet holds it")
            continue
        try:
            show("laying out", 0.0)
            grids.append(lay_out(stream, title))
        except UnsupportedStreamError as error:
            left_out.append(f"{error}; left out")
    if not grids:
        why = "; ".join(left_out) or "the device never sent a sample"
        of = material.session.header.session
        msg = f"session {of} has no EEG to write: {why}; --to csv writes its scores and trials"
        raise UnsupportedStreamError(msg)
    material.note(*left_out)
    for grid in grids:
        material.note(*grid.notes(material.title(grid.spec)))
    return grids
