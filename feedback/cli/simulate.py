"""`focusloop simulate`: a simulated headset on the network, as any other LSL device."""

from __future__ import annotations

import argparse
import sys
import threading
from typing import TYPE_CHECKING

from feedback.cli.options import end_with_parent, until_signalled

if TYPE_CHECKING:
    import pylsl


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--scenario", default="focus", metavar="NAME", help="`--scenario list` names them")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same signal")
    parser.add_argument("--channels", type=int, default=8, help="number of electrodes")
    parser.add_argument("--rate", type=float, default=250.0, help="samples a second")
    parser.add_argument("--montage", metavar="A,B,...", help="electrodes by name (spread over the head)")
    parser.add_argument("--effect", type=float, default=1.0, help="how strongly the rhythms follow attention (1)")
    parser.add_argument("--faults", metavar="FAULT@FROM-TO,...", help="faults on demand, s: off@20-35,pops@50-55")
    parser.add_argument("--name", default="focusloop-simulator", help="LSL name")
    parser.add_argument("--source-id", help="LSL source_id; made from scenario and seed by default")
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)  # end with this process
    parser.epilog = (
        "example: focusloop simulate --scenario focus --faults off@20-35\n"
        "Then, in another terminal: focusloop serve --source lsl:name=focusloop-simulator"
    )


def run(args: argparse.Namespace) -> int:
    """Publish until a signal ends it."""
    from bci.outlet import publish
    from bci.registry import open_source
    from bci.simulator.scenarios import SCENARIOS

    if args.scenario == "list":
        for name, scenario in SCENARIOS.items():
            print(f"{name:<14}{scenario.summary}")
        return 0
    channels = len(args.montage.split(",")) if args.montage else args.channels
    query = f"seed={args.seed}&channels={channels}&rate={args.rate:g}"
    query += f"&effect={args.effect:g}"
    query += f"&montage={args.montage}" if args.montage else ""
    query += f"&faults={args.faults}" if args.faults else ""
    source = open_source(f"simulator:{args.scenario}?{query}")
    stop = until_signalled()
    if args.parent is not None:
        threading.Thread(target=end_with_parent, args=(args.parent, stop), daemon=True).start()
    source_id = args.source_id or f"focusloop-simulator-{args.scenario}-{args.seed}"

    def announce(info: pylsl.StreamInfo) -> None:
        found = f"lsl:source_id={info.source_id()}"
        print(f"SIMULATED participant '{args.scenario}' on {found} (Ctrl-C ends it)", file=sys.stderr)

    try:
        source.open()
        publish(source, stop, name=args.name, source_id=source_id, on_open=announce)
    finally:
        source.close()
    return 0
