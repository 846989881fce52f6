"""The loss of each fit for TensorBoard."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from bci.errors import ConfigError
from inference.training.folds import Watch


@contextmanager
def loss_writer(folder: Path) -> Generator[Watch]:
    """Give a function that logs the loss of each fit into a folder; all is on disk when the context ends.

    Each fit is a curve `loss/fold 1 of 6`, …, `loss/all people`, step by step.

    Parameters
    ----------
    folder
        Made where it is not there; `tensorboard --logdir FOLDER` shows it.

    Raises
    ------
    ConfigError
        If tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError as error:
        msg = "tensorboard is not installed; pip install -c constraints.txt -e '.[train]', or leave out --tensorboard"
        raise ConfigError(msg) from error
    writer = SummaryWriter(str(folder))

    def watch(name: str, step: int, loss: float) -> None:
        writer.add_scalar(f"loss/{name}", loss, step)

    try:
        yield watch
    finally:
        writer.close()
