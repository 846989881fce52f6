"""`focusloop adapt`: how well focus can be read from a person, guided for five minutes or from recorded sessions."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from feedback.cli.options import add_label_options, mains

BLOCKS, BLOCK_S = 30, 10.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("stream", metavar="ID", nargs="?", help="participant of the running service")
    parser.add_argument("--service", default="http://127.0.0.1:8765", metavar="URL", help="where that service is")
    parser.add_argument("--token", help="its operator's token; from the data directory by default")
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="of the service: its token, sessions, certificates"
    )
    parser.add_argument("--blocks", type=int, metavar="N", help="cross and task together, an even number (30)")
    parser.add_argument("--block-seconds", type=float, metavar="S", help="length of each, s (10)")
    parser.add_argument(
        "--simulated", action="store_true", help="the stream is simulator:manual: let it follow the cues by itself"
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    own = parser.add_argument_group("from recorded sessions, without a running service")
    own.add_argument(
        "--session",
        action="append",
        metavar="SESSION",
        help="id (see `focusloop sessions`), the beginning of one, or a path; may be repeated, for one participant",
    )
    add_label_options(own.add_argument)
    own.add_argument("--model", metavar="NAME", help="that the score will be of; by default the recorded one")
    own.add_argument("--models-dir", type=Path, metavar="DIR", help="where to look for models first")
    own.add_argument("--mains", type=mains, choices=(50, 60, "auto"), default="auto", help="line frequency, Hz")
    parser.epilog = (
        "examples:\n"
        "  focusloop adapt p01               guide the person whose headset `focusloop serve` scores as p01\n"
        "  focusloop adapt p01 --simulated   try it out: serve --source p01=simulator:manual\n"
        "  focusloop adapt --session 20261125T2100               a guided calibration that was recorded, or trials\n"
        "                                                        against the rest markers and baselines of a session\n"
        "  focusloop adapt --session 20261125T2100 --rest pause --task puzzle     markers of your own program\n"
        "Sit still, eyes open throughout, jaw loose. Ctrl-C breaks off. Exit code 0: focus can be read from this\n"
        "person, and their score uses it from now on (--session: from the next start of the service on, unless\n"
        "something newer was measured). 1: it cannot, or there is nothing to measure; it says why."
    )


def run(args: argparse.Namespace) -> int:
    """Measure and say what came out."""
    from bci.errors import ConfigError

    if not args.session:
        if args.stream is None:
            msg = "say whose focus: a participant of the running service, or --session for what was recorded"
            raise ConfigError(msg)
        if args.rest or args.task:
            msg = "--rest and --task name markers of a recorded session; say which with --session"
            raise ConfigError(msg)
    elif args.simulated or args.blocks is not None or args.block_seconds is not None:
        msg = (
            "--simulated, --blocks and --block-seconds guide a person now; leave them out to measure what was recorded"
        )
        raise ConfigError(msg)
    found, words = _of_sessions(args) if args.session else _live(args)
    print(json.dumps(found, indent=1) if args.json else words)
    return 0 if found["verdict"] == "passed" else 1


def _live(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Guide a person through the blocks."""
    from bci.config import read_config
    from feedback.cli.cues import cue_screen
    from feedback.cli.running_service import RunningService

    config = read_config(None, {"data_dir": args.data_dir, "token": args.token}).service
    service = RunningService(args.service, config.token or _kept_token(config.data_dir))
    with cue_screen() as show:
        found = service.certify(
            args.stream,
            BLOCKS if args.blocks is None else args.blocks,
            BLOCK_S if args.block_seconds is None else args.block_seconds,
            show,
            simulated=args.simulated,
        )
    return dict(found), str(found["sentence"])


def _kept_token(data_dir: Path) -> str:
    """Give the token that a service has made in its data directory; none is made for a service that never ran."""
    from bci.errors import ConfigError
    from feedback.service.access import OPERATOR_FILE, operator_token
    from feedback.service.settings import ServiceSettings

    if not (data_dir / OPERATOR_FILE).is_file():
        msg = f"no service has kept its token in {data_dir}; give its --data-dir, or its --token"
        raise ConfigError(msg)
    return operator_token(ServiceSettings(data_dir=data_dir))


def _of_sessions(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Measure what was recorded."""
    import time

    from bci.config import read_config
    from feedback.adapting import adapt_from_sessions
    from feedback.cli.places import try_folder
    from feedback.sessions.catalogue import find_recording
    from inference.labels.spans import Wish

    config = read_config(None, {"data_dir": args.data_dir, "models_dir": args.models_dir}).service
    try_folder(config.data_dir)
    notes: list[str] = []

    def tell(note: str) -> None:
        notes.append(note)
        print(note, file=sys.stderr)

    adapted = adapt_from_sessions(
        [find_recording(wanted, config.data_dir)[0] for wanted in args.session],
        Wish(tuple(args.rest), tuple(args.task)),
        config.data_dir,
        tell,
        participant=args.stream,
        model=args.model,
        models_dir=config.models_dir,
        mains=args.mains,
    )
    found = adapted.certificate.describe(time.time())
    found |= {"caveat": adapted.caveat, "stored": adapted.stored, "notes": notes}
    caveat = "" if adapted.caveat is None else f" Note: {adapted.caveat}."
    return found, f"{found['sentence']}{caveat}"
