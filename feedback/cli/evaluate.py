"""`focusloop evaluate`: what the score is worth on people whom no training saw, and the policies in simulation."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from bci.errors import ConfigError

if TYPE_CHECKING:
    from inference.training.config import TrainingConfig
    from inference.training.evaluate import FocusReport, Row
    from inference.training.metrics import Figure, Null


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "what",
        choices=("focus", "difficulty"),
        help="the focus model's recipe, out of fold by person on EEGMAT; the policies, on simulated learners",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of EEGMAT ($FOCUSLOOP_DATA/eegmat)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a recipe.toml")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--folds", type=int, metavar="N", help="groups of people (the recipe's)")
    how.add_argument("--leave-one-out", action="store_true", help="a fold for each person")
    how.add_argument("--hold-out", metavar="N,N,...", help="score these people only, by all the others; no nulls")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep finished fits here; started again, it goes on")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the report as one page with its curves")
    parser.add_argument(
        "--compare", action="store_true", help="instead: simpler and better-known scores under the same folds"
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--repetitions", type=int, help="difficulty: simulated learners in each row (400)")
    parser.add_argument("--seed", type=int, default=1, help="difficulty: of the first learner of each row (1)")
    parser.epilog = (
        "examples: focusloop evaluate focus\n"
        "          focusloop evaluate difficulty --repetitions 1000\n"
        "`focus` fits the recipe on each fold again; some minutes. --compare fits none of it; it needs the extra\n"
        "`compare` (pyRiemann). `difficulty` needs no data; a minute or two."
    )


def run(args: argparse.Namespace) -> int:
    """Evaluate and show the table."""
    if args.what == "difficulty":
        from feedback.cli.evaluate_difficulty import run_difficulty

        return run_difficulty(args)
    from feedback.cli.progress import progress_bar
    from feedback.cli.training_extra import require_training

    require_training()
    if args.compare:
        from feedback.cli.compare import run_comparison

        return run_comparison(args)
    from feedback.cli.places import try_file, try_folder, writing

    if args.html is not None:
        try_file(args.html)
    if args.keep is not None:
        try_folder(args.keep)
    # only now: torch takes seconds
    from inference.training.config import load_config
    from inference.training.kept import KeptFits
    from inference.training.recipe import evaluate_focus

    with progress_bar("evaluating") as advance:
        found = evaluate_focus(
            args.data,
            _scheme(load_config(args.config), args),
            advance,
            held_out=_numbers(args.hold_out),
            kept=KeptFits(args.keep) if args.keep else None,
        )
    if args.json:
        from dataclasses import asdict

        print(json.dumps(_known(asdict(found)), indent=1))
    else:
        _show(found)
    if args.html is not None:  # last: what was measured is told, whatever the disk says
        from inference.training.page import html_page

        with writing(args.html):
            args.html.write_text(html_page(found), "utf-8")
    return 0


def _known(value: object) -> object:
    """Put null where there is no number: JSON has none for it."""
    if isinstance(value, dict):
        return {key: _known(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_known(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _scheme(config: TrainingConfig, args: argparse.Namespace) -> TrainingConfig:
    folds = len(config.numbers) if args.leave_one_out else args.folds
    if folds is None:
        return config
    if folds < 2:
        msg = f"--folds {folds}: at least 2, so that nobody is scored by a network that saw them"
        raise ConfigError(msg)
    return config.model_copy(update={"folds": folds})


def _numbers(text: str | None) -> list[int]:
    try:
        return [int(part) for part in text.split(",")] if text else []
    except ValueError as error:
        msg = f"--hold-out {text}: expected numbers of people, for example 3,7,11"
        raise ConfigError(msg) from error


def _show(found: FocusReport) -> None:
    from inference.training.evaluate import AUC_HEADS, NUMBER_HEADS

    print(f"AUC task against rest, {found.people} people, out of fold by person, [95 % interval over people]\n")
    heads = ("reference", "electrodes", *AUC_HEADS, *NUMBER_HEADS)
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for row in found.rows:
        print(_line(row))
    _show_lengths(found)
    print("\nWhat it must not know\n\n| null | answer | gate | |\n|---|---|---|---|")
    print(f"| labels shuffled by recording, AUC | {_figure(found.shuffled_auc)} | about 0.5 | |")
    for null in found.nulls:
        print(_null(null))
    print()
    for row in found.rows:
        print(f"worst, {row.reference}, {row.montage}: {', '.join(row.worst)}")
    print(f"\n{found.warning}")


def _show_lengths(found: FocusReport) -> None:
    print("\n| own rest | pooled | within person | 20-s mean, pooled | 20-s mean, within |\n|---|---|---|---|---|")
    for one in found.lengths:
        figures = (one.pooled, one.within, one.steady_pooled, one.steady_within)
        print(f"| {one.seconds:g} s | {' | '.join(map(_figure, figures))} |")
    for curve in found.curves:
        print(f"\ntask detected, {curve.title}: {curve.detection}")


def _line(row: Row) -> str:
    return f"| {' | '.join((row.reference, row.montage, *map(_figure, row.aucs), *row.numbers))} |"


def _null(null: Null) -> str:
    verdict = {True: "passed", False: "FAILED", None: ""}[null.passed]
    return f"| {null.question} | {null.answer} | {null.gate} | {verdict} |"


def _figure(figure: Figure) -> str:
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"
