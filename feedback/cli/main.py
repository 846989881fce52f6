"""`focusloop`: parse, run one command, turn our errors into one sentence and an exit code."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from bci.errors import BaselineRefusedError, CertificateRefusedError, ConfigError, FocusloopError
from feedback.cli.output import checked_output

COMMANDS = {
    "demo": "everything on this machine, no hardware: a simulated participant, scored, the page in a browser",
    "serve": "the service: sources in, focus scores out over WebSocket, LSL and OSC",
    "devices": "what headsets and streams are here, and how to connect those that are not",
    "relay": "publish any source as an LSL stream for other machines and programs",
    "doctor": "check this machine and say how to mend what is found",
    "simulate": "publish a simulated headset as an LSL stream, with faults on demand",
    "sessions": "what was recorded, with its length, valid share, loss and state",
    "export": "give a recorded session as BIDS, FIF, EDF, CSV or Parquet, de-identified by default",
    "score": "score a recording through the online pipeline, faster than real time",
    "adapt": "measure in five minutes how well focus can be read from a person, and fit the score to them",
    "train": "train a focus model and export it with its card",
    "evaluate": "honest evaluation: people never seen in training",
    "models": "list and verify the models that are found",
    "data": "list and check the public data sets, or download one",
}


def check_packages() -> None:
    """Refuse to run where another distribution's `streaming` or `models` would be imported instead of ours.

    Raises
    ------
    ConfigError
        Naming the package and the folder it comes from.
    """
    home = Path(__file__).resolve().parents[2]
    for name in ("bci", "streaming", "inference", "feedback"):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None or Path(spec.origin).resolve().parents[1] != home:
            found = spec.origin if spec else "nowhere"
            msg = (
                f"the package '{name}' comes from {found}, not from {home}: another distribution of that name is "
                "installed; focusloop needs a virtual environment or container of its own"
            )
            raise ConfigError(msg)


def build_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Build the parser; only the command that is asked for is imported, so that help answers at once."""
    parser = argparse.ArgumentParser(
        prog="focusloop",
        description="A headset's signals become a focus score that a program can subscribe to.",
        epilog="Try `focusloop demo`. The score is for research and play; it is no diagnosis.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--debug", action="store_true", help="show a traceback where the work fails")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = next((word for word in argv if not word.startswith("-")), None)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == wanted:
            module = importlib.import_module(f"feedback.cli.{name}")
            module.configure(command)
            command.set_defaults(run=module.run)
        command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    0 done, 1 the work failed (one sentence on stderr), 2 wrong usage.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = build_parser(arguments).parse_args(arguments)
    try:
        check_packages()
        with checked_output():
            return int(args.run(args))
    except FocusloopError as error:
        if args.debug:
            raise
        refused = ""
        if isinstance(error, BaselineRefusedError | CertificateRefusedError):
            refused = (
                f"{'baseline' if isinstance(error, BaselineRefusedError) else 'calibration'} refused: {error.code}: "
            )
        print(f"focusloop {args.command}: {refused}{error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1  # the reader of our output went away (`| head`): nothing to say, and nobody to say it to


if __name__ == "__main__":
    sys.exit(main())
