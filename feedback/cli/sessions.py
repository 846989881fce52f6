"""`focusloop sessions`: what was recorded, as a list, and one session as a page."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from feedback.cli import session_report


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="of the service whose sessions are wanted")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.epilog = "example: focusloop sessions --json"
    more = parser.add_subparsers(dest="what", metavar="report")
    summary = "write a session as one HTML page: score, quality, spectrogram, trials, latency"
    report = more.add_parser("report", help=summary, description=summary[0].upper() + summary[1:] + ".")
    session_report.configure(report)
    report.add_argument("--data-dir", type=Path, metavar="DIR", default=argparse.SUPPRESS, help="of the service")
    report.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """List the sessions, the newest first, or write the page of one."""
    if args.what == "report":
        return session_report.run(args)
    from bci.config import read_config
    from feedback.sessions.catalogue import folder_of, read_sessions
    from feedback.sessions.database import rows_as_json
    from streaming.recording.writer import DiskBudget

    data_dir = read_config(None, {"data_dir": args.data_dir}).service.data_dir
    folder = folder_of(data_dir)
    rows = rows_as_json(read_sessions(data_dir))
    if args.json:
        print(json.dumps({"folder": str(folder), "sessions": rows}, indent=1, ensure_ascii=False))
        return 0
    if not rows:
        print(f"nothing was recorded in {data_dir} yet; `focusloop serve` records every session")
        return 0
    print(f"recordings in {folder}")
    for row in rows:
        _print(row)
    if folder.is_dir():
        disk = DiskBudget(folder, None)
        print(f"{disk.used_bytes / 1e6:.1f} MB in all, {disk.free_bytes / 1e6:.0f} MB are free on their disk")
    return 0


def _print(row: dict[str, Any]) -> None:
    from datetime import datetime

    started = datetime.fromtimestamp(row["started_unix_s"]).astimezone()
    print(f"{row['id']}: {row['state']}" + (f" ({row['problem']})" if row["problem"] else ""))
    running = row["state"] == "recording"
    device = row["device"] or ("no device noted yet" if running else "the device never answered")
    print(f"    {row['participant']}, {device}, {started:%Y-%m-%d %H:%M}")
    if running:
        print("    as noted within the last half minute (GET /v1/sessions of the service knows it now):")
    print(
        f"    {_length(row['length_s'])} long, {_percent(row['valid_share'])} of the scores valid, "
        f"{_percent(row['loss'])} of the samples lost, {row['bytes'] / 1e6:.1f} MB"
    )


def _length(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100.0 * share:.1f} %"
