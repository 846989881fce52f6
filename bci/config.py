"""Configuration: one TOML file, overridden by `FOCUSLOOP_*` and by the command line; parsed once and frozen."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from platformdirs import user_data_path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from bci.errors import ConfigError

_LISTS = ("origins", "providers")
_ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_RESERVED_ID = "epoch"
"""Where a client resumes, it stands beside the ids of streams."""


def participant_id(value: str) -> str:
    """Let a good id of a participant through, wherever it comes from: a file, the command line or a client.

    Raises
    ------
    PydanticCustomError
        With the rule; pydantic makes it one of its own.
    """
    if value == _RESERVED_ID:
        raise PydanticCustomError("participant_id", "this id is reserved; choose another")
    if not re.fullmatch(_ID, value):
        rule = "an id begins with a letter or digit and goes on with at most 63 letters, digits, '.', '_' or '-'"
        raise PydanticCustomError("participant_id", rule)
    return value


ParticipantId = Annotated[
    str, AfterValidator(participant_id), WithJsonSchema({"type": "string", "pattern": f"^{_ID}$"})
]


def _number_where_it_is_one(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ServiceConfig(_Strict):
    """`[service]`: where the service listens and what it uses."""

    host: str = "127.0.0.1"
    port: int = Field(default=8765, ge=0, le=65535)
    token: str | None = None
    origins: tuple[str, ...] = ()
    data_dir: Path = Field(default_factory=lambda: user_data_path("focusloop", appauthor=False))
    models_dir: Path | None = None
    mains: Annotated[Literal[50, 60, "auto"], BeforeValidator(_number_where_it_is_one)] = "auto"
    osc: str | None = Field(default=None, pattern=r"^[^:\s]+:\d{1,5}$")
    providers: tuple[Literal["tensorrt", "cuda", "cpu"], ...] | None = None
    record: bool = True
    record_limit_gb: float | None = Field(default=100.0, gt=0.0, description="of all recordings together")


class ControllerConfig(_Strict):
    """`[participant.controller]`: how difficulty follows; the names are judged where policies are known."""

    policy: str = "fused"
    target: float | None = None
    limits: dict[str, float] = Field(default_factory=dict)
    params: dict[str, bool | float] = Field(default_factory=dict)


class CriterionConfig(_Strict):
    """One criterion of `[participant.neurofeedback]`: what must be high, or low, for a reward."""

    side: Literal["reward", "inhibit"] = Field("reward", description="reward: at or above the threshold")
    band_hz: tuple[float, float] | None = Field(None, description="band power between two edges; left out: the focus")
    channels: tuple[str, ...] | None = Field(None, min_length=1, description="of the band power; left out: all")
    threshold: Literal["fixed", "block", "percentile"] = Field(
        "fixed", description="fixed from rest; block: moved a little between blocks; percentile: hides learning"
    )
    share: float = Field(0.7, gt=0.0, lt=1.0, description="of rest that meets it, each criterion by itself")


class NeurofeedbackConfig(_Strict):
    """`[participant.neurofeedback]`: what is rewarded, and how."""

    criteria: tuple[CriterionConfig, ...] = Field(min_length=1, max_length=8)
    feedback: Literal["discrete", "continuous"] = "discrete"
    rest_s: float = Field(30.0, ge=5.0, le=300.0, description="clean seconds of rest that the thresholds come from")
    dwell_s: float = Field(0.5, ge=0.0, le=60.0, description="all criteria hold for so long before a reward")
    refractory_s: float = Field(1.0, ge=0.0, le=60.0, description="no other reward for so long")
    block_s: float = Field(180.0, ge=10.0, le=3600.0, description="length of a block, for the threshold `block`")
    most_a_block_sd: float = Field(0.2, gt=0.0, le=5.0)
    most_in_all_sd: float = Field(1.0, gt=0.0, le=5.0)
    percentile_s: float = Field(60.0, ge=5.0, le=600.0, description="what the threshold `percentile` looks back on")


class PlannedTask(_Strict):
    """A task of `[participant.plan]`."""

    task: str = Field(min_length=1, max_length=64, description="as trials name it")
    minutes: float = Field(gt=0.0, le=480.0)
    kind: Literal["sustained", "selective", "working-memory"] | None = Field(
        None, description="of attention; read from the task's name where it is left out"
    )


class PlanConfig(_Strict):
    """`[participant.plan]`: what a person is to do today."""

    tasks: tuple[PlannedTask, ...] = Field(min_length=1, max_length=64)

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [one.task for one in self.tasks]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            msg = f"task '{twice}' is planned twice; give it once, with all its minutes"
            raise ValueError(msg)
        return self


class ParticipantConfig(_Strict):
    """`[[participant]]`: one person in front of focusloop."""

    id: ParticipantId
    sources: tuple[str, ...] = Field(min_length=1)
    montage: tuple[str, ...] | None = None
    model: str | None = None
    baseline: str | None = Field(default=None, description="a recording of the person's rest, `rest.edf@0:30`")
    controller: ControllerConfig | None = None
    neurofeedback: NeurofeedbackConfig | None = None
    plan: PlanConfig | None = None


class Config(_Strict):
    """The whole file."""

    service: ServiceConfig = ServiceConfig()
    participants: tuple[ParticipantConfig, ...] = Field(default=(), alias="participant")


def read_config(
    path: Path | None, overrides: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> Config:
    """Merge file, environment and command line, the later winning, and check the whole.

    Parameters
    ----------
    path
        TOML file; None for none.
    overrides
        Keys of `[service]` from the command line (a None does not count), and `participant`, a list that is added
        to the file's.
    environment
        `os.environ` by default; `FOCUSLOOP_HOST` is `host` of `[service]`, and so on.

    Raises
    ------
    ConfigError
        For an unreadable file, an unknown key (the message lists the known ones) or a value out of bounds.
    """
    content = {} if path is None else _parse(path)
    variables = os.environ if environment is None else environment
    service: dict[str, Any] = dict(content.get("service", {}))
    for key in ServiceConfig.model_fields:
        text = variables.get(f"FOCUSLOOP_{key.upper()}")
        if text:
            service[key] = [part.strip() for part in text.split(",")] if key in _LISTS else text
    service |= {key: value for key, value in overrides.items() if value is not None and key != "participant"}
    participants = [*content.get("participant", []), *overrides.get("participant", [])]
    try:
        config = Config.model_validate({**content, "service": service, "participant": participants})
    except ValidationError as error:
        raise ConfigError(_explain(error, path)) from error
    ids = [participant.id for participant in config.participants]
    twice = next((one for one in ids if ids.count(one) > 1), None)
    if twice is not None:
        msg = f"participant '{twice}' is given twice; give each an id of its own (--source ID=URI)"
        raise ConfigError(msg)
    return config


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.expanduser().read_text("utf-8"))
    except OSError as error:
        msg = f"{path}: {error.strerror}; --config takes a TOML file"
        raise ConfigError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is no TOML: {error}"
        raise ConfigError(msg) from error


def _explain(error: ValidationError, path: Path | None) -> str:
    first = error.errors()[0]
    place = [str(part) for part in first["loc"]]
    where = f"{path}: " if path else ""
    if first["type"] == "extra_forbidden":
        known = ", ".join(field.alias or name for name, field in _table(place[:-1]).model_fields.items())
        return f"{where}unknown key '{'.'.join(place)}'; known are {known}"
    return f"{where}{'.'.join(place)}: {first['msg']}, got {first['input']!r}"


def _table(place: Sequence[str]) -> type[BaseModel]:
    """Find the table that a place of the file lies in."""
    table: type[BaseModel] = Config
    for part in place:
        found = next((f for name, f in table.model_fields.items() if part in (name, f.alias)), None)
        if found is not None:  # else it is a number within a list
            table = next(one for one in _types(found.annotation) if issubclass(one, BaseModel))
    return table


def _types(annotation: object) -> Iterator[type]:
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    for inner in get_args(annotation):
        yield from _types(inner)
