"""Events and gaps as annotations: an onset on the file's own time, a duration and a text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from feedback.export.events import Event
from feedback.export.grid import Grid
from feedback.export.port import Material

GAP = "BAD_ACQ_SKIP"
"""What MNE leaves out by itself, in filters as well."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """Seconds from the first sample of the file by its stated rate; the text."""

    onset_s: float
    duration_s: float
    text: str


def annotations_of(material: Material, grid: Grid, events: Iterable[Event]) -> list[Annotation]:
    """Lay events on a grid, and name its gaps; what happened outside is counted in the notes."""
    made = [Annotation(gap.start / grid.rate_hz, gap.samples / grid.rate_hz, GAP) for gap in grid.gaps]
    outside = 0
    for event in events:
        place = grid.place(event.at_s)
        if place is None:
            outside += 1
            continue
        made.append(Annotation(place / grid.rate_hz, 0.0, event.label))
    if outside:
        material.note(
            f"{material.title(grid.spec)}: no annotation for what happened before its first sample or after its last "
            f"one ({outside}); --to csv has it"
        )
    return sorted(made, key=lambda one: one.onset_s)
