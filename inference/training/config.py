"""The recipe's numbers in one frozen place; saved beside the model as `recipe.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bci.errors import ConfigError
from inference.training.device import Device


class TrainingConfig(BaseModel):
    """How the default model is trained; the defaults are what it was trained with.

    Several dozen settings were compared on grouped folds of the people of EEGMAT that the card's figures come from, so
    these flatter a little: on people of another data set expect less. Early stopping is off: with three of twenty
    people left out to say when to stop, the pooled AUC moved between .73 and .83 with the seed; with all people and
    ridge alone, by .01.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="focus-attention", pattern=r"^[a-z0-9][a-z0-9-]*$")
    version: str = Field(default="1.0.0", pattern=r"^\d+\.\d+\.\d+$")
    people: int | tuple[int, ...] = Field(default=24, description="of EEGMAT: the first so many, or these by number")
    folds: int = Field(
        default=24,
        ge=2,
        description="groups of people, at most one for each person; each is scored by a network that never saw them",
    )
    seed: int = 0
    device: Device = "cpu"
    members: int = Field(default=8, ge=1)
    width: int = Field(default=8, ge=4)
    steps: int = Field(
        default=200, ge=1, description="at most; early stopping on people left out of the fold's training"
    )
    warmup_steps: int = Field(default=20, ge=0)
    check_every: int = Field(default=20, ge=1)
    patience: int = Field(default=5, ge=1, description="checks without improvement")
    stop_people: int = Field(default=0, ge=0, description="of a training set, who only say when to stop; 0: never")
    batch: int = Field(default=256, ge=8)
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=0.3, ge=0)
    resample: float = Field(default=0.5, ge=0, le=1, description="1: members see a bootstrap of the people, 0: all")
    averaging: float = Field(default=0.95, ge=0, lt=1, description="of the weights, per step")
    table: int = Field(default=24576, ge=256, description="windows that the linear paths are fitted to")
    summary_l2: float = Field(default=0.005, gt=0, description="ridge on the montage-free linear path")
    moment_l2: float = Field(default=0.005, gt=0, description="ridge on the linear path by place")
    steadied: float = Field(
        default=0.4, ge=0, le=1, description="how far the linear paths' windows are drawn to the mean of their like"
    )
    set_aside: float = Field(
        default=0.25, ge=0, lt=1, description="at most this share of the people, whose labels contradict the others'"
    )
    baseline_share: float = Field(default=0.6, ge=0, le=1, description="of batches against the person's own rest")
    baseline_s: float = Field(default=30.0, gt=0)
    baseline_starts_s: tuple[float, ...] = Field(default=(0.0, 30.0, 60.0, 90.0, 120.0), min_length=1)
    re_referenced_share: float = Field(
        default=0.1, ge=0, le=1, description="of batches with four electrodes against the mean of Fp1 and Fp2"
    )
    all_channels_share: float = Field(default=0.2, ge=0, le=1, description="of batches with the whole montage")
    fewest_channels: int = Field(default=2, ge=1)
    response_people: int = Field(default=60, ge=1, description="simulated, to measure the response time on")
    token_dropout: float = Field(default=0.1, ge=0, lt=1)
    noise: float = Field(default=0.1, ge=0, description="standard deviation added per channel and band, log units")

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of the people."""
        return tuple(range(self.people)) if isinstance(self.people, int) else self.people

    def to_toml(self) -> str:
        """Write as TOML."""
        lines: list[str] = []
        for key, value in self.model_dump(mode="json").items():
            lines.append(f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}")
        return "\n".join(lines) + "\n"


def load_config(path: Path | None) -> TrainingConfig:
    """Read a recipe; None gives the default.

    Raises
    ------
    ConfigError
        If it cannot be read, or holds an unknown or impossible value.
    """
    if path is None:
        return TrainingConfig()
    try:
        return TrainingConfig.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        msg = f"{path}: {error.strerror}; give the path of a recipe (recipe.toml beside a model is one)"
        raise ConfigError(msg) from error
    except tomllib.TOMLDecodeError as error:
        msg = f"{path} is no TOML: {error}"
        raise ConfigError(msg) from error
    except ValidationError as error:
        first = error.errors()[0]
        known = ", ".join(TrainingConfig.model_fields)
        msg = f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}; known are {known}"
        raise ConfigError(msg) from error
