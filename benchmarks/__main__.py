"""Measure, and print one table, row by row.

python -m benchmarks                 everything, about a quarter of an hour; nothing else may run on the machine
python -m benchmarks --quick         everything, short
python -m benchmarks latency startup these two
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from benchmarks.surroundings import describe, find_models_dir, private_lsl_world
from benchmarks.table import Setting, heading, markdown
from inference.training.datasets import data_root

NAMES = (
    "latency",
    "trial_to_difficulty",
    "hop_cost",
    "model_cost",
    "many_streams",
    "recording_cost",
    "kill",
    "subscribers",
    "startup",
    "flat_memory",
    "score_speed",
    "export_cost",
    "valid_share",
    "quality_rates",
    "eye_state",
    "noise",
    "response",
    "certificate",
)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="short runs")
    parser.add_argument("--models-dir", type=Path, metavar="DIR", help="where to look for focus-attention first")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        default=data_root(),
        help="real recordings ($FOCUSLOOP_DATA)",
    )
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"unknown benchmark '{unknown[0]}'; there are {', '.join(NAMES)}")
    with tempfile.TemporaryDirectory(prefix="focusloop-bench-") as text:
        folder = Path(text)
        private_lsl_world(folder)
        models_dir, model = find_models_dir(options.models_dir, folder)
        print("\n".join(f"{line}  " for line in describe(model)))
        print(f"\n{'Quick run: a look, no figures to quote.' if options.quick else ''}\n{heading()}", flush=True)
        for name in options.names or NAMES:
            began_s = time.monotonic()
            print(f"{name} …", end=" ", file=sys.stderr, flush=True)
            rows = import_module(f"benchmarks.{name}").rows(Setting(options.quick, models_dir, options.data))
            print(f"{time.monotonic() - began_s:.0f} s", file=sys.stderr)
            print(markdown(rows), flush=True)  # what was measured stays, whatever happens to the next
    return 0


if __name__ == "__main__":
    sys.exit(main())
