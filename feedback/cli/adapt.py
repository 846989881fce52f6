"""`focusloop adapt`: five minutes of cross and task, and how well focus can be read from this person."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("stream", metavar="ID", help="participant of the running service")
    parser.add_argument("--service", default="http://127.0.0.1:8765", metavar="URL", help="where that service is")
    parser.add_argument("--token", help="its operator's token; from the data directory by default")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="of the service, for its token")
    parser.add_argument("--blocks", type=int, default=30, help="cross and task together, an even number (30)")
    parser.add_argument("--block-seconds", type=float, default=10.0, metavar="S", help="length of each, s (10)")
    parser.add_argument(
        "--simulated", action="store_true", help="the stream is simulator:manual: let it follow the cues by itself"
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.epilog = (
        "examples:\n"
        "  focusloop adapt p01               guide the person whose headset `focusloop serve` scores as p01\n"
        "  focusloop adapt p01 --simulated   try it out: serve --source p01=simulator:manual\n"
        "Sit still, eyes open throughout, jaw loose. Ctrl-C breaks off. Exit code 0: focus can be read from this\n"
        "person, and their score uses it from now on. 1: it cannot, or there is nothing to measure; it says why."
    )


def run(args: argparse.Namespace) -> int:
    """Guide, measure and say what came out."""
    from bci.config import read_config
    from feedback.cli.cues import cue_screen
    from feedback.cli.running_service import RunningService
    from feedback.service.access import operator_token
    from feedback.service.settings import ServiceSettings

    config = read_config(None, {"data_dir": args.data_dir, "token": args.token}).service
    token = config.token or operator_token(ServiceSettings(data_dir=config.data_dir))
    service = RunningService(args.service, token)
    with cue_screen() as show:
        found = service.certify(args.stream, args.blocks, args.block_seconds, show, simulated=args.simulated)
    print(json.dumps(found, indent=1) if args.json else found["sentence"])
    return 0 if found["verdict"] == "passed" else 1
