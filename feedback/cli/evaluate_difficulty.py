"""`focusloop evaluate difficulty`: the policies against simulated learners, as two tables with their seeds."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from bci.errors import ConfigError
from feedback.cli.progress import progress_bar
from feedback.difficulty.evaluation import (
    NO_WORSE,
    REPETITIONS,
    RUN_AWAY,
    TARGET,
    Compared,
    DifficultyReport,
    Reached,
    evaluate_difficulty,
)
from feedback.difficulty.simulation import N_TRIALS, SETTLED


def run_difficulty(args: argparse.Namespace) -> int:
    """Simulate and show the tables.

    Raises
    ------
    ConfigError
        For fewer than two repetitions or a negative seed.
    """
    repetitions = REPETITIONS if args.repetitions is None else args.repetitions
    if repetitions < 2 or args.seed < 0:
        msg = f"--repetitions {repetitions} --seed {args.seed}: expected at least 2, and 0 or more"
        raise ConfigError(msg)
    with progress_bar("simulating") as advance:
        found = evaluate_difficulty(repetitions, args.seed, advance)
    if args.json:
        rows = {key: [{**asdict(row), "holds": row.holds} for row in getattr(found, key)] for key in _TABLES}
        print(json.dumps({"seed": found.seed, "repetitions": found.repetitions, **rows}, indent=1))
        return 0
    _show(found)
    return 0


_TABLES = ("reached", "compared")


def _show(found: DifficultyReport) -> None:
    last = found.seed + found.repetitions - 1
    print(
        f"Simulated 2AFC logistic learners, lapse rate .02, {N_TRIALS} trials, judged after trial {SETTLED}; "
        f"{found.repetitions} learners a row, seeds {found.seed} to {last}\n"
    )
    print("| policy | share correct | SE | wanted | holds |")
    print("|---|---|---|---|---|")
    for row in found.reached:
        print(_reached(row))
    print(f"\nRMSE of P(correct) from {TARGET:.2f}, the same learners by behaviour alone and fused\n")
    print("| learner, focus | behaviour | fused | difference ± SE | worst learner | drift, both | wanted | holds |")
    print("|---|---|---|---|---|---|---|---|")
    for row in found.compared:
        print(_compared(row))
    print(
        "\ndrift: largest distance of a learner from the ideal difficulty, mean of the last 50 trials, logits, by "
        f"behaviour and fused; more than {RUN_AWAY:g} is a run-away."
        "\nNo harm in simulation; simulated learners are not people, and nothing here is proof for them."
    )


def _reached(row: Reached) -> str:
    wanted = f"{row.wanted:.2f} ± {row.within:.2f}"
    return f"| {row.label} | {row.share_correct:.4f} | {row.error:.4f} | {wanted} | {_yes(row.holds)} |"


def _compared(row: Compared) -> str:
    cells = (
        row.label,
        f"{row.behaviour:.4f}",
        f"{row.fused:.4f}",
        f"{row.difference:+.4f} ± {row.error:.4f}",
        f"{row.worst:+.3f}",
        f"{row.drift_behaviour:.2f}, {row.drift:.2f}",
        "lower" if row.helps else f"≤ +{NO_WORSE:g}",
        _yes(row.holds),
    )
    return f"| {' | '.join(cells)} |"


def _yes(holds: bool) -> str:
    return "yes" if holds else "NO"
