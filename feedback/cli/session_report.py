"""`focusloop sessions report`: a session as one page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from feedback.cli.progress import progress_bar

if TYPE_CHECKING:
    from feedback.sessions.database import SessionRow


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("id", metavar="ID", help="of a session, or the beginning of it; or the path of its recording")
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="ID.html in this folder by default")
    parser.epilog = "example: focusloop sessions report 20261126T1000 --out monday.html"


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    from bci.config import read_config
    from feedback.report.page import write_report
    from feedback.report.recorded import recorded_material
    from streaming.recording.reading import RecordedSession

    data_dir = read_config(None, {"data_dir": args.data_dir}).service.data_dir
    path, row = _found(args.id, data_dir)
    with progress_bar("reading") as show:
        session = RecordedSession(path)
        material = recorded_material(session, row, show)
    out = args.out or Path(f"{session.header.session or path.stem}.html")
    write_report(out, material)
    print(out)
    return 0


def _found(wanted: str, data_dir: Path) -> tuple[Path, SessionRow | None]:
    """Give the recording that is meant, and what the catalogue knows of it."""
    from feedback.sessions.catalogue import folder_of, read_sessions
    from feedback.sessions.database import choose_session

    rows, path = read_sessions(data_dir), Path(wanted).expanduser()
    if path.suffix.lower() == ".xdf" or path.is_file():
        own = path.resolve().parent == folder_of(data_dir).resolve()
        return path, next((row for row in rows if own and row.file == path.name), None)
    row = choose_session(wanted, rows)
    return folder_of(data_dir) / row.file, row
