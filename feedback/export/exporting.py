"""Sessions into a folder: found, written by their format, described, and put in place whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bci.errors import FocusloopError
from feedback.export import FORMATS
from feedback.export.folder import ABOUT, whole_folder
from feedback.export.identity import identify
from feedback.export.port import Exporter, Material, Progress
from streaming.recording.reading import RecordedSession


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export became.

    Parameters
    ----------
    folder
        Where it is.
    notes
        What a person should know of it.
    """

    folder: Path
    notes: tuple[str, ...]


def exporter_of(name: str) -> Exporter:
    """Give the format of a name; each is imported when it is wanted."""
    match name:
        case "bids":
            from feedback.export.bids import BidsExporter

            return BidsExporter()
        case "fif":
            from feedback.export.fif import FifExporter

            return FifExporter()
        case "edf":
            from feedback.export.edf import EdfExporter

            return EdfExporter()
        case "csv":
            from feedback.export.csv_tables import CsvExporter

            return CsvExporter()
        case "parquet":
            from feedback.export.parquet import ParquetExporter

            return ParquetExporter()
        case _:
            msg = f"unknown format '{name}'; known are {', '.join(FORMATS)}"
            raise FocusloopError(msg)


def export(
    session: RecordedSession,
    exporter: Exporter,
    data_dir: Path,
    out: Path | None,
    show: Progress,
    *,
    identified: bool,
    overwrite: bool,
) -> Exported:
    """Write a session in a format.

    Parameters
    ----------
    session
        That is wanted.
    exporter
        Of the format.
    data_dir
        Keeps what stands for each participant.
    out
        Folder that it becomes; None names one in the working directory.
    show
        Told how far it is.
    identified
        Keep names and dates.
    overwrite
        Replace an earlier export there.

    Raises
    ------
    FocusloopError
        In a sentence; nothing is left behind.
    """
    identity = identify(session.header, data_dir, identified=identified)
    material = Material(session, identity)
    if session.header.ended == "":
        material.note("the session still runs or was interrupted: exported as far as it is on the disk")
    material.note(*(f"the recording: {damage}" for damage in session.damage))
    target = (out or Path(f"{identity.name}_{exporter.name}")).expanduser().absolute()
    with whole_folder(target, overwrite=overwrite) as folder:
        exporter.write(material, folder, show)
        about = json.dumps(_about(material, exporter.name), indent=1, ensure_ascii=False)
        (folder / ABOUT).write_text(about + "\n", encoding="utf-8")
    return Exported(target, tuple(material.notes))


def _about(material: Material, name: str) -> dict[str, Any]:
    header, identity = material.session.header, material.identity
    start = material.moment(material.start_s())
    return {
        "format": name,
        "made_by": f"focusloop {header.versions.get('focusloop', '')}".strip(),
        "de_identified": not identity.identified,
        "participant": identity.participant,
        "session": identity.session,
        "start": start.isoformat(timespec="milliseconds") if start is not None else None,
        "origin": header.origin,
        "model": header.model,
        "baseline": header.baseline if identity.identified else header.baseline.partition(", taken ")[0],
        "latency_ms": header.latency_ms,
        "versions": dict(header.versions),
        "streams": [
            {
                "name": material.title(stream.spec),
                "type": stream.spec.kind,
                "device": identity.device(stream.spec),
                "nominal_rate_hz": stream.spec.nominal_rate_hz,
                "samples": stream.samples,
                "channels": [channel.label for channel in stream.spec.channels],
            }
            for stream in material.session.streams
        ],
        "notes": material.notes,
    }
