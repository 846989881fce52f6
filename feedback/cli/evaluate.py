"""`focusloop evaluate`: what the score is worth on people whom no training saw, and the policies in simulation."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inference.training.evaluate import FocusReport, Row
    from inference.training.metrics import Figure


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "what",
        choices=("focus", "difficulty"),
        help="the focus model's recipe, out of fold by person on EEGMAT; the policies, on simulated learners",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of EEGMAT ($FOCUSLOOP_DATA/eegmat)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a recipe.toml")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--repetitions", type=int, help="difficulty: simulated learners in each row (400)")
    parser.add_argument("--seed", type=int, default=1, help="difficulty: of the first learner of each row (1)")
    parser.epilog = (
        "examples: focusloop evaluate focus\n"
        "          focusloop evaluate difficulty --repetitions 1000\n"
        "`focus` fits the recipe on each fold again; some minutes. `difficulty` needs no data; a minute or two."
    )


def run(args: argparse.Namespace) -> int:
    """Evaluate and show the table."""
    if args.what == "difficulty":
        from feedback.cli.evaluate_difficulty import run_difficulty

        return run_difficulty(args)
    from feedback.cli.progress import progress_bar
    from feedback.cli.training_extra import require_training

    require_training()
    from inference.training.config import load_config
    from inference.training.evaluate import evaluate_focus

    with progress_bar("evaluating") as advance:
        found = evaluate_focus(args.data, load_config(args.config), advance)
    if args.json:
        from dataclasses import asdict

        print(json.dumps(asdict(found), indent=1))
        return 0
    _show(found)
    return 0


def _show(found: FocusReport) -> None:
    print(f"AUC task against rest, {found.people} people, out of fold by person, [95 % interval over people]\n")
    print(
        "| reference | electrodes | pooled | within person | 20-s mean, pooled | 20-s mean, within | ECE | coverage |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for row in found.rows:
        print(_line(row))
    print(f"\nshuffled labels: {_figure(found.shuffled_auc)}")
    for row in found.rows:
        print(f"worst, {row.reference}, {row.montage}: {', '.join(row.worst)}")
    print(f"\n{found.warning}")


def _line(row: Row) -> str:
    figures = (row.pooled, row.within, row.steady_pooled, row.steady_within)
    cells = [row.reference, row.montage, *map(_figure, figures), f"{row.calibration_error:.3f}", f"{row.coverage:.3f}"]
    return f"| {' | '.join(cells)} |"


def _figure(figure: Figure) -> str:
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"
