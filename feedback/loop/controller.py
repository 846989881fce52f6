"""The difficulty controller of one stream: a policy, what it was told, and what it has said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from feedback.difficulty.policies import DEFAULT_POLICY, make_policy
from feedback.difficulty.trial import Decision, Trial

HOLD_AFTER_S = 30.0
"""Without a trial for so long a controller says that it holds."""

FRESH_S = 2.0
LEAST_QUALITY = 0.5
"""Focus is used where it is not older, and at least this share of channel-time was usable."""

_log = structlog.get_logger("focusloop.controller")


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """What a controller is asked to do: `[participant.controller]`, or the body of `PUT …/controller`.

    Parameters
    ----------
    policy
        Name of a policy.
    target
        Share of correct answers; None for .80.
    limits
        `d_min`, `d_max`, logits.
    params
        As `feedback.difficulty.policies` takes them.
    """

    policy: str = DEFAULT_POLICY
    target: float | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, float | bool] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """Give them as JSON."""
        return {
            "policy": self.policy,
            "target": self.target,
            "limits": dict(self.limits),
            "params": dict(self.params),
        }


@dataclass(frozen=True, slots=True)
class TrialKey:
    """What makes a trial the same trial when it comes again."""

    run: str
    trial: int


class Controller:
    """Sets the difficulty of one stream. All methods run on the event loop but `hear`, which any thread may call.

    Parameters
    ----------
    stream
        The participant's id.
    settings
        Policy, target, limits.

    Raises
    ------
    ConfigError
        If the settings cannot be.
    """

    def __init__(self, stream: str, settings: ControllerSettings) -> None:
        self.stream = stream
        self.settings = settings
        self._policy, self._task = make_policy(settings.policy, settings.target, settings.limits, settings.params)
        self._focus: tuple[float, float] | None = None
        self._last_trial_s: float | None = None
        self.holding = False
        self.trials = 0

    @property
    def level(self) -> float:
        """The level that is set, 0..1."""
        return self._task.level(self._policy.difficulty)

    def hear(self, score: Mapping[str, Any], now_s: float) -> None:
        """Take a focus score in (fields of a `focus` message), valid or not."""
        value, quality = score["value"], score["quality"]
        if not score["valid"] or value is None or (quality is not None and quality < LEAST_QUALITY):
            self._focus = None
        else:
            self._focus = (float(value), now_s)

    def count(self, key: TrialKey, *, correct: bool, rt_s: float | None, level: float | None, now_s: float) -> Decision:
        """Take a trial in that was not counted before; gives the next difficulty.

        Parameters
        ----------
        key
            Run and number.
        correct, rt_s, level
            The answer; its reaction time, seconds; the level that it was done at, None for the one set.
        now_s
            LSL clock.
        """
        heard = self._focus
        focus = heard[0] if heard is not None and now_s - heard[1] <= FRESH_S else None
        done_at = None if level is None else self._task.difficulty(level)
        decision = self._policy.decide(Trial(correct, rt_s, done_at), focus)
        self._last_trial_s, self.holding = now_s, False
        self.trials += 1
        _log.info(
            "difficulty",
            stream=self.stream,
            run=key.run,
            trial=key.trial,
            next_level=round(decision.level, 4),
            previous=round(decision.previous, 4),
            reason=decision.reason,
        )
        return decision

    def silence(self, now_s: float) -> str | None:
        """Say in a sentence, once, that trials have stopped; None otherwise."""
        if self._last_trial_s is None:
            self._last_trial_s = now_s  # counts from the first look, a second after it was opened
        last_s = self._last_trial_s
        if self.holding or now_s - last_s < HOLD_AFTER_S:
            return None
        self.holding = True
        reason = f"No trial for {now_s - last_s:.0f} s: holding the level at {self.level:.2f}."
        _log.info("difficulty held", stream=self.stream, next_level=round(self.level, 4), reason=reason)
        return reason

    def change(self, settings: ControllerSettings) -> str:
        """Take other settings over while running; what was learned stays where the policy can go on from it.

        Raises
        ------
        ConfigError
            If the settings cannot be; nothing has changed then.
        """
        changed = Controller(self.stream, settings)
        level = self.level
        kept = False
        if settings.policy == self.settings.policy and settings.policy != "fixed":
            try:
                changed._policy.restore(self._policy.state())
                kept = True
            except (KeyError, TypeError, ValueError):
                kept = False
        if not kept and "level" not in settings.params:
            at_level = {**settings.params, "level": level}
            changed._policy, _ = make_policy(settings.policy, settings.target, settings.limits, at_level)
        before, self.settings = self.settings, settings
        self._policy, self._task = changed._policy, changed._task
        reason = (
            f"Changed from {_named(before)} to {_named(settings)}; "
            f"{'what was learned is kept' if kept else 'it learns anew'}, the level is {self.level:.2f}."
        )
        _log.info("controller changed", stream=self.stream, **settings.fields(), reason=reason)
        return reason

    def fields(self, decision: Decision | None, previous: float, reason: str) -> dict[str, Any]:
        """Give the fields of a `difficulty` message."""
        return {
            "level": self.level,
            "previous": previous,
            "difficulty": self._policy.difficulty,
            "reason": reason,
            "policy": self.settings.policy,
            "target": self._task.target,
            "state": "holding" if self.holding else "running",
            "figures": dict(decision.figures) if decision is not None else {},
        }

    def view(self) -> dict[str, Any]:
        """Show settings and level."""
        return {
            **self.settings.fields(),
            "target": self._task.target,
            "level": self.level,
            "trials": self.trials,
            "state": "holding" if self.holding else "running" if self.trials else "waiting",
        }

    def state(self) -> dict[str, Any]:
        """Give everything that a restart needs."""
        return {
            "stream": self.stream,
            "settings": self.settings.fields(),
            "policy": self._policy.state(),
            "trials": self.trials,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of the same settings.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is of something else.
        """
        self._policy.restore(state["policy"])
        self.trials = int(state["trials"])


def _named(settings: ControllerSettings) -> str:
    return settings.policy if settings.target is None else f"{settings.policy} at {settings.target:.0%}"
