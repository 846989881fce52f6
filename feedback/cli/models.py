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
    for model in listed:
        print(f"{model['id']}: {'usable' if model['usable'] else 'NOT usable: ' + str(model['problem'])}")
        if "licence" in model:
            print(f"    window {model['window_s']:g} s, trained on {model['licence']}")
        print(f"    {model['folder']}")
    return 0 if any(model["usable"] for model in listed) else 1
