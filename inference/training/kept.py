"""Fits that were finished are kept on disk, so that training that was interrupted goes on where it was."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from bci.errors import ModelError
from inference.training import fit, heads, network, sampling, windows
from inference.training.config import TrainingConfig
from inference.training.corpus import Person
from inference.training.fit import Fitted
from inference.training.network import FocusNetwork, NetworkShape

_CODE = b"".join(Path(str(module.__file__)).read_bytes() for module in (fit, heads, network, sampling, windows))
"""What fits, as it was when this process began."""


@dataclass(frozen=True, slots=True)
class KeptFits:
    """A folder of fitted networks.

    Each file is named by what it was made from: recipe, seed, steps, people, their electrodes and frames, and the code
    that fits. So another recipe, a changed recording or another release never finds the fit of the old one, and a
    training that goes on gives the very weights that one in one go gives: every fit begins from its own seed.

    Parameters
    ----------
    folder
        Made where it is not there.
    """

    folder: Path

    def find(
        self, learn: Sequence[Person], config: TrainingConfig, seed: int, steps: int | None = None
    ) -> Fitted | None:
        """Give a finished fit to these people; None where there is none, or its file is damaged or another's."""
        path = self._path(learn, config, seed, steps)
        try:
            held = cast("dict[str, Any]", torch.load(path, weights_only=True))
            loaded = FocusNetwork(NetworkShape(bands=held["bands"], members=config.members, width=config.width))
            loaded.load_state_dict(held["state"])
            return Fitted(loaded.eval(), tuple(held["population"]), held["steps"], tuple(held["aside"]))
        except FileNotFoundError:
            return None
        except (RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError):  # what torch raises for such files
            path.unlink(missing_ok=True)
            return None

    def keep(
        self, fitted: Fitted, learn: Sequence[Person], config: TrainingConfig, seed: int, steps: int | None = None
    ) -> None:
        """Write a finished fit; a file is whole or not there.

        Raises
        ------
        ModelError
            If the disk refuses.
        """
        path = self._path(learn, config, seed, steps)
        partial = path.with_suffix(f".{os.getpid()}.part")
        held = io.BytesIO()  # torch itself says nothing of a full disk
        torch.save(
            {
                "state": fitted.network.state_dict(),
                "population": list(fitted.population),
                "steps": fitted.steps,
                "aside": list(fitted.aside),
                "bands": fitted.network.shape.bands,
            },
            held,
        )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(held.getvalue())
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            msg = (
                f"{self.folder}: a fit cannot be kept ({error.strerror or error}); mend that and train again: those "
                "before it are found there"
            )
            raise ModelError(msg) from error

    def _path(self, learn: Sequence[Person], config: TrainingConfig, seed: int, steps: int | None) -> Path:
        digest = hashlib.sha256(f"{config.to_toml()}{seed} {steps}".encode())
        digest.update(_CODE)
        for person in learn:
            digest.update(person.id.encode())
            for series in (person.rest, person.task, *(s for pair in person.views.values() for s in pair)):
                digest.update(repr((series.labels, series.seams)).encode())
                for array in (series.positions_m, series.relative, series.usable):
                    digest.update(array.tobytes())
        return self.folder / f"{digest.hexdigest()[:24]}.pt"
