"""A model is a contract: `model.toml` pins the graph, its features and its measured figures; a mismatch is refused."""

from __future__ import annotations

import hashlib
import math
import sysconfig
import tomllib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bci.errors import ConfigError, ModelError
from inference.graph_contract import Tensor, contract, misfit

DEFAULT_MODEL = "focus-attention@1.0.0"

USUAL_ELECTRODES = 9
"""What calibrations are told for; `PlattScaling` says how they go with the number."""

RESTORE = "restore it, or train it again with `focusloop train`"
"""What to do about a model that is not as it was."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Slope = Annotated[float, Field(ge=-5.0, le=5.0)]
"""Of the logarithm of a scale: any steeper one is no measurement, and its exponential no number."""


class TensorSpec(_Strict):
    """One input or output of the graph; a dimension is a number or the name of a free one."""

    name: str
    shape: tuple[int | str, ...]
    dtype: Literal["float32", "bool"]

    @property
    def tensor(self) -> Tensor:
        """The same, to be held against the contract."""
        return Tensor(self.name, self.dtype, self.shape)


class OutOfDistribution(_Strict):
    """Above `threshold` of the graph's `ood` output a score is `out_of_distribution`; one for each normalisation."""

    threshold: _Finite
    threshold_uncalibrated: _Finite
    meaning: str


class PlattScaling(NamedTuple):
    """Scale and shift of a logit (Platt 1999), and how both go with the number of electrodes.

    Parameters
    ----------
    scale, shift
        With `USUAL_ELECTRODES`.
    scale_slope, shift_slope
        Change of the logarithm of the scale, and of the shift, for each unit of the natural logarithm of how many times
        as many there are.
    fewest, most
        Electrodes that it was fitted to: with fewer or more it stays what it is there.
    """

    scale: float = 1.0
    shift: float = 0.0
    scale_slope: float = 0.0
    shift_slope: float = 0.0
    fewest: int = 1
    most: int = 1024

    def at(self, electrodes: int) -> tuple[float, float]:
        """Scale and shift with so many electrodes."""
        more = math.log(min(self.most, max(self.fewest, electrodes)) / USUAL_ELECTRODES)
        gain = math.exp(self.scale_slope * more)
        return gain * self.scale, gain * (self.shift + self.shift_slope * more)


class Calibration(_Strict):
    """From the graph's `logit` to a calibrated one; fields as of `PlattScaling`.

    Against a baseline and with `USUAL_ELECTRODES` the graph's is calibrated as it is.
    """

    scale_slope: _Slope = 0.0
    shift_slope: _Finite = 0.0
    scale_uncalibrated: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    shift_uncalibrated: _Finite = 0.0
    scale_slope_uncalibrated: _Slope = 0.0
    shift_slope_uncalibrated: _Finite = 0.0
    fewest: int = Field(default=1, ge=1)
    most: int = Field(default=1024, ge=1)
    meaning: str = "the graph's logit as it is: this model was measured before 2026-11-27"

    def of(self, calibrated: bool) -> PlattScaling:
        """Give what is done to a window's logit, by whether it was measured against a baseline."""
        if calibrated:
            return PlattScaling(1.0, 0.0, self.scale_slope, self.shift_slope, self.fewest, self.most)
        return PlattScaling(
            self.scale_uncalibrated,
            self.shift_uncalibrated,
            self.scale_slope_uncalibrated,
            self.shift_slope_uncalibrated,
            self.fewest,
            self.most,
        )


class Confidence(_Strict):
    """Expected accuracy against the distance of the probability from 0.5, measured out of fold by person."""

    margin: tuple[_Share, ...] = Field(min_length=2)
    accuracy: tuple[_Share, ...] = Field(min_length=2)
    accuracy_uncalibrated: tuple[_Share, ...] = Field(min_length=2)
    meaning: str

    @model_validator(mode="after")
    def _check_table(self) -> Self:
        lengths = {len(self.margin), len(self.accuracy), len(self.accuracy_uncalibrated)}
        if len(lengths) > 1 or any(low >= high for low, high in pairwise(self.margin)):
            msg = "expected a margin that rises, and an accuracy and accuracy_uncalibrated for each of its steps"
            raise ValueError(msg)
        return self


class Normalisation(_Strict):
    """Arguments of `RunningMean` for people without a baseline, as in training."""

    population: tuple[_Finite, ...] = Field(description="usual log share of each band")
    prior_s: _Seconds
    time_constant_s: _Seconds


class ModelCard(_Strict):
    """The schema of `model.toml`."""

    kind: Literal["focus-eeg"]
    name: str
    version: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    opset: int
    feature_schema: str
    bands_hz: tuple[tuple[float, float], ...]
    token_s: _Seconds
    window_s: _Seconds
    hop_s: _Seconds = Field(description="between two scores of a live stream; any that divides a token gives the same")
    response_s: float = Field(description="measured time to 63 % of a step, smoothing included")
    licence: str = Field(description="of the data that it was trained on")
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    normalisation: Normalisation
    ood: OutOfDistribution
    calibration: Calibration = Calibration()
    confidence: Confidence
    metrics: dict[str, dict[str, float | int | str | list[float]]]

    @property
    def tokens(self) -> int:
        """Tokens in a window."""
        return round(self.window_s / self.token_s)

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        if not self.tokens or not math.isclose(self.window_s, self.tokens * self.token_s):
            msg = f"window_s: {self.window_s:g}, expected a whole number of tokens of {self.token_s:g} s"
            raise ValueError(msg)
        hops = self.token_s / self.hop_s
        if not math.isclose(hops, round(hops)):
            msg = f"hop_s: {self.hop_s:g}, expected a whole part of token_s, {self.token_s:g}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        usual, bands = len(self.normalisation.population), len(self.bands_hz)
        if usual != bands:
            msg = f"normalisation.population: {usual} values, expected one for each of the {bands} bands_hz"
            raise ValueError(msg)
        wanted = contract(self.tokens, bands)
        for side, specs in (("inputs", self.inputs), ("outputs", self.outputs)):
            fault = misfit(side, [spec.tensor for spec in specs], wanted[side])
            if fault is not None:
                raise ValueError(fault)
        return self


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """A model folder whose checksum and contract hold.

    Parameters
    ----------
    folder
        `models/<name>/<version>`.
    card
        The parsed `model.toml`.
    """

    folder: Path
    card: ModelCard

    @property
    def id(self) -> str:
        """`name@version`, as every message carries it."""
        return f"{self.card.name}@{self.card.version}"

    @property
    def graph(self) -> Path:
        """The ONNX file."""
        return self.folder / "model.onnx"


def load_bundle(folder: Path) -> ModelBundle:
    """Read and verify a model folder.

    Raises
    ------
    ModelError
        For a missing or malformed `model.toml`, one that names another model than its folder, or a `model.onnx` that
        is absent, cut short or changed (sha256).
    """
    manifest = folder / "model.toml"
    try:
        card = ModelCard.model_validate(tomllib.loads(manifest.read_text("utf-8")))
    except OSError as error:
        msg = f"{manifest}: {error.strerror}; a model folder holds model.toml and model.onnx"
        raise ModelError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{manifest} is no TOML: {error}; {RESTORE}"
        raise ModelError(msg) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"{part}: " for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")  # as pydantic begins what our own checks say
        msg = f"{manifest}: {place}{said} ({error.error_count()} faults); {RESTORE}"
        raise ModelError(msg) from error
    bundle = ModelBundle(folder, card)
    lies_in = "@".join(folder.resolve().parts[-2:])
    if lies_in != bundle.id:
        msg = (
            f"{manifest} says {bundle.id}, its folder {lies_in}: a model lies in <name>/<version>, and is known by one "
            "id; rename the folder, or what it says"
        )
        raise ModelError(msg)
    try:
        digest = hashlib.sha256(bundle.graph.read_bytes()).hexdigest()
    except OSError as error:
        msg = f"{bundle.graph}: {error.strerror}; {RESTORE}"
        raise ModelError(msg) from error
    if digest != card.sha256:
        msg = (
            f"{bundle.graph} is not the file that model.toml describes (sha256 {digest[:12]}…, expected "
            f"{card.sha256[:12]}…): it was changed or cut short; {RESTORE}"
        )
        raise ModelError(msg)
    return bundle


def model_folders(models_dir: Path | None = None) -> list[Path]:
    """Folders that are searched for models, in order: the given one, beside the packages, the installed data path."""
    beside = Path(__file__).resolve().parents[1] / "models"
    installed = Path(sysconfig.get_path("data")) / "share" / "focusloop" / "models"
    return [folder for folder in (models_dir, beside, installed) if folder is not None]


def find_models(models_dir: Path | None = None) -> dict[str, Path]:
    """List models by `name@version`; the first folder of the search order wins. Nothing is verified yet.

    Raises
    ------
    ConfigError
        If `models_dir` is no folder.
    """
    if models_dir is not None and not models_dir.is_dir():
        msg = f"{models_dir}: no such folder; --models-dir takes one that holds <name>/<version>/model.toml"
        raise ConfigError(msg)
    found: dict[str, Path] = {}
    for root in model_folders(models_dir):
        for manifest in sorted(root.glob("*/*/model.toml")):
            found.setdefault(f"{manifest.parent.parent.name}@{manifest.parent.name}", manifest.parent)
    return found


def find_model(model_id: str = DEFAULT_MODEL, models_dir: Path | None = None) -> ModelBundle:
    """Find, read and verify a model by `name@version`, or by `name` alone: then the newest version.

    Raises
    ------
    ModelError
        If there is none of that id (the message lists those that there are), or it cannot be used.
    """
    found = find_models(models_dir)
    folder = found.get(model_id)
    if folder is None:
        versions = [key for key in found if key.partition("@")[0] == model_id]
        if not versions:
            msg = f"no model '{model_id}'; there are {', '.join(found) or 'none'} (see `focusloop models`)"
            raise ModelError(msg)
        folder = found[max(versions, key=_version_key)]
    return load_bundle(folder)


def _version_key(model_id: str) -> tuple[tuple[int, str], ...]:
    version = model_id.partition("@")[2]
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in version.split("."))
