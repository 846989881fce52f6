"""`focusloop sessions report`: a session as one page."""

from __future__ import annotations

import argparse
from pathlib import Path

from feedback.cli.progress import progress_bar


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("id", metavar="ID", help="of a session, or the beginning of it; or the path of its recording")
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="ID.html in this folder by default")
    parser.epilog = "example: focusloop sessions report 20261126T1000 --out monday.html"


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    from bci.config import read_config
    from feedback.cli.places import try_file
    from feedback.report.page import check_place, write_report
    from feedback.report.recorded import recorded_material
    from feedback.sessions.catalogue import find_recording
    from streaming.recording.reading import RecordedSession

    data_dir = read_config(None, {"data_dir": args.data_dir}).service.data_dir
    path, row = find_recording(args.id, data_dir)
    with progress_bar("reading") as show:
        session = RecordedSession(path)
        out = args.out or Path(f"{session.header.session or path.stem}.html")
        check_place(out)
        try_file(out)
        material = recorded_material(session, row, show)
    write_report(out, material)
    print(out)
    return 0
