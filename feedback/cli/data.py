"""`focusloop data`: the public data sets that training uses; list, check, download."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("name", nargs="?", help="download this one (needs a network)")
    parser.add_argument("--to", type=Path, metavar="DIR", help="where data sets lie ($FOCUSLOOP_DATA)")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.epilog = "example: focusloop data\n         focusloop data eegmat --to ~/eeg"


def run(args: argparse.Namespace) -> int:
    """List, or download and check."""
    from feedback.cli.places import try_folder, writing
    from feedback.cli.progress import progress_bar
    from inference.training.datasets import data_root, download, survey

    root = args.to or data_root()
    if args.name:
        try_folder(root)
        with writing(root), progress_bar(args.name) as show:

            def advance(done: int, total: int) -> None:
                show(args.name, done / total)

            folder = download(args.name, root, advance)
        print(folder)
        return 0
    listed = survey(root)
    if args.json:
        print(json.dumps(listed, indent=1))
        return 0
    name, state = (max(len(one[key]) for one in listed) + 2 for key in ("name", "state"))
    for one in listed:
        print(f"{one['name']:<{name}}{one['state']:<{state}}{one['licence']}")
    print(f"looked in {root}")
    return 0
