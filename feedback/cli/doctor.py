"""`focusloop doctor`: is this machine ready, and what to do where it is not."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--port", type=int, default=8765, help="port that `serve` will use")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="as for `serve`")
    parser.add_argument("--models-dir", type=Path, metavar="DIR", help="as for `serve`")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.epilog = "example: focusloop doctor\nExit code 1 where something keeps focusloop from working."


def run(args: argparse.Namespace) -> int:
    """Check everything and show it."""
    from bci.config import read_config
    from feedback.doctor import examine

    config = read_config(None, {"data_dir": args.data_dir, "models_dir": args.models_dir, "port": args.port})
    os.environ["FOCUSLOOP_DATA_DIR"] = str(config.service.data_dir)  # where `serve` keeps its kernels, too
    findings = list(examine(config.service))
    if args.json:
        print(json.dumps([finding.fields() for finding in findings], indent=1))
    else:
        for finding in findings:
            print(f"{finding.state:<8}{finding.what}: {finding.found}")
            if finding.mend:
                print(f"        → {finding.mend}")
    return 1 if any(finding.state == "broken" for finding in findings) else 0
