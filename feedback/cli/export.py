"""`focusloop export`: a recorded session in the formats that the field uses."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from feedback.cli.options import ending_as_an_error
from feedback.cli.progress import progress_bar
from feedback.export import FORMATS


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("session", metavar="SESSION", help="id (see `focusloop sessions`), or the path of an XDF file")
    parser.add_argument("--to", required=True, choices=FORMATS, help="format")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder to make; named after the session by default")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier export in that folder")
    parser.add_argument(
        "--identified",
        action="store_true",
        help="keep participant, dates and the device's name, which are replaced by default",
    )
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="of the service whose session is wanted")
    parser.epilog = "example: focusloop export 20261125T210000Z-p01 --to bids --out study"


def run(args: argparse.Namespace) -> int:
    """Export, and say what the export does and does not hold."""
    from bci.config import read_config
    from feedback.export.exporting import export, exporter_of
    from feedback.sessions.catalogue import find_recording
    from streaming.recording.reading import RecordedSession

    data_dir = read_config(None, {"data_dir": args.data_dir}).service.data_dir
    session = RecordedSession(find_recording(args.session, data_dir)[0])
    with ending_as_an_error(), progress_bar("exporting") as show:
        done = export(
            session,
            exporter_of(args.to),
            data_dir,
            args.out,
            show,
            identified=args.identified,
            overwrite=args.overwrite,
        )
    for note in done.notes:
        print(note, file=sys.stderr)
    print(_identity_note(data_dir, identified=args.identified), file=sys.stderr)
    print(done.folder)
    return 0


def _identity_note(data_dir: Path, *, identified: bool) -> str:
    if identified:
        return "identified: participant, dates and the device's name are in it"
    from feedback.export.identity import KEYS

    return (
        "de-identified: participant and session are codes, dates are shifted by days that are constant for the "
        f"participant ({data_dir / KEYS} has them: keep it to yourself), the device's own name is left out; labels of "
        "markers and tasks are as they came: look through them (--identified keeps all)"
    )
