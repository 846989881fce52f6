"""`focusloop adapt`: five minutes of cross and task, and how well focus can be read from this person."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feedback.cli.options import mains


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "source", nargs="?", metavar="URI|FILE", help="a source (lsl:, brainflow:…), or a recording with markers"
    )
    parser.add_argument("--stream", metavar="ID", help="instead: a participant of a service that runs")
    parser.add_argument("--service", default="http://127.0.0.1:8765", metavar="URL", help="where that service is")
    parser.add_argument("--token", help="its operator's token; from the data directory by default")
    parser.add_argument("--participant", default="p01", metavar="ID", help="whose certificate it is (p01)")
    parser.add_argument("--blocks", type=int, default=30, help="cross and task together, an even number (30)")
    parser.add_argument("--block-seconds", type=float, default=10.0, metavar="S", help="length of each, s (10)")
    parser.add_argument("--cross", default="cross", metavar="LABEL", help="marker of a block of rest in a recording")
    parser.add_argument("--task", default="task", metavar="LABEL", help="marker of a block of the task")
    parser.add_argument("--device", metavar="NAME", help="of the headset of a recording, as the service shows it")
    parser.add_argument("--montage", metavar="A,B,...", help="where the electrodes are, in channel order")
    parser.add_argument("--model", metavar="ID", help="name or name@version (see `focusloop models`)")
    parser.add_argument("--models-dir", type=Path, metavar="DIR", help="where to look for models first")
    parser.add_argument("--mains", type=mains, choices=(50, 60, "auto"), default="auto", help="line frequency, Hz")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where certificates are kept, as for `serve`")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.epilog = (
        "examples:\n"
        "  focusloop adapt --stream p01                     through the running service\n"
        "  focusloop adapt lsl:name=Muse --participant anna  this process reads the headset\n"
        "  focusloop adapt session.xdf --participant anna    a recording with the markers `cross` and `task`\n"
        "  focusloop adapt 'simulator:manual?seed=3&speed=0' a simulated person, who follows the cues\n"
        "Exit code 0: focus can be read from this person. 1: it cannot, or there is nothing to measure; it says why."
    )


def run(args: argparse.Namespace) -> int:
    """Guide, measure and say what came out."""
    from bci.config import read_config
    from bci.errors import ConfigError

    if (args.source is None) == (args.stream is None):
        msg = "give either a source (URI or recording) or --stream ID of a running service"
        raise ConfigError(msg)
    overrides = {"data_dir": args.data_dir, "models_dir": args.models_dir, "token": args.token}
    config = read_config(None, overrides).service
    found = _through_service(args, config) if args.stream is not None else _here(args, config)
    if args.json:
        print(json.dumps(found, indent=1))
    else:
        print(found["sentence"])
    return 0 if found["verdict"] == "passed" else 1


def _through_service(args: argparse.Namespace, config: Any) -> Mapping[str, Any]:  # noqa: ANN401 - imported late
    from feedback.cli.cues import cue_screen
    from feedback.cli.running_service import RunningService
    from feedback.guided import Plan
    from feedback.service.access import operator_token
    from feedback.service.settings import ServiceSettings

    Plan(args.blocks, args.block_seconds).check()
    token = config.token or operator_token(ServiceSettings(data_dir=config.data_dir))
    with cue_screen() as show:
        return RunningService(args.service, token).certify(args.stream, args.blocks, args.block_seconds, show)


def _here(args: argparse.Namespace, config: Any) -> Mapping[str, Any]:  # noqa: ANN401 - imported late
    from bci.files import read_recording
    from bci.registry import open_source
    from bci.uri import SCHEMES, parse_uri
    from feedback.adapting import Shelf, adapt_recording, adapt_source
    from feedback.cli.cues import cue_screen
    from feedback.guided import Plan
    from inference.bundle import DEFAULT_MODEL, find_model

    bundle = find_model(args.model or DEFAULT_MODEL, config.models_dir)
    shelf = Shelf(config.data_dir)
    montage = tuple(args.montage.split(",")) if args.montage else None
    uri = parse_uri(args.source) if args.source.partition(":")[0] in SCHEMES else None
    if uri is not None and uri.scheme != "file":
        plan = Plan(args.blocks, args.block_seconds)
        plan.check()
        source = open_source(uri.with_montage(montage) if montage else uri)
        with cue_screen() as show:
            certificate = adapt_source(source, args.participant, bundle, plan, shelf, args.mains, show)
    else:
        path = Path(args.source if uri is None else uri.target)
        recording = read_recording(path, montage=montage or (uri.montage if uri else None))
        for note in recording.notes:
            print(f"{path}: {note}", file=sys.stderr)
        labels = {"cross": args.cross, "task": args.task}
        certificate = adapt_recording(
            recording, args.participant, bundle, shelf, labels, device=args.device, mains=args.mains
        )
    return certificate.describe(time.time())
