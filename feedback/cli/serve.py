"""`focusloop serve`: the service."""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    from feedback.cli.options import add_service_options

    parser.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="[ID=]URI",
        help="a participant's source, may be repeated (see `focusloop devices` for URIs)",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML; the command line and FOCUSLOOP_* win")
    parser.add_argument(
        "--allow-origin", action="append", metavar="URL", help="a web page that may talk to the service"
    )
    add_service_options(parser)
    parser.epilog = (
        "examples:\n"
        "  focusloop serve --source lsl:\n"
        "  focusloop serve --source anna=brainflow:muse_2 --source ben='lsl:name=Muse-1A2B'\n"
        "  focusloop serve --source 'brainflow:cyton?serial_port=/dev/ttyUSB0&montage=Fp1,Fp2,C3,C4,P7,P8,O1,O2'\n"
        "Streams can be added and removed while it runs (POST and DELETE /v1/streams)."
    )


def run(args: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    from bci.config import read_config
    from bci.uri import parse_uri
    from feedback.cli.options import participants_of, service_overrides

    overrides = service_overrides(args)
    overrides["origins"] = args.allow_origin
    overrides["participant"] = participants_of(args.source)
    config = read_config(args.config, overrides)
    for source in (uri for one in config.participants for uri in one.sources):
        parse_uri(source)
    from feedback.cli.launch import serve  # takes a second and more: what is refused is refused before it

    serve(config, debug=args.debug)
    return 0
