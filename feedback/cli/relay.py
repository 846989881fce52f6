"""`focusloop relay`: any source becomes an LSL stream."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote

from feedback.cli.options import until_signalled

if TYPE_CHECKING:
    import pylsl


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("uri", help="source URI (see `focusloop devices`)")
    parser.add_argument("--name", help="LSL name; the device's by default")
    parser.add_argument("--source-id", help="LSL source_id; the device's by default")
    parser.epilog = "example: focusloop relay 'brainflow:cyton?serial_port=/dev/ttyUSB0&montage=Fp1,Fp2'"


def run(args: argparse.Namespace) -> int:
    """Publish until a signal ends it, or the source does."""
    from bci.outlet import publish
    from bci.registry import open_source

    source = open_source(args.uri)
    stop = until_signalled()

    def announce(info: pylsl.StreamInfo) -> None:
        stream = f"'{info.name()}', type {info.type()}, source_id {info.source_id()}"
        print(f"relaying {args.uri} as the LSL stream {stream} (Ctrl-C ends it)", file=sys.stderr)
        found = f"lsl:source_id={quote(info.source_id(), safe=':')}"
        print(f"on another machine: focusloop serve --source '{found}'", file=sys.stderr)

    try:
        source.open()
        publish(source, stop, name=args.name, source_id=args.source_id, on_open=announce)
    finally:
        source.close()
    return 0
