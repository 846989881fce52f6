"""Policies by name, from settings that were given by configuration or over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bci.errors import ConfigError
from feedback.difficulty.fixed import Fixed
from feedback.difficulty.fused import Fused
from feedback.difficulty.n_down import NDown
from feedback.difficulty.quest_plus import QuestPlus
from feedback.difficulty.task import Task
from feedback.difficulty.trial import Policy
from feedback.difficulty.weighted import WeightedUpDown

DEFAULT_POLICY = "fused"
_MAKERS: dict[str, Callable[..., Policy]] = {
    "fixed": Fixed,
    "weighted": WeightedUpDown,
    "n-down": NDown,
    "quest-plus": QuestPlus,
    "fused": Fused,
}
POLICIES = tuple(_MAKERS)
_TASK_PARAMS = ("guess_rate", "lapse_rate")
_STEP_PARAMS = ("first_step", "last_step", "max_step")
_OF_POLICY: dict[str, tuple[str, ...]] = {
    "fixed": ("level",),
    "weighted": ("level", "first_step", "last_step"),
    "n-down": ("level", "down", "first_step", "last_step"),
    "quest-plus": ("level",),
    "fused": ("level", "max_step", "use_focus"),
}


def make_policy(
    name: str = DEFAULT_POLICY,
    target: float | None = None,
    limits: Mapping[str, float] | None = None,
    params: Mapping[str, float | bool] | None = None,
) -> tuple[Policy, Task]:
    """Build a policy.

    Parameters
    ----------
    name
        One of `POLICIES`.
    target
        Share of correct answers; .80 by default.
    limits
        `d_min` and `d_max`, logits.
    params
        `guess_rate` and `lapse_rate` of the task, `level` to start from, and what the policy knows.

    Raises
    ------
    ConfigError
        For an unknown name or key (the message lists the known ones), or numbers that contradict each other.
    """
    if name not in _MAKERS:
        msg = f"policy '{name}': known are {', '.join(POLICIES)}"
        raise ConfigError(msg)
    given, bounds = dict(params or {}), dict(limits or {})
    _known("limits", bounds, ("d_min", "d_max"))
    _known(f"params of '{name}'", given, (*_TASK_PARAMS, *_OF_POLICY[name]))
    frame: dict[str, float] = {key: float(given.pop(key)) for key in _TASK_PARAMS if key in given}
    frame |= {key: float(value) for key, value in bounds.items()}
    if target is not None:
        frame["target"] = float(target)
    task = Task(**frame)
    return _MAKERS[name](task, **_checked(given)), task


def _known(what: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        msg = f"{what}: unknown '{unknown[0]}'; known are {', '.join(known)}"
        raise ConfigError(msg)


def _checked(given: Mapping[str, float | bool]) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    for key, value in given.items():
        number = float(value)
        if key == "level" and not 0.0 <= number <= 1.0:
            msg = f"level {number:g}: expected 0 to 1"
            raise ConfigError(msg)
        if key in _STEP_PARAMS and not 0.0 < number <= 4.0:
            msg = f"{key} {number:g}: expected logits above 0, at most 4"
            raise ConfigError(msg)
        checked[key] = bool(value) if key == "use_focus" else round(number) if key == "down" else number
    return checked
