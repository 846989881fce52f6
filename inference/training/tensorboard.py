"""The loss of each fit for TensorBoard, where that is installed."""

from __future__ import annotations

from pathlib import Path

from bci.errors import ConfigError
from inference.training.folds import Watch


def loss_writer(folder: Path) -> Watch:
    """Give a function that logs the loss of each fit into a folder.

    Raises
    ------
    ConfigError
        If tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError as error:
        msg = "tensorboard is not installed; pip install tensorboard, or leave out --tensorboard"
        raise ConfigError(msg) from error
    writer = SummaryWriter(str(folder))

    def watch(name: str, step: int, loss: float) -> None:
        writer.add_scalar(f"loss/{name}", loss, step)

    return watch
