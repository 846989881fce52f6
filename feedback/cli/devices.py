"""`focusloop devices`: what is here, and how to connect what is not."""

from __future__ import annotations

import argparse
import json


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--known-peers", metavar="HOST,...", help="where to look for LSL when multicast is blocked")
    parser.add_argument("--wait", type=float, default=1.0, metavar="S", help="how long to look for LSL streams")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.epilog = "example: focusloop devices\nThen: focusloop serve --source URI, with a URI of the list."


def run(args: argparse.Namespace) -> int:
    """Show devices."""
    from bci.devices import survey

    peers = tuple(args.known_peers.split(",")) if args.known_peers else ()
    found = survey(wait_s=args.wait, known_peers=peers)
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    from rich.console import Console
    from rich.table import Table

    console = Console()
    here = found["here"]
    if here:
        table = Table("here", "what", "URI to paste", title=None)
        for one in here:
            table.add_row(one["name"], one["what"], one["uri"])
        console.print(table)
    else:
        console.print("Nothing is here: no LSL stream, no serial port with a known device, no known Bluetooth name.")
    for note in found["notes"]:
        console.print(f"note: {note}")
    console.print("\nWhat could be here, and how to connect it:")
    for one in found["possible"]:
        console.print(f"\n[bold]{one['name']}[/bold]  {one['uri']}")
        for line in one["steps"]:
            console.print(f"  {line}")
    return 0
