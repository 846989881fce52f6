"""`focusloop demo`: everything on this machine, no hardware."""

from __future__ import annotations

import argparse
import os
import sys

DEMO_MONTAGE = "F3,F4,C3,C4,P3,P4,O1,O2"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    from feedback.cli.options import add_service_options

    parser.add_argument("--scenario", default="focus", help="what the simulated participant does (focus)")
    parser.add_argument("--seed", type=int, default=1, help="of the simulated participant")
    parser.add_argument("--no-browser", action="store_true", help="do not open the page")
    add_service_options(parser)
    parser.epilog = (
        "example: focusloop demo\n"
        "A simulated participant is published over LSL by a process of its own, found and scored like a headset;\n"
        "another process does trials for it, as a game would, and the difficulty follows.\n"
        "It shows the loop, not the validity of the score."
    )


def run(args: argparse.Namespace) -> int:
    """Publish a simulated headset, serve it, and open the page."""
    import subprocess
    import uuid

    from bci.config import read_config
    from feedback.cli.launch import serve
    from feedback.cli.options import service_overrides

    source_id = f"focusloop-demo-{uuid.uuid4().hex[:8]}"
    overrides = service_overrides(args)
    sources = [f"lsl:source_id={source_id}"]
    overrides["participant"] = [{"id": "demo", "sources": sources, "controller": {"policy": "fused"}}]
    config = read_config(None, overrides)
    command = [sys.executable, "-m", "feedback.cli.main", "simulate", "--scenario", args.scenario]
    command += ["--seed", str(args.seed), "--source-id", source_id, "--parent", str(os.getpid())]
    command += ["--effect", "2", "--montage", DEMO_MONTAGE]  # somebody whose rhythms follow clearly
    print("A SIMULATED participant over LSL: it shows the loop, not the validity of the score.")
    children = [subprocess.Popen(command, stdout=subprocess.DEVNULL)]

    def play(url: str, token: str) -> None:
        address = url.replace("http", "ws", 1) + "v1/ws"
        player = [sys.executable, "-m", "feedback.cli.demo_player", address, "demo", "--scenario", args.scenario]
        player += ["--seed", str(args.seed), "--parent", str(os.getpid())]
        children.append(subprocess.Popen(player, env={**os.environ, "FOCUSLOOP_TOKEN": token}))

    try:
        serve(config, debug=args.debug, open_page=not args.no_browser, announced=play)
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait()
    return 0
