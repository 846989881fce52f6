"""Fits that were finished are kept on disk, so that training that was interrupted goes on where it was."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from inference.training.config import TrainingConfig
from inference.training.corpus import Person
from inference.training.fit import Fitted
from inference.training.network import FocusNetwork, NetworkShape


@dataclass(frozen=True, slots=True)
class KeptFits:
    """A folder of fitted networks.

    Each file is named by what it was made from: recipe, seed, steps, people and their frames. So another recipe or a
    changed recording never finds the fit of the old one, and a training that goes on gives the very weights that one
    in one go gives: every fit begins from its own seed.

    Parameters
    ----------
    folder
        Made where it is not there.
    """

    folder: Path

    def find(
        self, learn: Sequence[Person], config: TrainingConfig, seed: int, steps: int | None = None
    ) -> Fitted | None:
        """Give a finished fit to these people; None where there is none, or its file was cut short."""
        path = self._path(learn, config, seed, steps)
        try:
            held = cast("dict[str, Any]", torch.load(path, weights_only=True))
        except FileNotFoundError:
            return None
        except (RuntimeError, EOFError, OSError, ValueError):  # torch raises each of them for a damaged file
            path.unlink(missing_ok=True)
            return None
        network = FocusNetwork(NetworkShape(bands=held["bands"], members=config.members, width=config.width))
        network.load_state_dict(held["state"])
        return Fitted(network.eval(), tuple(held["population"]), held["steps"])

    def keep(
        self, fitted: Fitted, learn: Sequence[Person], config: TrainingConfig, seed: int, steps: int | None = None
    ) -> None:
        """Write a finished fit; a file is whole or not there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(learn, config, seed, steps)
        partial = path.with_suffix(f".{os.getpid()}.part")
        torch.save(
            {
                "state": fitted.network.state_dict(),
                "population": list(fitted.population),
                "steps": fitted.steps,
                "bands": fitted.network.shape.bands,
            },
            partial,
        )
        partial.replace(path)

    def _path(self, learn: Sequence[Person], config: TrainingConfig, seed: int, steps: int | None) -> Path:
        digest = hashlib.sha256(f"{config.to_toml()}{seed} {steps}".encode())
        for person in learn:
            digest.update(person.id.encode())
            for series in (person.rest, person.task, *(s for pair in person.views.values() for s in pair)):
                digest.update(series.relative.tobytes())
                digest.update(series.usable.tobytes())
                digest.update(bytes(repr(series.seams) if series.seams else "", "ascii"))
        return self.folder / f"{digest.hexdigest()[:24]}.pt"
