"""`focusloop train`: from EEGMAT, or sessions of one's own, to a model folder with its card."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feedback.cli.options import add_label_options

if TYPE_CHECKING:
    from inference.training.config import TrainingConfig


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
    own = parser.add_argument_group("with sessions of your own")
    own.add_argument(
        "--sessions",
        nargs="+",
        metavar="SESSION",
        help="recorded sessions (ids, beginnings of them, paths), joined to EEGMAT where its folder is found or given",
    )
    own.add_argument(
        "--only-sessions", action="store_true", help="leave EEGMAT out; at least 6 participants are needed"
    )
    add_label_options(own.add_argument)
    own.add_argument("--name", metavar="NAME", help="of the model (focus-own)")
    own.add_argument("--data-dir", type=Path, metavar="DIR", help="of the service that recorded them")
    parser.epilog = (
        "examples:\n"
        "  focusloop train --out my-models\n"
        "  focusloop train --sessions 20261125T2100 20261126T0900 --rest pause --task puzzle --out my-models\n"
        "Labels of a session: its guided calibration; or the markers that --rest and --task name; or its trials\n"
        "against its rest markers and baselines. The card says how they were made, and names nobody.\n"
        "Needs the extra `train` (torch, onnx, scikit-learn, tensorboard). Prints the folder of the model; measure\n"
        "and compare with `focusloop evaluate focus`, use with `--models-dir my-models`."
    )


def run(args: argparse.Namespace) -> int:
    """Train and export."""
    from feedback.cli.places import try_folder
    from feedback.cli.progress import progress_bar
    from feedback.cli.training_extra import require_training

    require_training()
    _check_own(args)
    for folder in filter(None, (args.out, args.keep, args.tensorboard)):
        try_folder(folder)
    # only now: torch takes seconds
    from inference.training.config import load_config
    from inference.training.device import choose_device
    from inference.training.kept import KeptFits
    from inference.training.tensorboard import loss_writer

    wishes = {"seed": args.seed, "device": args.device}
    config = load_config(args.config).model_copy(update={k: v for k, v in wishes.items() if v is not None})
    device, fallback = choose_device(config.device)
    if fallback is not None:
        print(fallback, file=sys.stderr)
    with ExitStack() as stack:
        how: dict[str, Any] = {
            "data": args.data,
            "out": args.out,
            "force": args.force,
            "kept": KeptFits(args.keep) if args.keep else None,
            "watch": stack.enter_context(loss_writer(args.tensorboard)) if args.tensorboard else None,
            "tell": partial(print, file=sys.stderr),
            "progress": stack.enter_context(progress_bar("training")),
        }
        print(_trained(args, config.model_copy(update={"device": device}), how))
    return 0


def _check_own(args: argparse.Namespace) -> None:
    from bci.errors import ConfigError

    if not args.sessions and (args.only_sessions or args.rest or args.task or args.name or args.data_dir):
        msg = (
            "--only-sessions, --rest, --task, --name and --data-dir are about recorded sessions; say which (--sessions)"
        )
        raise ConfigError(msg)


def _trained(args: argparse.Namespace, config: TrainingConfig, how: dict[str, Any]) -> Path:
    if not args.sessions:
        from inference.training.recipe import train

        return train(config, **how)
    from bci.config import read_config
    from feedback.sessions.catalogue import find_recording
    from inference.labels.spans import Wish
    from inference.training.own import own_config, train_sessions

    data_dir = read_config(None, {"data_dir": args.data_dir}).service.data_dir
    return train_sessions(
        [find_recording(wanted, data_dir)[0] for wanted in args.sessions],
        Wish(tuple(args.rest), tuple(args.task)),
        own_config(config, args.name),
        alone=args.only_sessions,
        **how,
    )
