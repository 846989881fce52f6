"""`focusloop models`: which models are found, and whether they hold."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("id", nargs="?", help="show this one's card")
    parser.add_argument("--models-dir", type=Path, metavar="DIR", help="where to look first")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.epilog = "example: focusloop models focus-attention@1.0.0"


def run(args: argparse.Namespace) -> int:
    """List the models, or show one."""
    from inference.bundle import find_model
    from inference.listing import list_models

    if args.id:
        bundle = find_model(args.id, args.models_dir)
        card = bundle.folder / "CARD.md"
        print(card.read_text("utf-8") if card.is_file() else bundle.card.model_dump_json(indent=1))
        return 0
    listed = list_models(args.models_dir)
    if args.json:
        print(json.dumps(listed, indent=1))
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "usable", "window", "trained on", "folder")
    for model in listed:
        usable = "yes" if model["usable"] else f"no: {model['problem']}"
        window = f"{model['window_s']:g} s" if "window_s" in model else ""
        table.add_row(str(model["id"]), usable, window, str(model.get("licence", "")), str(model["folder"]))
    Console().print(table)
    return 0 if any(model["usable"] for model in listed) else 1
