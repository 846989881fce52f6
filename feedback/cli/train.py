"""`focusloop train`: from EEGMAT to a model folder with its card."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of EEGMAT ($FOCUSLOOP_DATA/eegmat)")
    parser.add_argument("--out", type=Path, default=Path("models"), metavar="DIR", help="folder of models")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a recipe.toml, as lies beside each model")
    parser.add_argument("--force", action="store_true", help="export a model that fails a null, too; its card says so")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep finished fits here; started again, it goes on")
    parser.add_argument("--tensorboard", type=Path, metavar="DIR", help="log the loss of each fit for TensorBoard")
    parser.add_argument("--seed", type=int, help="another seed than the recipe's")
    parser.add_argument(
        "--device", choices=("cpu", "cuda", "mps"), help="where torch computes; the CPU where that is not here"
    )
    parser.epilog = (
        "example: focusloop train --out my-models\n"
        "Needs the extra `train` (torch, onnx, scikit-learn, tensorboard). Prints the folder of the model; measure\n"
        "and compare with `focusloop evaluate focus`, use with `--models-dir my-models`."
    )


def run(args: argparse.Namespace) -> int:
    """Train and export."""
    from feedback.cli.progress import progress_bar
    from feedback.cli.training_extra import require_training

    require_training()
    from inference.training.config import load_config
    from inference.training.device import choose_device
    from inference.training.kept import KeptFits
    from inference.training.recipe import train
    from inference.training.tensorboard import loss_writer

    wishes = {"seed": args.seed, "device": args.device}
    config = load_config(args.config).model_copy(update={k: v for k, v in wishes.items() if v is not None})
    device, fallback = choose_device(config.device)
    if fallback is not None:
        print(fallback, file=sys.stderr)
    with ExitStack() as stack:
        folder = train(
            config.model_copy(update={"device": device}),
            data=args.data,
            out=args.out,
            force=args.force,
            kept=KeptFits(args.keep) if args.keep else None,
            watch=stack.enter_context(loss_writer(args.tensorboard)) if args.tensorboard else None,
            progress=stack.enter_context(progress_bar("training")),
        )
    print(folder)
    return 0
