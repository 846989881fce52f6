"""`focusloop evaluate focus --compare`: other scores on the same people, and regional features with closed eyes."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inference.training.comparisons import Comparison
    from inference.training.regional import RegionalFigures

TRAP = (
    "The tangent space is a trap: EEGMAT was cleaned file by file, so rest and task differ in the rank of their "
    "covariance, and against a baseline whatever is not that very recording is found. Its figure says nothing of focus."
)


def run_comparison(args: argparse.Namespace) -> int:
    """Measure and show."""
    from feedback.cli.progress import progress_bar
    from inference.training.comparisons import compare
    from inference.training.config import load_config
    from inference.training.eegmat import eegmat_folder
    from inference.training.folds import fold_of
    from inference.training.regional import FILE, regional_figures

    config = load_config(args.config)
    folder = eegmat_folder(args.data)
    with progress_bar("comparing") as advance:
        found = compare(
            folder,
            config.numbers,
            fold_of(len(config.numbers), config),
            baseline_s=config.baseline_s,
            progress=advance,
        )
    table = folder.parent / "eyes-features" / FILE
    regional = regional_figures(table) if table.is_file() else None
    if args.json:
        print(json.dumps({"comparisons": [asdict(one) for one in found], "regional": _plain(regional)}, indent=1))
        return 0
    _show(found, config.baseline_s)
    _show_regional(regional, table)
    return 0


def _plain(regional: RegionalFigures | None) -> dict[str, object] | None:
    return None if regional is None else asdict(regional)


def _show(found: list[Comparison], baseline_s: float) -> None:
    rest = f"{baseline_s:g} s of rest"
    print(
        f"| score | pooled | within | 20-s mean | {rest}: pooled | within | 20-s mean |\n|---|---|---|---|---|---|---|"
    )
    for one in found:
        figures = (one.pooled, one.within, one.steady, one.rest_pooled, one.rest_within, one.rest_steady)
        print(f"| {one.name} | {' | '.join(map(str, figures))} |")
    print(f"\n{TRAP}")


def _show_regional(found: RegionalFigures | None, table: Path) -> None:
    if found is None:
        print(f"\nno {table}: regional features not measured")
        return
    print(
        f"\nclosed-eyes arithmetic against closed-eyes rest, {found.people} people, out of fold, 30 s of rest:\n"
        f"three whole-head bands {found.whole_pooled} pooled, {found.whole_within} within;\n"
        f"with frontal theta, posterior alpha, central beta {found.pooled} pooled, {found.within} within"
    )
