"""`focusloop devices`: what is here, and how to connect what is not."""

from __future__ import annotations

import argparse
import json


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--known-peers", metavar="HOST,...", help="where to look for LSL when multicast is blocked")
    parser.add_argument("--wait", type=_wait_s, default=2.0, metavar="S", help="how long to look, 0.1 to 60 s (2)")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.epilog = "example: focusloop devices\nThen: focusloop serve --source URI, with a URI of the list."


def _wait_s(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if not 0.1 <= seconds <= 60.0:
        msg = f"'{text}': expected 0.1 to 60 seconds"
        raise argparse.ArgumentTypeError(msg)
    return seconds


def run(args: argparse.Namespace) -> int:
    """Show devices."""
    from bci.devices import here, possible

    peers = tuple(args.known_peers.split(",")) if args.known_peers else ()
    found, could_be = here(args.wait, peers), possible()
    if args.json:
        from dataclasses import asdict

        listed = {"here": [asdict(one) for one in found.devices], "notes": list(found.notes)}
        print(json.dumps({**listed, "possible": [asdict(one) for one in could_be]}, indent=1))
        return 0
    if not found.devices:
        print("Nothing is here: no LSL stream, no serial port with a known device, no known Bluetooth name.")
    for one in found.devices:
        print(f"{one.name}  ({one.way})")
        if one.uri:
            print(f"    focusloop serve --source '{one.uri}'")
        if one.note:
            print(f"    {one.note}")
    for note in found.notes:
        print(f"could not look everywhere: {note}")
    print("\nWhat could be here, and how to connect it:")
    for one in could_be:
        checked = "" if one.verified else "  (profile not checked against a device)"
        print(f"\n{one.name}{checked}\n    {one.uri}")
        for line in filter(None, (*one.connect, one.tell_apart)):
            print(f"    {line}")
    return 0
